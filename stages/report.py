"""Stage ``report``: the site in ``reports/``, from the results of all variants and documents."""

from __future__ import annotations

from pathlib import Path

from stages import config
from stages.artefacts import record
from stages.errors import stage

REPORTS = Path("reports")
OWNED = (
    "index.html",
    "data.html",
    "methods.html",
    "claims.html",
    "recommendation.html",
    "tuning.html",
    "grid.html",
    "README.md",
    ".nojekyll",
    "assets",
    "documents",
    "figures",
    "tables",
    "variants",
)
"""What this stage writes in `reports/`, and nothing else does."""


@stage
def main() -> None:
    # Imported here because the processes that draw the charts import this module too, and need none of this.
    from stages import documents
    from stages.documents import claims_page
    from stages.documents import pages as document_pages
    from stages.metrics import METRICS
    from stages.reporting import grid, pages, recommendation, results, site, tuning, variants
    from stages.reporting.comparison import Comparison
    from stages.reporting.figures import Drawing
    from stages.verification import conclusions, records

    params = config.load()
    names = documents.settings(params).keys()
    found = results.read(params)
    ledger = claims_page.read(REPORTS / "claims.json")
    comparison = Comparison(found.comparisons, tuple(params.variants), tuple(params.tasks))
    judged = claims_page.figures(ledger.claims)
    whole = Comparison(found.comparisons, tuple(params.variants), tuple(params.all_tasks))
    table = conclusions.published(whole.frame(METRICS))
    claims = (REPORTS / "claims.json").read_text(encoding="utf-8")
    verified = records.of_results(records.read(), conclusions.read(table, claims, "here").digest)
    with Drawing() as drawing:
        drawing.add(judged)
        content = {
            **pages.build(found, comparison, claims_page.counts(ledger.claims), verified, drawing),
            "tables/comparisons.csv": table,
            **variants.build(found, comparison, drawing),
            **recommendation.build(found, comparison, drawing),
            **tuning.build(found, comparison, drawing),
            **grid.build(found, comparison, drawing),
            **claims_page.build(ledger, judged, pages.shared_context(found)),
            **document_pages.build(names, claims_page.by_document(ledger.claims), drawing),
            **site.assets(),
            **drawing.files(),
        }
    site.publish(content, REPORTS, OWNED)
    record(*(REPORTS / name for name in OWNED))
    print(f"the report on {len(params.variants)} variants is {REPORTS / 'index.html'}")


if __name__ == "__main__":
    main()
