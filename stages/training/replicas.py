"""Many replicas of one variant: stacks of them in parallel, each kept on disk as soon as it is finished."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from stages.config import Variant
from stages.models import parameter_count
from stages.tasks import Material
from stages.training.examples import select
from stages.training.kept import keep, kept
from stages.training.loop import train
from stages.training.parallel import in_threads

CPU_STACK = 15
"""The most replicas that train together on a CPU: two cores then share the thirty of the default parameters."""
CPU_STACK_PARAMETERS = 1_000_000
"""The most parameters that a stack of more than one replica has on a CPU: what a core's cache holds."""


@dataclass(frozen=True)
class Replica:
    """One finished replica: its history (epochs + 1, metrics) as far as it went, and its final state by name."""

    task: str
    seed: int
    history: np.ndarray
    diverged: bool
    initial_norms: dict[str, float]
    weights: dict[str, Tensor]


Stack = tuple[tuple[str, int], ...]
"""Replicas that train together, each named by its task and seed."""


def train_variant(variant: Variant, material: Material, device: torch.device, folder: Path) -> list[Replica]:
    """Train a variant on every task with every seed; the replicas come in the order task, seed.

    A finished stack is kept in ``folder`` and not trained again when it is found there, undamaged. An interruption
    (Ctrl-C) stops every stack at its next epoch.
    """
    stacks = plan(variant, material, device)
    found = {stack: tensors for stack in stacks if (tensors := kept(_file(folder, stack)))}
    missing = [stack for stack in stacks if stack not in found]

    def run(stack: Stack, check: Callable[[], None]) -> dict[str, Tensor]:
        def on_epoch() -> None:
            check()
            progress.advance(stack)

        tensors = keep(_file(folder, stack), train_stack(variant, material, stack, device, on_epoch))
        progress.finish(stack)
        return tensors

    with Progress(variant, stacks, missing) as progress:
        trained = in_threads(run, missing, None if device.type == "cpu" else 1)
    found |= zip(missing, trained, strict=True)
    replicas = {(r.task, r.seed): r for stack in stacks for r in _unstack(stack, found[stack])}
    return [replicas[name, seed] for name, task in material.tasks.items() for seed in sorted(task.splits)]


def plan(variant: Variant, material: Material, device: torch.device) -> list[Stack]:
    """All replicas of a variant in stacks.

    Those of a stack have equally many training images. On a GPU as many share one as fit in half of its memory. On a
    CPU small networks share one, for the overhead of operations would take most of their time; large ones gain little.
    Neither free memory nor the number of cores counts, for what shares a stack decides the last bits of a result.
    """
    height, width, channels = material.images.shape[1:]
    parameters = parameter_count(variant.training.network, (channels, height, width), len(material.classes))
    groups: dict[int, list[tuple[str, int]]] = {}
    for name, task in material.tasks.items():
        for seed in sorted(task.splits):
            groups.setdefault(len(task.splits[seed].train), []).append((name, seed))
    size = max(1, min(CPU_STACK, CPU_STACK_PARAMETERS // parameters))
    if device.type == "cuda":
        images = max(groups) + len(next(iter(material.tasks.values())).splits[0].val)
        # In bytes: each image a few times over, the weights with gradient, momentum and copies.
        needed = 4 * (4 * images * height * width * channels + 8 * parameters)
        size = max(1, int(torch.cuda.get_device_properties(device).total_memory / 2 / needed))
    return [tuple(group[i : i + size]) for group in groups.values() for i in range(0, len(group), size)]


def train_stack(
    variant: Variant, material: Material, stack: Stack, device: torch.device, on_epoch: Callable[[], None]
) -> dict[str, Tensor]:
    """Train one stack; the outcome as tensors with a leading dimension R, as they are kept on disk."""
    labels = [material.tasks[name].labels for name, _ in stack]
    splits = [material.tasks[name].splits[seed] for name, seed in stack]
    trained = train(
        variant.training,
        variant.regularizers,
        select(material.images, labels, [split.train for split in splits], device),
        select(material.images, labels, [split.val for split in splits], device),
        len(material.classes),
        [seed for _, seed in stack],
        on_epoch,
    )
    history = trained.history
    tensors = {
        "history": history.values.movedim(-1, 0),
        "measured": history.measured,
        "diverged": history.diverged,
        **{f"initial_norms/{layer}": norms for layer, norms in trained.initial_norms.items()},
        **{f"weights/{name}": value for name, value in trained.network.state_dict().items()},
    }
    return {name: value.contiguous().cpu() for name, value in tensors.items()}


def _unstack(stack: Stack, tensors: dict[str, Tensor]) -> Iterator[Replica]:
    def within(group: str) -> dict[str, Tensor]:
        return {name.partition("/")[2]: value for name, value in tensors.items() if name.startswith(group)}

    for r, (task, seed) in enumerate(stack):
        yield Replica(
            task,
            seed,
            tensors["history"][r, : int(tensors["measured"][r])].numpy(),
            bool(tensors["diverged"][r]),
            {layer: float(norms[r]) for layer, norms in within("initial_norms/").items()},
            {name: value[r] for name, value in within("weights/").items()},
        )


def _file(folder: Path, stack: Stack) -> Path:
    return folder / ("-".join(f"{task}{seed}" for task, seed in (stack[0], stack[-1])) + ".stack")


class Progress:
    """A bar over the epochs of all replicas: the variant, the seeds done of each task, the time left."""

    def __init__(self, variant: Variant, stacks: list[Stack], missing: list[Stack]):
        self.variant = variant
        self.seeds = Counter(task for stack in stacks for task, _ in stack)
        self.done = self.seeds - Counter(task for stack in missing for task, _ in stack)
        self.epochs = dict.fromkeys(missing, 0)
        self.lock = threading.Lock()
        self.bar = tqdm(
            total=sum(map(len, stacks)) * (variant.training.epochs + 1),
            initial=self.done.total() * (variant.training.epochs + 1),
            unit="epoch",
            unit_scale=True,
            smoothing=0.05,
            disable=None,  # silent where standard error is not a terminal
        )
        self._describe()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def advance(self, stack: Stack) -> None:
        with self.lock:
            self.epochs[stack] += 1
            self.bar.update(len(stack))

    def finish(self, stack: Stack) -> None:
        with self.lock:
            self.done.update(task for task, _ in stack)
            self.bar.update(len(stack) * (self.variant.training.epochs + 1 - self.epochs[stack]))
            self._describe()

    def _describe(self) -> None:
        parts = [f"{task} {self.done[task]}/{seeds}" for task, seeds in self.seeds.items()]
        self.bar.set_description(f"{self.variant.name}: {', '.join(parts)} seeds")
