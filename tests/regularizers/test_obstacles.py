"""A variant whose network has no place for one of its methods is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages import config
from stages.errors import UserError
from stages.networks import NETWORKS
from stages.regularizers import REGULARIZERS
from tests.training.conftest import IN_PARAMS, METHODS, PARAMS


def write(path: Path, **variants: dict[str, object]) -> Path:
    content = YAML(typ="safe").load(Path("params.yaml").read_text(encoding="utf-8"))
    content["variants"] |= variants
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(content, file)
    return path


def test_the_method_the_network_and_those_that_fit_are_named(tmp_path: Path) -> None:
    wrong = write(
        tmp_path / "params.yaml",
        shallow={"stochastic_depth": {"p": 0.5}},
        flat={"dropblock": {"p": 0.1, "block": 3}, "training": {"network": "BigAnimalNet"}},
        odd={"group_norm": {"groups": 7}},
    )
    with pytest.raises(UserError) as caught:
        config.load(wrong)
    for line in (
        "variants.shallow.stochastic_depth: network AnimalNet has no residual branches; it fits: SmallResNet",
        "variants.flat.dropblock: network BigAnimalNet has no hidden pixels; it fits: SmallConvNet, SmallResNet",
        "variants.odd.group_norm: network AnimalNet has a layer of 128 units, which 7 groups do not divide; "
        "it fits: none",
    ):
        assert line in str(caught.value)


def test_a_network_that_fits_is_accepted(tmp_path: Path) -> None:
    right = write(
        tmp_path / "params.yaml", deep={"stochastic_depth": {"p": 0.5}, "training": {"network": "SmallResNet"}}
    )
    assert config.load(right).variant("deep").training.network == "SmallResNet"


@pytest.mark.parametrize("key", REGULARIZERS)
def test_most_methods_fit_every_network(key: str) -> None:
    values = next((methods[key] for methods in [IN_PARAMS, *METHODS] if key in methods), None)
    assert values is not None
    refused = {name for name, network in NETWORKS.items() if REGULARIZERS[key](**values).obstacle(network)}
    assert (refused == set()) == (key not in ("stochastic_depth", "dropblock"))
    assert PARAMS.training.network not in refused or key in ("stochastic_depth", "dropblock")
