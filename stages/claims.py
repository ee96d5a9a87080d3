"""Stage ``claims``: a verdict on every claim of the seed documents, from what the experiments came to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd

from stages import config, files
from stages.errors import stage
from stages.ledger import evidence
from stages.ledger.claim import judge
from stages.ledger.entries import CLAIMS

LEDGER = Path("reports/claims.json")
VALUES = Path("data/claims.parquet")


@stage
def main() -> None:
    params = config.load()
    found = evidence.read(params)
    entries, values = zip(*(judge(claim, found, params) for claim in CLAIMS), strict=True)
    files.write_parquet(VALUES, pd.concat(values, ignore_index=True))
    files.write_json(LEDGER, entries)
    counts = Counter(entry["verdict"] for entry in entries)
    print(f"{len(entries)} claims: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()))


if __name__ == "__main__":
    main()
