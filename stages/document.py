"""Stage ``document``: a document's experiment, reproduced and then done fairly, into ``data/documents/<name>/``."""

from __future__ import annotations

import sys
from pathlib import Path

from stages import config, documents, files
from stages.documents import outcome
from stages.documents.base import ExperimentContext
from stages.errors import UserError, stage
from stages.training.device import find_device
from stages.training.kept import forget

KEPT = Path(".cache/documents")
"""Finished parts. DVC, which deletes a stage's outputs before it runs, does not know about it."""


@stage
def main() -> None:
    params = config.load()
    settings = documents.settings(params)
    if len(sys.argv) != 2 or sys.argv[1] not in settings:
        raise UserError(f"usage: python -m stages.document NAME; params.yaml names {', '.join(settings)}")
    name = sys.argv[1]
    find_device("cpu")  # one thread per operation, and deterministic
    parts = KEPT / name
    with files.alone(KEPT / f"{name}.lock", f"{name}: another process is running it"):
        run = documents.module(name, documents.DOCUMENTS[name].experiment).run
        result = run(settings[name], ExperimentContext(params.training.device, parts))
        outcome.write(result, documents.FOLDER / name)
    forget(parts)
    print(f"{name}: {result.data.title}; {result.reproduced}")


if __name__ == "__main__":
    main()
