"""Stage ``claims``: a verdict on every claim of the documents, from the outcomes of the experiments."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from stages import config, documents, files
from stages.artefacts import keep_only, record
from stages.documents import evidence, rules
from stages.documents.changes import CHANGES
from stages.documents.claim import judge
from stages.documents.claims import CLAIMS
from stages.errors import stage

FILE = Path("reports/claims.json")


@stage
def main() -> None:
    params = config.load()
    names = documents.settings(params).keys()
    found = evidence.read(params, names)
    files.keep_only(documents.FOLDER, names)
    keep_only("document", names)
    entries = [judge(claim, found, params) for claim in CLAIMS]
    frozen = {"date": rules.FROZEN, "rules": [rule._asdict() for rule in rules.RULES], "tracks": rules.TRACKS}
    files.write_json(FILE, {"claims": entries, "rules": frozen, "changes": [change._asdict() for change in CHANGES]})
    record(FILE)
    counts = Counter(entry["verdict"] for entry in entries)
    print(f"{len(entries)} claims: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()))


if __name__ == "__main__":
    main()
