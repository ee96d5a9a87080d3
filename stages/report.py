"""Stage ``report``: the site in ``reports/``, from the results of all variants."""

from __future__ import annotations

from pathlib import Path

from stages import config
from stages.errors import stage

REPORTS = Path("reports")


@stage
def main() -> None:
    # Imported here because the processes that draw the charts import this module too, and need none of this.
    from stages.reporting import claims, pages, results, site
    from stages.reporting.seeds import pages as seeds

    params = config.load()
    found = results.read(params)
    studied = seeds.read(params.studies.names, results.DATA)
    ledger = claims.read(REPORTS / "claims.json")
    site.publish(pages.build(found, studied, ledger), REPORTS, pages.OWNED)
    print(f"the report on {len(params.variants)} variants is {REPORTS / 'index.html'}")


if __name__ == "__main__":
    main()
