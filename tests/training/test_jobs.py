"""Which replicas train together, what names a finished one, and what an interruption leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from stages.config import Training
from stages.errors import UserError
from stages.history import METRICS, measured_epochs
from stages.networks import NETWORKS, parameter_count
from stages.regularizers import REGULARIZERS, Regularizer
from stages.tasks import Material, Split, TaskData
from stages.training import jobs
from stages.training.device import find_device
from stages.training.jobs import Replica, Unit, address, most, read, together, train_all, train_stack
from stages.training.kept import unpacked
from stages.training.loop import Trained
from tests import small
from tests.training.conftest import CPU, IN_PARAMS, METHODS, PARAMS, Methods, Settings, every_kind, regularizers

CONDITIONS = {"code": "abc", "device": "cpu"}
BASE = PARAMS.training.model_copy(update={"epochs": 3, "device": "cpu"})


def make_material(seeds: int = 4, shape: tuple[int, int, int] = (4, 4, 1), train: int = 12) -> Material:
    """Pictures of noise with two tasks: `clean`, and `random`, whose labels are others; seed 3 trains on fewer."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (60, *shape), dtype=np.uint8)
    labels = {name: generator.integers(0, 3, 60) for name in ("clean", "random")}
    orders = [generator.permutation(60) for _ in range(seeds)]
    sizes = [train - (seed == 3) for seed in range(seeds)]
    splits = {s: Split(order[:n], order[40:50]) for s, (order, n) in enumerate(zip(orders, sizes, strict=True))}
    return Material(images, ("a", "b", "c"), {name: TaskData(name, own, splits) for name, own in labels.items()})


MATERIAL = make_material()


def unit(task: str = "clean", seed: int = 0, methods: Sequence[Regularizer] = (), **changes: Any) -> Unit:
    return Unit("none", BASE.model_copy(update=changes), tuple(methods), task, seed, seed)


def all_units(*seeds: int, methods: Sequence[Regularizer] = (), **changes: Any) -> list[Unit]:
    return [unit(task, seed, methods, **changes) for task in ("clean", "random") for seed in seeds]


# What shares a stack.


@st.composite
def methods_of_a_unit(draw: st.DrawFn) -> tuple[Regularizer, ...]:
    choices = {
        "dropout": {"p": st.sampled_from([0.1, 0.5])},
        "l2": {"strength": st.sampled_from([0.0, 0.01])},
        "l1": {"strength": st.sampled_from([0.0, 0.01])},
        "batch_norm": {"momentum": st.sampled_from([0.1, 0.2])},
        "augmentation": {"horizontal_flip": st.sampled_from([0.0, 0.5]), "shift": st.sampled_from([0, 1])},
        "early_stopping": {"patience": st.sampled_from([2, 3])},
    }
    keys = draw(st.lists(st.sampled_from(list(choices)), unique=True, max_size=2))
    return tuple(REGULARIZERS[key](**{f: draw(value) for f, value in choices[key].items()}) for key in keys)


some_units = st.lists(
    st.builds(
        lambda methods, task, seed, **changes: unit(task, seed, methods, **changes),
        methods_of_a_unit(),
        st.sampled_from(["clean", "random"]),
        st.integers(0, 3),
        lr=st.sampled_from([0.1, 0.01]),
        momentum=st.sampled_from([0.9, 0.0]),
        network=st.sampled_from(["AnimalNet", "SmallConvNet"]),
        epochs=st.sampled_from([3, 4]),
        batch_size=st.sampled_from([8, 128]),
        optimizer=st.sampled_from(["sgd", "adam"]),
        device=st.sampled_from(["cpu", "auto"]),
    ),
    min_size=1,
    max_size=40,
    unique=True,
)


def must_agree(one: Unit) -> Any:
    """What two units of one stack have to share."""
    methods = [(m.key, [(f, getattr(m, f)) for f in type(m).model_fields if f not in m.differ]) for m in one.methods]
    images = {3: 11}.get(one.seed, 12)
    s = one.settings
    return s.network, s.epochs, s.batch_size, s.optimizer, methods, images


