"""What is learned: the images outside the test set, and for each task its labels and each seed's training images.

`prepare` writes it and training reads it. The test set has a module of its own, `datasets/test_set.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.artefacts import checked, read_json
from stages.files import replacing, sha256, write_text

POOL = Path("data/pool.npz")
SPLITS = Path("data/splits.json")
COLUMN = "labels/"
"""What the names of the label columns begin with in `POOL`."""

Images = NDArray[np.uint8]
"""(N, height, width, channels), 0 to 255."""
Labels = NDArray[np.int64]
"""(N,), indices into the names of the classes."""


@dataclass(frozen=True)
class Split:
    """Disjoint indices into the pool: what a seed trains on and what it is validated on."""

    train: Labels
    val: Labels

    def parts(self, images: str) -> tuple[Labels, Labels]:
        """What a network is trained on and what it is validated on, as `training.images` says."""
        if images == "train_and_val":
            return np.concatenate([self.train, self.val]), self.val
        if images == "part_of_train":
            kept = len(self.train) * 4 // 5
            return self.train[:kept], self.train[kept:]
        return self.train, self.val


@dataclass(frozen=True)
class TaskData:
    """Labels to learn, and the images to learn them from: every seed's `split.train` has the same length."""

    name: str
    labels: Labels
    """The labels of the whole pool, right and wrong ones."""
    splits: Mapping[int, Split]
    """By seed. What a seed is validated on is the same for every task, and of its training sets of two tasks the
    smaller is part of the larger."""


@dataclass(frozen=True)
class Material:
    """The images outside the test set, and what is learned from them."""

    images: Images
    classes: tuple[str, ...]
    tasks: Mapping[str, TaskData]
    """By name; the first has the true labels."""

    @property
    def true(self) -> Labels:
        """The true labels of the pool."""
        return next(iter(self.tasks.values())).labels


def read() -> Material:
    """What `write` wrote. Raises `UserError` if it is missing or damaged."""
    arrays, drawn = load_arrays(checked(POOL)), read_json(SPLITS)
    tasks = {}
    for column, labels in arrays.items():
        if column.startswith(COLUMN):
            name = column.removeprefix(COLUMN)
            own = {
                int(seed): Split(np.array(parts["train"][name], np.int64), np.array(parts["val"], np.int64))
                for seed, parts in drawn.items()
            }
            tasks[name] = TaskData(name, labels, own)
    return Material(arrays["images"], tuple(str(name) for name in arrays["classes"]), tasks)


def write(material: Material) -> None:
    """The arrays, and the splits with one seed a line."""
    tasks = material.tasks
    columns = {f"{COLUMN}{name}": task.labels for name, task in tasks.items()}
    save_arrays(POOL, images=material.images, classes=np.array(material.classes), **columns)
    lines = []
    for seed, split in next(iter(tasks.values())).splits.items():
        train = {name: task.splits[seed].train.tolist() for name, task in tasks.items()}
        lines.append(f'"{seed}": ' + json.dumps({"train": train, "val": split.val.tolist()}))
    write_text(SPLITS, "{\n" + ",\n".join(lines) + "\n}\n")


def digest() -> str:
    """The sha256 of what `write` wrote. Raises `UserError` if it is missing or damaged."""
    return sha256(checked(POOL), checked(SPLITS))


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an npz file, without pickles."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def save_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """An npz file whose bytes depend on the arrays alone."""
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
