"""The arrays that `prepare` writes and training reads. The test set has a module of its own, `test_set.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.config import LABEL_SETS
from stages.errors import UserError
from stages.files import replacing, write_text

POOL = Path("data/pool.npz")
SPLITS = Path("data/splits.json")

Images = NDArray[np.uint8]
"""(N, height, width, channels), 0 to 255."""
Labels = NDArray[np.int64]
"""(N,), indices into the names of the classes."""


@dataclass(frozen=True)
class Pool:
    """The images outside the test set, each with one label per label set."""

    images: Images
    labels: Mapping[str, Labels]
    """By label set: `clean`, `partly_random` and `random`."""
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """Disjoint indices into the pool: what a seed trains on and what it is validated on."""

    train: Labels
    val: Labels


def read_pool(path: Path = POOL) -> Pool:
    arrays = load_arrays(path)
    labels = {name: arrays[name] for name in LABEL_SETS}
    return Pool(arrays["images"], labels, tuple(str(name) for name in arrays["classes"]))


def write_pool(pool: Pool, path: Path = POOL) -> None:
    save_arrays(path, images=pool.images, classes=np.array(pool.classes), **pool.labels)


def read_splits(path: Path = SPLITS) -> dict[int, Split]:
    """The splits by seed."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _missing(path) from None
    return {
        int(seed): Split(np.array(split["train"], np.int64), np.array(split["val"], np.int64))
        for seed, split in content.items()
    }


def write_splits(splits: Mapping[int, Split], path: Path = SPLITS) -> None:
    """One seed a line."""
    lines = [
        f'"{seed}": ' + json.dumps({"train": split.train.tolist(), "val": split.val.tolist()})
        for seed, split in splits.items()
    ]
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an npz file, without pickles."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise _missing(path) from None


def save_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """An npz file whose bytes depend on the arrays alone."""
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def _missing(path: Path) -> UserError:
    return UserError(f"{path} is missing; `dvc repro prepare` makes it")
