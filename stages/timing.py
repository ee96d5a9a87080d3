"""Stage ``timing``: the page about time, from what ``benchmark`` measured, into ``reports/timing/``."""

from __future__ import annotations

import json
from pathlib import Path

from stages import config
from stages.errors import UserError, stage
from stages.reporting import site, timing

FOLDER = Path("reports/timing")
RESULT = FOLDER / "benchmark.json"


@stage
def main() -> None:
    params = config.load()
    try:
        result = json.loads(RESULT.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{RESULT} is missing; `make bench` measures it anew") from None
    site.publish(timing.build(result, params.variants), FOLDER, timing.OWNED)
    for sentence in timing.summary(timing.read(result)):
        print(sentence)
    print(f"the page is {FOLDER / 'index.html'}")


if __name__ == "__main__":
    main()
