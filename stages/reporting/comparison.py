"""What `compare` found, in the units of the pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from stages.metrics import METRICS, Metric
from stages.statistics import Interval

SCALED = ["mean", "low", "high", "difference", "difference_low", "difference_high", "smallest"]


@dataclass(frozen=True)
class Estimate:
    """A metric of one variant on one task, in the unit of its pages."""

    metric: Metric
    value: Interval
    """n counts the seeds for which the metric is defined."""
    difference: Interval | None
    """From the reference, seed by seed; None where there is nothing to compare."""
    verdict: str
    """One of `metrics.VERDICTS`, or empty where there is nothing to compare."""
    replicas: int
    """The number of replicas of the variant on the task."""
    diverged: int
    """How many of them diverged."""
    unfinished: int
    """How many of them were still learning when their epochs were used up."""


@dataclass(frozen=True)
class Comparison:
    """The content of `data/comparisons.parquet` on some variants and tasks, in their order."""

    table: pd.DataFrame
    variants: tuple[str, ...]
    tasks: tuple[str, ...]

    def __getitem__(self, key: tuple[str, str, str]) -> Estimate:
        return self._estimates[key]

    def frame(self, metrics: Iterable[str]) -> pd.DataFrame:
        """The rows of some metrics, in the unit of the pages."""
        return self._scaled[self._scaled["metric"].isin(list(metrics))]

    @cached_property
    def _scaled(self) -> pd.DataFrame:
        own = self.table.assign(
            variant=pd.Categorical(self.table["variant"], list(self.variants)),
            task=pd.Categorical(self.table["task"], list(self.tasks)),
        )
        own = own.dropna(subset=["variant", "task"]).sort_values(["variant", "task"], kind="stable", ignore_index=True)
        table = own.astype({"variant": str, "task": str})
        metrics = table["metric"].map(METRICS)
        table[SCALED] = table[SCALED].mul(metrics.map(lambda metric: metric.scale), axis=0)
        table.insert(3, "unit", metrics.map(lambda metric: metric.unit))
        return table

    @cached_property
    def _estimates(self) -> dict[tuple[str, str, str], Estimate]:
        rows: list[dict[Any, Any]] = self._scaled.to_dict("records")
        return {(row["variant"], row["task"], row["metric"]): _estimate(row) for row in rows}


def _estimate(row: dict[Any, Any]) -> Estimate:
    compared = Interval(row["difference"], row["difference_low"], row["difference_high"], row["pairs"])
    return Estimate(
        METRICS[row["metric"]],
        Interval(row["mean"], row["low"], row["high"], row["n"]),
        compared if row["pairs"] else None,
        row["verdict"] if row["pairs"] else "",
        row["replicas"],
        row["diverged"],
        row["unfinished"],
    )
