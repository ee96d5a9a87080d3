"""Intervals cover what they promise; calibration follows its definition."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stages.history import measured_epochs
from stages.statistics import (
    MEANINGFUL,
    Interval,
    Side,
    Verdict,
    all_or_nothing,
    coverage_lost,
    crossed_components,
    direction,
    expected_calibration_error,
    expected_of_best,
    image_variance,
    improvement_interval,
    mean_interval,
    negative_log_likelihood,
    paired_interval,
    ratio_interval,
    share_interval,
    shares_interval,
    skewness,
    still_falling,
    too_skewed,
    variance_components,
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


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (1, 2)])
def test_the_interval_of_a_share_of_runs_is_scipys(hits: int, n: int) -> None:
    found, expected = share_interval(hits, n, 0.95), stats.binomtest(hits, n).proportion_ci(0.95, "exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.mean, found.n) == (hits / n, n)


def test_shares_that_are_all_one_are_counted() -> None:
    assert all_or_nothing(np.ones(10)) == (10, 10)
    assert all_or_nothing(np.array([0.0, 1, 0])) == (1, 3)
    assert all_or_nothing(np.array([0.0, 0.99])) is None
    assert all_or_nothing(np.empty(0)) is None
    assert shares_interval(np.ones(10), 0.95) == share_interval(10, 10, 0.95)
    assert shares_interval(np.array([0.2, 1.0]), 0.95) == mean_interval(np.array([0.2, 1.0]), 0.95)


@pytest.mark.parametrize("probability", [0.5, 0.6, MEANINGFUL, 0.9])
def test_the_probability_of_improvement_is_covered(probability: float) -> None:
    """On average over probabilities near the one named, since with 20 seeds each alone has jumps."""
    rng = np.random.default_rng(3)
    hits = []
    for p in probability + rng.uniform(-0.05, 0.05, 4000):
        interval = improvement_interval(np.where(rng.random(20) < p, 1.0, -1.0), 0.95)
        hits.append(interval.low <= p <= interval.high)
    assert np.mean(hits) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_the_probability_of_improvement_is_covered_where_searches_make_seeds_alike(shift: float) -> None:
    """Signs correlate less than differences, so that the interval covers somewhat more often than it says."""
    rng, correlation = np.random.default_rng(4), 0.4
    luck = np.repeat(rng.normal(size=(3000, 4)), 5, axis=1)
    differences = shift + np.sqrt(correlation) * luck + np.sqrt(1 - correlation) * rng.normal(size=(3000, 20))
    truth = stats.norm.cdf(shift)
    intervals = [improvement_interval(row, 0.95, design_effect=1 + 4 * correlation) for row in differences]
    assert 0.935 < np.mean([each.low <= truth <= each.high for each in intervals]) < 0.99


def test_ties_count_half() -> None:
    interval = improvement_interval(np.array([1.0, 0.0, 0.0, -1.0]), 0.95)
    assert interval.mean == 0.5
    assert interval.low + interval.high == pytest.approx(1)
    wilson = stats.binomtest(7, 9).proportion_ci(0.95, "wilson")
    ours = improvement_interval(np.array([1.0] * 7 + [-1.0] * 2), 0.95)
    assert (ours.low, ours.high) == pytest.approx((wilson.low, wilson.high))
    assert improvement_interval(np.empty(0), 0.95).n == 0


@pytest.mark.parametrize(("n", "skewed"), [(5, 0.8), (10, 1.0), (20, 0.7), (20, 1.3), (30, 1.5), (50, 2.0)])
def test_the_coverage_that_skewness_costs_is_that_of_simulations(n: int, skewed: float) -> None:
    rng, shape = np.random.default_rng(5), 4 / skewed**2
    values = rng.gamma(shape, size=(40000, n)) - shape
    t = values.mean(1) / values.std(1, ddof=1) * np.sqrt(n)
    lost = 0.95 - np.mean(np.abs(t) < stats.t.ppf(0.975, n - 1))
    assert coverage_lost(skewed, n, 0.95) == pytest.approx(lost, abs=0.005)


def test_skewed_values_are_marked() -> None:
    rng = np.random.default_rng(6)
    values = rng.gamma(2.0, size=15)
    assert skewness(values) == pytest.approx(stats.skew(values, bias=False))
    assert skewness(-values) == pytest.approx(-skewness(values))
    assert too_skewed(np.array([0.0] * 19 + [1.0]), 0.95)
    assert not too_skewed(np.linspace(0, 1, 20), 0.95)
    assert not too_skewed(np.full(20, 0.1), 0.95)  # no spread, and nothing to warn of but that
    assert not too_skewed(np.array([0.0, 1.0]), 0.95)


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-1, 1)), min_size=1, max_size=8))
def test_the_expected_score_of_the_best_trial_is_that_over_all_subsets(trials: list[tuple[int, float]]) -> None:
    """By brute force, where trials that tie in validation share their mean score."""
    validation, scores = np.array([v for v, _ in trials], dtype=float), np.array([s for _, s in trials])
    tied = np.array([scores[validation == v].mean() for v in validation])
    found = expected_of_best(validation, scores)
    for n in range(1, len(trials) + 1):
        subsets = combinations(range(len(trials)), n)
        assert found[n - 1] == pytest.approx(np.mean([tied[max(s, key=lambda i: validation[i])] for s in subsets]))
    best = expected_of_best(validation, validation)
    assert best[0] == pytest.approx(validation.mean())
    assert best[-1] == validation.max()
    assert (np.diff(best) >= -1e-12).all()


def test_what_was_chosen_for_its_validation_score_disappoints() -> None:
    """The winner's curse: with scores of pure noise the best validation score rises, and what it is worth does not."""
    rng = np.random.default_rng(7)
    draws = [rng.normal(size=(2, 16)) for _ in range(2000)]
    best = np.mean([expected_of_best(v, v) for v, _ in draws], axis=0)
    worth = np.mean([expected_of_best(v, s) for v, s in draws], axis=0)
    normal_maximum = 1.1629  # of five standard normal values
    assert best[4] == pytest.approx(normal_maximum, abs=0.03)
    assert np.abs(worth).max() < 0.06


