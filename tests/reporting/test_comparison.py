"""Estimates and curves: what counts, what is left out, what an interval is called."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest

from stages import config
from stages.compare import compare
from stages.metrics import METRICS
from stages.reporting.comparison import Comparison
from stages.reporting.figures import spread
from stages.reporting.pages import finding
from stages.reporting.tables import number

SEEDS, FIRST = 6, 100
TASKS = config.load().tasks


def replicas(**changes: dict[str, list[float | None]]) -> pd.DataFrame:
    """The reference and one variant on every task and track; `changes` by metric and variant, the same on each."""
    rows = []
    for variant in ("none", "other"):
        for name, task in TASKS.items():
            for track, seed in product(task.tracks(name), range(SEEDS)):
                row = {"variant": variant, "task": name, "track": track, "seed": FIRST + seed, "repeat": 0}
                row |= {metric: float(seed) for metric in METRICS}
                row |= {"diverged": variant == "other" and seed == 0, "unfinished": False}
                row |= {metric: values[variant][seed] for metric, values in changes.items() if variant in values}
                rows.append(row)
    return pd.DataFrame(rows)


def shifted(by: float) -> list[float]:
    """The reference's values and a shift; differences that are all the same would get no verdict."""
    return [seed * 1.000001 + by for seed in range(SEEDS)]


def compared(table: pd.DataFrame) -> Comparison:
    params = config.load()
    against = {"none": "none", "other": "none"}
    found = compare(table, params.claims, params.evaluation.confidence, FIRST, SEEDS, against)
    return Comparison(found, ("none", "other"), tuple(TASKS))


def test_a_constant_shift_is_decided_however_much_the_seeds_differ() -> None:
    estimate = compared(replicas(test_accuracy={"other": shifted(0.25)}))["other", "clean", "test_accuracy", "tuned"]
    assert estimate.difference is not None
    found = (estimate.difference.mean, estimate.difference.low, estimate.difference.high)
    assert found == pytest.approx((25, 25, 25), abs=1e-3)
    assert estimate.verdict == "better"
    assert estimate.value.high - estimate.value.low > 100


