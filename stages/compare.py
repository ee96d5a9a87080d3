"""Stage ``compare``: every interval and verdict of the benchmark, into ``data/comparisons.parquet``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages import config, files
from stages.config import BASELINE, Claims
from stages.errors import stage
from stages.metrics import METRICS
from stages.statistics import UNDEFINED, mean_interval, paired_interval

RUNS = Path("data/evaluation/runs.parquet")
COMPARISONS = Path("data/comparisons.parquet")


@stage
def main() -> None:
    params = config.load()
    table = compare(pd.read_parquet(RUNS), params.claims, params.evaluation.confidence)
    files.write_parquet(COMPARISONS, table)
    print(f"{COMPARISONS}: {table['verdict'].notna().sum():,} differences from {BASELINE}")


def compare(runs: pd.DataFrame, claims: Claims, confidence: float) -> pd.DataFrame:
    """A row for each variant, task and metric, from one row per variant, task and seed with every metric.

    The columns are, in the metric's own scale: `n, mean, low, high` over the seeds for which the metric is defined and
    finite; `pairs, difference, difference_low, difference_high` from the reference, over the seeds for which it is for
    both; `smallest`, the smallest difference that matters; `verdict`, one of `metrics.VERDICTS`, missing where there
    is nothing to compare; and `replicas, diverged, unfinished`, which count the variant's own. Diverged replicas are
    compared like any other. One unfinished replica, of the variant or of the reference, makes the verdict `unfinished`.
    """
    groups: dict[tuple[str, str], pd.DataFrame] = {
        (str(variant), str(task)): group.set_index("seed")
        for (variant, task), group in runs.groupby(["variant", "task"], sort=False)
    }
    rows: list[dict[str, Any]] = []
    for (variant, task), own in groups.items():
        reference = groups[BASELINE, task].reindex(own.index)
        unfinished = bool(own["unfinished"].any() or groups[BASELINE, task]["unfinished"].any())
        for key, metric in METRICS.items():
            values, others = (frame[key].to_numpy(float, na_value=np.nan) for frame in (own, reference))
            defined = np.isfinite(values)
            paired = defined & np.isfinite(others)
            compared = variant != BASELINE and bool(paired.any())
            interval = mean_interval(values[defined], confidence) if defined.any() else UNDEFINED
            difference = paired_interval(values[paired], others[paired], confidence) if compared else UNDEFINED
            smallest = metric.smallest(claims, float(others[paired].mean())) if compared else np.nan
            rows.append(
                {
                    "variant": variant,
                    "task": task,
                    "metric": key,
                    "n": interval.n,
                    "mean": interval.mean,
                    "low": interval.low,
                    "high": interval.high,
                    "pairs": difference.n,
                    "difference": difference.mean,
                    "difference_low": difference.low,
                    "difference_high": difference.high,
                    "smallest": smallest,
                    "verdict": metric.verdict(difference, smallest, unfinished) if compared else None,
                    "replicas": len(own),
                    "diverged": int(own["diverged"].sum()),
                    "unfinished": int(own["unfinished"].sum()),
                }
            )
    return pd.DataFrame(rows).astype({"verdict": "str"})


if __name__ == "__main__":
    main()