def test_each_trial_needs_both_scores() -> None:
    with pytest.raises(ValueError, match="both"):
        expected_of_best(np.zeros(3), np.zeros(2))


@pytest.mark.parametrize("seeds", [20, 30])
def test_components_of_variance_are_recovered(seeds: int) -> None:
    """On average, where hardly any is cut off at 0; 30 seeds are not a multiple of the 4 searches."""
    rng, repeats, truth = np.random.default_rng(8), 3, (4.0, 2.0, 1.0)
    searches = np.arange(seeds) % 4
    found = []
    for _ in range(1500):
        search, split = rng.normal(scale=2, size=4)[searches], rng.normal(scale=np.sqrt(2), size=seeds)
        parts = variance_components((search + split)[:, None] + rng.normal(size=(seeds, repeats)), searches)
        found.append((parts.search, parts.split, parts.weights))
    assert np.mean(found, axis=0) == pytest.approx(truth, rel=0.08)


def test_components_that_a_design_cannot_tell_are_not_defined() -> None:
    values, searches = np.random.default_rng(9).normal(size=(8, 1)), np.arange(8) % 2
    single = variance_components(values, searches)
    assert np.isnan(single.weights)
    assert single.split == pytest.approx(np.mean([values[searches == g].var(ddof=1) for g in (0, 1)]))
    assert np.isnan(variance_components(values, np.zeros(8)).search)
    assert np.isnan(variance_components(values, np.arange(8)).search)
    same = variance_components(np.ones((8, 2)), searches)
    assert (same.search, same.split, same.weights) == (0, 0, 0)


def test_the_variance_of_the_draw_of_test_images_is_that_over_draws() -> None:
    rng = np.random.default_rng(10)
    first, second = rng.random((2, 3000, 200)) < np.array([0.8, 0.7])[:, None, None]
    differences = first.astype(float) - second
    assert image_variance(differences) == pytest.approx(differences.mean(1).var(), rel=0.08)
    assert image_variance(differences) == pytest.approx((0.8 * 0.2 + 0.7 * 0.3) / 200, rel=0.02)


def test_crossed_components_by_hand() -> None:
    """Rows with means 1.5 and 4.5, columns with 2 and 4, and residuals of 0.5: mean squares 9, 4 and 1."""
    found = crossed_components(np.array([[1.0, 2.0], [3.0, 6.0]]))
    assert found == pytest.approx({(0,): (9 - 1) / 2, (1,): (4 - 1) / 2, (0, 1): 1})


def test_crossed_components_are_recovered_without_bias() -> None:
    """Every effect drawn by itself, not from a bell curve, one of them always 0; no estimate is cut off."""
    rng, sizes = np.random.default_rng(11), (6, 5, 8)
    truth = {(0,): 2.0, (1,): 0.5, (2,): 3.0, (0, 1): 0.0, (0, 2): 1.0, (1, 2): 0.3, (0, 1, 2): 1.5}
    found = []
    for _ in range(2000):
        values = np.zeros(sizes)
        for effect, variance in truth.items():
            shape = [size if axis in effect else 1 for axis, size in enumerate(sizes)]
            values = values + np.sqrt(variance) * (rng.exponential(size=shape) - 1)
        found.append(crossed_components(values))
    for effect, variance in truth.items():
        estimates = np.array([each[effect] for each in found])
        assert abs(estimates.mean() - variance) < 4 * estimates.std() / np.sqrt(len(estimates)), effect
    assert min(each[0, 1] for each in found) < 0


def test_crossed_components_of_zeros_and_ones_are_those_of_their_probabilities() -> None:
    """An image is right with probability (a + b + c) / 3 of its split, draws and itself, each uniform on [0, 1]: each
    main effect has the variance 1/12 / 9, no two interact, and the rest is the mean of p (1 - p) = 2/9."""
    rng = np.random.default_rng(12)
    found = []
    for _ in range(2000):
        shares = (rng.random((6, 1, 1)) + rng.random((1, 6, 1)) + rng.random((1, 1, 30))) / 3
        found.append(list(crossed_components((rng.random((6, 6, 30)) < shares).astype(float)).values()))
    main, rest = 1 / 108, 1 / 4 - 3 / 108
    errors = np.std(found, axis=0) / np.sqrt(len(found))
    assert (np.abs(np.mean(found, axis=0) - [main, main, main, 0, 0, 0, rest]) < 4 * errors).all()


def test_crossed_components_of_means_are_those_of_their_values() -> None:
    """What a mean over the last factor puts down to the first is its main effect and its interaction with the last."""
    values = np.random.default_rng(13).random((6, 5, 40)) < np.random.default_rng(14).random((6, 1, 40))
    whole, means = crossed_components(values), crossed_components(values.mean(2))
    for effect in means:
        assert means[effect] == pytest.approx(whole[effect] + whole[*effect, 2] / 40)
    assert sum(value for effect, value in whole.items() if 2 in effect) / 40 == pytest.approx(image_variance(values))
