"""Tuning: expected bests, places in ranges, what is typical of several choices, and when a warning is given."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import config
from stages.config import BASELINE, DEFAULT, TUNED
from stages.regularizers.base import Search
from stages.reporting import results as reading
from stages.reporting import tuning
from stages.reporting.comparison import Comparison
from stages.reporting.figures import Drawing
from stages.reporting.results import Results
from tests.reporting.sample import SEARCHES, TRIALS, write_results


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("tuning")
    write_results(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        return reading.read(config.load())


def changed(found: Results, variant: str, **columns: Any) -> Results:
    """The results with other columns of the variant's trials on clean labels."""
    trials = found.trials.copy()
    own = (trials["variant"] == variant) & (trials["task"] == "clean")
    for name, values in columns.items():
        trials.loc[own, name] = values
    return replace(found, trials=trials)


def choosing(found: Results, variant: str, parameters: list[dict[str, Any]]) -> Results:
    """The results with other choices of the variant's searches on clean labels."""
    chosen = json.loads(json.dumps(found.chosen))
    chosen[variant]["clean"][TUNED] = [
        {"search": place, "trial": 1, "parameters": one} for place, one in enumerate(parameters)
    ]
    return replace(found, chosen=chosen)


def on_clean(found: Results, variant: str, word: str) -> list[str]:
    return [text for text in tuning.warnings(found, variant) if text.startswith("On clean labels") and word in text]


def test_curves_are_means_over_all_choices_of_trials(found: Results) -> None:
    curve = tuning.curves(found.trials).set_index(["variant", "task", "trials"])
    own = found.trials.query("variant == 'l1' and task == 'partly_random'")
    for n in range(1, TRIALS + 1):
        best, clean = [], []
        for _, search in own.groupby("search"):
            for some in combinations(search.to_dict("records"), n):
                won = max(some, key=lambda trial: trial["val_accuracy"])
                best.append(won["val_accuracy"])
                clean.append(won["val_accuracy_true"])
        row = curve.loc[("l1", "partly_random", n)]
        assert row["score"] == pytest.approx(100 * np.mean(best))
        assert row["clean"] == pytest.approx(100 * np.mean(clean))


def test_a_trial_that_diverged_is_not_better_than_one_that_did_not(found: Results) -> None:
    scores = [0.5, 0.6, 0.7, 0.99] * SEARCHES
    diverged = [False, False, False, True] * SEARCHES
    curve = tuning.curves(changed(found, "l1", val_accuracy=scores, diverged=diverged).trials)
    own = curve[(curve["variant"] == "l1") & (curve["task"] == "clean")]
    assert own["score"].iloc[-1] == pytest.approx(70)


@pytest.mark.parametrize(
    ("value", "search", "place"),
    [
        (0.01, Search(1e-4, 1, "log"), 0.5),
        (0.2, Search(0, 0.8), 0.25),
        (0, Search(1e-4, 1, "log"), 0),
        (7, Search(0, 0.8), 1),
    ],
)
def test_places_follow_the_scale_of_the_range(value: float, search: Search, place: float) -> None:
    assert tuning.position(value, search) == pytest.approx(place)


def test_typical_is_the_median_of_one_parameter_and_what_most_chose(found: Results) -> None:
    params, none = found.params, found.params.variants[BASELINE]
    low, high = (none.training.lr * factor for factor in params.tune.lr)
    middle = low**0.6 * high**0.4
    rates = [{"parameters": {"training.lr": rate}} for rate in (high, low, middle)]
    assert tuning.typical(rates, none, params) == {"training.lr": middle}
    often = [{"parameters": {"training.lr": rate}} for rate in (high, high, high, low, middle)]
    assert tuning.typical(often, none, params) == {"training.lr": high}
    as_written: list[dict[str, Any]] = [{"parameters": {}}, {"parameters": {"training.lr": none.training.lr}}]
    assert tuning.typical(as_written, none, params) == {}


def test_gains_are_differences_and_the_curse_is_what_was_not_kept(found: Results) -> None:
    gained = tuning.gains(found).set_index(["variant", "task"])
    runs = found.replicas.query("variant == 'large_lr' and task == 'clean'").groupby("track")
    means = 100 * runs[["val_accuracy", "test_accuracy"]].mean()
    row = gained.loc[("large_lr", "clean")]
    assert row["kept"] == pytest.approx(means.loc[TUNED, "val_accuracy"] - means.loc[DEFAULT, "val_accuracy"])
    assert row["test"] == pytest.approx(means.loc[TUNED, "test_accuracy"] - means.loc[DEFAULT, "test_accuracy"])
    own = found.trials.query("variant == 'large_lr' and task == 'clean'").groupby("search")["val_accuracy"]
    assert row["promised"] == pytest.approx(100 * (own.max() - own.first()).mean())
    assert row["curse"] == pytest.approx(row["promised"] - row["kept"])


def test_after_some_epochs_a_replica_has_its_last_value(found: Results) -> None:
    ends = tuning.budgets(found, tuning.tuned_tasks(found.params)).set_index(["variant", "task", "track", "epochs"])
    history = found.runs["l1"].history.query("task == 'clean' and track == 'tuned'")
    at_ten = 100 * history[history["epoch"] == 10]["val_accuracy"].mean()
    assert ends.loc[("l1", "clean", TUNED, 10), "score"] == pytest.approx(at_ten)
    last = 100 * history[history["epoch"] == history["epoch"].max()]["val_accuracy"].mean()
    assert ends.loc[("l1", "clean", TUNED, 12), "score"] == pytest.approx(last)
    stopped = history[(history["seed"] != 100) | (history["epoch"] <= 4)]
    shorter = replace(found, runs={**found.runs, "l1": replace(found.runs["l1"], history=stopped)})
    kept = tuning.budgets(shorter, {"clean": found.params.tasks["clean"]}).set_index(["variant", "track", "epochs"])
    values = [*history[(history["seed"] != 100) & (history["epoch"] == 12)]["val_accuracy"]]
    values += [*history[(history["seed"] == 100) & (history["epoch"] == 4)]["val_accuracy"]]
    assert kept.loc[("l1", TUNED, 12), "score"] == pytest.approx(100 * np.mean(values))


