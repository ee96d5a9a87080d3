"""A variant whose network has no place for one of its methods is refused; what has nothing to do on a task says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages import config
from stages.config import Task
from stages.datasets.sources import SOURCES
from stages.errors import UserError
from stages.networks import NETWORKS
from stages.regularizers import REGULARIZERS
from stages.regularizers.base import Given
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


CLEAN, UNIFORM, CONFUSED = Given(None, 0.0, 100), Given("uniform", 0.2, 100), Given("class_dependent", 0.2, 100)
RANDOM = Given("uniform", 1.0, 100)


def needless(key: str, values: dict[str, object], task: Given) -> str:
    return REGULARIZERS[key](**values).needless(task)


def test_forward_correction_needs_uniform_noise() -> None:
    found = [needless("forward_correction", {"rate": 0.1}, task) for task in (CLEAN, UNIFORM, CONFUSED, RANDOM)]
    assert found == [
        "corrects for wrong labels, and all are true",
        "",
        "corrects for uniform noise, and this is class dependent",
        "corrects for wrong labels, and these say nothing about the true ones",
    ]


def test_augmentation_needs_something_that_the_images_bear() -> None:
    for flip, shift in ((0.5, 0), (0.0, 1)):
        assert needless("augmentation", {"horizontal_flip": flip, "shift": shift}, CLEAN) == ""
    assert "neither" in needless("augmentation", {"horizontal_flip": 0.0, "shift": 0}, CLEAN)
    for source in SOURCES.values():
        assert needless("augmentation", dict(source.augmentation), CLEAN) == ""


@pytest.mark.parametrize(("images", "whole"), [(16, True), (17, False), (None, False)])
def test_ghosts_of_all_images_are_batch_normalization(images: int | None, whole: bool) -> None:
    found = needless("ghost_batch_norm", {"size": 16, "momentum": 0.1}, CLEAN._replace(images=images))
    assert found == (f"has all {images} images in one part, which is batch normalization" if whole else "")


@pytest.mark.parametrize("key", REGULARIZERS)
def test_most_methods_have_something_to_do_everywhere(key: str) -> None:
    values = next(methods[key] for methods in [IN_PARAMS, *METHODS] if key in methods)
    for task in (CLEAN, UNIFORM, CONFUSED, RANDOM):
        assert needless(key, values, task) == "" or key == "forward_correction"


def test_a_variant_has_something_to_do_where_one_of_its_methods_has() -> None:
    clean, noisy = Task(train=100, title="a", tune="a", seeds=2), PARAMS.tasks["partly_random"]
    variant = PARAMS.variants["forward_correction"]
    assert variant.needless(noisy) == ""
    assert variant.needless(clean) == "Forward correction corrects for wrong labels, and all are true"
    assert (
        replace(variant, regularizers=variant.regularizers + PARAMS.variants["l1"].regularizers).needless(clean) == ""
    )
    assert PARAMS.variants["none"].needless(clean) == ""