def test_pairs_are_made_by_seed_not_by_row() -> None:
    table = replicas(test_accuracy={"other": shifted(0.25)})
    shuffled = compared(table.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(shuffled.frame(METRICS), compared(table).frame(METRICS))


@pytest.mark.parametrize(
    ("metric", "shift", "verdict"),
    [
        ("test_accuracy", 1, "better"),
        ("test_accuracy", -1, "worse"),
        ("test_loss", 1, "worse"),
        ("test_loss", -1, "better"),
        ("param_norm", 1, "higher"),
        ("param_norm", -1, "lower"),
        ("test_accuracy", 0.002, "negligible"),  # 0.2 of the 1 point that matters
        ("test_loss", 0.05, "negligible"),  # 2.5 of the 5 % that matter
        ("test_loss", 0.15, "worse"),
        ("test_accuracy", None, "undecided"),
    ],
)
def test_verdict_follows_what_the_metric_counts_as_better(metric: str, shift: float | None, verdict: str) -> None:
    table = replicas(**{metric: {"other": [*range(SEEDS)][::-1] if shift is None else shifted(shift)}})
    assert compared(table)["other", "random", metric, "tuned"].verdict == verdict
    assert compared(table)["none", "random", metric, "tuned"].verdict == ""


def test_what_is_not_defined_is_left_out_of_the_mean_and_of_the_pairs() -> None:
    table = replicas(
        epochs_to_fit={"none": [None, 1, 2, 3, 4, 5], "other": [0, 1, None, 3, 6, 5]},
        test_loss={"other": [np.inf, 1, 2, 3, 4, 5]},
        accuracy_on_wrong_given={"other": [None] * SEEDS},
    ).astype({"epochs_to_fit": "Int64"})
    comparison = compared(table)
    fitted = comparison["other", "clean", "epochs_to_fit", "tuned"]
    assert (fitted.value.n, fitted.value.mean) == (5, 3)
    assert fitted.difference is not None
    assert (fitted.difference.n, fitted.difference.mean) == (4, pytest.approx(1 / 2))
    assert comparison["other", "clean", "test_loss", "tuned"].value.n == 5
    nothing = comparison["other", "clean", "accuracy_on_wrong_given", "tuned"]
    assert (nothing.value.n, nothing.difference, nothing.verdict) == (0, None, "")


@pytest.mark.parametrize("variant", ["none", "other"])
def test_what_is_memorized_is_not_judged_while_one_replica_was_still_learning(variant: str) -> None:
    table = replicas(test_accuracy={"other": shifted(1)}, accuracy_on_wrong_given={"other": shifted(1)})
    own = (table["variant"] == variant) & (table["track"] == "tuned") & (table["task"] == "clean")
    table.loc[own & (table["seed"] == FIRST + 3), "unfinished"] = True
    comparison = compared(table)
    assert comparison[variant, "clean", "test_accuracy", "tuned"].unfinished == 1
    assert comparison["other", "clean", "accuracy_on_wrong_given", "tuned"].verdict == "unfinished"
    assert comparison["other", "clean", "test_accuracy", "tuned"].verdict == "better"
    assert comparison["other", "random", "accuracy_on_wrong_given", "tuned"].verdict == "higher"


def test_diverged_replicas_count() -> None:
    estimate = compared(replicas())["other", "clean", "test_accuracy", "tuned"]
    assert (estimate.diverged, estimate.value.n) == (1, SEEDS)


def test_every_track_has_its_reference_and_only_tuned_ones_have_no_difference() -> None:
    comparison = compared(replicas(test_accuracy={"other": shifted(0.25)}))
    for name, task in TASKS.items():
        for track in task.tracks(name):
            own = comparison["other", name, "test_accuracy", track]
            assert own.simultaneous
            assert own.improvement
            assert own.rank
            assert own.simultaneous.mean == pytest.approx(25, abs=1e-3)
            assert own.improvement.mean == 1  # a probability, whatever the unit of the metric
            assert own.rank.mean == 1
            reference = comparison["none", name, "test_accuracy", track]
            assert (reference.difference is None) == (track != "default")
    assert comparison.get("other", "clean", "test_accuracy", "tuned_clean") is None


def test_finding_counts_every_variant_once() -> None:
    found = finding(compared(replicas(test_accuracy={"other": shifted(-1)})), "clean", TASKS["clean"], {"other"})
    assert ([name for name, _ in found.worse], found.better, found.undecided, found.total) == (["other"], [], [], 1)


def test_a_curve_carries_the_last_finite_value_of_a_replica_that_stopped() -> None:
    whole = pd.DataFrame({"replica": 0, "epoch": range(5), "loss": [4.0, 3.0, 2.0, 1.0, 0.0]})
    stopped = pd.DataFrame({"replica": 1, "epoch": range(3), "loss": [6.0, 5.0, np.inf]})
    curves = dict.fromkeys(TASKS, pd.concat([whole, stopped]))
    curve = spread(curves, "loss", TASKS, np.array([0, 2, 4]), scale=10)
    clean = curve[curve["panel"] == "Clean labels"]
    assert clean["epoch"].tolist() == [0, 2, 4]
    assert clean["low"].tolist() == [40, 20, 0]
    assert clean["high"].tolist() == [60, 50, 50]
    assert clean["mean"].tolist() == [50, 35, 25]


@pytest.mark.parametrize(
    ("value", "decimals", "signed", "text"),
    [
        (1234.56, 1, False, "1,234.6"),
        (-0.04, 1, True, "0.0"),
        (0.04, 1, True, "0.0"),
        (0.05001, 1, True, "+0.1"),
        (-3.25, 2, True, "\u22123.25"),
        (float("nan"), 1, True, "–"),
    ],
)
def test_numbers_read_as_printed_ones_do(value: float, decimals: int, signed: bool, text: str) -> None:
    assert number(value, decimals, signed) == text