def test_a_ladder_is_in_the_order_of_its_scores_at_every_step() -> None:
    data = pd.DataFrame({"variant": ["a", "a", "b", "b"], "trials": [1, 2, 1, 2], "score": [50.0, 60.0, 40.0, 70.0]})
    ladder = tuning.ladder("x", "clean", "", "trials", data, {"score": "Score"}, "Last")
    assert [(row.variant, row.ranks) for row in ladder.rows] == [("b", [2, 1]), ("a", [1, 2])]
    assert ladder.rows[0].cells == [["40.0", "70.0"], ["1", "1"]]


def test_warning_of_a_choice_at_the_edge(found: Results) -> None:
    low, high = (found.params.variants[BASELINE].training.lr * factor for factor in found.params.tune.lr)
    middle = (low * high) ** 0.5
    assert not on_clean(choosing(found, BASELINE, [{"training.lr": middle}] * 2), BASELINE, "end of its range")
    assert not on_clean(
        choosing(found, BASELINE, [{"training.lr": low}, {"training.lr": high}]), BASELINE, "end of its range"
    )
    told = on_clean(choosing(found, BASELINE, [{"training.lr": high}] * 2), BASELINE, "upper end of its range")
    assert told == [
        f"On clean labels, 2 of 2 searches chose `training.lr` at the upper end of its range ({low:g} to {high:g})."
    ]


def test_warning_of_divergence(found: Results) -> None:
    few = [True] + [False] * (SEARCHES * TRIALS - 1)
    many = [True] * 3 + [False] * (SEARCHES * TRIALS - 3)
    assert not on_clean(changed(found, "l1", diverged=few), "l1", "diverged")
    assert on_clean(changed(found, "l1", diverged=many), "l1", "diverged") == [
        f"On clean labels, 3 of {SEARCHES * TRIALS} trials diverged."
    ]


def test_warning_of_a_curve_that_rises(found: Results) -> None:
    flat = changed(found, "l1", val_accuracy=0.7)
    assert not on_clean(flat, "l1", "more trials might gain more")
    steep = changed(found, "l1", val_accuracy=[0.1, 0.3, 0.5, 0.9] * SEARCHES)
    assert on_clean(steep, "l1", "more trials might gain more")


@pytest.mark.parametrize(("factor", "told"), [(4, 0), (6, 1), (1 / 6, 1)])
def test_warning_of_a_rate_far_from_that_of_the_reference(found: Results, factor: float, told: int) -> None:
    both = choosing(found, BASELINE, [{"training.lr": 0.01}] * 2)
    both = choosing(both, "l1", [{"training.lr": 0.01 * factor}] * 2)
    assert len(on_clean(both, "l1", "is far from that of `none`")) == told


def test_warning_of_networks_that_have_not_finished_as_written(found: Results) -> None:
    assert not on_clean(found, "l1", "as written were still learning")
    runs = found.replicas.copy()
    own = (runs["variant"] == "l1") & (runs["task"] == "clean") & (runs["track"] == DEFAULT)
    runs.loc[runs[own].index[0], "unfinished"] = True
    assert on_clean(replace(found, replicas=runs), "l1", "as written were still learning") == [
        "On clean labels, 1 of 3 networks with the settings as written were still learning when their epochs were used "
        "up."
    ]


def test_clean_labels_add_the_difference_of_the_means(found: Results) -> None:
    table = tuning.selections(found, "partly_random")
    assert np.allclose(table["clean"] - table["given"], table["difference"])
    assert (table["low"] <= table["difference"]).all()
    runs = found.replicas.query("variant == 'l1' and task == 'partly_random' and track == 'tuned_clean'")
    assert table.set_index("variant")["clean"]["l1"] == pytest.approx(100 * runs["test_accuracy"].mean())


def test_axes_hold_every_trial_once_for_each_parameter(found: Results) -> None:
    data = tuning.axes_figure(found, "l1").data
    assert set(data["panel"].str.split(",").str[0]) == {"training.lr", "l1.strength", "dropout.p"}
    assert len(data) == 3 * 2 * SEARCHES * TRIALS
    assert data["position"].between(0, 1).all()
    assert (data["kind"] == "chosen").sum() == 3 * 2 * SEARCHES


def test_page_has_a_step_for_every_trial_and_a_table_for_every_task(found: Results) -> None:
    comparison = Comparison(found.comparisons, tuple(found.params.variants), tuple(found.params.tasks))
    with Drawing() as drawing:
        files = tuning.build(found, comparison, drawing)
    page = str(files["tuning.html"])
    assert 'data-steps="1|2|3|4"' in page
    for name in ("clean", "partly_random"):
        assert f'<section data-task="{name}"' in page
        assert len(pd.read_csv(StringIO(str(files[f"tables/tuning-trials-{name}.csv"])))) == 3 * TRIALS
    assert "table-tuning-selection-clean" not in page
    assert "table-tuning-selection-partly_random" in page
    assert len(pd.read_csv(StringIO(str(files["tables/trials.csv"])))) == len(found.trials)
