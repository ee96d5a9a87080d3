"""Many replicas: which train together, side by side on all cores, each kept on disk as soon as it is finished."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from stages.config import Training
from stages.errors import UserError
from stages.history import METRICS
from stages.networks import NETWORKS, parameter_count
from stages.regularizers import Regularizer
from stages.tasks import Material
from stages.training import kept
from stages.training.examples import select
from stages.training.loop import Job, train
from stages.training.parallel import cores, in_processes

CPU_STACK = 21
"""The most replicas that train together on a CPU: more bring no gain."""
CPU_STACK_PARAMETERS = 1_000_000
"""The most parameters that a stack of more than one replica has on a CPU: what a core's cache holds."""


@dataclass(frozen=True)
class Unit:
    """One replica to train."""

    variant: str
    settings: Training
    methods: tuple[Regularizer, ...]
    task: str
    seed: int
    """Fixes the split."""
    draws: int
    """The seed of the initial weights, the order of batches and all else that is drawn while training."""

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """What determines how it is trained, by section."""
        own = {method.key: method.model_dump() for method in self.methods}
        return {"training": self.settings.model_dump(exclude={"device"}), **own}


@dataclass(frozen=True)
class Replica:
    """One finished replica."""

    epochs: np.ndarray
    """The epochs after which it was measured: (n,)."""
    history: np.ndarray
    """The metrics then: (n, metrics)."""
    final: dict[str, float]
    """The metrics of the state that is saved."""
    diverged: bool
    initial_norms: dict[str, float]
    weights: dict[str, Tensor]
    """Its state, by name; empty if only what was measured is kept."""

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Replica:
        """What `train_stack` packed."""
        return cls(
            tensors["epochs"].numpy(),
            tensors["history"].numpy(),
            dict(zip(METRICS, tensors["final"].tolist(), strict=True)),
            bool(tensors["diverged"]),
            {layer: float(value) for layer, value in _within(tensors, "initial_norms/")},
            dict(_within(tensors, "weights/")),
        )


def train_all(
    title: str,
    units: Sequence[Unit],
    material: Material,
    device: torch.device,
    store: Path,
    conditions: Mapping[str, Any],
    trials: bool = False,
) -> dict[Unit, Path]:
    """Train replicas; of each the file that holds its outcome, which `read` reads.

    A finished replica is kept in the folder `store` under a name derived from everything that determines it: its
    parameters and seed, its images and labels, and the `conditions` of its variant, such as code and versions. It is
    not trained again while it is found there undamaged, whatever else trains with it; two units that are the same are
    trained once. Of `trials` neither weights nor the whole curve are kept.
    """
    files = {unit: store / f"{address(unit, material, conditions[unit.variant])}.replica" for unit in units}
    missing = {file: unit for unit, file in files.items()}  # one unit for each file
    missing = {file: unit for file, unit in missing.items() if kept.kept(file) is None}
    stacks = together(list(missing.values()), material, device)
    work = partial(train_stack, material=material, device=device, trials=trials)
    with progress(title, len(set(files.values())), stacks) as finish:
        for place, outcomes in in_processes(work, stacks, None if device.type == "cpu" else 1):
            for unit, payload in zip(stacks[place], outcomes, strict=True):
                kept.keep(files[unit], payload)
            finish(stacks[place])
    return files


def read(file: Path) -> Replica:
    """What `train_all` kept. Raises ``UserError`` if it is no longer there, or damaged."""
    tensors = kept.kept(file)
    if tensors is None:
        raise UserError(f"{file} has vanished or was damaged while results were collected; run the same command again")
    return Replica.of(tensors)


def address(unit: Unit, material: Material, conditions: Mapping[str, Any]) -> str:
    """A name for everything that determines the outcome of a unit."""
    task = material.tasks[unit.task]
    shape = {"classes": len(material.classes), "image": material.images.shape[1:]}
    record = {"parameters": unit.parameters, "draws": unit.draws, **shape, **conditions}
    columns = (material.images, task.labels, material.true)
    arrays = [part[indices] for indices in _parts(unit, material) for part in columns]
    return kept.address(record, *arrays)


