"""The points that a search tries, and which of them it chooses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stages import config, search
from stages.config import Tune
from stages.regularizers.base import Search
from tests.small import ROOT

PARAMS = config.load(ROOT / "params.yaml")
VARIANTS = PARAMS.variants
TUNE = Tune(trials=8, searches=4, first=1000, lr=(0.1, 4.0))


def of_trials(trials: int, searches: int = 4) -> Tune:
    return TUNE.model_copy(update={"trials": trials, "searches": searches})


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_has_the_same_number_of_trials_and_the_first_is_as_written(name: str) -> None:
    for trials in (1, 2, 8, 11):
        found = search.points(VARIANTS[name], of_trials(trials), 0)
        assert len(found) == trials
        assert found[0] == {}
        assert VARIANTS[name].with_parameters(found[0]) == VARIANTS[name]


@pytest.mark.parametrize("name", VARIANTS)
def test_points_lie_in_the_ranges_and_make_valid_variants(name: str) -> None:
    variant = VARIANTS[name]
    space = search.space(variant, TUNE)
    assert space[search.LR] == Search(0.1 * variant.training.lr, 4 * variant.training.lr, "log")
    for point in search.points(variant, TUNE, 2)[1:]:
        assert point.keys() == space.keys()
        for key, value in point.items():
            assert space[key].low * (1 - 1e-3) <= value <= space[key].high * (1 + 1e-3)
        for method in variant.with_parameters(point).regularizers:
            assert type(method).model_validate(method.model_dump()) == method  # strict: integers are integers


@pytest.mark.parametrize("name", ["none", "dropout", "everything"])
def test_more_trials_or_searches_change_no_point(name: str) -> None:
    for k in range(3):
        many = search.points(VARIANTS[name], of_trials(20, 9), k)
        for trials in (1, 2, 3, 8, 9):
            assert search.points(VARIANTS[name], of_trials(trials), k) == many[:trials]
    assert search.points(VARIANTS[name], TUNE, 0)[1:] != search.points(VARIANTS[name], TUNE, 1)[1:]


def test_variants_with_equally_many_parameters_are_tried_at_the_same_places() -> None:
    rates = [
        [point[search.LR] for point in search.points(VARIANTS[name], TUNE, 1)[1:]]
        for name in ("l1", "l2", "dropout", "label_smoothing")
    ]
    assert all(len(search.space(VARIANTS[name], TUNE)) == 2 for name in ("l1", "l2", "dropout", "label_smoothing"))
    assert all(other == rates[0] for other in rates)


@pytest.mark.parametrize("scale", ["log", "linear"])
def test_values_go_from_one_end_to_the_other(scale: Any) -> None:
    values = [search.value_at(Search(0.01, 1.0, scale), u, False) for u in (0.0, 0.5, 1.0)]
    assert values == pytest.approx([0.01, 0.1 if scale == "log" else 0.505, 1.0])
    whole = search.value_at(Search(1, 8, scale), 0.4, True)
    assert isinstance(whole, int)


def trial(
    accuracy: float, loss: float = 1.0, clean: float = 0.5, diverged: bool = False, unfinished: bool = False
) -> dict[str, Any]:
    own = {"val_accuracy": accuracy, "val_loss": loss, "val_accuracy_true": clean, "val_loss_true": loss}
    return {**own, "diverged": diverged, "unfinished": unfinished}


NAN = float("nan")


@pytest.mark.parametrize(
    ("trials", "labels", "expected"),
    [
        ([trial(0.5), trial(0.7), trial(0.6)], "", 1),
        ([trial(0.7, 2.0), trial(0.7, 1.0), trial(0.6, 0.1)], "", 1),  # equal accuracy: the lower loss
        ([trial(0.7), trial(0.7)], "", 0),  # equal in both: the first
        ([trial(0.7, NAN), trial(0.7, 9.0)], "", 1),
        ([trial(0.9, diverged=True), trial(0.1)], "", 1),
        ([trial(0.9, unfinished=True), trial(0.1)], "", 1),
        ([trial(0.1, unfinished=True), trial(0.9, unfinished=True), trial(1.0, diverged=True)], "", 1),
        ([trial(0.1, diverged=True), trial(0.9, diverged=True)], "", 1),
        ([trial(0.7, clean=0.2), trial(0.3, clean=0.8)], "", 0),
        ([trial(0.7, clean=0.2), trial(0.3, clean=0.8)], "_true", 1),
    ],
)
def test_the_best_trial(trials: list[dict[str, Any]], labels: str, expected: int) -> None:
    assert search.best(trials, labels) == expected


def test_a_method_more_gets_a_larger_space_but_no_more_trials() -> None:
    one, three = VARIANTS["dropout"], VARIANTS["everything"]
    both = replace(one, regularizers=three.regularizers)
    assert len(search.space(both, TUNE)) >= 4 > len(search.space(one, TUNE))
    assert len(search.points(both, TUNE, 0)) == len(search.points(one, TUNE, 0)) == TUNE.trials
