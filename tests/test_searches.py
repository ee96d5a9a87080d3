"""What holds for many variants at once covers as often as it says, also where searches make seeds alike."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from stages.statistics import (
    as_independent,
    design_effect,
    mean_interval,
    mean_squares,
    ranks,
    search_correlation,
    simultaneous_intervals,
)

SEEDS, K = 20, 4
SEARCHES = np.arange(SEEDS) % K


def drawn(rng: np.random.Generator, correlation: float, *shape: int) -> np.ndarray:
    """Differences (*shape, SEEDS) of mean 0 and variance 1, of which those of a search correlate."""
    luck = rng.normal(size=(*shape, K))[..., SEARCHES]
    return np.sqrt(correlation) * luck + np.sqrt(1 - correlation) * rng.normal(size=(*shape, SEEDS))


def covered(differences: np.ndarray) -> float:
    """The share of intervals that hold 0, for differences (S, V, n) of S benchmarks of V variants."""
    hits = []
    for each in differences:
        spread = as_independent(each, SEARCHES, search_correlation(each, SEARCHES))
        t = spread.mean(1) / spread.std(1, ddof=1) * np.sqrt(SEEDS)
        hits.append(np.abs(t) < stats.t.ppf(0.975, SEEDS - 1))
    return float(np.mean(hits))


def test_mean_squares_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    values, groups = rng.normal(size=11), np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 2, 2])
    between, within, _ = mean_squares(values, groups)
    assert between / within == pytest.approx(stats.f_oneway(*(values[groups == g] for g in range(3))).statistic)


@pytest.mark.parametrize("correlation", [0.0, 0.1, 0.25, 0.5])
def test_intervals_cover_the_mean_whatever_the_luck_of_the_search(correlation: float) -> None:
    """95 +- 1.5 % at 20 seeds and 4 searches, with a correlation that 30 variants share."""
    differences = drawn(np.random.default_rng(0), correlation, 1000, 30)
    assert covered(differences) == pytest.approx(0.95, abs=0.015)


def test_without_the_design_effect_they_would_not() -> None:
    differences = drawn(np.random.default_rng(0), 0.5, 2000)
    t = differences.mean(1) / differences.std(1, ddof=1) * np.sqrt(SEEDS)
    assert np.mean(np.abs(t) < stats.t.ppf(0.975, SEEDS - 1)) < 0.8


def test_a_reference_that_all_differences_share_costs_two_points_of_coverage() -> None:
    """Its four searches are the same luck in all differences, about which more variants say nothing more."""
    rng = np.random.default_rng(1)
    shared, own = drawn(rng, 0.25, 2000, 1), drawn(rng, 0.25, 2000, 30)
    assert 0.925 < covered((own - shared) / np.sqrt(2)) < 0.965


def test_the_interval_with_a_known_correlation_is_exact_and_wider_by_the_design_effect() -> None:
    rng = np.random.default_rng(2)
    differences = drawn(rng, 0.4, 20000)
    spread = as_independent(differences, SEARCHES, 0.4)
    np.testing.assert_allclose(spread.mean(1), differences.mean(1), atol=1e-12)
    assert spread.var(1, ddof=1).mean() == pytest.approx(design_effect(SEARCHES, 0.4), rel=0.02)
    t = spread.mean(1) / spread.std(1, ddof=1) * np.sqrt(SEEDS)
    assert stats.kstest(t, stats.t(SEEDS - 1).cdf).pvalue > 0.01


def test_the_correlation_is_found() -> None:
    differences = drawn(np.random.default_rng(3), 0.3, 5000)
    assert search_correlation(differences, SEARCHES) == pytest.approx(0.3, abs=0.01)
    assert search_correlation(np.array([[1.0, 2, 1, 2, 1, 2, 1, 2]]), np.array([0, 0, 1, 1, 2, 2, 3, 3])) == 0
    assert search_correlation(differences[:, :4], SEARCHES[:4]) == 0  # one seed for each search tells nothing
    assert search_correlation(differences[:0], SEARCHES) == 0
    hole = differences[:2].copy()
    hole[1, 3] = np.nan
    assert search_correlation(hole, SEARCHES) == search_correlation(hole[:1], SEARCHES)


def test_the_design_effect_is_kishs() -> None:
    assert design_effect(SEARCHES, 0.5) == pytest.approx(1 + (5 - 1) * 0.5)
    assert design_effect(np.arange(7), 0.5) == 1
    assert design_effect(np.array([0, 0, 0, 1]), 1.0) == pytest.approx((3**2 + 1**2) / 4)


def test_seeds_of_searches_of_their_own_are_left_as_they_are() -> None:
    differences = drawn(np.random.default_rng(4), 0.0, 3)
    np.testing.assert_allclose(as_independent(differences, SEARCHES, 0), differences, atol=1e-14)
    np.testing.assert_allclose(as_independent(differences, np.arange(SEEDS), 0.7)[0].mean(), differences[0].mean())


@pytest.mark.parametrize(("correlation", "shared"), [(0.0, 0.0), (0.0, 0.7), (0.3, 0.0)])
def test_simultaneous_intervals_cover_all_means_at_once(correlation: float, shared: float) -> None:
    """For independent variants, for such as have much in common, and for seeds that searches make alike."""
    rng, times, variants = np.random.default_rng(5), 300, 30
    hits = []
    for _ in range(times):
        common, own = drawn(rng, correlation, 1), drawn(rng, correlation, variants)
        differences = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
        spread = as_independent(differences, SEARCHES, search_correlation(differences, SEARCHES))
        hits.append(all(each.low < 0 < each.high for each in simultaneous_intervals(spread, 0.95)))
    # 2.8 standard errors; wider than needed where the variants' common luck passes for that of the searches.
    assert 0.915 < np.mean(hits) < 0.995


def test_they_do_so_for_variants_with_different_references() -> None:
    """Twelve against a plain network, one of them a cocktail, and six without a method of it against the cocktail."""
    rng, times = np.random.default_rng(7), 300
    hits = []
    for _ in range(times):
        plain, cocktail, *others = drawn(rng, 0.1, 19)
        differences = np.stack(
            [*(one - plain for one in (cocktail, *others[:11])), *(o - cocktail for o in others[11:])]
        )
        spread = as_independent(differences, SEARCHES, search_correlation(differences, SEARCHES))
        hits.append(all(each.low < 0 < each.high for each in simultaneous_intervals(spread, 0.95)))
    assert 0.915 < np.mean(hits) < 0.995


def test_the_more_variants_have_in_common_the_narrower_their_intervals() -> None:
    rng = np.random.default_rng(6)
    own, common = rng.normal(size=(20, 12)), rng.normal(size=(1, 12))

    def width(differences: np.ndarray) -> float:
        first = simultaneous_intervals(differences, 0.95)[0]
        return (first.high - first.low) / differences[0].std(ddof=1)

    alone = mean_interval(own[0], 0.95)
    widths = [width(own), width(common + 0.1 * own), (alone.high - alone.low) / own[0].std(ddof=1)]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_with_few_seeds_simultaneous_intervals_are_bonferronis(n: int) -> None:
    differences = np.random.default_rng(7).normal(size=(4, n))
    for found, row in zip(simultaneous_intervals(differences, 0.95), differences, strict=True):
        expected = mean_interval(row, 1 - 0.05 / 4)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_one_variant_gets_its_own_interval() -> None:
    row = np.random.default_rng(8).normal(size=20)
    (found,), alone = simultaneous_intervals(row[None], 0.95), mean_interval(row, 0.95)
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))


def test_a_variant_without_differences_changes_no_other() -> None:
    differences = np.random.default_rng(9).normal(size=(3, 10))
    alone = simultaneous_intervals(differences, 0.95)
    more = simultaneous_intervals(np.vstack([differences, np.full((1, 10), 0.3), np.full((1, 10), np.nan)]), 0.95)
    assert more[:3] == alone
    assert not more[3].has_width
    assert more[3].mean == pytest.approx(0.3)
    assert np.isnan([more[4].low, more[4].high]).all()


@pytest.mark.parametrize("n", [10, 20])
def test_last_bits_do_not_choose_the_quantile(n: int) -> None:
    rng = np.random.default_rng(10)
    differences = rng.normal(size=(5, n))
    noisy = differences * (1 + 1e-15 * rng.normal(size=differences.shape))
    for a, b in zip(simultaneous_intervals(differences, 0.95), simultaneous_intervals(noisy, 0.95), strict=True):
        assert (a.low, a.high) == pytest.approx((b.low, b.high), rel=1e-5)
    order = rng.permutation(5)  # nor does the order of the variants
    moved = simultaneous_intervals(differences[order], 0.95)
    assert [each.low for each in moved] == pytest.approx(
        [simultaneous_intervals(differences, 0.95)[i].low for i in order], rel=1e-9
    )


def test_ranks_of_variants_far_apart_are_certain() -> None:
    rng = np.random.default_rng(11)
    values = np.array([[3.0], [1.0], [2.0]]) + 0.01 * rng.normal(size=(3, SEEDS)) + rng.normal(size=SEEDS)
    assert ranks(values, SEARCHES, 0.95).tolist() == [[1, 1, 1], [3, 3, 3], [2, 2, 2]]


def test_ranks_of_the_same_variant_are_open() -> None:
    values = np.random.default_rng(12).normal(size=(1, SEEDS)).repeat(3, 0)
    assert ranks(values, SEARCHES, 0.95).tolist() == [[1, 1, 3]] * 3
    values = np.vstack([values[:1] + 9 + 0.1 * np.random.default_rng(13).normal(size=SEEDS), values])
    assert ranks(values, SEARCHES, 0.95).tolist() == [[1, 1, 1]] + [[2, 2, 4]] * 3
    values[1, 0] = np.nan
    found = ranks(values, SEARCHES, 0.95)
    assert np.isnan(found[1]).all()
    assert found[0].tolist() == [1, 1, 1]
    assert found[2].tolist() == [2, 2, 3]


def test_rank_intervals_hold_the_true_ranks_of_all_variants_at_once() -> None:
    rng, truth, times = np.random.default_rng(14), np.arange(8)[::-1] * 0.4, 150
    hits = []
    for _ in range(times):
        found = ranks(truth[:, None] + drawn(rng, 0.0, 8), SEARCHES, 0.95)
        expected = np.arange(1, 9)
        hits.append(((found[:, 1] <= expected) & (expected <= found[:, 2])).all())
    assert np.mean(hits) >= 0.92  # wider than need be, because only some of the pairs decide
    assert 1 < (found[:, 2] - found[:, 1]).mean() < 7