def together(units: Sequence[Unit], material: Material, device: torch.device) -> list[list[Unit]]:
    """Units in stacks.

    Those of one stack have equally many training images and differ in nothing but task, seed, learning rate, momentum
    and what their methods let differ. On a GPU as many share one as fit in half of its memory; on a CPU small networks
    share one, because the overhead of operations would take most of their time, and every core has work. A replica's
    outcome does not depend on what it shares a stack with.
    """
    groups: dict[str, list[Unit]] = {}
    for unit in units:
        settings = unit.settings.model_dump(exclude={"lr", "momentum", "device"})
        shared = [[m.key, m.model_dump(exclude=set(m.differ))] for m in unit.methods]
        images = [len(part) for part in _parts(unit, material)]
        groups.setdefault(json.dumps([settings, shared, images], sort_keys=True), []).append(unit)
    stacks = []
    # Convolutions first: what takes longest should not be left to the end, when other cores have nothing to do.
    for group in sorted(groups.values(), key=lambda group: NETWORKS[group[0].settings.network].kind == "mlp"):
        count = -(-len(group) // most(group[0], material, device))
        if device.type == "cpu":
            count = min(len(group), max(count, cores() // len(groups)))
        stacks += [group[i * len(group) // count : (i + 1) * len(group) // count] for i in range(count)]
    return stacks


def most(unit: Unit, material: Material, device: torch.device) -> int:
    """The most replicas like `unit` that one stack may hold."""
    height, width, channels = material.images.shape[1:]
    settings = unit.settings
    shape = (channels, height, width)
    parameters = parameter_count(settings.network, shape, len(material.classes), settings.width)
    if device.type != "cuda":
        return max(1, min(CPU_STACK, CPU_STACK_PARAMETERS // parameters))
    images = sum(len(part) for part in _parts(unit, material))
    # In bytes: each image a few times over, the weights with gradient, momentum and copies.
    needed = 4 * (4 * images * height * width * channels + 8 * parameters)
    return max(1, int(torch.cuda.get_device_properties(device).total_memory / 2 / needed))


def train_stack(stack: Sequence[Unit], material: Material, device: torch.device, trials: bool = False) -> list[bytes]:
    """Train one stack; of each replica the outcome as it is kept on disk."""
    labels = [material.tasks[unit.task].labels for unit in stack]
    train_indices, val_indices = zip(*(_parts(unit, material) for unit in stack), strict=True)
    trained = train(
        [Job(unit.settings, unit.methods, unit.draws) for unit in stack],
        select(material.images, labels, material.true, train_indices, device),
        select(material.images, labels, material.true, val_indices, device),
        len(material.classes),
        curve=not trials,
    )
    history, rows = trained.history, trained.history.rows.tolist()
    state = {} if trials else trained.network.state_dict()
    return [
        kept.packed(
            {
                "epochs": torch.tensor(history.epochs[: rows[r]]),
                "history": history.values[: rows[r], :, r].contiguous().cpu(),
                "final": torch.stack([trained.final[name][r].double() for name in METRICS]).cpu(),
                "diverged": history.diverged[r].cpu(),
                **{f"initial_norms/{layer}": norms[r].cpu() for layer, norms in trained.initial_norms.items()},
                **{f"weights/{name}": value[r].contiguous().cpu() for name, value in state.items()},
            }
        )
        for r in range(len(stack))
    ]


def _parts(unit: Unit, material: Material) -> tuple[np.ndarray, np.ndarray]:
    return material.tasks[unit.task].splits[unit.seed].parts(unit.settings.images)


def _within(tensors: Mapping[str, Tensor], group: str) -> Iterator[tuple[str, Tensor]]:
    return ((name.removeprefix(group), value) for name, value in tensors.items() if name.startswith(group))


@contextmanager
def progress(title: str, replicas: int, stacks: Sequence[Sequence[Unit]]) -> Iterator[Callable[[Sequence[Unit]], None]]:
    """A bar over the epochs of all replicas: how many are done, the time left. It is told of each finished stack."""
    done = replicas - sum(map(len, stacks))
    epochs = {id(stack): stack[0].settings.epochs * len(stack) for stack in stacks}
    with tqdm(
        total=sum(epochs.values()),
        unit="epoch",
        unit_scale=True,
        disable=None,  # silent where standard error is not a terminal
    ) as bar:

        def describe() -> None:
            bar.set_description(f"{title}: {done:,} of {replicas:,} networks")

        def finish(stack: Sequence[Unit]) -> None:
            nonlocal done
            done += len(stack)
            bar.update(epochs[id(stack)])
            describe()

        describe()
        yield finish