@given(some_units, st.integers(1, 8), st.integers(1, 4))
@budget(max_examples=60, deadline=None)
def test_stacks_hold_all_units_once_and_mix_nothing_that_must_not_be_mixed(
    units: list[Unit], limit: int, cores: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "CPU_STACK", limit)
        patch.setattr(jobs, "cores", lambda: cores)
        stacks = together(units, MATERIAL, CPU)
        assert Counter(unit for stack in stacks for unit in stack) == Counter(units)
        assert all(stacks)
        kinds = {repr(must_agree(one)) for one in units}
        for stack in stacks:
            assert len({repr(must_agree(one)) for one in stack}) == 1
            assert len(stack) <= most(stack[0], MATERIAL, CPU) <= limit
        # No more stacks than limits and cores ask for.
        by_kind = Counter(repr(must_agree(stack[0])) for stack in stacks)
        for kind in kinds:
            size = sum(repr(must_agree(one)) == kind for one in units)
            assert by_kind[kind] <= max(-(-size // limit), cores // len(kinds))


@given(some_units, st.randoms())
@budget(max_examples=10, deadline=None)
def test_units_that_share_a_stack_can_be_trained_and_end_as_alone(units: list[Unit], random: Any) -> None:
    stack = random.choice(together(units, MATERIAL, CPU))
    chosen = random.choice(stack)
    (alone,) = map(unpacked, train_stack([chosen], MATERIAL, CPU))
    beside = unpacked(train_stack(stack, MATERIAL, CPU)[stack.index(chosen)])
    assert alone.keys() == beside.keys()
    for name, value in alone.items():
        assert torch.allclose(value.double(), beside[name].double(), atol=2e-3, equal_nan=True), name


def test_on_a_cpu_small_networks_share_a_stack_and_every_core_has_work(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores in (1, 2, 4):
        monkeypatch.setattr(jobs, "cores", lambda cores=cores: cores)
        for shape, expected in (((8, 8, 1), {1: 2, 2: 2, 4: 4}[cores]), ((32, 32, 3), 15), ((64, 64, 3), 30)):
            material = make_material(15, shape)
            units = [
                Unit("none", BASE, (), task, seed, seed)
                for task in material.tasks
                for seed in material.tasks[task].splits
                if seed != 3
            ] + [Unit("none", BASE, (), task, 0, 0) for task in ("clean", "random")]
            sizes = [len(stack) for stack in together(units, material, CPU)]
            assert sum(sizes) == 30
            assert len(sizes) == expected
            assert max(sizes) - min(sizes) <= 1


def test_a_gpu_takes_as_many_replicas_as_its_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    material = make_material(16, (32, 32, 3))
    units = [Unit("none", BASE, (), task, seed, seed) for task in material.tasks for seed in range(16) if seed != 3]

    def sizes(memory: int) -> list[int]:
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=memory))
        return [len(stack) for stack in together(units, material, torch.device("cuda"))]

    assert sizes(80 * 2**30) == [30]
    few = sizes(2**28)
    assert sum(few) == 30
    assert len(few) > 1
    assert sizes(2**20) == [1] * 30


@pytest.mark.parametrize("network", NETWORKS)
def test_the_parameters_of_a_stack_stay_within_a_cores_cache(network: str) -> None:
    material = make_material(2, (32, 32, 3))
    size = most(unit(network=network), material, CPU)
    parameters = parameter_count(network, (3, 32, 32), 3)
    assert size == 1 or size * parameters <= 1_000_000
    assert size <= 21
    assert size == 21 or (size + 1) * parameters > 1_000_000


# What names a finished replica.


def with_task(labels: Callable[[np.ndarray, Split], np.ndarray], name: str = "clean") -> Material:
    task = MATERIAL.tasks["clean"]
    own = labels(task.labels.copy(), task.splits[0])
    return replace(MATERIAL, tasks={**MATERIAL.tasks, name: TaskData(name, own, task.splits)})


def label_changed(index: Callable[[Split], int]) -> Material:
    def change(labels: np.ndarray, split: Split) -> np.ndarray:
        labels[index(split)] = (labels[index(split)] + 1) % 3
        return labels

    return with_task(change)


def pixel_changed(index: int) -> Material:
    images = MATERIAL.images.copy()
    images[index, 1, 2, 0] ^= 1
    return replace(MATERIAL, images=images)


def swapped(part: str) -> Material:
    """Two images of a part of the split change places."""
    task = MATERIAL.tasks["clean"]
    split = task.splits[0]
    order = getattr(split, part).copy()
    order[[0, 1]] = order[[1, 0]]
    return replace(
        MATERIAL, tasks={"clean": TaskData("clean", task.labels, {**task.splits, 0: replace(split, **{part: order})})}
    )


SPLIT = MATERIAL.tasks["clean"].splits[0]
OUTSIDE = next(i for i in range(60) if i not in {*SPLIT.train, *SPLIT.val})
L2, DROPOUT = regularizers(l2={"strength": 0.1}, dropout={"p": 0.5})


@pytest.mark.parametrize(
    "changes",
    [
        {"network": "WideAnimalNet"},
        {"epochs": 4},
        {"batch_size": 8},
        {"optimizer": "adam"},
        {"lr": 0.051},
        {"momentum": 0.8},
    ],
    ids=str,
)
def test_a_name_changes_with_each_setting(changes: dict[str, Any]) -> None:
    assert set(changes) < set(Training.model_fields)
    assert address(unit(**changes), MATERIAL, CONDITIONS) != address(unit(), MATERIAL, CONDITIONS)


@pytest.mark.parametrize("methods", METHODS[1:], ids=lambda m: "+".join(m))
def test_a_name_changes_with_each_parameter_of_a_method(methods: Methods) -> None:
    names = [
        address(unit(methods=regularizers(**methods)), MATERIAL, CONDITIONS),
        address(unit(), MATERIAL, CONDITIONS),
    ]
    for key, values in methods.items():
        for field, value in values.items():
            if isinstance(value, bool | int | float):
                changed = {**methods, key: values | {field: not value if isinstance(value, bool) else value / 2 or 0.5}}
                if isinstance(value, int) and not isinstance(value, bool):
                    changed[key][field] = value + 1
                names.append(address(unit(methods=regularizers(**changed)), MATERIAL, CONDITIONS))
    assert len(set(names)) == len(names) == 2 + sum(map(len, methods.values()))


@pytest.mark.parametrize(
    ("material", "conditions"),
    [
        (label_changed(lambda split: split.train[5]), CONDITIONS),
        (label_changed(lambda split: split.val[-1]), CONDITIONS),
        (pixel_changed(SPLIT.train[-1]), CONDITIONS),
        (pixel_changed(SPLIT.val[0]), CONDITIONS),
        (swapped("train"), CONDITIONS),
        (swapped("val"), CONDITIONS),
        (replace(MATERIAL, classes=("a", "b", "c", "d")), CONDITIONS),
        (MATERIAL, CONDITIONS | {"code": "abd"}),
        (MATERIAL, CONDITIONS | {"device": "A100"}),
    ],
    ids=[
        "a label", "a validation label", "a pixel", "a validation pixel", "order", "validation order", "classes",
        "code", "device",
    ],
)  # fmt: skip
def test_a_name_changes_with_all_that_training_sees(material: Material, conditions: dict[str, str]) -> None:
    assert address(unit(), material, conditions) != address(unit(), MATERIAL, CONDITIONS)


def test_a_name_changes_with_the_shape_of_the_images() -> None:
    """Convolutions and shifts see it, though the bytes are the same."""
    other = replace(MATERIAL, images=MATERIAL.images.reshape(60, 2, 8, 1))
    chosen = unit(network="SmallConvNet")
    assert address(chosen, other, CONDITIONS) != address(chosen, MATERIAL, CONDITIONS)


def test_a_name_changes_with_the_seed_though_the_images_are_the_same() -> None:
    task = MATERIAL.tasks["clean"]
    material = replace(
        MATERIAL, tasks={"clean": TaskData("clean", task.labels, dict.fromkeys(range(3), task.splits[0]))}
    )
    assert len({address(unit(seed=seed), material, CONDITIONS) for seed in range(3)}) == 3


def test_names_of_many_replicas_are_all_different() -> None:
    methods = [regularizers(**own) for own in METHODS]
    units = [one for own in methods for lr in (0.1, 0.2) for one in all_units(0, 1, 2, 3, methods=own, lr=lr)]
    assert len({address(one, MATERIAL, CONDITIONS) for one in units}) == len(units)


@pytest.mark.parametrize(
    ("other", "material", "conditions"),
    [
        (unit(device="auto"), MATERIAL, CONDITIONS),
        (unit(), label_changed(lambda split: OUTSIDE), CONDITIONS),
        (unit(), pixel_changed(OUTSIDE), CONDITIONS),
        (unit("renamed"), with_task(lambda labels, split: labels, "renamed"), CONDITIONS),
        (unit(), make_material(9), CONDITIONS),
        (unit(), MATERIAL, dict(reversed(CONDITIONS.items()))),
    ],
    ids=["device setting", "label of another image", "another image", "name of the task", "more seeds", "order"],
)
def test_a_name_stays_whatever_does_not_matter(other: Unit, material: Material, conditions: dict[str, str]) -> None:
    if len(material.tasks["clean"].splits) == 9:  # its images were drawn the same, and so were the first splits
        assert np.array_equal(material.images, MATERIAL.images)
    assert address(other, material, conditions) == address(unit(), MATERIAL, CONDITIONS)


def test_the_order_of_methods_does_not_name_another_replica() -> None:
    names = {address(unit(methods=own), MATERIAL, CONDITIONS) for own in ([L2, DROPOUT], [DROPOUT, L2])}
    assert len(names) == 1


# What is trained, and what is not trained again.


def same(a: Replica, b: Replica) -> bool:
    return (
        (a.diverged, a.initial_norms) == (b.diverged, b.initial_norms)
        and np.array_equal(a.epochs, b.epochs)
        and np.array_equal(a.history, b.history, equal_nan=True)
        and np.array_equal(list(a.final.values()), list(b.final.values()), equal_nan=True)
        and a.weights.keys() == b.weights.keys()
        and all(torch.equal(value, b.weights[name]) for name, value in a.weights.items())
    )


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Unit]:
    """The units that are trained from here on, as they are finished, one by one."""
    found: list[Unit] = []
    original = jobs.train_stack

    def noting(stack: Sequence[Unit], **rest: Any) -> list[bytes]:
        outcome = original(stack, **rest)
        found.extend(stack)
        return outcome

    monkeypatch.setattr(jobs, "train_stack", noting)
    monkeypatch.setattr(jobs, "CPU_STACK", 1)
    return found


