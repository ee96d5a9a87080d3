"""Every mistake in params.yaml is found before anything runs, and its message names the key and what is allowed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import dump_yaml, dumps_yaml, load_yaml, loads_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stages import config
from stages.errors import UserError
from stages.networks import NETWORKS
from stages.regularizers import REGULARIZERS

ROOT = Path(__file__).parent.parent


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[str, Any], Path]:
    """A copy of params.yaml with the value at a path of keys separated by slashes replaced."""

    def edit(keys: str, value: Any) -> Path:
        content = loads_yaml((ROOT / "params.yaml").read_text())
        *parents, last = keys.split("/")
        place = content
        for key in parents:
            place = place[key]
        place[last] = value
        path = tmp_path / "params.yaml"
        path.write_text(dumps_yaml(content))
        return path

    return edit


def test_the_committed_parameters_are_valid_and_use_every_regularizer() -> None:
    params = config.load(ROOT / "params.yaml")
    used = {name for variant in params.variants.values() for name in variant.parameters()}
    assert set(REGULARIZERS) <= used
    assert params.variants["small_lr"].training.lr < params.training.lr < params.variants["large_lr"].training.lr
    assert params.variants["small_lr"].training.epochs == params.training.epochs


@pytest.mark.parametrize("keys", ["training/network", "variants/l1/training"])
def test_networks_are_those_that_there_are(edited: Callable[[str, Any], Path], keys: str) -> None:
    def load(name: str) -> config.Params:
        return config.load(edited(keys, name if keys.endswith("network") else {"network": name}))

    for name in NETWORKS:
        assert load(name).variants["l1"].training.network == name
    for name in ("ResNet", "animalnet", "", *(f"{name} " for name in NETWORKS)):
        with pytest.raises(UserError) as error:
            load(name)
        problem = next(line for line in str(error.value).splitlines() if "network: found" in line)
        _, found, known = problem.partition(f"found {name!r}; unknown network; available: ")
        assert found
        assert known.split(", ") == list(NETWORKS)


@pytest.mark.parametrize(
    ("keys", "value", "expected"),
    [
        ("documents/linear_decay", 3, ["documents.linear_decay: found 3", "mapping"]),
        ("documents", None, ["documents: found None", "mapping"]),
        ("claims/points", 0, ["claims.points: found 0"]),
        ("claims", None, ["claims: found None; allowed: a mapping of points, percent, tolerance"]),
        ("training/epoch", 3, ["training.epoch: unknown key", "epochs"]),
        ("training/epochs", "many", ["training.epochs: found 'many'", "integer"]),
        ("training/epochs", True, ["training.epochs: found True"]),
        ("training/epochs", 0, ["training.epochs: found 0", "greater than or equal to 1"]),
        ("training/lr", "1e-4", ["training.lr: found '1e-4'", "valid number"]),
        ("training/lr", float("nan"), ["training.lr: found nan", "finite"]),
        ("training/network", "ResNet", ["training.network: found 'ResNet'", "AnimalNet", "BigAnimalNet"]),
        ("training/device", "tpu", ["training.device: found 'tpu'; allowed: auto, cpu, cuda or cuda:N"]),
        ("training/momentum", 1.0, ["training.momentum: found 1.0", "less than 1"]),
        ("splits/seeds", 1, ["splits.seeds: found 1"]),
        ("data/source", "cifar", ["data.source: found 'cifar'", "digits", "afhq", "folder", "fashion_mnist", "mnist"]),
        ("data/source", 3, ["data.source: found 3"]),
        ("data/other", {}, ["data.other: unknown key; allowed: source, label_noise"]),
        ("data/afhq", {"url": ""}, ["data.afhq.url: unknown key; allowed: none"]),
        ("data/folder/image_size", 3, ["data.folder.image_size: found 3"]),
        ("data/folder/path", "", ["data.folder.path: found ''"]),
        ("data/folder/path", "data", ["data.folder.path: found 'data'", "data/raw or reports"]),
        ("data/folder/path", "reports/images", ["data.folder.path: found 'reports/images'"]),
        ("data/afhq", {"clean": "https://host/a"}, ["data.afhq.clean: unknown key; allowed: none"]),
        ("data/folder", None, ["data.folder: found None; allowed: a mapping of path, image_size"]),
        ("data/label_noise", {"seed": -1}, ["data.label_noise.seed: found -1"]),
        ("tasks", {}, ["tasks: the first must have no noise"]),
        ("tasks", {"a": {"noise": {"kind": "uniform", "rate": 0.1}}}, ["tasks: the first must have no noise"]),
        ("tasks/random/noise/rate", 1.5, ["tasks.random.noise.rate: found 1.5"]),
        ("tasks/random/noise/kind", "odd", ["tasks.random.noise.kind: found 'odd'", "class_dependent"]),
        ("tasks/random/noise", 0.5, ["tasks.random.noise: found 0.5; allowed: a mapping of kind, rate"]),
        ("tasks/few", {"train": 0}, ["tasks.few.train: found 0"]),
        ("tasks/few", {"size": 3}, ["tasks.few.size: unknown key; allowed: noise, train, title, about"]),
        ("tasks/few", None, ["tasks.few: found None"]),
        ("tasks/few", {"train": "most"}, ["tasks.few.train: found 'most'", "from 1 to 10,000,000, or all"]),
        ("tasks/few", {"train": True}, ["tasks.few.train: found True", "from 1 to 10,000,000, or all"]),
        ("tasks/few", {"seeds": 1}, ["tasks.few.seeds: found 1", "greater than or equal to 2"]),
        ("tasks/few", {"tune": "random"}, ["tasks.few.tune: found 'random'", "with searches: clean, partly_random"]),
        ("tasks/few", {"tune": "odd"}, ["tasks.few.tune: found 'odd'; allowed: a task with searches: clean"]),
        ("tasks/few", {"variants": ["none", "lasso"]}, ["tasks.few.variants: there is no variant 'lasso'"]),
        ("tasks/few", {"variants": ["l1"]}, ["tasks.few.variants: 'none' is missing"]),
        ("grid/variants", ["none", "lasso"], ["grid.variants: there is no variant 'lasso'"]),
        ("grid/variants", ["l1"], ["grid.variants: 'none' is missing"]),
        ("grid/rate", [1.5], ["grid.rate.0: found 1.5"]),
        ("grid/train", [0], ["grid.train.0: found 0", "from 1 to 10,000,000, or all"]),
        ("grid/kind", ["odd"], ["grid.kind.0: found 'odd'", "class_dependent"]),
        ("grid/seeds", 1, ["grid.seeds: found 1"]),
        ("crossed/task", "odd", ["crossed.task: found 'odd'; allowed: clean, partly_random, random"]),
        ("crossed/variants", ["none", "lasso"], ["crossed.variants: there is no variant 'lasso'"]),
        ("crossed/variants", ["l1"], ["crossed.variants: 'none' is missing"]),
        ("crossed/variants", [], ["crossed.variants: found []", "at least 1"]),
        ("crossed/splits", 1, ["crossed.splits: found 1", "greater than or equal to 2"]),
        ("crossed/draws", 1, ["crossed.draws: found 1", "greater than or equal to 2"]),
        ("crossed/draws", 900, ["tune.first: the searches would share seeds"]),
        ("crossed", None, ["crossed: found None; allowed: a mapping of task, variants, splits, draws"]),
        ("crossed", {"variants": ["none"]}, ["crossed.task: missing", "crossed.draws: missing"]),
        (
            "grid/variants",
            ["none", "cocktail_without_dropout"],
            ["grid.variants: 'cocktail' is missing; 'cocktail_without_dropout' has its settings"],
        ),
        ("variants/l1/leave_one_out", 1, ["variants.l1.leave_one_out: found 1; must be a valid boolean"]),
        (
            "variants/l1/leave_one_out",
            True,
            ["variants.l1.leave_one_out: found True; allowed: only for two methods or more, with searches of"],
        ),
        (
            "variants/cocktail/training",
            {"images": "train_and_val"},
            ["variants.cocktail.leave_one_out: found True; allowed: only for two methods or more"],
        ),
        (
            "variants/cocktail_without_dropout",
            {"l1": {"strength": 0.1}},
            ["variants.cocktail.leave_one_out: it makes the variant 'cocktail_without_dropout', which is there"],
        ),
        ("tune/trials", 0, ["tune.trials: found 0"]),
        ("tune/searches", 0, ["tune.searches: found 0"]),
        ("tune/lr", [4.0, 0.1], ["tune.lr: found [4.0, 0.1]; allowed: the lower factor first"]),
        ("tune/lr", [0.0, 1.0], ["tune.lr.0: found 0.0", "greater than 0"]),
        ("tune/first", 320, ["tune.first: the searches would share seeds with the final trainings"]),
        ("tune/first", 298, ["tune.first: the searches would share seeds with the final trainings"]),
        ("training/images", "most", ["training.images: found 'most'", "part_of_train"]),
        ("variants/none/repeats", 0, ["variants.none.repeats: found 0", "greater than or equal to 1"]),
        ("variants/none/repeats", True, ["variants.none.repeats: found True"]),
        ("tasks/a.b", {}, ["tasks.a.b", "no dots"]),
        ("variants/l1/l1", {"strenght": 1.0}, ["variants.l1.l1.strenght: unknown key; allowed: strength"]),
        ("variants/l1/l1", {}, ["variants.l1.l1.strength: missing"]),
        ("variants/l1/l1", {"strength": -1.0}, ["variants.l1.l1.strength: found -1.0", "greater than or equal to 0"]),
        ("variants/l1/l1", None, ["variants.l1.l1: found None", "mapping of strength"]),
        ("variants/l1/lasso", {}, ["variants.l1.lasso: unknown regularizer", "l2, l2_sp, label_smoothing", "dropout"]),
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
        (
            "evaluation/calibration_bins",
            10**10,
            ["evaluation.calibration_bins: found 10000000000; allowed", "1,000,000,0"],
        ),
        ("evaluation/calibration_bins", 1001, ["evaluation.calibration_bins: found 1001", "or equal to 1000"]),
        ("evaluation/confidence", 1 - 2**-53, ["evaluation.confidence: found 0.9999999999999999", "equal to 0.9999"]),
        ("evaluation/fgsm_epsilon", 1e30, ["evaluation.fgsm_epsilon: found 1e+30; allowed: 0, and numbers"]),
        ("evaluation/fgsm_epsilon", 1.5, ["evaluation.fgsm_epsilon: found 1.5", "less than or equal to 1"]),
        ("training/epochs", 10**9, ["training.epochs: found 1000000000", "less than or equal to 100000"]),
        ("training/lr", 5e-324, ["training.lr: found 5e-324; allowed: 0, and numbers of a magnitude from 1e-30"]),
        ("training/lr", 10**400, ["line", "allowed: numbers of 1 to 100 digits"]),
        (
            "training/device",
            f"cuda:{'9' * 20}",
            ["training.device: found 'cuda:99", "allowed: auto, cpu, cuda or cuda:N"],
        ),
        ("training/device", "cuda:\u0661", ["training.device: found", "with N from 0 to 99"]),
        ("splits/first", 10**12, ["splits.first: found 1000000000000"]),
        (
            "variants/early_stopping/early_stopping",
            {"patience": 10**30},
            ["early_stopping.patience: found 1000", "0, and"],
        ),
        (
            "variants/l1/l1",
            {"strength": 1e10},
            ["variants.l1.l1.strength: found 10000000000.0; allowed: 0, and numbers"],
        ),
        ("variants/l1/against", ["none"], ["variants.l1.against: found ['none']; must be a valid string"]),
        ("variants/none/repeats", 101, ["variants.none.repeats: found 101", "less than or equal to 100"]),
        (f"variants/{'a' * 61}", {}, ["a: a name may contain", "at most 60"]),
        (f"variants/{'a' * 240}", {}, ["variants: found the key 'aaa", "up to 200 characters"]),
        ("variants/L1", {}, ["variants.L1: differs from 'l1' by upper and lower case only"]),
        ("variants/Cocktail_without_dropout", {}, ["cocktail_without_dropout", "by upper and lower case only"]),
        ("tasks/Random", {}, ["tasks.Random: differs from 'random' by upper and lower case only"]),
        ("tasks/grid-30", {}, ["tasks.grid-30: the grid has a task of that name"]),
        ("grid/rate", [0.2, 0.2 + 1e-9], ["grid.rate: found 0.200000001, which is the same to six digits"]),
        ("grid/train", [*range(1, 22)], ["grid.train: found", "at most 20 items"]),
        ("tasks/few", {"title": "a\0b"}, ["tasks.few.title: found 'a\\x00b'", "without control characters"]),
        ("tasks/few", {"title": "\ud800"}, ["tasks.few.title: found '\\ud800'", "halves of surrogate pairs"]),
        ("tasks/few", {"title": "a" * 201}, ["tasks.few.title: found 'aaa", "at most 200 characters"]),
        ("variants/l1/about", "a" * 4001, ["variants.l1.about: found 'aaa", "up to 4,000 characters"]),
        ("data/folder/path", "a\0b", ["data.folder.path: found 'a\\x00b'"]),
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
    text = (ROOT / "params.yaml").read_text()
    path.write_text(text + "training: {}\n")
    with pytest.raises(UserError, match=f"'training' occurs twice, again in line {len(text.splitlines()) + 1};"):
        config.load(path)


def nested(depth: int) -> str:
    return "\n".join(["data:", *(f"{' ' * level}x:" for level in range(1, depth))])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data: 1\ndata: 2", "'data' occurs twice, again in line 2"),
        ("data: 2021-02-30", "line 1: found the date '2021-02-30'; put it in quotes"),
        ("data:\n  seed: !!int 3", "line 2: found the tag 'tag:yaml.org,2002:int'; no tags are allowed"),
        ("%YAML 1.1\n---\ndata: 1", "line 2: directives such as %YAML are not allowed"),
        ("data: 1\n? [a]\n: 2", "line 2: found a mapping, a list or an alias as a key; allowed: text"),
        ("data: &a {x: *a}", "line 1: *a lies within what it stands for"),
        (
            "data:\n- &a0 [1, 1, 1, 1, 1, 1, 1, 1]\n"
            + "".join(f"- &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 9)),
            "line 8: more than 20,000 keys and values",
        ),
        (nested(21), "line 21: more than 20 mappings or lists"),
        (
            "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{x: *a{n - 1}}}\n" for n in range(1, 30)),
            "up to 20 mappings or lists within",
        ),
        (f"data: {'[' * 100_000}", "line 1: more than 20 mappings or lists"),
        (f"data: 0x{'f' * 5000}", "line 1: found '0xffff"),
        ('data: "\\UFFFFFFFF"', "is not valid YAML"),
        ("data: 0b_", "line 1: found '0b_'; allowed: numbers of 1 to 100 digits"),
        ("1: 2", "found the key 1; allowed: text"),
        ("data: [", "is not valid YAML: line 2"),
        (f"data: {'x' * 1_000_000}", "is larger than 1,000,000 bytes"),
    ],
)
def test_what_yaml_has_besides_values_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"{text}\n")
    with pytest.raises(UserError) as error:
        config.load(path)
    assert str(path) in str(error.value)
    assert expected in str(error.value)
    assert len(str(error.value)) < 2000


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.mkdir()
    with pytest.raises(UserError, match="is no file"):
        config.load(path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(UserError, match="is no file"):
        config.load(path)


def test_a_folder_of_images_that_links_to_itself_is_refused(tmp_path: Path, edited: Callable[[str, Any], Path]) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match=r"data\.folder\.path: found .*loop', which cannot be read"):
        config.load(edited("data/folder/path", str(tmp_path / "loop")))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[1, 2]",
        b"data: [",
        b"data: 1\n",
        b"{a: 1}: 2\n",
        b"[a]: 2\n",
        b"data: \xff\n",
        b"data: 2021-02-30\n",
        b"data: !!python/name:os.system\n",
        b"data: 1\n---\ndata: 2\n",
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(text)
    with pytest.raises(UserError, match=r"params\.yaml"):
        config.load(path)


@settings(deadline=None)
@given(st.just(0.0) | st.floats(1e-30, 1e9))
def test_a_number_that_dvc_writes_comes_back(strength: float) -> None:
    """`dvc exp run -S` writes 0.00001 as 1e-05."""
    content = loads_yaml((ROOT / "params.yaml").read_text())
    content["variants"] = {"none": {}, "l1": {"l1": {"strength": strength}}}
    content["grid"]["variants"], content["crossed"]["variants"] = "all", ["none"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "params.yaml"
        dump_yaml(path, content)
        assert config.load(path).variants["l1"].parameters()["l1"]["strength"] == strength


@pytest.mark.parametrize("text", ["0.00001", "1e-05", "1.0e-5", "1E-5", "1.e-5", ".00001"])
def test_an_override_of_an_experiment_is_the_number_that_it_says(tmp_path: Path, text: str) -> None:
    path = Path(shutil.copy(ROOT / "params.yaml", tmp_path))
    apply_overrides(path, [f"variants.l1.l1.strength={text}"])
    assert config.load(path).variants["l1"].parameters()["l1"]["strength"] == 1e-5


@pytest.mark.parametrize("text", ["010", "0o10", "1_000", "1e2", "1:30", "yes", "0x10", "1.0", "'1'", "~"])
def test_a_value_is_read_as_dvc_reads_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(re.sub(r"\n  epochs: \d+", f"\n  epochs: {text}", (ROOT / "params.yaml").read_text(), count=1))
    value = load_yaml(path)["training"]["epochs"]
    if type(value) is int:
        assert config.load(path).training.epochs == value
    else:
        with pytest.raises(UserError, match=re.escape(f"training.epochs: found {value!r}")):
            config.load(path)


def test_augmentation_follows_the_source(edited: Callable[[str, Any], Path]) -> None:
    def augmentation(source: str) -> dict[str, Any]:
        return config.load(edited("data/source", source)).variants["augmentation"].parameters()["augmentation"]

    assert augmentation("digits") == {"horizontal_flip": 0.0, "shift": 1}
    assert augmentation("afhq") == {"horizontal_flip": 0.5, "shift": 0}


def test_a_task_has_the_training_images_of_the_splits_and_a_title(edited: Callable[[str, Any], Path]) -> None:
    tasks = config.load(edited("tasks/few", {"train": 30, "title": "MNIST with 30 images"})).tasks
    assert [task.train for task in tasks.values()] == [100, 100, 100, 30]
    assert [task.title for task in tasks.values()][:2] == ["clean labels", "partly random labels"]
    assert tasks["few"].heading == "MNIST with 30 images"
    assert tasks["partly_random"].heading == "Partly random labels"


def test_a_task_has_tracks_seeds_and_variants_of_its_own(edited: Callable[[str, Any], Path]) -> None:
    few = {"train": "all", "seeds": 5, "tune": "partly_random", "variants": ["none", "l1"]}
    params = config.load(edited("tasks/few", few))
    assert {name: task.tracks(name) for name, task in params.tasks.items()} == {
        "clean": ("default", "tuned"),
        "partly_random": ("default", "tuned", "tuned_clean"),
        "random": ("default", "tuned"),
        "few": ("default", "tuned"),
    }
    task = params.tasks["few"]
    assert (task.train, task.seeds) == ("all", 5)
    assert (task.has("l1"), task.has("l2"), params.tasks["clean"].has("l2")) == (True, False, True)
    assert params.tasks["clean"].seeds == params.splits.seeds
    assert config.load(edited("tasks/few", {"variants": "all"})).tasks["few"].has("l2")


def test_the_grid_has_every_cell_once(edited: Callable[[str, Any], Path]) -> None:
    grid = {"train": [30, "all"], "rate": [0.0, 0.2], "kind": ["uniform", "class_dependent"], "tune": False}
    params = config.load(edited("grid", grid | {"variants": ["none", "l1"], "seeds": 3}))
    assert {name: task.tune for name, task in params.grid.items()} == {
        "grid-30": "clean",
        "grid-30-uniform-0_2": "partly_random",
        "grid-30-class_dependent-0_2": "partly_random",
        "grid-all": "clean",
        "grid-all-uniform-0_2": "partly_random",
        "grid-all-class_dependent-0_2": "partly_random",
    }
    assert list(params.all_tasks) == [*params.tasks, *params.grid]
    for name, task in params.grid.items():
        assert (task.seeds, task.has("l1"), task.has("l2")) == (3, True, False)
        assert (task.noise is None) == ("0_2" not in name)
        assert task.tracks(name) == ("default", "tuned")
    own = config.load(edited("grid", grid | {"variants": "all", "seeds": 3, "tune": True})).grid
    assert all(task.tune == name for name, task in own.items())
    assert own["grid-30-uniform-0_2"].tracks("grid-30-uniform-0_2") == config.TRACKS


def test_final_seeds_take_the_searches_in_turn_and_share_no_seed_with_them() -> None:
    params = config.load(ROOT / "params.yaml")
    seeds = params.splits.drawn(params.splits.seeds)
    searches = params.tune.searches
    assert [params.search(seed) for seed in seeds] == [n % searches for n in range(len(seeds))]
    assert not set(params.tune.seeds) & set(seeds)


def test_other_parameters_change_a_variant_and_nothing_else_of_it() -> None:
    variant = config.load(ROOT / "params.yaml").variants["everything"]
    changed = variant.with_parameters({"training.lr": 0.3, "dropout.p": 0.6})
    expected = variant.parameters()
    expected["training"]["lr"], expected["dropout"]["p"] = 0.3, 0.6
    assert changed.parameters() == expected
    assert (changed.name, changed.repeats) == (variant.name, variant.repeats)
    assert variant.with_parameters({}) == variant


def test_leaving_one_out_leaves_the_rest_as_it_is() -> None:
    variants = config.load(ROOT / "params.yaml").variants
    cocktail = variants["cocktail"]
    without = {variant.without: variant for variant in variants.values() if variant.against == "cocktail"}
    assert list(without) == [method.key for method in cocktail.regularizers]
    chosen = {"training.lr": 0.3, "dropout.p": 0.6, "input_dropout.p": 0.4}
    for key, variant in without.items():
        assert variant.name == f"cocktail_without_{key}"
        assert variant.tuned_as == "cocktail"
        expected = cocktail.with_parameters(chosen).parameters()
        del expected[key]
        assert variant.with_parameters(variant.own(chosen)).parameters() == expected
        assert variant.own(chosen) == {name: value for name, value in chosen.items() if name != f"{key}.p"}
    assert cocktail.own(chosen) == chosen
    assert (cocktail.without, cocktail.against, cocktail.tuned_as) == ("", "none", "cocktail")


def test_the_cocktail_has_less_of_every_method_than_the_method_alone() -> None:
    variants = config.load(ROOT / "params.yaml").variants
    alone = {method.key: method for key, own in variants.items() for method in own.regularizers if method.key == key}
    for method in variants["cocktail"].regularizers:
        for field in method.search:
            assert getattr(method, field) < getattr(alone[method.key], field)


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
    assert changed.split() == original.replace("source: digits", "source: afhq", 1).split()
    assert choose("source=digits").returncode == 0
    assert (tmp_path / "params.yaml").read_text().split() == original.split()
    refused = choose("source=cifar")
    assert refused.returncode == 1
    assert "source=afhq | digits | fashion_mnist | folder | mnist" in refused.stderr
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
