"""The stage `tune`: the same budget for every variant, what each search chose, and nothing tried twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml

from stages import config, search, train, tune
from stages.history import METRICS
from stages.training import jobs
from stages.training.jobs import Unit
from tests import small

COLUMNS = ["variant", "task", "search", "trial", "seed", "parameters", "lr", "epochs", "diverged", "unfinished"]
TASKS = ("clean", "partly_random")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small.make(tmp_path_factory.mktemp("tuned"))
    for name in ("download", "prepare", "plan", "tune"):
        if name == "tune":
            (folder / "data/test.npz").unlink()  # it needs none
        small.stage(folder, name)
    return folder


@pytest.fixture(autouse=True)
def _there(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def call(monkeypatch: pytest.MonkeyPatch) -> list[Unit]:
    """The stage in this process; what it trained."""
    found: list[Unit] = []
    train_stack = jobs.train_stack

    def noted(stack: Sequence[Unit], *rest: Any, **named: Any) -> Any:
        found.extend(stack)
        return train_stack(stack, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "train_stack", noted)
        tune.main()
    return found


def test_there_is_a_row_for_each_trial_of_an_equal_budget() -> None:
    trials, params = pd.read_parquet(tune.TRIALS), config.load()
    assert list(trials) == [*COLUMNS, *METRICS]
    budget = trials.groupby(["variant", "task", "search"])["trial"].apply(list)
    assert set(budget.index) == {(v, t, k) for v in small.VARIANTS for t in TASKS for k in range(2)}
    assert all(own == [0, 1] for own in budget)
    assert (trials["seed"] == trials["search"] + params.tune.first).all()
    finals = {seed for task in params.all_tasks.values() for seed in params.splits.drawn(task.seeds)}
    assert not set(trials["seed"]) & finals
    for row in trials.itertuples():
        point = search.points(params.variants[row.variant], params.tune, row.search)[row.trial]
        assert json.loads(row.parameters) == point
        assert row.lr == point.get(search.LR, params.variants[row.variant].training.lr)


def test_each_search_chooses_by_its_own_labels() -> None:
    trials, chosen = pd.read_parquet(tune.TRIALS), json.loads(tune.CHOSEN.read_text())
    assert set(chosen) == set(small.VARIANTS)
    for variant, own in chosen.items():
        assert {task: list(tracks) for task, tracks in own.items()} == {
            "clean": ["tuned"],
            "partly_random": ["tuned", "tuned_clean"],
        }
        for task, tracks in own.items():
            for track, entries in tracks.items():
                assert [entry["search"] for entry in entries] == [0, 1]
                column = "val_accuracy" + "_true" * (track == "tuned_clean")
                for entry in entries:
                    where = (trials[["variant", "task", "search"]] == [variant, task, entry["search"]]).all(axis=1)
                    group = trials[where]
                    won = group[group["trial"] == entry["trial"]].iloc[0]
                    finished = group[~group["unfinished"] & ~group["diverged"]]
                    assert won[column] == (finished if len(finished) else group)[column].max()
                    assert json.loads(won["parameters"]) == entry["parameters"]


def test_a_task_without_searches_takes_the_choice_of_another() -> None:
    params, chosen = config.load(), json.loads(tune.CHOSEN.read_text())
    for name, planned in train.plan(params, chosen).items():
        for each in planned:
            if each.track == "tuned" and each.unit.task in ("random", "grid-20"):
                assert each.search == params.search(each.unit.seed)
                assert each.changes == chosen[name]["clean"]["tuned"][each.search]["parameters"]


def test_a_trial_or_a_search_more_trains_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    before, files = loads_yaml(Path("params.yaml").read_text()), small.contents(Path("data/tuning"))
    assert call(monkeypatch) == []
    assert small.contents(Path("data/tuning")) == files
    few = pd.read_parquet(tune.TRIALS)
    groups = len(small.VARIANTS) * len(TASKS)
    try:
        content = {**before, "tune": {**before["tune"], "trials": 3}}
        Path("params.yaml").write_text(dumps_yaml(content))
        assert len(call(monkeypatch)) == groups * 2
        more = pd.read_parquet(tune.TRIALS).query("trial < 2").reset_index(drop=True)
        pd.testing.assert_frame_equal(more, few, check_exact=True)
        content["tune"] |= {"trials": 2, "searches": 3}
        Path("params.yaml").write_text(dumps_yaml(content))
        small.stage(Path(), "prepare")
        again = call(monkeypatch)
        assert {unit.seed for unit in again} == {before["tune"]["first"] + 2}
        assert len(again) == groups * 2
        more = pd.read_parquet(tune.TRIALS).query("search < 2").reset_index(drop=True)
        pd.testing.assert_frame_equal(more, few, check_exact=True)
    finally:
        Path("params.yaml").write_text(dumps_yaml(before))
        small.stage(Path(), "prepare")
        call(monkeypatch)