def all_of(units: Sequence[Unit], store: Path, material: Material = MATERIAL) -> list[Replica]:
    files = train_all("a title", units, material, find_device("cpu"), store, {"none": CONDITIONS})
    return [read(files[one]) for one in units]


@every_kind
def test_each_outcome_is_what_its_unit_was_trained_to(tmp_path: Path, network: str) -> None:
    units = all_units(2, 0, 3, network=network)
    outcome = all_of(units, tmp_path)
    for one, replica in zip(units, outcome, strict=True):
        (tensors,) = map(unpacked, train_stack([one], MATERIAL, CPU))
        assert replica.epochs.tolist() == measured_epochs(3)
        assert replica.history.shape == (4, len(METRICS))
        assert np.allclose(replica.history, tensors["history"], atol=1e-4, equal_nan=True)
        assert not replica.diverged
        weights = {name: value for name, value in tensors.items() if name.startswith("weights/")}
        assert {f"weights/{name}" for name in replica.weights} == set(weights)
        for name, value in replica.weights.items():
            assert torch.allclose(value, weights[f"weights/{name}"], atol=1e-5)
        norms = {name for name in tensors if name.startswith("initial_norms/")}
        assert {f"initial_norms/{layer}" for layer in replica.initial_norms} == norms
        assert replica.history[0, METRICS.index("param_norm")] == pytest.approx(
            sum(norm**2 for norm in replica.initial_norms.values()) ** 0.5, rel=1e-5
        )


