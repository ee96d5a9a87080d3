"""What a reader concludes from the results, as published, and what of it another run changes."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.errors import UserError
from stages.statistics import MEANINGFUL
from stages.verification.rule import SHARE

TABLE = "reports/tables/comparisons.csv"
CLAIMS = "reports/claims.json"
KEY = ["variant", "task", "track", "metric"]
HEADLINE = "test_accuracy"
"""The metric whose marks follow from simultaneous intervals; it alone has ranks."""
OF_HEADLINE = [
    *("simultaneous_low", "simultaneous_high", "improvement", "improvement_low", "improvement_high"),
    *("rank", "rank_low", "rank_high"),
]
COLUMNS = [
    *(*KEY, "unit", "mean", "low", "high", "difference", "difference_low", "difference_high", "verdict"),
    *OF_HEADLINE,
]
PART = ["claim", "case", "text"]
INTERVALS = {
    "mean": ("low", "high"),
    "difference": ("difference_low", "difference_high"),
    "effect": ("low", "high"),
}
"""What may move, and the interval by which a move is measured."""
COUNTED = ("diverged", "unfinished")
"""Metrics that pages mark where they are not zero."""


def published(comparisons: pd.DataFrame) -> str:
    """The content of `TABLE`, from the rows of `compare` in the units of pages."""
    table = comparisons.reindex(columns=COLUMNS)
    table.loc[table["metric"] != HEADLINE, OF_HEADLINE] = np.nan
    return table.to_csv(index=False, float_format="%.6g", lineterminator="\n")


@dataclass(frozen=True)
class Conclusions:
    """What is published of one run."""

    table: pd.DataFrame
    """The rows of `TABLE` by `KEY`."""
    verdicts: Mapping[str, str]
    """On each claim."""
    parts: pd.DataFrame
    """The parts of the claims, by `PART`: `effect, low, high, unit, verdict`, the numbers NaN where it has none."""

    @property
    def digest(self) -> str:
        """The sha256 of what may be concluded; the wording of the claims is left out."""
        tables = self.table, self.parts.droplevel("text")
        texts = [table.to_csv(float_format="%.6g", lineterminator="\n") for table in tables]
        return hashlib.sha256("\n".join([*texts, json.dumps(self.verdicts)]).encode()).hexdigest()


def read(table: str, claims: str, where: str) -> Conclusions:
    """From the contents of `TABLE` and `CLAIMS`. Raises `UserError`, which says `where` they are, if one is damaged."""
    try:
        rows = pd.read_csv(io.StringIO(table), dtype=dict.fromkeys([*KEY, "unit", "verdict"], "str"))[COLUMNS]
        numbers = [name for name in COLUMNS if name not in (*KEY, "unit", "verdict")]
        rows = rows.astype(dict.fromkeys(numbers, float)).set_index(KEY)
        entries = json.loads(claims)["claims"]
        verdicts = {str(entry["id"]): str(entry["verdict"]) for entry in entries}
        columns = [*PART, "effect", "low", "high", "unit", "verdict"]
        parts = pd.DataFrame(
            [part | {"claim": entry["id"]} for entry in entries for part in entry["parts"]], columns=columns
        )
        parts = parts.astype({"effect": float, "low": float, "high": float}).set_index(PART)
        if rows.index.has_duplicates or parts.index.has_duplicates:
            raise ValueError("a row occurs twice")
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{TABLE} or {CLAIMS} {where} is damaged: {error}; `dvc repro --force claims report` makes them"
        ) from None
    return Conclusions(rows, verdicts, parts)


@dataclass(frozen=True)
class Change:
    """A mark, an interval of ranks or a verdict that is another now."""

    kind: str
    where: str
    before: str
    after: str


@dataclass(frozen=True)
class Move:
    """The largest move of the means or differences of a metric, or of the effects of claims."""

    metric: str
    number: str
    """One of `INTERVALS`."""
    unit: str
    size: float
    """In the unit, where that is largest."""
    size_where: str
    share: float
    """Of the half-width of the published interval, where that is largest; infinite if there is no interval or it has no
    width."""
    share_where: str


@dataclass(frozen=True)
class Comparison:
    """What a run changes of what is committed."""

    compared: Mapping[str, int]
    """How many there were of each kind of change, and of numbers."""
    changes: list[Change]
    moves: list[Move]
    """Of what moved, the farthest by share first."""

    @property
    def share(self) -> float:
        return max((move.share for move in self.moves), default=0.0)

    @property
    def holds(self) -> bool:
        """Whether a reader would conclude the same, by `rule.RULE`."""
        return not self.changes and self.share <= SHARE


def compare(before: Conclusions, after: Conclusions) -> Comparison:
    """What another run changes of what is committed."""
    old, new = before.table.align(after.table, join="outer", axis=0)
    old_parts, new_parts = before.parts.align(after.parts, join="outer", axis=0)
    kinds = {
        "mark": (marks(old), marks(new)),
        "ranks": (ranks(old), ranks(new)),
        "claim": (verdicts(before, old_parts), verdicts(after, new_parts)),
    }
    changes = [
        Change(kind, where, first.get(where, "missing"), second.get(where, "missing"))
        for kind, (first, second) in kinds.items()
        for where in first | second
        if first.get(where) != second.get(where)
    ]
    moves = [
        *moves_of("mean", old, new, "metric"),
        *moves_of("difference", old, new, "metric"),
        *moves_of("effect", old_parts, new_parts, "claim"),
    ]
    numbers = old[["mean", "difference"]].notna().to_numpy().sum() + old_parts["effect"].notna().sum()
    compared = {kind: len(first | second) for kind, (first, second) in kinds.items()} | {"number": int(numbers)}
    return Comparison(compared, changes, sorted(moves, key=lambda move: (-move.share, move.metric, move.number)))


def marks(table: pd.DataFrame) -> dict[str, str]:
    """The marks of each row in words."""
    meaningful = (table["improvement_low"] > 0.5) & (table["improvement_high"] > MEANINGFUL)
    some = table.index.isin(COUNTED, level="metric") & (table["mean"] > 0)
    words = table["verdict"].where(table["verdict"].notna(), "no verdict").astype(object)
    words = words + np.where(meaningful, ", meaningfully", "") + np.where(some, ", some", "")
    return {name(key): word for key, word in words[table["unit"].notna() | table["mean"].notna()].items()}


def ranks(table: pd.DataFrame) -> dict[str, str]:
    """The interval of ranks of each row that has one."""
    rows = table[table["rank_low"].notna()]
    bounds = zip(rows.index, rows["rank_low"], rows["rank_high"], strict=True)
    return {name(key): f"{low:g} to {high:g}" for key, low, high in bounds}


def verdicts(conclusions: Conclusions, parts: pd.DataFrame) -> dict[str, str]:
    """The verdict on each claim and each of its parts."""
    of_parts = parts["verdict"].dropna()
    return dict(conclusions.verdicts) | {name(key): str(verdict) for key, verdict in of_parts.items()}


def moves_of(number: str, old: pd.DataFrame, new: pd.DataFrame, group: str) -> Iterator[Move]:
    """The largest moves of a number in rows of the same index, for each value of a level of it."""
    low, high = INTERVALS[number]
    first, second, half = (values.to_numpy(float) for values in (old[number], new[number], (old[high] - old[low]) / 2))
    size = np.abs(second - first)
    size[np.isnan(first) != np.isnan(second)] = np.inf  # there in one of the two only
    share = np.divide(size, half, out=np.full_like(size, np.inf), where=half > 0)
    units, keys = old["unit"].fillna("").tolist(), old.index.tolist()
    moved = np.flatnonzero(size > 0)
    for value, places in pd.Series(moved).groupby(old.index.get_level_values(group)[moved], sort=False):
        rows = places.to_numpy()
        largest, farthest = rows[size[rows].argmax()], rows[share[rows].argmax()]
        yield Move(
            metric=str(value),
            number=number,
            unit=units[largest],
            size=float(size[largest]),
            size_where=name(keys[largest]),
            share=float(share[farthest]),
            share_where=name(keys[farthest]),
        )


def name(key: object) -> str:
    """A row by the parts of its index."""
    assert isinstance(key, tuple)
    return " · ".join(map(str, key))
