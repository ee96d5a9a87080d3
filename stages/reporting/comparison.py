"""What `compare` found, in the units of the pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from stages.config import TRACKS
from stages.metrics import METRICS, Metric
from stages.statistics import Interval

SCALED = [
    *("mean", "low", "high"),
    *("difference", "difference_low", "difference_high", "simultaneous_low", "simultaneous_high", "smallest"),
]


@dataclass(frozen=True)
class Estimate:
    """A metric of one variant on one task and track, in the unit of its pages."""

    metric: Metric
    value: Interval
    """n counts the seeds for which the metric is defined."""
    difference: Interval | None
    """From the reference of the track, seed by seed; None where there is nothing to compare."""
    simultaneous: Interval | None
    """The same difference with an interval that holds for all variants of the task and track at once."""
    improvement: Interval | None
    """The probability, from 0 to 1, that it beats the reference on a seed."""
    rank: Interval | None
    """Among the variants of the task and track, 1 being the best; only of the test accuracy."""
    verdict: str
    """One of `metrics.VERDICTS`, or empty where there is nothing to compare. That on the test accuracy follows from the
    simultaneous interval, that on any other metric from the interval of its own."""
    replicas: int
    """The number of replicas of the variant on the task and track."""
    diverged: int
    """How many of them diverged."""
    unfinished: int
    """How many of them were still learning when their epochs were used up."""


@dataclass(frozen=True)
class Comparison:
    """The content of `data/comparisons.parquet` on some variants and tasks, in their order.

    Estimates are found by variant, task, metric and track. Not every variant need be trained on every task and track.
    """

    table: pd.DataFrame
    variants: tuple[str, ...]
    tasks: tuple[str, ...]

    def __getitem__(self, key: tuple[str, str, str, str]) -> Estimate:
        return self._estimates[key]

    def get(self, variant: str, task: str, metric: str, track: str) -> Estimate | None:
        """None where the variant is not trained so."""
        return self._estimates.get((variant, task, metric, track))

    def frame(self, metrics: Iterable[str]) -> pd.DataFrame:
        """The rows of some metrics, in the unit of the pages."""
        return self._scaled[self._scaled["metric"].isin(list(metrics))]

    @cached_property
    def _scaled(self) -> pd.DataFrame:
        own = self.table.assign(
            variant=pd.Categorical(self.table["variant"], list(self.variants)),
            task=pd.Categorical(self.table["task"], list(self.tasks)),
            track=pd.Categorical(self.table["track"], list(TRACKS)),
        )
        keys = ["variant", "task", "track"]
        own = own.dropna(subset=keys).sort_values(keys, kind="stable", ignore_index=True)
        table = own.astype(dict.fromkeys(keys, str))
        metrics = table["metric"].map(METRICS)
        table[SCALED] = table[SCALED].mul(metrics.map(lambda metric: metric.scale), axis=0)
        table.insert(list(table.columns).index("metric") + 1, "unit", metrics.map(lambda metric: metric.unit))
        return table

    @cached_property
    def _estimates(self) -> dict[tuple[str, str, str, str], Estimate]:
        rows: list[dict[Any, Any]] = self._scaled.to_dict("records")
        return {(row["variant"], row["task"], row["metric"], row["track"]): _estimate(row) for row in rows}


def _estimate(row: dict[Any, Any]) -> Estimate:
    pairs = row["pairs"]

    def interval(mean: str, bounds: str, n: int) -> Interval | None:
        found = Interval(row[mean], row[f"{bounds}low"], row[f"{bounds}high"], n)
        return None if pd.isna(found.mean) else found

    return Estimate(
        metric=METRICS[row["metric"]],
        value=Interval(row["mean"], row["low"], row["high"], row["n"]),
        difference=interval("difference", "difference_", pairs) if pairs else None,
        simultaneous=interval("difference", "simultaneous_", pairs) if pairs else None,
        improvement=interval("improvement", "improvement_", pairs) if pairs else None,
        rank=interval("rank", "rank_", row["n"]),
        verdict=row["verdict"] if pairs else "",
        replicas=row["replicas"],
        diverged=row["diverged"],
        unfinished=row["unfinished"],
    )
