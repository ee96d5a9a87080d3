"""What `prepare` writes is what training reads, and never a pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.datasets.test_set import HeldOut, read_test, write_test
from stages.errors import UserError
from stages.tasks import Material, Split, TaskData, load_arrays, read, write

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
LABELS = {name: GENERATOR.integers(0, 2, 6) for name in ("true", "images", "classes")}
SIZES = {"true": 3, "images": 1, "classes": 2}


def material() -> Material:
    """Tasks of three sizes, with the names of other arrays of the file."""
    tasks = {
        name: TaskData(name, labels, {s: Split(np.arange(SIZES[name]) + s, np.array([5, 4])) for s in (0, 1)})
        for name, labels in LABELS.items()
    }
    return Material(IMAGES, ("chat", "hérisson"), tasks)


def test_material_comes_back(tmp_path: Path) -> None:
    files = tmp_path / "pool.npz", tmp_path / "splits.json"
    write(material(), *files)
    found = read(*files)
    assert found.classes == ("chat", "hérisson")
    assert (found.images == IMAGES).all()
    assert list(found.tasks) == list(LABELS)
    assert (found.true == LABELS["true"]).all()
    for name, task in found.tasks.items():
        assert task.name == name
        assert (task.labels == LABELS[name]).all()
        assert list(task.splits) == [0, 1]
        assert task.splits[1].train.tolist() == [seed + 1 for seed in range(SIZES[name])]
        assert task.splits[1].val.tolist() == [5, 4]
        assert task.splits[1].train.dtype == np.int64


def test_the_test_set_comes_back(tmp_path: Path) -> None:
    write_test(HeldOut(IMAGES, LABELS["true"]), tmp_path / "test.npz")
    test = read_test(tmp_path / "test.npz")
    assert (test.images == IMAGES).all()
    assert (test.labels == LABELS["true"]).all()


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "evil.npz", images=np.array([{"any": "object"}], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        load_arrays(tmp_path / "evil.npz")


@pytest.mark.parametrize("name", ["pool.npz", "splits.json"])
def test_missing_files_name_the_command(tmp_path: Path, name: str) -> None:
    files = tmp_path / "pool.npz", tmp_path / "splits.json"
    write(material(), *files)
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=rf"{name} is missing; `dvc repro prepare`"):
        read(*files)
    with pytest.raises(UserError, match=r"test.npz is missing; `dvc repro prepare`"):
        read_test(tmp_path / "test.npz")
