"""Intervals cover what they promise; calibration follows its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stages.history import measured_epochs
from stages.statistics import (
    Interval,
    Side,
    Verdict,
    direction,
    expected_calibration_error,
    mean_interval,
    negative_log_likelihood,
    paired_interval,
    ratio_interval,
    still_falling,
    verdict,
    verdict_of,
)


def test_the_paired_interval_is_scipys() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=10), rng.normal(size=10)
    interval = paired_interval(a, b, 0.95)
    expected = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    assert interval.n == 10
    assert interval.has_width


@pytest.mark.parametrize("n", [3, 10])
def test_intervals_cover_the_mean_as_often_as_they_say(n: int) -> None:
    rng = np.random.default_rng(1)
    samples = rng.normal(loc=2.0, size=(4000, n))
    covered = np.mean([i.low < 2.0 < i.high for i in (mean_interval(row, 0.9) for row in samples)])
    assert covered == pytest.approx(0.9, abs=0.02)


def test_pairing_removes_what_seeds_share() -> None:
    rng = np.random.default_rng(2)
    shared, effect = rng.normal(scale=10, size=10), rng.normal(loc=1, scale=0.1, size=10)
    assert direction(paired_interval(shared + effect, shared, 0.95), 0.1) == "higher"
    assert direction(mean_interval(shared + effect, 0.95), 0.1) == "undecided"


def test_one_value_has_no_interval() -> None:
    interval = mean_interval(np.array([0.5]), 0.95)
    assert interval.mean == 0.5
    assert np.isnan([interval.low, interval.high]).all()
    assert not interval.has_width


@pytest.mark.parametrize("value", [0.0, 0.3, 100.0])
def test_values_that_are_all_the_same_get_no_verdict(value: float) -> None:
    interval = paired_interval(np.array([0.1, 0.2, 0.7]) + value, np.array([0.1, 0.2, 0.7]), 0.95)
    assert not interval.has_width
    assert direction(interval, 0.01) == "undecided"
    for side in ("greater", "less", "negligible", "not less"):
        assert verdict(interval, side, 0.01) == "undecided"


@pytest.mark.parametrize(
    ("low", "high", "greater", "less", "negligible", "not_less"),
    [
        (1.5, 2.0, "holds", "fails", "fails", "holds"),
        (1.0, 2.0, "holds", "fails", "fails", "holds"),  # an effect of just the smallest that matters does matter
        (0.5, 2.0, "undecided", "fails", "undecided", "holds"),
        (-0.5, 2.0, "undecided", "undecided", "undecided", "holds"),
        (-0.9, 0.9, "fails", "fails", "holds", "holds"),
        (0.1, 0.9, "fails", "fails", "holds", "holds"),
        (0.0, 0.0, "undecided", "undecided", "undecided", "undecided"),  # the spread is not known
        (2.0, 2.0, "undecided", "undecided", "undecided", "undecided"),
        (-2.0, -0.5, "fails", "undecided", "undecided", "undecided"),
        (-2.0, 0.5, "undecided", "undecided", "undecided", "undecided"),
        (-3.0, -1.0, "fails", "holds", "fails", "fails"),
        (-3.0, 3.0, "undecided", "undecided", "undecided", "undecided"),
        (np.nan, np.nan, "undecided", "undecided", "undecided", "undecided"),
    ],
)
def test_verdicts_of_made_up_intervals(
    low: float, high: float, greater: Verdict, less: Verdict, negligible: Verdict, not_less: Verdict
) -> None:
    interval = Interval((low + high) / 2, low, high, 10)
    expected: dict[Side, Verdict] = {
        "greater": greater,
        "less": less,
        "negligible": negligible,
        "not less": not_less,
    }
    assert {side: verdict(interval, side, 1.0) for side in expected} == expected
    holds = {"higher": greater, "lower": less, "negligible": negligible}
    assert direction(interval, 1.0) == next((name for name, v in holds.items() if v == "holds"), "undecided")


@given(*(st.floats(low, high, allow_subnormal=False) for low, high in ((-5, 5), (0, 5), (0.1, 3))))
def test_opposite_claims_never_both_hold(low: float, width: float, smallest: float) -> None:
    interval = Interval(low + width / 2, low, low + width, 10)
    turned = Interval(-interval.mean, -interval.high, -interval.low, 10)
    assert verdict(interval, "less", smallest) == verdict(turned, "greater", smallest)
    sides: tuple[Side, ...] = ("greater", "less", "negligible")
    assert sum(verdict(interval, side, smallest) == "holds" for side in sides) <= 1


def test_a_claim_of_several_parts() -> None:
    assert verdict_of(["holds", "holds"], "all") == "holds"
    assert verdict_of(["holds", "undecided"], "all") == "undecided"
    assert verdict_of(["undecided", "fails"], "all") == "fails"
    assert verdict_of(["fails", "holds"], "any") == "holds"
    assert verdict_of(["fails", "undecided"], "any") == "undecided"
    assert verdict_of(["fails", "fails"], "any") == "fails"


def test_a_relative_difference_is_that_of_the_geometric_mean() -> None:
    values, reference = np.array([2.0, 0.5, 3.0]), np.array([1.0, 1.0, 1.0])
    interval = ratio_interval(values, reference, 0.95)
    assert interval.mean == pytest.approx(stats.gmean(values) - 1)
    # Halving undoes doubling, and the ratio of the turned fraction is the inverse.
    assert ratio_interval(np.array([2.0, 0.5]), np.ones(2), 0.95).mean == pytest.approx(0)
    turned = ratio_interval(reference, values, 0.95)
    assert 1 + turned.low == pytest.approx(1 / (1 + interval.high))


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_a_ratio_needs_positive_values(bad: float) -> None:
    interval = ratio_interval(np.array([1.0, bad]), np.ones(2), 0.95)
    assert not np.isfinite([interval.low, interval.high]).any()


def test_unpaired_values_are_refused() -> None:
    with pytest.raises(ValueError, match="paired"):
        paired_interval(np.zeros(3), np.zeros(4), 0.95)


EPOCHS = np.arange(151)
CURVES: list[tuple[np.ndarray, bool]] = [
    (2.3 * np.exp(-EPOCHS / 100), True),  # on its way
    (2.3 * np.exp(-EPOCHS / 100) + 20, False),  # hardly moves, for its size
    (2.3 / (1 + EPOCHS), True),  # for ever
    (2.0 - EPOCHS / 1000, False),  # by less than 1 % of it
    (np.full(151, 0.7), False),
    (0.7 + 0.01 * np.sin(EPOCHS), False),  # noise
    (EPOCHS / 100, False),  # rises
    (np.array([2.0, 1.0]), True),  # a single epoch
    (np.array([2.0, 2.0]), False),
    (np.array([2.0, 1.5, 1.0]), True),
    (np.array([2.0, 1.0, 1.0]), False),
    (np.full(151, np.nan), False),
]


@pytest.mark.parametrize(("losses", "falling"), CURVES)
def test_a_loss_that_still_falls(losses: np.ndarray, falling: bool) -> None:
    assert still_falling(np.arange(len(losses)), losses, 1) == falling


@pytest.mark.parametrize(("losses", "falling"), CURVES)
def test_a_loss_measured_now_and_then_falls_as_one_measured_every_epoch(losses: np.ndarray, falling: bool) -> None:
    epochs = np.array(measured_epochs(len(losses) - 1))
    assert still_falling(epochs, losses[epochs], 1) == falling


@given(st.integers(1, 2000), st.floats(0.001, 10), st.floats(0, 5), st.floats(0.1, 20))
def test_when_a_loss_is_measured_does_not_decide_whether_it_falls(
    epochs: int, rate: float, rest: float, percent: float
) -> None:
    """Of a loss that decays at ``rate`` per training, but for a fall so near the smallest that matters that the means
    over other epochs may lie on its other side."""
    all_epochs = np.arange(epochs + 1)
    losses = rest + np.exp(-rate * all_epochs / epochs)
    some = np.array(measured_epochs(epochs))
    answers = {
        still_falling(measured, losses[measured], near)
        for measured in (all_epochs, some)
        for near in (percent / 2, percent, percent * 2)
    }
    ours = still_falling(some, losses[some], percent), still_falling(all_epochs, losses, percent)
    assert len(answers) == 2 or ours[0] == ours[1]


@given(st.integers(2, 6), st.integers(1, 30))
def test_a_sure_and_right_prediction_is_calibrated(classes: int, n: int) -> None:
    labels = np.random.default_rng(n).integers(classes, size=n)
    assert expected_calibration_error(np.eye(classes)[labels], labels, 15) == 0
    assert expected_calibration_error(np.eye(classes)[(labels + 1) % classes], labels, 15) == 1


def test_calibration_of_a_made_up_case() -> None:
    # Two bins: confidence 0.6 with one of two right, confidence 0.9 with all three right.
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4], [0.1, 0.9], [0.9, 0.1], [0.9, 0.1]])
    labels = np.array([0, 1, 1, 0, 0])
    expected = 2 / 5 * abs(0.5 - 0.6) + 3 / 5 * abs(1 - 0.9)
    assert expected_calibration_error(probabilities, labels, 10) == pytest.approx(expected)
    # In a single bin the gaps cancel: 4 of 5 right against a mean confidence of 0.78.
    assert expected_calibration_error(probabilities, labels, 1) == pytest.approx(0.8 - 0.78)


def test_predictions_with_the_right_probabilities_are_calibrated() -> None:
    rng = np.random.default_rng(3)
    p = rng.uniform(0.5, 1, size=200_000)
    labels = (rng.uniform(size=p.size) > p).astype(int)
    assert expected_calibration_error(np.stack([p, 1 - p], 1), labels, 15) < 0.01


def test_the_likelihood_of_knowing_nothing() -> None:
    uniform = np.full((7, 10), -np.log(10))
    assert negative_log_likelihood(uniform, np.arange(7)) == pytest.approx(np.log(10))
