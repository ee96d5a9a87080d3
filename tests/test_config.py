"""Every mistake in params.yaml is found before anything runs, and its message names the key and what is allowed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages import config
from stages.errors import UserError
from stages.models import NETWORKS
from stages.regularizers import REGULARIZERS

ROOT = Path(__file__).parent.parent


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[str, Any], Path]:
    """A copy of params.yaml with the value at a path of keys separated by slashes replaced."""

    def edit(keys: str, value: Any) -> Path:
        content = yaml.safe_load((ROOT / "params.yaml").read_text())
        *parents, last = keys.split("/")
        place = content
        for key in parents:
            place = place[key]
        place[last] = value
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    return edit


def test_the_committed_parameters_are_valid_and_use_every_regularizer() -> None:
    params = config.load(ROOT / "params.yaml")
    used = {name for variant in params.variants.values() for name in variant.parameters()}
    assert set(REGULARIZERS) <= used
    assert params.variants["small_lr"].training.lr < params.training.lr < params.variants["large_lr"].training.lr
    assert params.variants["small_lr"].training.epochs == params.training.epochs


def test_networks_are_those_that_the_models_hold() -> None:
    assert set(config.Training.model_fields["network"].annotation.__args__) == set(NETWORKS)


@pytest.mark.parametrize(
    ("keys", "value", "expected"),
    [
        ("studies", {}, ["studies: names none", "linear_decay"]),
        ("studies/linear_decay", None, ["studies.linear_decay: found nothing", "delete the key"]),
        ("studies/other", {}, ["studies.other: unknown key", "toy_dropout"]),
        ("studies/toy_dropout/step", 500, ["studies.toy_dropout.step: unknown key; allowed: seeds, steps"]),
        ("studies/toy_dropout/steps", 1234, ["studies.toy_dropout.steps: found 1234", "multiple of 500"]),
        ("studies/mnist_mlp/data", "cifar", ["studies.mnist_mlp.data: found 'cifar'", "'digits' or 'mnist'"]),
        ("studies/other", None, ["studies.other: unknown key"]),
        ("claims/points", 0, ["claims.points: found 0"]),
        ("claims", None, ["claims: found None; allowed: a mapping of points, percent, tolerance"]),
        ("training/epoch", 3, ["training.epoch: unknown key", "epochs"]),
        ("training/epochs", "many", ["training.epochs: found 'many'", "integer"]),
        ("training/epochs", True, ["training.epochs: found True"]),
        ("training/epochs", 0, ["training.epochs: found 0", "greater than or equal to 1"]),
        ("training/lr", "1e-4", ["training.lr: found '1e-4'", "1.0e-4"]),
        ("training/lr", float("nan"), ["training.lr: found nan", "finite"]),
        ("training/network", "ResNet", ["training.network: found 'ResNet'", "AnimalNet", "BigAnimalNet"]),
        ("training/device", "tpu", ["training.device: found 'tpu'; allowed: auto, cpu, cuda or cuda:N"]),
        ("training/momentum", 1.0, ["training.momentum: found 1.0", "less than 1"]),
        ("splits/seeds", 1, ["splits.seeds: found 1"]),
        ("data/source", "mnist", ["data.source: found 'mnist'", "digits", "afhq", "folder"]),
        ("data/folder/path", "", ["data.folder.path: found ''"]),
        ("data/folder/path", "data", ["data.folder.path: found 'data'", "data/raw or reports"]),
        ("data/folder/path", "reports/images", ["data.folder.path: found 'reports/images'"]),
        ("data/afhq/clean", "", ["data.afhq.clean: found ''; allowed: an address"]),
        ("data/afhq/clean", "https://me:secret@host/a", ["data.afhq.clean: found 'https://host/a'", "REGBENCH_MIRROR"]),
        ("studies/mnist_mlp/url", "https://me@host/a", ["studies.mnist_mlp.url", "without user name and password"]),
        ("data/folder", None, ["data.folder: found None; allowed: a mapping of path, image_size"]),
        ("data/label_noise/random", 1.5, ["data.label_noise.random: found 1.5"]),
        ("data/augmentation/digits", {"rotate": 3}, ["data.augmentation.digits.rotate: unknown key", "shift"]),
        ("data/augmentation", {}, ["data.augmentation: missing afhq, digits, folder"]),
        ("variants/l1/l1", {"strenght": 1.0}, ["variants.l1.l1.strenght: unknown key; allowed: strength"]),
        ("variants/l1/l1", {}, ["variants.l1.l1.strength: missing"]),
        ("variants/l1/l1", {"strength": -1.0}, ["variants.l1.l1.strength: found -1.0", "greater than or equal to 0"]),
        ("variants/l1/l1", None, ["variants.l1.l1: found None", "mapping of strength"]),
        ("variants/l1/lasso", {}, ["variants.l1.lasso: unknown regularizer", "l2, label_smoothing", "dropout"]),
        ("variants/l1/training", {"lr": "fast"}, ["variants.l1.training.lr: found 'fast'"]),
        (
            "variants/l1/training",
            {"device": "cpu"},
            ["variants.l1.training.device: unknown key", "optimizer, lr, momentum"],
        ),
        ("variants/l1/training", 3, ["variants.l1.training: found 3; allowed: a mapping of network"]),
        ("variants/l1.5", {}, ["variants.l1.5", "no dots"]),
        ("variants/dropout/dropout", {"p": 1.0}, ["variants.dropout.dropout.p: found 1.0", "less than 1"]),
        ("variants", {"l1": {"l1": {"strength": 0.1}}}, ["variants: 'none' is missing"]),
        ("variants/none", None, ["variants.none"]),
        ("extra", 1, ["extra: unknown key", "training", "variants"]),
    ],
)
def test_a_mistake_names_the_key_and_what_is_allowed(
    edited: Callable[[str, Any], Path], keys: str, value: Any, expected: list[str]
) -> None:
    with pytest.raises(UserError) as error:
        config.load(edited(keys, value))
    for text in ["params.yaml", *expected]:
        assert text in str(error.value)


def test_all_mistakes_are_reported_at_once(edited: Callable[[str, Any], Path]) -> None:
    path = edited("variants/l1/l1", {"strength": -1})
    path.write_text(path.read_text().replace("patience: 20", "patience: 0"))
    with pytest.raises(UserError) as error:
        config.load(path)
    assert "variants.l1.l1.strength" in str(error.value)
    assert "variants.early_stopping.early_stopping.patience" in str(error.value)


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text() + "\ntraining: {}\n")
    with pytest.raises(UserError, match="'training' stands twice"):
        config.load(path)


@pytest.mark.parametrize("text", [b"", b"[1, 2]", b"data: [", b"data: 1\n", b"{a: 1}: 2\n", b"data: \xff\n"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(text)
    with pytest.raises(UserError, match=r"params\.yaml"):
        config.load(path)


def test_augmentation_follows_the_source(edited: Callable[[str, Any], Path]) -> None:
    def augmentation(source: str) -> dict[str, Any]:
        return config.load(edited("data/source", source)).variants["augmentation"].parameters()["augmentation"]

    assert augmentation("digits") == {"horizontal_flip": 0.0, "shift": 1}
    assert augmentation("afhq") == {"horizontal_flip": 0.5, "shift": 0}


def test_choosing_a_source_keeps_the_comments(tmp_path: Path) -> None:
    original = re.sub(r"source: \w+", "source: digits", (ROOT / "params.yaml").read_text(), count=1)
    (tmp_path / "params.yaml").write_text(original)
    (tmp_path / "data/images").mkdir(parents=True)

    def choose(argument: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "stages.config", argument]
        environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert choose("source=afhq").returncode == 0
    changed = (tmp_path / "params.yaml").read_text()
    assert changed.split() == original.replace("source: digits", "source: afhq").split()
    assert choose("source=digits").returncode == 0
    assert (tmp_path / "params.yaml").read_text().split() == original.split()
    refused = choose("source=mnist")
    assert refused.returncode == 1
    assert "source=digits | afhq | folder" in refused.stderr
    assert "Traceback" not in refused.stderr
    (tmp_path / "data/images").rmdir()
    refused = choose("source=folder")
    assert refused.returncode == 1
    assert "data.folder.path: there is no folder data/images" in refused.stderr


def test_parameters_are_checked_without_torch() -> None:
    code = "import sys; from stages import config; config.load(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_ctrl_c_while_a_stage_imports_ends_without_a_traceback() -> None:
    code = "import stages; raise KeyboardInterrupt"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "what was finished is kept" in ended.stderr
    assert "Traceback" not in ended.stderr
