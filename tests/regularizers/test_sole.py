"""Two methods of a variant that each put something in place of the same are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml

from stages import config
from stages.errors import UserError
from stages.regularizers import REGULARIZERS
from stages.regularizers.base import ORDER, SOLE, Work
from tests.training.conftest import METHODS

ROOT = Path(__file__).parents[2]


def load(tmp_path: Path, **methods: dict[str, Any]) -> config.Params:
    content = loads_yaml((ROOT / "params.yaml").read_text())
    content["variants"]["both"] = methods
    path = tmp_path / "params.yaml"
    path.write_text(dumps_yaml(content))
    return config.load(path)


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        ({"gce": {"q": 0.7}}, {"mae": {}}, "the cross-entropy"),
        ({"ema": {"decay": 0.9}}, {"swa": {"start": 0.75}}, "the weights that are measured"),
    ],
)
def test_two_are_refused_and_either_is_not(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], what: str
) -> None:
    (a,), (b,) = first, second
    message = f"variants.both: {a} and {b} each put something in place of {what}; leave one"
    with pytest.raises(UserError, match=message):
        load(tmp_path, **first, **second)
    for one in (first, second):
        assert [m.key for m in load(tmp_path, **one).variant("both").regularizers] == list(one)


def test_one_of_each_kind_is_allowed(tmp_path: Path) -> None:
    methods = {"gce": {"q": 0.7}, "ema": {"decay": 0.9}, "confidence_penalty": {"strength": 0.1}}
    assert len(load(tmp_path, **methods).variant("both").regularizers) == 3


def test_methods_that_put_something_in_place_say_so() -> None:
    assert set(SOLE) <= set(ORDER)
    for key, method in REGULARIZERS.items():
        assert (method.work.weights is not Work.weights) == (method.acts_on == "measured"), key
        assert any(key in methods for methods in METHODS), key
