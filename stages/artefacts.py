"""What a stage hands on to others: known by its sha256, and checked by whoever reads it.

The last thing a stage writes is a list of the sha256 of its files, `data/checksums/<stage>.sha256`, as `sha256sum`
prints it. So what was damaged, edited by hand, or left half-finished by a stage that ran by itself, is not taken for a
result.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.errors import UserError
from stages.files import sha256sum, write_text

if TYPE_CHECKING:
    import pandas as pd

CHECKSUMS = Path("data/checksums")
TIMING = Path("reports/timing/benchmark.sha256")
"""Beside what it is about, because git keeps that and not `data/`, and `timing` needs it in a fresh clone."""
STAGES = {
    "data/raw": "download",
    "data/pool.npz": "prepare",
    "data/test.npz": "prepare",
    "data/splits.json": "prepare",
    "data/card.json": "prepare",
    "data/plan": "plan",
    "data/tuning": "tune",
    "data/runs": "train",
    "data/crossed": "train",
    "data/evaluation": "evaluate",
    "reports/metrics.json": "evaluate",
    "data/comparisons.parquet": "compare",
    "data/variance.parquet": "compare",
    "data/variance_crossed.parquet": "compare",
    "data/replay": "replay",
    "data/documents": "document@{}",
    "reports/claims.json": "claims",
    "reports/timing/benchmark.json": "benchmark",
    "reports": "report",
}
"""Which stage writes what; of files and folders within one another the inner decides."""


def stage_of(path: Path) -> str:
    """The stage that makes an artefact, by its name in `dvc.yaml`; a document's is named by the folder below."""
    place = next(each for each in (path, *path.parents) if each.as_posix() in STAGES)
    return STAGES[place.as_posix()].format(*path.relative_to(place).parts[:1])


def checksums(stage: str) -> Path:
    return TIMING if stage == "benchmark" else CHECKSUMS / f"{stage}.sha256"


def record(*outputs: Path) -> None:
    """Write the sha256 of all files of a stage's outputs, files and folders; it has finished."""
    found = {file for each in outputs for file in (each, *each.rglob("*")) if file.is_file()}
    lines = [f"{sha256sum(file)}  {file.as_posix()}\n" for file in sorted(found)]
    write_text(checksums(stage_of(outputs[0])), "".join(lines))


def keep_only(stages: str, keys: Collection[str]) -> None:
    """Delete the lists of those of several stages, such as `document@...`, that no longer exist."""
    for file in CHECKSUMS.glob(f"{stages}@*.sha256"):
        if file.stem.partition("@")[2] not in keys:
            file.unlink()


def recorded(stage: str) -> list[Path]:
    """The files that a stage wrote. Raises ``UserError`` if it has not finished."""
    return [Path(line.partition("  ")[2]) for line in _lines(stage)]


def checked(path: Path) -> Path:
    """The path, if the file is the one that its stage wrote.

    Raises ``UserError`` that names the file, the stage and what to do if it is not.
    """
    stage = stage_of(path)
    if not path.exists():
        raise UserError(f"{path} is missing; {_remedy(stage)}")
    if not path.is_file() or f"{sha256sum(path)}  {path.as_posix()}" not in _lines(stage):
        again = path.parent if stage == "download" else path  # a source is fetched as a whole
        raise UserError(
            f"{path} is not what the stage {stage} wrote, by {checksums(stage)}: one of the two was damaged or edited, "
            f"or the stage was interrupted; {_remedy(stage, again, checksums(stage))}"
        )
    return path


def read_json(path: Path) -> Any:
    return json.loads(checked(path).read_text(encoding="utf-8"))


def read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(checked(path))


def _lines(stage: str) -> list[str]:
    """The list of a stage, a line for each file."""
    file = checksums(stage)
    if not file.is_file():
        raise UserError(f"{file} is missing: the stage {stage} has not finished; {_remedy(stage)}")
    return file.read_text(encoding="utf-8", errors="replace").splitlines()


def _remedy(stage: str, *remove: Path) -> str:
    """What makes it again. What is damaged goes first, because DVC does not see a change that left size and time."""
    deletion = f"rm -rf {shlex.join(map(str, remove))}; " if remove else ""
    return f"`{deletion}dvc repro {stage}` makes it again"


def versions() -> dict[str, str]:
    """The versions of what computes results, which record them. Torch's builds for other devices compute the same on a
    CPU."""
    return {name: version(name).partition("+")[0] for name in ("torch", "numpy")}