def test_a_kept_replica_is_not_trained_again(tmp_path: Path, trained: list[Unit]) -> None:
    units = all_units(0, 1)
    first = all_of(units, tmp_path)
    assert Counter(trained) == Counter(units)
    trained.clear()
    assert all(map(same, first, all_of(units, tmp_path)))
    again = all_of(units[::-1], tmp_path)
    assert all(map(same, first, again[::-1]))
    assert trained == []
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize(
    "methods", [{}, {"early_stopping": {"patience": 1}}, {"batch_norm": {"momentum": 0.1}}], ids=str
)
def test_another_seed_or_value_trains_only_what_is_new(
    tmp_path: Path, trained: list[Unit], methods: dict[str, Any]
) -> None:
    own = regularizers(**methods)
    all_of(all_units(0, 1, methods=own), tmp_path)
    trained.clear()
    more = all_units(0, 1, 2, methods=own)
    outcome = all_of(more, tmp_path)
    assert {(one.task, one.seed) for one in trained} == {("clean", 2), ("random", 2)}
    assert all(map(same, outcome, all_of(more, tmp_path / "anew")))
    trained.clear()
    all_of([*more, *all_units(0, methods=own, lr=0.3)], tmp_path)
    assert {(one.seed, one.settings.lr) for one in trained} == {(0, 0.3)}


