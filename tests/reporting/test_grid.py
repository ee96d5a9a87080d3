"""Pairs, heat maps and performance profiles."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import numpy as np
import pandas as pd
import pytest

from stages import config
from stages.config import BASELINE, TUNED, Task, TaskNoise
from stages.reporting import grid
from stages.reporting import results as reading
from stages.reporting.comparison import Comparison
from stages.reporting.figures import Drawing
from stages.reporting.results import Results
from tests.reporting.sample import write_results


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("grid")
    write_results(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        return reading.read(config.load())


@pytest.fixture(scope="module")
def whole(found: Results) -> Comparison:
    return Comparison(found.comparisons, tuple(found.params.variants), tuple(found.params.all_tasks))


def test_pairs_are_of_one_seed_and_their_mean_is_the_difference(found: Results, whole: Comparison) -> None:
    pairs = grid.paired(found)
    assert set(pairs["task"]) == set(found.params.all_tasks)
    assert BASELINE not in set(pairs["variant"])
    for (variant, task), group in pairs.groupby(["variant", "task"]):
        estimate = whole[str(variant), str(task), "test_accuracy", TUNED]
        assert estimate.difference is not None
        assert len(group) == estimate.difference.n
        assert group["difference"].mean() == pytest.approx(estimate.difference.mean)


def test_cells_have_the_simultaneous_interval_and_lead_to_their_pairs(found: Results, whole: Comparison) -> None:
    cells = grid.cells_of(whole, dict.fromkeys(found.params.all_tasks, "x"))
    assert len(cells) == 2 * len(found.params.tasks) + len(found.params.grid)
    row = cells.set_index(["row", "task"]).loc[("large_lr", "clean")]
    estimate = whole["large_lr", "clean", "test_accuracy", TUNED]
    assert estimate.simultaneous is not None
    assert (row["low"], row["high"]) == (estimate.simultaneous.low, estimate.simultaneous.high)
    assert row["text"].endswith("▼")
    assert row["link"] == "#pairs-clean"


def test_true_labels_are_the_first_column_of_every_kind(found: Results) -> None:
    def task(train: int | str, kind: str = "", rate: float = 0.2) -> Task:
        noise = TaskNoise.model_validate({"kind": kind, "rate": rate}) if kind else None
        return Task(noise=noise, train=train, title="x", tune="clean", seeds=2)

    tasks = {"a": task(30), "b": task(30, "uniform"), "c": task(30, "class_dependent"), "d": task("all", "uniform")}
    params = type("Some", (), {"grid": tasks})
    assert grid.places(params) == {  # type: ignore[arg-type]
        "a": [("30 images, uniform noise", "0\u00a0%"), ("30 images, class dependent noise", "0\u00a0%")],
        "b": [("30 images, uniform noise", "20\u00a0%")],
        "c": [("30 images, class dependent noise", "20\u00a0%")],
        "d": [("All images, uniform noise", "20\u00a0%")],
    }
    assert grid.places(found.params)["grid-6"] == [("6 images", "0\u00a0%")]


def test_profile_is_the_share_of_tasks_within_so_many_points_of_the_best() -> None:
    scores = pd.DataFrame({"s": [90.0, 88.0], "t": [70.0, 75.0]}, index=["a", "b"])
    profile = grid.profiles(scores).set_index(["variant", "tau"])["share"]
    assert [profile["a", tau] for tau in (0.0, 4.9, 5.0, 10.0)] == [50, 50, 100, 100]
    assert [profile["b", tau] for tau in (0.0, 1.9, 2.0, 10.0)] == [50, 50, 100, 100]


def test_profiles_rise_and_someone_is_the_best(found: Results) -> None:
    profile = grid.profiles(grid.profile_scores(found)).pivot(index="tau", columns="variant", values="share")
    assert (np.diff(profile.to_numpy(), axis=0) >= 0).all()
    assert profile.loc[0].sum() >= 100


def test_a_profile_needs_something_to_compare() -> None:
    assert grid.profiles(pd.DataFrame({"s": [90.0], "t": [70.0]}, index=["a"])).empty
    assert grid.profiles(pd.DataFrame({"s": [90.0, 80.0]}, index=["a", "b"])).empty


def test_profiles_are_of_variants_on_all_tasks_that_can_be_learned(found: Results) -> None:
    scores = grid.profile_scores(found)
    assert list(scores.index) == ["none", "l1"]
    assert "random" not in scores
    assert set(scores) == set(found.params.all_tasks) - {"random"}


def test_page_has_the_pairs_of_every_cell(found: Results) -> None:
    comparison = Comparison(found.comparisons, tuple(found.params.variants), tuple(found.params.tasks))
    with Drawing() as drawing:
        files = grid.build(found, comparison, drawing)
        drawn = drawing.files()
    page = str(files["grid.html"])
    for name in found.params.all_tasks:
        assert f'<details id="pairs-{name}">' in page
        assert len(pd.read_csv(StringIO(str(files[f"tables/pairs-{name}.csv"])))) > 0
    links = pd.read_csv(StringIO(str(drawn["figures/grid-cells.csv"])))["link"]
    assert all(f'id="{link.removeprefix("#")}"' in page for link in links)


def test_without_a_grid_the_page_is_on_the_main_tasks(found: Results) -> None:
    alone = replace(found, params=replace(found.params, grid={}))
    comparison = Comparison(found.comparisons, tuple(found.params.variants), tuple(found.params.tasks))
    with Drawing() as drawing:
        page = str(grid.build(alone, comparison, drawing)["grid.html"])
    assert "The grid of tasks in <code>params.yaml</code> is empty." in page
