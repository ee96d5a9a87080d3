"""Stage ``compare``: every interval and verdict of the benchmark, into ``data/comparisons.parquet``, and where the
variance between trainings comes from, into ``data/variance.parquet`` and ``data/variance_crossed.parquet``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages import config, files
from stages.artefacts import checked, read_parquet, record
from stages.config import BASELINE, DEFAULT, TUNED, TUNED_CLEAN, Claims
from stages.errors import stage
from stages.metrics import METRICS, Metric
from stages.statistics import (
    as_independent,
    crossed_components,
    design_effect,
    image_variance,
    improvement_interval,
    mean_interval,
    ranks,
    search_correlation,
    shares_interval,
    simultaneous_intervals,
    too_skewed,
    variance_components,
)

RUNS = Path("data/evaluation/runs.parquet")
PREDICTIONS = Path("data/evaluation/predictions.npz")
COMPARISONS = Path("data/comparisons.parquet")
CROSSED = Path("data/evaluation/crossed.npz")
VARIANCE = Path("data/variance.parquet")
VARIANCE_CROSSED = Path("data/variance_crossed.parquet")
REFERENCES = {DEFAULT: TUNED, TUNED: TUNED, TUNED_CLEAN: TUNED_CLEAN}
"""For each track, that of the reference: variants as written have to beat a tuned ``none``, too."""
HEADLINE = "test_accuracy"
"""The metric whose verdicts hold simultaneously for all variants, and by which they are ranked."""
GRID_METRICS = (HEADLINE, "test_loss", "train_accuracy", "accuracy_on_wrong_given", "unfinished")
"""What is compared on the tasks of the grid."""
COUNTS = ["replicas", "diverged", "unfinished"]
FACTORS = ("split", "draws", "images")
"""What the crossed design crosses."""


@stage
def main() -> None:
    params = config.load()
    runs, first, searches = read_parquet(RUNS), params.splits.first, params.tune.searches
    against = {name: variant.against for name, variant in params.variants.items()}
    confidence, needless = params.evaluation.confidence, params.needless
    table = compare(runs, params.claims, confidence, first, searches, against, params.grid, needless)
    files.write_parquet(COMPARISONS, table)
    with np.load(checked(PREDICTIONS)) as predictions:
        correct = predictions["predicted"] == predictions["labels"]
    files.write_parquet(VARIANCE, variance(runs, correct, first, searches, against))
    with np.load(checked(CROSSED)) as predictions:
        names, correct = predictions["variants"].tolist(), predictions["predicted"] == predictions["labels"]
    files.write_parquet(VARIANCE_CROSSED, crossed_variance(names, correct, against))
    record(COMPARISONS, VARIANCE, VARIANCE_CROSSED)
    print(f"{COMPARISONS}: {table['verdict'].notna().sum():,} differences from {BASELINE}")


def compare(
    runs: pd.DataFrame,
    claims: Claims,
    confidence: float,
    first: int,
    searches: int,
    against: Mapping[str, str],
    grid: Collection[str] = (),
    needless: Collection[tuple[str, str]] = (),
) -> pd.DataFrame:
    """A row for each variant, track, task and metric, from one row per variant, track, task, seed and repeat.

    Seed ``first + i`` was trained with the settings of search ``i % searches``. Repeats of a seed are averaged first.
    Tasks of the ``grid`` get a few metrics; where the methods of a variant are ``needless``, it is not compared. The
    columns are, in the metric's own scale:

    - `n, mean, low, high` over the seeds for which the metric is defined and finite; that of k of n for shares of which
      each is 0 or 1;
    - `pairs, difference, difference_low, difference_high` from the reference, over the seeds for which it is defined
      for both. The luck of the searches is in the interval: the variance is `design_effect` times that of as many
      independent seeds; `skewed`, whether the differences are so skewed that the interval covers too rarely;
    - `simultaneous_low, simultaneous_high`, which hold at once for all variants of the task and track, whatever their
      references: signs are flipped by whole seeds, and that keeps what any two differences have in common, those from
      `none` and those of a cocktail from the cocktail without a method, too; missing where a pair is;
    - `improvement, improvement_low, improvement_high`, the probability that it beats the reference on a seed, where one
      direction of the metric is an improvement;
    - `smallest`, the smallest difference that matters; `verdict`, one of `metrics.VERDICTS`, by the simultaneous
      interval for test accuracy and by the pointwise one for other metrics, missing where there is nothing to compare;
    - `rank, rank_low, rank_high` among the variants of the task and track, for test accuracy;
    - `replicas, diverged, unfinished`, which count the variant's own, repeats included.

    The reference of a variant is the one that it is compared `against`, tuned. Diverged replicas are compared like any
    other. One unfinished replica, of the variant or of the reference, makes a verdict `unfinished` where neither
    direction is an improvement: how much a network has memorized is not known before its training ends. What is an
    improvement is judged at the epochs that all had, and pages mark it by `unfinished`.
    """
    rows: list[dict[str, Any]] = []
    for (task, track), runs_of_family in runs.groupby(["task", "track"], sort=False):
        origin = REFERENCES[str(track)]
        references = runs[(runs["task"] == task) & (runs["track"] == origin)]
        learning = set(references.loc[references["unfinished"], "variant"])
        counts = runs_of_family.assign(replicas=1).groupby("variant", sort=False)[COUNTS].sum().astype(int)
        seeds = np.sort(runs_of_family["seed"].unique())
        family = Family(
            searches=(seeds - first) % searches,
            compared=np.array(
                [
                    (variant != against[variant] or track != origin) and (variant, task) not in needless
                    for variant in counts.index
                ]
            ),
            unfinished=counts["unfinished"].to_numpy(bool)
            | np.array([against[variant] in learning for variant in counts.index]),
        )
        for key in GRID_METRICS if task in grid else METRICS:
            own = by_seed(runs_of_family, key).reindex(counts.index, columns=seeds).to_numpy()
            others = by_seed(references, key).reindex(counts.index.map(against), columns=seeds).to_numpy()
            found = family.comparisons(METRICS[key], own, others, claims, confidence)
            for (variant, count), row in zip(counts.to_dict("index").items(), found, strict=True):
                rows.append({"variant": variant, "task": task, "track": track, "metric": key} | row | count)
    return pd.DataFrame(rows).astype({"verdict": "str"})


def by_seed(runs: pd.DataFrame, key: str) -> pd.DataFrame:
    """A metric with a row per variant and a column per seed: the mean over repeats, NaN where none is finite."""
    values = runs[key].to_numpy(float, na_value=np.nan)
    frame = runs[["variant", "seed"]].assign(value=np.where(np.isfinite(values), values, np.nan))
    return frame.groupby(["variant", "seed"])["value"].mean().unstack("seed")


@dataclass(frozen=True)
class Family:
    """The V variants of a task and track, each trained on the same n seeds."""

    searches: np.ndarray
    """Which search (n,) chose the settings of each seed."""
    compared: np.ndarray
    """Whether each variant (V,) is compared with its reference: all but those that are their own, or have nothing to do
    on the task."""
    unfinished: np.ndarray
    """Whether each (V,) or its reference has a replica that was still learning."""

    def comparisons(
        self, metric: Metric, own: np.ndarray, others: np.ndarray, claims: Claims, confidence: float
    ) -> Iterator[dict[str, Any]]:
        """What is known about a metric for each variant, from the values (V, n) of all and those (V, n) of their
        references; NaN where it is not defined."""
        differences = np.where(self.compared[:, None], own - others, np.nan)
        correlation = search_correlation(differences, self.searches)
        at_once = simultaneous_intervals(as_independent(differences, self.searches, correlation), confidence)
        ranked = ranks(own, self.searches, confidence) if metric.key == HEADLINE else np.full((len(own), 3), np.nan)
        for values, other, difference, simultaneous, rank, unfinished in zip(
            own, others, differences, at_once, ranked, self.unfinished, strict=True
        ):
            defined, paired = values[np.isfinite(values)], np.isfinite(difference)
            mean = shares_interval(defined, confidence) if metric.unit == "%" else mean_interval(defined, confidence)
            searches = self.searches[paired]
            effect = design_effect(searches, correlation) if paired.any() else np.nan
            spread = as_independent(difference[paired], searches, correlation)
            pointwise = mean_interval(spread, confidence)
            gains = {"high": difference[paired], "low": -difference[paired], None: np.empty(0)}[metric.better]
            improvement = improvement_interval(gains, confidence, effect)
            smallest, verdict = np.nan, None
            if paired.any():
                smallest = metric.smallest(claims, float(other[paired].mean()))
                judged = simultaneous if metric.key == HEADLINE else pointwise
                verdict = metric.verdict(judged, smallest, bool(unfinished) and metric.better is None)
            yield {
                "n": mean.n,
                "mean": mean.mean,
                "low": mean.low,
                "high": mean.high,
                "pairs": pointwise.n,
                "difference": pointwise.mean,
                "difference_low": pointwise.low,
                "difference_high": pointwise.high,
                "design_effect": effect,
                "skewed": paired.any() and too_skewed(spread, confidence),
                "simultaneous_low": simultaneous.low,
                "simultaneous_high": simultaneous.high,
                "improvement": improvement.mean,
                "improvement_low": improvement.low,
                "improvement_high": improvement.high,
                "smallest": smallest,
                "verdict": verdict,
                "rank": rank[0],
                "rank_low": rank[1],
                "rank_high": rank[2],
            }


def variance(
    runs: pd.DataFrame, correct: np.ndarray, first: int, searches: int, against: Mapping[str, str]
) -> pd.DataFrame:
    """Where the variance of test accuracy comes from: `task, variant, track, component, value`, in squared points.

    From the runs as for `compare`, and whether each of them (R, M) is right about each test image. For variants with
    several repeats of each seed, the components of a single run's accuracy: `search`, `split`, `weights` as
    `statistics.Components` has them, and `images`, the draw of the test images, which all runs share. For every variant
    that is compared, `images_of_difference`: what that draw adds to its mean difference from the reference, and no
    interval over seeds knows of.
    """
    rows: list[dict[str, Any]] = []
    groups = runs.reset_index(drop=True).groupby(["task", "variant", "track"], sort=False)
    for (task, variant, track), own in groups:
        origin = task, against[str(variant)], REFERENCES[str(track)]
        parts: dict[str, float] = {}
        accuracies = own.pivot(index="seed", columns="repeat", values=HEADLINE).sort_index()
        if accuracies.shape[1] > 1 and accuracies.notna().all(axis=None):
            seeds = accuracies.index.to_numpy(int)
            parts = asdict(variance_components(accuracies.to_numpy(float), (seeds - first) % searches))
            parts["images"] = image_variance(correct[own.index])
        if origin != (task, variant, track) and origin in groups.groups:
            reference = correct[groups.groups[origin]].mean(0)
            parts["images_of_difference"] = image_variance(correct[own.index].mean(0) - reference)
        label = {"task": task, "variant": variant, "track": track}
        rows += [label | {"component": name, "value": 100**2 * value} for name, value in parts.items()]
    return pd.DataFrame(rows, columns=["task", "variant", "track", "component", "value"])


def crossed_variance(variants: Sequence[str], correct: np.ndarray, against: Mapping[str, str]) -> pd.DataFrame:
    """Where the variance of test accuracy comes from by the crossed design: `variant, quantity, component, value`, in
    squared points; unbiased, and so not always positive.

    From whether each network of the V variants (V, splits, draws, M) is right about each of M test images. The
    quantities are the `accuracy` of one network and, for a variant whose reference is in the design, the `difference`
    from that with the same split and draws. The components are the `FACTORS`, which are taken to be drawn independently
    of one another, and their interactions, as in `split:draws`; one that the images are part of is divided by M, so
    that all add up to the variance of one network's accuracy on M images. On the images at hand, what the accuracies
    put down to the splits is `split` and `split:images` together, and likewise for the draws and for both.
    """
    rows: list[dict[str, Any]] = []
    for variant, own in zip(variants, correct.astype(float), strict=True):
        quantities = {"accuracy": own}
        if against[variant] != variant and against[variant] in variants:
            quantities["difference"] = own - correct[variants.index(against[variant])]
        for quantity, values in quantities.items():
            for axes, value in crossed_components(values).items():
                names = [FACTORS[axis] for axis in axes]
                shared = values.shape[-1] if "images" in names else 1
                component = {"component": ":".join(names), "value": 100**2 * value / shared}
                rows.append({"variant": variant, "quantity": quantity} | component)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
