"""What `prepare` writes is what training reads, and never a pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.artefacts import record
from stages.datasets.test_set import TEST, HeldOut, read_test, write_test
from stages.errors import UserError
from stages.tasks import POOL, SPLITS, Material, Split, TaskData, load_arrays, read, write

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


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_material_comes_back() -> None:
    write(material())
    record(POOL, SPLITS)
    found = read()
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


def test_the_test_set_comes_back() -> None:
    write_test(HeldOut(IMAGES, LABELS["true"]))
    record(TEST)
    test = read_test()
    assert (test.images == IMAGES).all()
    assert (test.labels == LABELS["true"]).all()


def test_pickles_are_refused() -> None:
    np.savez(Path("evil.npz"), images=np.array([{"any": "object"}], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        load_arrays(Path("evil.npz"))


@pytest.mark.parametrize("missing", [POOL, SPLITS])
def test_missing_files_name_the_command(missing: Path) -> None:
    write(material())
    record(POOL, SPLITS)
    missing.unlink()
    with pytest.raises(UserError, match=rf"{missing.name} is missing; `dvc repro prepare`"):
        read()
    with pytest.raises(UserError, match=r"test.npz is missing; `dvc repro prepare`"):
        read_test()
