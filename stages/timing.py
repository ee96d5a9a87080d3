"""Stage ``timing``: the page about time, from what ``benchmark`` measured, into ``reports/timing/``."""

from __future__ import annotations

from pathlib import Path

from stages import config
from stages.artefacts import read_json
from stages.errors import stage
from stages.reporting import site, timing

FOLDER = Path("reports/timing")
RESULT = FOLDER / "benchmark.json"


@stage
def main() -> None:
    params = config.load()
    result = read_json(RESULT)
    site.publish(timing.build(result, params.variants), FOLDER, timing.OWNED)
    for sentence in timing.summary(timing.read(result)):
        print(sentence)
    print(f"the page is {FOLDER / 'index.html'}")


if __name__ == "__main__":
    main()
