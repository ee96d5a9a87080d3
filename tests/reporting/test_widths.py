"""The width sweep: which variants belong to it, what is drawn, and sentences that are true for any outcome."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import config
from stages.config import Params
from stages.reporting import results as reading
from stages.reporting import widths
from stages.reporting.comparison import Comparison
from stages.reporting.figures import Drawing
from stages.reporting.grid import build
from stages.reporting.results import Results
from tests.reporting.sample import parameters, write_results

VARIANTS: dict[str, dict[str, Any]] = {
    "none": {},
    "dropout": {"dropout": {"p": 0.5}},
    "broad": {"training": {"width": 3.0}},
    "broad_dropout": {"training": {"width": 3.0}, "dropout": {"p": 0.5}},
    "broad_weaker": {"training": {"width": 3.0}, "dropout": {"p": 0.2}},
    "thin": {"training": {"width": 0.5}},
    "thin_fast": {"training": {"width": 0.5, "lr": 0.2}},
    "l1": {"l1": {"strength": 1.0e-3}},
}
PLAIN = ["thin", "none", "broad"]
SIZES = {"thin": 100, "none": 1000, "broad": 10_000, "broad_dropout": 10_000}


def test_a_sweep_is_what_differs_in_width_alone(tmp_path: Path) -> None:
    params = parameters(tmp_path, VARIANTS, 3, 12)
    assert widths.sweeps(params) == {"none": PLAIN, "dropout": ["dropout", "broad_dropout"]}


def test_one_width_is_no_sweep(tmp_path: Path) -> None:
    names = ("none", "dropout", "broad_dropout", "thin_fast")
    params = parameters(tmp_path, {name: VARIANTS[name] for name in names}, 3, 12)
    assert widths.sweeps(params) == {}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("widths")
    write_results(root, VARIANTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        return reading.read(config.load())


def test_errors_are_what_accuracies_lack(found: Results) -> None:
    comparison = Comparison(found.comparisons, tuple(VARIANTS), tuple(found.params.tasks))
    drawn = widths.errors(found, comparison, widths.sweeps(found.params))
    assert set(drawn["series"]) == {"none, test", "none, training", "dropout, test"}
    row = drawn.query("panel == 'Clean labels' and series == 'none, test' and variant == 'broad'").iloc[0]
    own = found.replicas.query("variant == 'broad' and task == 'clean' and track == 'tuned'")["test_accuracy"]
    assert row["mean"] == pytest.approx(100 - 100 * own.mean())
    assert row["low"] < row["mean"] < row["high"]
    assert (drawn[["low", "high"]].dropna().to_numpy() >= 0).all()
    assert (drawn[["low", "high"]].dropna().to_numpy() <= 100).all()


def test_page_has_the_sweep(found: Results) -> None:
    comparison = Comparison(found.comparisons, tuple(VARIANTS), tuple(found.params.tasks))
    with Drawing() as drawing:
        files = build(found, comparison, drawing)
    page = str(files["grid.html"])
    assert all(text in page for text in ('id="grid-widths"', 'id="table-grid-widths"', "On clean labels: "))
    table = str(files["tables/grid-widths.csv"]).splitlines()
    assert [line.split(",")[0] for line in table[1:]] == [*PLAIN, "dropout", "broad_dropout"]


def said(params: Params, errors: Sequence[float], helped: float = 0, noise: float = 0.2) -> list[str]:
    """What is said of test errors in percent of the widths, and of one with a regularizer at the largest."""
    rng = np.random.default_rng(0)
    means = dict(zip([*PLAIN, "broad_dropout"], [*errors, errors[-1] - helped], strict=True))
    runs = pd.DataFrame(
        {"variant": variant, "seed": params.splits.first + i, "test_accuracy": 1 - (mean + rng.normal(0, noise)) / 100}
        for variant, mean in means.items()
        for i in range(12)
    )
    pairs = [("none", "thin"), ("broad", "thin"), ("broad", "none"), ("broad_dropout", "broad")]
    apart = widths.differences(runs, pairs, params)
    return [
        *widths.descent(PLAIN, apart, SIZES),
        *widths.regularized([("broad_dropout", "broad")], apart, SIZES),
    ]


def test_double_descent_is_a_rise_and_another_fall(found: Results) -> None:
    peak, _ = said(found.params, [20, 30, 15])
    assert peak.startswith("Double descent shows: test error rises from 100 parameters to 1,000 parameters by ")
    assert " and falls again by " in peak
    assert peak.endswith(" to 10,000 parameters.")


def test_a_rise_alone_is_overfitting(found: Results) -> None:
    rise, _ = said(found.params, [20, 25, 30])
    assert rise.startswith("Test error rises from 100 parameters to 10,000 parameters by ")
    assert rise.endswith("overfitting shows, double descent does not.")


@pytest.mark.parametrize(("errors", "noise"), [([30, 20, 10], 0.2), ([20, 21, 20], 10.0)])
def test_no_rise_beyond_chance_is_no_double_descent(found: Results, errors: list[float], noise: float) -> None:
    none, _ = said(found.params, errors, noise=noise)
    assert none == "Test error rises nowhere with width beyond what chance explains, so no double descent shows."


@pytest.mark.parametrize(("helped", "does"), [(3, "lowers it by "), (-3, "raises it by "), (0, "no certain")])
def test_a_regularizer_is_judged_at_the_largest_width(found: Results, helped: float, does: str) -> None:
    _, text = said(found.params, [30, 20, 10], helped=helped)
    assert text.startswith("Large and regularized: `broad_dropout`, compared with `broad`, both with 10,000 parameters")
    assert does in text


@pytest.mark.parametrize(
    ("accuracies", "text"),
    [
        ([0.9, 1.0, 1.0], "without a regularizer, all training labels are fitted from 1,000 parameters on."),
        ([1.0, 0.9, 1.0], "without a regularizer, all training labels are fitted from 10,000 parameters on."),
        ([1.0, 1.0, 1.0], "without a regularizer, networks of every size fit all training labels."),
        ([1.0, 1.0, 0.9], "not even the largest network without a regularizer fits all training labels on every seed."),
    ],
)
def test_labels_are_fitted_from_a_size_on(accuracies: list[float], text: str) -> None:
    runs = pd.DataFrame({"variant": PLAIN * 2, "train_accuracy": [1.0] * 3 + accuracies})
    assert widths.fitted(runs, PLAIN, SIZES) == [text]


def test_networks_that_were_still_learning_are_named() -> None:
    runs = pd.DataFrame({"variant": PLAIN, "unfinished": [True, False, True]})
    assert widths.unfinished(runs, PLAIN) == [
        "Networks of `thin` and `broad` were still learning, so this may change with more epochs."
    ]
    assert widths.unfinished(runs.assign(unfinished=False), PLAIN) == []
