"""Records of metrics are complete, and what they compute is what they say, on a case that is done by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from stages import config
from stages.metrics import METRICS, VERDICTS, Observed
from stages.statistics import Interval

EVALUATION = config.load().evaluation


def log_probabilities(*rows: list[float]) -> np.ndarray:
    return np.log(np.array(rows))


@pytest.fixture
def observed() -> Observed:
    """Three training images, of which one has a wrong label that the network has learned; two to test with."""
    return Observed(
        test=log_probabilities([0.9, 0.1], [0.6, 0.4]),
        test_labels=np.array([0, 1]),
        disturbed={
            "fgsm": np.array([1, 1]),
            "pgd": np.array([1, 0]),
            "noise": np.array([0, 1]),
            "blur": np.array([0, 0]),
            "contrast": np.array([1, 0]),
        },
        train=log_probabilities([0.8, 0.2], [0.4, 0.6], [0.3, 0.7]),
        given=np.array([0, 1, 1]),
        true=np.array([0, 1, 0]),
        val=log_probabilities([0.9, 0.1], [0.2, 0.8], [0.2, 0.8], [0.2, 0.8]),
        val_given=np.array([0, 1, 0, 1]),
        temperature=2.0,
        curve={
            "epoch": np.array([0, 1, 2, 3]),
            "train_loss": np.array([0.7, 0.5, 0.3, 0.2]),
            "train_accuracy": np.array([0.3, 0.6, 1.0, 1.0]),
            "param_norm": np.array([2.0, 3.0, 4.0, 5.0]),
        },
        planned=3,
        diverged=False,
        weights=np.array([3.0, 0.0, -4.0, 1e-4], np.float32),
        scales=np.zeros(0, np.float32),
        settings=EVALUATION,
    )


EXPECTED = {
    "test_accuracy": 0.5,
    "test_loss": -np.log([0.9, 0.4]).mean(),
    "expected_calibration_error": (0.1 + 0.6) / 2,
    # At a temperature of 2 odds of 9 are 3, and odds of 1.5 are their root.
    "scaled_test_loss": -np.log([0.75, 1 / (1 + 1.5**0.5)]).mean(),
    "scaled_calibration_error": (0.25 + 1.5**0.5 / (1 + 1.5**0.5)) / 2,
    "temperature": 2.0,
    "macro_f1": (2 / 3 + 0) / 2,
    "fgsm_accuracy": 0.5,
    "fgsm_drop": 0.0,
    "pgd_accuracy": 0.0,
    "noise_accuracy": 1.0,
    "blur_accuracy": 0.5,
    "contrast_accuracy": 0.0,
    "train_accuracy": 1.0,
    "train_accuracy_clean": 2 / 3,
    "train_loss": -np.log([0.8, 0.6, 0.7]).mean(),
    "val_accuracy": 0.75,
    "generalization_gap": 2 / 3 - 0.5,
    "accuracy_on_wrong_given": 1.0,
    "accuracy_on_wrong_true": 0.0,
    "epochs_to_fit": 2,
    "epochs": 3,
    "diverged": False,
    "unfinished": False,
    "param_norm": 5.0,
    "initial_norm": 2.0,
    "normalization_norm": np.nan,
    "near_zero": 0.5,
}


def test_each_metric_is_what_it_says(observed: Observed) -> None:
    found = {key: metric.compute(observed) for key, metric in METRICS.items()}
    assert list(found) == list(EXPECTED)
    assert found == pytest.approx(EXPECTED, nan_ok=True)


def test_without_wrong_labels_there_is_no_memory_of_them(observed: Observed) -> None:
    right = replace(observed, given=observed.true)
    for key in ("accuracy_on_wrong_given", "accuracy_on_wrong_true"):
        assert np.isnan(METRICS[key].compute(right))
    assert METRICS["train_accuracy_clean"].compute(right) == METRICS["train_accuracy"].compute(right)


def test_without_held_out_labels_nothing_is_scaled(observed: Observed) -> None:
    unscaled = replace(observed, temperature=np.nan)
    for key in ("temperature", "scaled_test_loss", "scaled_calibration_error"):
        assert np.isnan(METRICS[key].compute(unscaled))


def test_a_temperature_of_one_changes_nothing(observed: Observed) -> None:
    same = replace(observed, temperature=1.0)
    for key in ("test_loss", "expected_calibration_error"):
        scaled = METRICS[f"scaled_{key.removeprefix('expected_')}"]
        assert scaled.compute(same) == pytest.approx(METRICS[key].compute(observed))


def test_scales_and_shifts_are_no_part_of_the_parameter_norm(observed: Observed) -> None:
    with_scales = replace(observed, scales=np.array([6.0, 8.0], np.float32))
    assert METRICS["normalization_norm"].compute(with_scales) == pytest.approx(10)
    assert METRICS["param_norm"].compute(with_scales) == METRICS["param_norm"].compute(observed)


class Tags(HTMLParser):
    """Counts the tags that are open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_records_are_complete() -> None:
    for key, metric in METRICS.items():
        assert metric.key == key
        assert re.fullmatch(r"[a-z][a-z0-9_]+", key)
        assert metric.title[0].isupper()
        assert metric.unit in ("%", "points", "nats", "epochs", "")
        text = metric.defined(EVALUATION)
        assert text.endswith(".")
        assert "{" not in text
        assert Tags(text).open == []
    assert len({metric.title for metric in METRICS.values()}) == len(METRICS)
    assert f"{EVALUATION.calibration_bins} bins" in METRICS["expected_calibration_error"].defined(EVALUATION)


def test_smallest_effects_are_in_the_scale_of_the_metric() -> None:
    claims = config.load().claims
    assert METRICS["test_accuracy"].smallest(claims, 0.5) == pytest.approx(claims.points / 100)
    assert METRICS["param_norm"].smallest(claims, -8.0) == pytest.approx(8 * claims.percent / 100)


@pytest.mark.parametrize(
    ("metric", "low", "unfinished", "verdict"),
    [
        ("test_accuracy", 0.02, False, "better"),
        ("test_accuracy", -0.04, False, "worse"),
        ("test_loss", 0.02, False, "worse"),
        ("test_loss", -0.04, False, "better"),
        ("param_norm", 0.02, False, "higher"),
        ("param_norm", -0.04, False, "lower"),
        ("test_accuracy", -0.005, False, "undecided"),
        ("param_norm", 0.001, False, "undecided"),
        ("test_accuracy", 0.02, True, "unfinished"),
    ],
)
def test_a_verdict_follows_what_the_metric_counts_as_better(
    metric: str, low: float, unfinished: bool, verdict: str
) -> None:
    assert METRICS[metric].verdict(Interval(low + 0.01, low, low + 0.02, 5), 0.01, unfinished) == verdict
    assert verdict in VERDICTS


def test_a_difference_within_what_matters_is_negligible() -> None:
    assert METRICS["param_norm"].verdict(Interval(0.0, -0.001, 0.001, 5), 0.01, False) == "negligible"
