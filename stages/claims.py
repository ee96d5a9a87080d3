"""Stage ``claims``: a verdict on every claim of the seed documents, from what the experiments came to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from stages import config, files
from stages.errors import stage
from stages.ledger import evidence
from stages.ledger.changes import CHANGES
from stages.ledger.claim import judge
from stages.ledger.entries import CLAIMS

LEDGER = Path("reports/claims.json")
STUDIES = Path("data/studies")


@stage
def main() -> None:
    params = config.load()
    found = evidence.read(params)
    files.keep_only(STUDIES, params.studies.names)
    entries = [judge(claim, found, params) for claim in CLAIMS]
    files.write_json(LEDGER, {"claims": entries, "changes": [change._asdict() for change in CHANGES]})
    counts = Counter(entry["verdict"] for entry in entries)
    print(f"{len(entries)} claims: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()))


if __name__ == "__main__":
    main()