def test_a_relabelled_task_trains_only_itself(tmp_path: Path, trained: list[Unit]) -> None:
    all_of(all_units(0, 1), tmp_path)
    trained.clear()
    all_of(all_units(0, 1), tmp_path, with_task(lambda labels, split: labels, "random"))
    assert trained == []  # with the labels of `clean` it is the same training
    all_of(all_units(0, 1), tmp_path, with_task(lambda labels, split: (labels + 1) % 3, "random"))
    assert set(trained) == {unit("random", 0), unit("random", 1)}


def test_two_tasks_of_the_same_labels_are_the_same_training(tmp_path: Path) -> None:
    material = with_task(lambda labels, split: labels, "random")
    outcome = all_of(all_units(0, 1, 2), tmp_path, material)
    for clean, other in zip(outcome[:3], outcome[3:], strict=True):
        assert same(clean, other)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("how", small.DAMAGES)
def test_a_damaged_replica_is_trained_again(
    tmp_path: Path, trained: list[Unit], capsys: pytest.CaptureFixture[str], how: str
) -> None:
    units = all_units(0, 1)
    first = all_of(units, tmp_path)
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    trained.clear()
    small.damage(tmp_path / f"{address(units[2], MATERIAL, CONDITIONS)}.replica", how)
    capsys.readouterr()
    assert all(map(same, first, all_of(units, tmp_path)))
    assert trained == [units[2]]
    assert capsys.readouterr().out.count("was damaged and is deleted") == 1
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files


@pytest.mark.parametrize("finished", [0, 1, 3])
def test_an_interruption_leaves_what_is_finished(
    tmp_path: Path, trained: list[Unit], monkeypatch: pytest.MonkeyPatch, finished: int
) -> None:
    units = all_units(0, 1)
    expected = all_of(units, tmp_path / "whole")
    trained.clear()
    train = jobs.train

    def interrupted(*given: Any, **named: Any) -> Trained:
        epochs = []

        def check() -> None:
            epochs.append(1)
            if len(trained) == finished and len(epochs) == 3:  # in the middle of a training
                raise KeyboardInterrupt

        return train(*given, **named, on_epoch=check)

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            all_of(units, tmp_path / "parts")
    assert len(trained) == finished
    left = list((tmp_path / "parts").iterdir()) if (tmp_path / "parts").exists() else []
    assert len(left) == finished
    resumed = all_of(units, tmp_path / "parts")
    assert Counter(trained) == Counter(units)
    assert all(map(same, expected, resumed))


@pytest.mark.parametrize("cores", [1, 3])
@pytest.mark.parametrize("limit", [1, 4, 15])
def test_neither_cores_nor_stacks_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, limit: int
) -> None:
    """To rounding here; `tests/bits` holds stacks to the bit."""
    expected = all_of(all_units(0, 1, 2), tmp_path / "first")
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", str(cores))
    monkeypatch.setattr(jobs, "CPU_STACK", limit)
    for a, b in zip(expected, all_of(all_units(0, 1, 2), tmp_path / "second"), strict=True):
        assert np.allclose(a.history, b.history, atol=1e-4, equal_nan=True)
        assert all(torch.allclose(value, b.weights[name], atol=1e-4) for name, value in a.weights.items())


def test_a_replica_that_stopped_early_has_the_rows_it_was_measured_for(tmp_path: Path, settings: Settings) -> None:
    own = regularizers(early_stopping={"patience": 1})
    outcome = all_of(all_units(0, 1, methods=own, epochs=30, lr=0.2), tmp_path)
    assert len({len(replica.epochs) for replica in outcome}) > 1
    for replica in outcome:
        assert replica.epochs.tolist() == list(range(len(replica.history)))
        assert np.isfinite(replica.history[:, METRICS.index("val_loss")]).all()


def test_a_diverged_replica_says_so(tmp_path: Path) -> None:
    wild, calm = all_of([unit(lr=1e30), unit(lr=0.1)], tmp_path)
    assert (wild.diverged, calm.diverged) == (True, False)
    assert not np.isfinite(wild.history[-1, METRICS.index("train_loss")])
    assert all(value.isfinite().all() for value in wild.weights.values())
    assert len(wild.epochs) == len(wild.history) < len(calm.history)


