"""The records of machines on which published results were found again: `reports/verified/*.json`, one per machine.

A record vouches for the conclusions with its hash; those of earlier results stay, and count no more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stages import files
from stages.errors import UserError

FOLDER = Path("reports/verified")
Outcome = Literal["identical", "same conclusions"]


class Machine(BaseModel):
    """What a machine is, as far as results may depend on it; nothing names a person, a computer or a path."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    processor: str
    architecture: str
    system: str
    instructions: list[str]
    """Those it has by which libraries choose their kernels."""
    arithmetic: str
    kernels: str
    """For which instructions torch's own operations are chosen."""
    versions: dict[str, str]
    """Of Python and of the libraries."""


class Record(BaseModel):
    """One machine, and what it found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    results: str = Field(pattern="^[0-9a-f]{64}$")
    """The hash of the conclusions compared with."""
    commit: str = Field(pattern="^[0-9a-f]{40,64}$")
    """The commit that has them."""
    date: date
    outcome: Outcome
    share: float = Field(ge=0, allow_inf_nan=False)
    """The largest move of a number, as a share of the half-width of its interval."""
    stages: list[str]
    """Those that came out otherwise."""
    device: str
    """What the networks were trained on."""
    author: bool
    """Whether it is the first record of these results: that of the machine that made them."""
    machine: Machine
    selftest: dict[str, str]
    """A hash for each class of operations."""


def read(folder: Path = FOLDER) -> dict[str, Record]:
    """The records by the names of their files. Raises `UserError` if one is not as it should be."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            found[path.stem] = Record.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise UserError(
                f"{path} is no record of a verification: {where + ': ' if where else ''}{first['msg']}; restore it, or "
                "delete it and run `make verify RECORD=1` on its machine"
            ) from None
    return found


def of_results(records: dict[str, Record], digest: str) -> list[Record]:
    """Those of these results, the author's first, then by processor."""
    own = [record for record in records.values() if record.results == digest]
    return sorted(own, key=lambda record: (not record.author, record.machine.processor, record.machine.arithmetic))


def author(records: Sequence[Record]) -> Record | None:
    """The record of the machine that made the results, if there is one."""
    return next((record for record in records if record.author), None)


def name(machine: Machine, device: str) -> str:
    """What the record of a machine is called: one takes the place of an earlier one of the same."""
    words = f"{machine.processor} {machine.arithmetic} {device}".lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")


def write(record: Record, folder: Path = FOLDER) -> Path:
    """Write the record of a machine; where it is."""
    path = folder / f"{name(record.machine, record.device)}.json"
    files.write_json(path, record.model_dump(mode="json"))
    return path
