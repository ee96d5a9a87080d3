"""The stage `compare`: intervals against scipy's, verdicts by the rule, and what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml
from scipy import stats
from scipy.special import fdtri

from stages import compare, config
from stages.config import TRACKS
from stages.metrics import METRICS, VERDICTS
from tests import small

CLAIMS = config.load().claims
FIRST, SEEDS = 100, 6
AGAINST = dict.fromkeys(("none", "other", "third", *(f"v{i}" for i in range(40))), "none")


def runs(repeats: int = 1) -> pd.DataFrame:
    """Three variants and two tasks with random values of every metric; none is unfinished."""
    generator = np.random.default_rng(0)
    rows = [
        {"variant": variant, "task": task, "track": track, "seed": FIRST + seed, "repeat": repeat}
        | dict(zip(METRICS, generator.uniform(0.2, 0.8, len(METRICS)), strict=True))
        | {"diverged": False, "unfinished": False}
        for variant in ("none", "other", "third")
        for task, tracks in (("clean", TRACKS[:2]), ("pairs", TRACKS))
        for track in tracks
        for seed in range(SEEDS)
        for repeat in range(repeats if variant == "none" else 1)
    ]
    return pd.DataFrame(rows)


def compared(table: pd.DataFrame, confidence: float = 0.95, searches: int = SEEDS) -> pd.DataFrame:
    """As many searches as seeds make the seeds independent."""
    found = compare.compare(table, CLAIMS, confidence, FIRST, searches, AGAINST)
    return found.set_index(["variant", "task", "track", "metric"])


def test_a_variant_is_compared_with_the_one_that_it_names() -> None:
    table = runs()
    found = compare.compare(table, CLAIMS, 0.95, FIRST, SEEDS, AGAINST | {"third": "other"})
    row = found.set_index(["variant", "task", "track", "metric"]).loc["third", "clean", "default", "test_accuracy"]
    own, other = (
        table[(table["variant"] == name) & (table["task"] == "clean") & (table["track"] == track)]["test_accuracy"]
        for name, track in (("third", "default"), ("other", "tuned"))
    )
    assert row["difference"] == pytest.approx(own.mean() - other.mean())


@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_intervals_are_those_of_scipy(confidence: float) -> None:
    table = runs()
    found = compared(table.sample(frac=1, random_state=0), confidence)
    assert len(found) == 3 * 5 * len(METRICS)
    for (variant, task, track), group in table.groupby(["variant", "task", "track"]):
        origin = "tuned_clean" if track == "tuned_clean" else "tuned"
        reference = table[(table["variant"] == "none") & (table["task"] == task) & (table["track"] == origin)]
        for key in METRICS:
            row, values = found.loc[(variant, task, track, key)], group[key].to_numpy(float)
            expected = stats.ttest_1samp(values, 0).confidence_interval(confidence)
            assert (row["n"], row["replicas"]) == (SEEDS, SEEDS)
            assert row["mean"] == pytest.approx(values.mean())
            if values.std():
                assert (row["low"], row["high"]) == pytest.approx(tuple(expected))
            if (variant, track) == ("none", origin):
                assert row[["difference", "difference_low", "simultaneous_low", "smallest", "verdict"]].isna().all()
                assert row["pairs"] == 0
                continue
            others = reference[key].to_numpy(float)
            assert row["pairs"] == SEEDS
            assert row["design_effect"] == 1
            assert row["difference"] == pytest.approx((values - others).mean())
            if values.std():
                interval = stats.ttest_rel(values, others).confidence_interval(confidence)
                assert (row["difference_low"], row["difference_high"]) == pytest.approx(tuple(interval))
                assert row["simultaneous_low"] < row["difference_low"] + 1e-9
                assert row["simultaneous_high"] > row["difference_high"] - 1e-9
            limit = CLAIMS.points / 100 if METRICS[key].scale == 100 else CLAIMS.percent / 100 * others.mean()
            assert row["smallest"] == pytest.approx(limit)
            assert row["verdict"] in VERDICTS


def test_a_difference_by_hand() -> None:
    """Differences of 0.1, 0.2 and 0.3: mean 0.2, standard deviation 0.1, and t = 4.3027 for two degrees of freedom."""
    table = runs().query("seed < 103 and task == 'clean' and variant != 'third' and track == 'tuned'")
    table = table.assign(test_accuracy=[0.5, 0.5, 0.5, 0.6, 0.7, 0.8])
    row = compared(table).loc[("other", "clean", "tuned", "test_accuracy")]
    half = 4.30265 * 0.1 / np.sqrt(3)
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((0.2 - half, 0.2 + half), rel=1e-5)
    assert row["verdict"] == "undecided"  # the interval begins at -0.048
    table = table.assign(test_accuracy=[0.5, 0.5, 0.5, 0.69, 0.7, 0.71])
    row = compared(table).loc[("other", "clean", "tuned", "test_accuracy")]
    assert row["verdict"] == "better"
    assert (row["improvement"], row["rank"]) == (1, 1)


def test_what_holds_for_one_variant_need_not_hold_for_all_at_once() -> None:
    """Test accuracy is judged by the simultaneous interval, other metrics by the pointwise one."""
    table = runs().query("track == 'tuned' and task == 'clean'")
    shift = 0.03 + 0.02 * np.array([-1, 1, -1, 1, -0.5, 0.5])
    table = pd.concat([table[table["variant"] != "third"], *(_renamed(table, f"v{i}") for i in range(40))])
    for key in ("test_accuracy", "fgsm_accuracy"):
        none = table.loc[table["variant"] == "none", key].to_numpy()
        table.loc[table["variant"] == "other", key] = none + shift
    found = compared(table)
    row = found.loc[("other", "clean", "tuned", "test_accuracy")]
    assert row["difference_low"] > row["smallest"] > row["simultaneous_low"]
    assert row["verdict"] == "undecided"
    assert found.loc[("other", "clean", "tuned", "fgsm_accuracy")]["verdict"] == "better"


def _renamed(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """A variant with values of its own."""
    generator = np.random.default_rng(len(name) + int(name[1:]))
    rows = table[table["variant"] == "third"].assign(variant=name)
    return rows.assign(**{key: generator.uniform(0.2, 0.8, len(rows)) for key in ("test_accuracy", "fgsm_accuracy")})


def test_repeats_are_averaged_before_seeds_are_paired() -> None:
    table = runs(repeats=3)
    averaged = table.groupby(["variant", "task", "track", "seed"], sort=False).mean().reset_index()
    averaged["unfinished"] = averaged["diverged"] = False
    found, expected = compared(table, searches=2), compared(averaged.assign(repeat=0), searches=2)
    assert found.loc[("none", "clean", "tuned", "test_loss")]["replicas"] == 3 * SEEDS
    pd.testing.assert_frame_equal(found.drop(columns="replicas"), expected.drop(columns="replicas"))


def test_the_luck_of_a_search_widens_the_intervals_of_a_task() -> None:
    """Differences that are alike within two searches, by the formula of a mean with a design effect."""
    table = runs().query("variant != 'third' and track == 'tuned' and task == 'clean'")
    none = table.loc[table["variant"] == "none", "test_accuracy"].to_numpy()
    differences = np.array([0.10, 0.20, 0.12, 0.22, 0.08, 0.24])  # searches 0, 1, 0, 1, 0, 1
    table.loc[table["variant"] == "other", "test_accuracy"] = none + differences
    alone = compared(table).loc[("other", "clean", "tuned", "test_accuracy")]
    row = compared(table, searches=2).loc[("other", "clean", "tuned", "test_accuracy")]
    between = 3 * ((0.10 - 0.16) ** 2 + (0.22 - 0.16) ** 2)
    within = (0.02**2 + 0.02**2) * 2 / 4
    excess = between / within / fdtri(1, 4, 0.5) - 1
    correlation = excess / (excess + 3)
    assert row["design_effect"] == pytest.approx(1 + 2 * correlation)
    assert row["difference"] == pytest.approx(0.16)
    assert row["difference_high"] - row["difference_low"] > 1.5 * (alone["difference_high"] - alone["difference_low"])


def test_a_seed_that_one_of_the_two_lacks_is_no_pair() -> None:
    table = runs()
    table = table[~((table["variant"] == "none") & (table["seed"] == FIRST + 2))]
    table.loc[(table["variant"] == "other") & (table["seed"] == FIRST + 4), "test_loss"] = np.inf
    row = compared(table).loc[("other", "clean", "tuned", "test_loss")]
    assert (row["n"], row["pairs"]) == (SEEDS - 1, SEEDS - 2)
    assert np.isnan(row["simultaneous_low"])


@pytest.mark.parametrize("variant", ["none", "other"])
def test_an_unfinished_replica_of_either_leaves_only_what_is_an_improvement_to_judge(variant: str) -> None:
    table = runs()
    one = (table["variant"] == variant) & (table["task"] == "pairs") & (table["seed"] == FIRST + 1)
    table.loc[one & (table["track"] == "tuned"), "unfinished"] = True
    found = compared(table).loc["other"]
    for metric, row in found.loc[("pairs", "tuned")].iterrows():
        assert (row["verdict"] == "unfinished") == (METRICS[metric].better is None)
        assert row["unfinished"] == int(variant == "other")
    assert "unfinished" not in set(found.loc["clean"]["verdict"])
    assert "unfinished" not in set(found.loc[("pairs", "tuned_clean")]["verdict"])
    touched = "unfinished" in set(found.loc[("pairs", "default")]["verdict"])
    assert touched == (variant == "none")  # what is trained as written is compared with the tuned reference


def test_what_is_nowhere_defined_is_not_compared() -> None:
    table = runs()
    table.loc[table["variant"] == "other", "normalization_norm"] = np.nan
    row = compared(table).loc[("other", "clean", "tuned", "normalization_norm")]
    assert (row["n"], row["pairs"]) == (0, 0)
    assert row[["mean", "difference", "verdict"]].isna().all()


def test_shares_that_are_the_same_in_every_run_have_an_interval() -> None:
    table = runs().assign(accuracy_on_wrong_given=1.0)
    row = compared(table).loc[("other", "pairs", "tuned", "accuracy_on_wrong_given")]
    assert (row["mean"], row["high"]) == (1, 1)
    assert row["low"] == pytest.approx(0.025 ** (1 / SEEDS))


def test_improvement_counts_seeds_in_the_direction_of_the_metric() -> None:
    table = runs()
    found = compared(table).loc["other"]
    for (task, track, key), row in found.iterrows():
        better = METRICS[key].better
        if better is None:
            assert np.isnan(row["improvement"])
            continue
        origin = "tuned_clean" if track == "tuned_clean" else "tuned"
        pairs = table[table["task"] == task].set_index(["variant", "track", "seed"])[key].astype(float)
        difference = (pairs["other", track] - pairs["none", origin]) * (1 if better == "high" else -1)
        assert row["improvement"] == pytest.approx(((difference > 0) + (difference == 0) / 2).mean())
        assert row["improvement_low"] < row["improvement"] < row["improvement_high"] or row["improvement"] in (0, 1)


def test_ranks_are_those_of_the_means_of_a_track() -> None:
    table = runs()
    found = compared(table)["rank"].unstack("metric")
    means = table.groupby(["variant", "task", "track"])["test_accuracy"].mean()
    expected = means.groupby(["task", "track"]).rank(ascending=False)
    pd.testing.assert_series_equal(found["test_accuracy"].sort_index(), expected.sort_index(), check_names=False)
    assert found.drop(columns="test_accuracy").isna().all(axis=None)


def test_a_variant_is_not_compared_where_its_methods_are_needless() -> None:
    table = runs()
    found = compare.compare(table, CLAIMS, 0.95, FIRST, SEEDS, AGAINST, needless={("other", "clean")})
    rows = found.set_index(["variant", "task"]).sort_index()
    assert (rows.loc[("other", "clean"), "pairs"] == 0).all()
    assert rows.loc[("other", "clean"), "verdict"].isna().all()
    assert rows.loc[("other", "clean"), "mean"].notna().any()
    alone = compare.compare(table[table["variant"] != "other"], CLAIMS, 0.95, FIRST, SEEDS, AGAINST)
    columns = ["difference", "simultaneous_low", "simultaneous_high", "verdict"]
    others = alone.set_index(["variant", "task"]).sort_index().loc[("third", "clean"), columns]
    pd.testing.assert_frame_equal(rows.loc[("third", "clean"), columns], others)  # its family is the smaller one
    assert (rows.loc[("other", "pairs"), "pairs"] > 0).any()


def test_tasks_of_the_grid_get_a_few_metrics() -> None:
    found = compare.compare(runs(), CLAIMS, 0.95, FIRST, 2, AGAINST, grid=["pairs"])
    assert set(found.loc[found["task"] == "pairs", "metric"]) == set(compare.GRID_METRICS)
    assert set(found.loc[found["task"] == "clean", "metric"]) == set(METRICS)


def test_variance_of_repeats_and_of_test_images() -> None:
    table = runs(repeats=3)
    correct = np.random.default_rng(0).random((len(table), 50)) < 0.7
    found = compare.variance(table, correct, FIRST, 2, AGAINST).set_index(["variant", "task", "track", "component"])[
        "value"
    ]
    assert set(found["none", "clean", "tuned"].index) == {"search", "split", "weights", "images"}
    assert set(found["other", "clean", "default"].index) == {"images_of_difference"}
    own = table[(table["variant"] == "none") & (table["task"] == "clean") & (table["track"] == "tuned")]
    spread = own.groupby("seed")["test_accuracy"].var().mean()
    assert found["none", "clean", "tuned", "weights"] == pytest.approx(100**2 * spread)
    shares = correct[own.index].mean(1)
    assert found["none", "clean", "tuned", "images"] == pytest.approx(100**2 * (shares * (1 - shares)).mean() / 49)
    other = (table["variant"] == "other") & (table["task"] == "clean") & (table["track"] == "default")
    difference = correct[other].mean(0) - correct[own.index].mean(0)
    assert found["other", "clean", "default", "images_of_difference"] == pytest.approx(
        100**2 * difference.var(ddof=1) / 50
    )


def test_the_crossed_variance_is_that_of_one_network_and_of_a_difference() -> None:
    """Its parts by the images add up to p (1 - p) / (M - 1), and all to the variance between networks besides."""
    generator = np.random.default_rng(1)
    correct = generator.random((2, 6, 5, 40)) < generator.random((1, 6, 1, 40))
    table = compare.crossed_variance(["none", "other"], correct, {"none": "none", "other": "none"})
    assert list(table["quantity"].unique()) == ["accuracy", "difference"]
    found = table.set_index(["variant", "quantity", "component"])["value"] / 100**2
    assert len(found) == 3 * 7
    difference = correct[1].astype(float) - correct[0]
    for variant, quantity, values in (
        ("none", "accuracy", correct[0]),
        ("other", "accuracy", correct[1]),
        ("other", "difference", difference),
    ):
        parts = found[variant, quantity]
        of_images = parts[parts.index.str.contains("images")].sum()
        assert of_images == pytest.approx(np.mean(values.var(-1, ddof=1)) / 40)
        means = values.mean(-1)
        rows, columns = means.mean(1).var(ddof=1), means.mean(0).var(ddof=1)
        rest = means - means.mean(1, keepdims=True) - means.mean(0) + means.mean()
        assert parts["split"] + parts["split:images"] == pytest.approx(rows - (rest**2).sum() / (5 * 4) / 5)
        assert parts["draws"] + parts["draws:images"] == pytest.approx(columns - (rest**2).sum() / (5 * 4) / 6)


def test_a_variant_without_its_reference_in_the_design_has_no_difference() -> None:
    correct = np.random.default_rng(2).random((2, 3, 3, 20)) < 0.5
    table = compare.crossed_variance(["none", "other"], correct, {"none": "none", "other": "third"})
    assert set(table["quantity"]) == {"accuracy"}


@pytest.mark.slow
def test_a_pipeline_with_tasks_of_its_own(tmp_path: Path) -> None:
    """From the download to the report, with every kind of noise and another number of training images."""
    folder = small.make(tmp_path)
    content = loads_yaml((folder / "params.yaml").read_text())
    content["crossed"]["task"] = "hard"
    content["tasks"] = {
        "true": {"about": "As published."},
        "few": {"train": 20, "title": "true labels of few images"},
        "pairs": {"noise": {"kind": "class_dependent", "rate": 0.5}},
        "hard": {"noise": {"kind": "instance_dependent", "rate": 0.2}},
    }
    (folder / "params.yaml").write_text(dumps_yaml(content))
    for name in ("download", "prepare", "plan", "tune", "train", "evaluate", "compare"):
        small.stage(folder, name)
    found = pd.read_parquet(folder / "data/comparisons.parquet")
    assert [task for task in found["task"].unique() if not task.startswith("grid")] == list(content["tasks"])
    assert list(found["variant"].unique()) == list(small.VARIANTS)
    assert set(found["verdict"].dropna()) <= set(VERDICTS)
    metrics = json.loads((folder / "reports/metrics.json").read_text())
    assert metrics["none"]["few"]["default"]["accuracy_on_wrong_given"] is None
    assert metrics["none"]["pairs"]["default"]["accuracy_on_wrong_given"] is not None
    for name, *arguments in (["document", "decay_scaling"], ["replay"], ["claims"], ["report"]):
        small.stage(folder, name, *arguments)
    verdicts = {entry["verdict"] for entry in json.loads((folder / "reports/claims.json").read_text())["claims"]}
    assert "not tested" in verdicts  # those on tasks that are not there
    page = (folder / "reports/index.html").read_text()
    assert "On true labels of few images" in page
    assert (folder / "reports/figures/samples-hard.png").exists()
    assert "As published." in (folder / "reports/data.html").read_text()