def test_values_of_all_methods_are_in_the_record_of_a_unit() -> None:
    one = unit(methods=[REGULARIZERS[key](**IN_PARAMS[key]) for key in REGULARIZERS])
    assert one.parameters == {"training": BASE.model_dump(exclude={"device"}), **IN_PARAMS}


# Repeats, and which images are trained on.


def test_draws_fix_initial_weights_whatever_the_split(tmp_path: Path) -> None:
    units = [replace(unit(seed=seed), draws=draws) for seed in (0, 1) for draws in (0, 1, 2)]
    assert len({address(each, MATERIAL, CONDITIONS) for each in units}) == 6
    found = all_of(units, tmp_path)
    norms = [replica.history[0, METRICS.index("param_norm")] for replica in found]
    assert norms[:3] == norms[3:]
    assert len(set(norms)) == 3
    assert len({replica.history[-1, METRICS.index("train_loss")] for replica in found}) == 6


def test_what_a_network_trains_on_names_it_and_is_that() -> None:
    split = Split(np.arange(100), np.arange(100, 400))
    train, val = split.parts("train")
    assert (train.tolist(), val.tolist()) == (list(range(100)), list(range(100, 400)))
    train, val = split.parts("train_and_val")
    assert sorted(train.tolist()) == list(range(400))
    assert val.tolist() == split.val.tolist()
    train, val = split.parts("part_of_train")
    assert (len(train), len(val)) == (80, 20)
    assert sorted([*train, *val]) == list(range(100))  # so they are disjoint, and none of the others
    kinds = [unit(images=images) for images in ("train", "train_and_val", "part_of_train")]
    assert len({address(one, MATERIAL, CONDITIONS) for one in kinds}) == 3
    assert len(together(kinds, MATERIAL, CPU)) == 3


def test_the_stack_trains_on_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    original = jobs.train

    def noted(own: Any, training: Any, validation: Any, *rest: Any, **named: Any) -> Any:
        seen.append((training.labels.shape[1], validation.labels.shape[1]))
        return original(own, training, validation, *rest, **named)

    monkeypatch.setattr(jobs, "train", noted)
    for images in ("train", "train_and_val", "part_of_train"):
        train_stack([unit(images=images)], MATERIAL, CPU)
    assert seen == [(12, 10), (22, 10), (9, 3)]


def test_wrong_labels_are_measured_where_there_are_any(tmp_path: Path) -> None:
    clean, random = all_of([unit("clean", epochs=20), unit("random", epochs=20)], tmp_path)
    curves = [{name: r.history[:, METRICS.index(name)] for name in METRICS} for r in (clean, random)]
    assert np.isnan(curves[0]["wrong_given"]).all()
    assert np.isnan(curves[0]["wrong_true"]).all()
    assert (curves[0]["train_accuracy_true"] == curves[0]["train_accuracy"]).all()
    assert (curves[0]["val_accuracy_true"] == curves[0]["val_accuracy"]).all()
    assert (curves[1]["wrong_given"] + curves[1]["wrong_true"] <= 1 + 1e-9).all()  # the two labels differ
    task = MATERIAL.tasks["random"]
    chosen = task.splits[0].train
    wrong = (task.labels[chosen] != MATERIAL.true[chosen]).sum()
    right = len(chosen) - wrong
    assert 0 < wrong < len(chosen)
    # Hits on rightly labelled images are hits by both labels.
    given = curves[1]["train_accuracy"] * len(chosen) - curves[1]["wrong_given"] * wrong
    true = curves[1]["train_accuracy_true"] * len(chosen) - curves[1]["wrong_true"] * wrong
    assert given == pytest.approx(true, abs=1e-4)
    assert (given <= right + 1e-4).all()


def test_of_a_trial_the_end_of_its_curve_is_kept_and_no_weights(tmp_path: Path) -> None:
    one = unit(epochs=40)
    files = train_all("a title", [one], MATERIAL, CPU, tmp_path, {"none": CONDITIONS}, trials=True)
    replica, whole = read(files[one]), all_of([one], tmp_path / "all")[0]
    assert replica.weights == {}
    assert replica.epochs.tolist() == measured_epochs(40, curve=False)
    measured = np.isin(whole.epochs, replica.epochs)
    assert measured.sum() < len(measured)
    assert same(replica, replace(whole, weights={}, epochs=whole.epochs[measured], history=whole.history[measured]))
    files[one].unlink()
    with pytest.raises(UserError, match="has vanished or was damaged"):
        read(files[one])
