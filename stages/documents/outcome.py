"""What every experiment passes to its pages and to the claims, and how it is stored in `data/documents/<name>/`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stages import ARITHMETIC, artefacts, files


@dataclass(frozen=True)
class DataNote:
    """What an experiment was run on."""

    title: str
    """Names it wherever a result of it is shown, such as "MNIST" or "100 generated points"."""
    published: bool
    """Whether it is the document's own data, so that its printed numbers must be reproduced."""
    description: str
    """A sentence: where it is from, how many rows."""


@dataclass(frozen=True)
class Printed:
    """A number that a document prints, and ours."""

    what: str
    printed: str
    """The printed number, with as many digits as the document gives."""
    ours: float
    comparable: bool = True
    """False where the printed number is from other data, or other random draws, than ours."""
    note: str = ""

    @property
    def text(self) -> str:
        """Our number with the digits of the printed one."""
        mantissa, exponent, _ = self.printed.lower().partition("e")
        decimals = len(mantissa.partition(".")[2])
        return f"{self.ours:.{decimals}{'e' if exponent else 'f'}}"

    @property
    def same(self) -> bool | None:
        """Whether ours has the printed digits; None where they cannot be compared."""
        return float(self.text) == float(self.printed) if self.comparable else None


@dataclass(frozen=True)
class Identity:
    """Two computations that must give the same, or must not."""

    text: str
    """What is compared, in a sentence."""
    deviation: float
    """The largest difference relative to the largest magnitude of what is compared."""


def deviation(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """As `Identity` has it, of two arrays, or tensors on the CPU, of one shape. NaN where one has it."""
    one, other = np.asarray(one), np.asarray(other)
    return float(np.abs(one - other).max() / np.maximum(np.abs(one).max(), np.abs(other).max()))


@dataclass(frozen=True)
class ExperimentOutcome:
    """The result of a document's experiment."""

    data: DataNote
    parameters: Mapping[str, Any]
    outcomes: pd.DataFrame
    """`case, seed, metric, value`: the outcome of each seed, tidy; seeds are paired between the cases."""
    identities: Mapping[str, Identity] = field(default_factory=dict)
    printed: Sequence[Printed] = field(default_factory=tuple)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Further tables, by name, for the figures."""
    device: str = "cpu"

    @property
    def reproduced(self) -> str:
        """How many printed numbers were reproduced, in words."""
        compared = [number.same for number in self.printed if number.comparable]
        return f"{sum(map(bool, compared))} of {len(compared)} comparable printed numbers match to the digit"


def write(outcome: ExperimentOutcome, folder: Path) -> None:
    """Write `outcomes.parquet`, a parquet file for each further table and, last, `record.json`."""
    files.write_parquet(folder / "outcomes.parquet", outcome.outcomes)
    for name, table in outcome.tables.items():
        files.write_parquet(folder / f"{name}.parquet", table)
    record = {
        "data": asdict(outcome.data),
        "parameters": outcome.parameters,
        "device": outcome.device,
        "arithmetic": ARITHMETIC,
        "versions": artefacts.versions(),
        "identities": {
            name: asdict(identity) | {"deviation": _finite(identity.deviation)}
            for name, identity in outcome.identities.items()
        },
        "printed": [
            asdict(number) | {"ours": _finite(number.ours), "text": number.text, "same": number.same}
            for number in outcome.printed
        ],
    }
    files.write_json(folder / "record.json", record)
    artefacts.record(folder)


def _finite(value: float) -> float | None:
    """JSON has no numbers that are not finite: diverged values become null."""
    return value if math.isfinite(value) else None
