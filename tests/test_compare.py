"""The stage `compare`: intervals against scipy's, verdicts by the rule, and what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml
from scipy import stats

from stages import compare, config
from stages.metrics import METRICS, VERDICTS
from tests import small

CLAIMS = config.load().claims
SEEDS = 6


def runs() -> pd.DataFrame:
    """Two variants and two tasks with random values of every metric; none is unfinished."""
    generator = np.random.default_rng(0)
    rows = [
        {"variant": variant, "task": task, "seed": seed}
        | dict(zip(METRICS, generator.uniform(0.2, 0.8, len(METRICS)), strict=True))
        | {"diverged": False, "unfinished": False}
        for variant in ("none", "other")
        for task in ("clean", "pairs")
        for seed in range(SEEDS)
    ]
    return pd.DataFrame(rows)


def compared(table: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    return compare.compare(table, CLAIMS, confidence).set_index(["variant", "task", "metric"])


@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_intervals_are_those_of_scipy(confidence: float) -> None:
    table = runs()
    found = compared(table.sample(frac=1, random_state=0), confidence)
    assert len(found) == 2 * 2 * len(METRICS)
    for (variant, task), group in table.groupby(["variant", "task"]):
        for key in METRICS:
            row, values = found.loc[(variant, task, key)], group[key].to_numpy(float)
            expected = stats.ttest_1samp(values, 0).confidence_interval(confidence)
            assert (row["n"], row["replicas"]) == (SEEDS, SEEDS)
            assert row["mean"] == pytest.approx(values.mean())
            if values.std():
                assert (row["low"], row["high"]) == pytest.approx(tuple(expected))
            if variant == "none":
                assert row[["difference", "difference_low", "difference_high", "smallest", "verdict"]].isna().all()
                assert row["pairs"] == 0
                continue
            others = table[(table["variant"] == "none") & (table["task"] == task)][key].to_numpy(float)
            assert row["pairs"] == SEEDS
            assert row["difference"] == pytest.approx((values - others).mean())
            if values.std():
                interval = stats.ttest_rel(values, others).confidence_interval(confidence)
                assert (row["difference_low"], row["difference_high"]) == pytest.approx(tuple(interval))
            limit = CLAIMS.points / 100 if METRICS[key].scale == 100 else CLAIMS.percent / 100 * others.mean()
            assert row["smallest"] == pytest.approx(limit)
            assert row["verdict"] in VERDICTS


def test_a_difference_by_hand() -> None:
    """Differences of 0.1, 0.2 and 0.3: mean 0.2, standard deviation 0.1, and t = 4.3027 for two degrees of freedom."""
    table = runs().query("seed < 3 and task == 'clean'").reset_index(drop=True)
    table["test_accuracy"] = [0.5, 0.5, 0.5, 0.6, 0.7, 0.8]
    row = compared(table).loc[("other", "clean", "test_accuracy")]
    half = 4.30265 * 0.1 / np.sqrt(3)
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((0.2 - half, 0.2 + half), rel=1e-5)
    assert row["verdict"] == "undecided"  # the interval begins at -0.048
    table["test_accuracy"] = [0.5, 0.5, 0.5, 0.69, 0.7, 0.71]
    assert compared(table).loc[("other", "clean", "test_accuracy")]["verdict"] == "better"


def test_a_seed_that_one_of_the_two_lacks_is_no_pair() -> None:
    table = runs()
    table = table[~((table["variant"] == "none") & (table["seed"] == 2))]
    table.loc[(table["variant"] == "other") & (table["seed"] == 4), "test_loss"] = np.inf
    row = compared(table).loc[("other", "clean", "test_loss")]
    assert (row["n"], row["pairs"]) == (SEEDS - 1, SEEDS - 2)


@pytest.mark.parametrize("variant", ["none", "other"])
def test_an_unfinished_replica_of_either_takes_the_verdicts_of_its_task(variant: str) -> None:
    table = runs()
    table.loc[(table["variant"] == variant) & (table["task"] == "pairs") & (table["seed"] == 1), "unfinished"] = True
    found = compared(table).loc["other"]
    assert set(found.loc["pairs"]["verdict"]) == {"unfinished"}
    assert "unfinished" not in set(found.loc["clean"]["verdict"])
    assert set(found.loc["pairs"]["unfinished"]) == {int(variant == "other")}


def test_what_is_nowhere_defined_is_not_compared() -> None:
    table = runs()
    table.loc[table["variant"] == "other", "normalization_norm"] = np.nan
    row = compared(table).loc[("other", "clean", "normalization_norm")]
    assert (row["n"], row["pairs"]) == (0, 0)
    assert row[["mean", "difference", "verdict"]].isna().all()


def test_a_pipeline_with_tasks_of_its_own(tmp_path: Path) -> None:
    """From the download to the report, with every kind of noise and another number of training images."""
    folder = small.make(tmp_path)
    content = loads_yaml((folder / "params.yaml").read_text())
    content["tasks"] = {
        "true": {"about": "As published."},
        "few": {"train": 20, "title": "true labels of few images"},
        "pairs": {"noise": {"kind": "class_dependent", "rate": 0.5}},
        "hard": {"noise": {"kind": "instance_dependent", "rate": 0.2}},
    }
    (folder / "params.yaml").write_text(dumps_yaml(content))
    trainings = [["train", name] for name in small.VARIANTS]
    for name, *arguments in (["download"], ["prepare"], ["plan"], *trainings, ["evaluate"], ["compare"]):
        small.stage(folder, name, *arguments)
    found = pd.read_parquet(folder / "data/comparisons.parquet")
    assert list(found["task"].unique()) == list(content["tasks"])
    assert list(found["variant"].unique()) == list(small.VARIANTS)
    assert set(found["verdict"].dropna()) <= set(VERDICTS)
    metrics = json.loads((folder / "reports/metrics.json").read_text())
    assert metrics["none"]["few"]["accuracy_on_wrong_given"] is None
    assert metrics["none"]["pairs"]["accuracy_on_wrong_given"] is not None
    for name, *arguments in (["document", "decay_scaling"], ["replay"], ["claims"], ["report"]):
        small.stage(folder, name, *arguments)
    verdicts = {entry["verdict"] for entry in json.loads((folder / "reports/claims.json").read_text())["claims"]}
    assert "not tested" in verdicts  # those on tasks that are not there
    page = (folder / "reports/index.html").read_text()
    assert "On true labels of few images" in page
    assert (folder / "reports/figures/samples-hard.png").exists()
    assert "As published." in (folder / "reports/data.html").read_text()
