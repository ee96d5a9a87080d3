"""Every metric of every variant, alone and against the reference, with intervals over the seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.config import BASELINE, Params
from stages.metrics import METRICS, Metric, Verdict
from stages.statistics import Interval, mean_interval, paired_interval

UNDEFINED = Interval(np.nan, np.nan, np.nan, 0)


@dataclass(frozen=True)
class Estimate:
    """A metric of one variant on one task, in the unit of its pages."""

    metric: Metric
    value: Interval
    """n counts the seeds for which the metric is defined."""
    difference: Interval | None
    """To the reference, seed by seed; None for the reference itself and where no pair is defined."""
    smallest: float
    """From where on a difference matters."""
    unfinished: bool
    """Whether any replica of the variant or of the reference was still learning when its epochs were used up."""

    @property
    def verdict(self) -> Verdict | None:
        """What the interval of the difference says; None where there is nothing to compare."""
        if self.difference is None:
            return None
        return self.metric.verdict(self.difference, self.smallest, self.unfinished)


@dataclass(frozen=True)
class Comparison:
    """Estimates by variant, task and metric; by variant and task how many replicas there are, how many of
    them diverged, and how many were still learning when their epochs were used up."""

    estimates: Mapping[tuple[str, str, str], Estimate]
    replicas: Mapping[tuple[str, str], int]
    diverged: Mapping[tuple[str, str], int]
    unfinished: Mapping[tuple[str, str], int]
    variants: tuple[str, ...]

    def __getitem__(self, key: tuple[str, str, str]) -> Estimate:
        return self.estimates[key]

    def frame(self, metrics: Iterable[str]) -> pd.DataFrame:
        """The estimates as a tidy table, in the unit of the pages."""
        rows = []
        for (variant, task, key), estimate in self.estimates.items():
            if key in set(metrics):
                difference = estimate.difference or UNDEFINED
                rows.append(
                    {
                        "variant": variant,
                        "task": task,
                        "metric": key,
                        "unit": estimate.metric.unit,
                        "n": estimate.value.n,
                        "mean": estimate.value.mean,
                        "low": estimate.value.low,
                        "high": estimate.value.high,
                        "difference": difference.mean,
                        "difference_low": difference.low,
                        "difference_high": difference.high,
                        "pairs": difference.n,
                        "smallest": estimate.smallest,
                        "verdict": estimate.verdict,
                    }
                )
        return pd.DataFrame(rows)


def compare(replicas: pd.DataFrame, params: Params) -> Comparison:
    """Estimate every metric of the variants from the replicas (one row per variant, task, seed).

    Diverged replicas count like any other. Seeds for which a metric is not defined, or not finite, are left out of its
    estimate, and of the pairs.
    """
    variants, confidence = tuple(params.variants), params.evaluation.confidence
    groups: dict[tuple[str, str], pd.DataFrame] = {
        (str(variant), str(task)): group.set_index("seed")
        for (variant, task), group in replicas.groupby(["variant", "task"])
        if variant in params.variants
    }
    estimates, counts = {}, {}
    diverged, unfinished = (
        {key: int(group[kind].sum()) for key, group in groups.items()} for kind in ("diverged", "unfinished")
    )
    for variant in variants:
        for task in params.tasks:
            own = groups[variant, task]
            reference = groups[BASELINE, task].reindex(own.index)
            counts[variant, task] = len(own)
            for metric in METRICS.values():
                values, others = (
                    metric.scale * frame[metric.key].to_numpy(float, na_value=np.nan) for frame in (own, reference)
                )
                defined = np.isfinite(values)
                paired = defined & np.isfinite(others)
                compared = variant != BASELINE and paired.any()
                estimates[variant, task, metric.key] = Estimate(
                    metric,
                    mean_interval(values[defined], confidence) if defined.any() else UNDEFINED,
                    paired_interval(values[paired], others[paired], confidence) if compared else None,
                    metric.scale * metric.smallest(params.claims, float(others[paired].mean()) / metric.scale)
                    if compared
                    else np.nan,
                    unfinished[variant, task] + unfinished[BASELINE, task] > 0,
                )
    return Comparison(estimates, counts, diverged, unfinished, variants)
