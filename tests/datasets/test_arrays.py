"""What `prepare` writes is what training reads, and never a pickle."""

from __future__ import annotations

import numpy as np
import pytest

from stages.datasets.arrays import Pool, Split, load_arrays, read_pool, read_splits, write_pool, write_splits
from stages.datasets.test_set import HeldOut, read_test, write_test
from stages.errors import UserError

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
LABELS = {name: GENERATOR.integers(0, 2, 6) for name in ("clean", "partly_random", "random")}


def test_pool_and_test_set_come_back(tmp_path):
    write_pool(Pool(IMAGES, LABELS, ("chat", "hérisson")), tmp_path / "pool.npz")
    write_test(HeldOut(IMAGES, LABELS["clean"]), tmp_path / "test.npz")
    pool, test = read_pool(tmp_path / "pool.npz"), read_test(tmp_path / "test.npz")
    assert pool.classes == ("chat", "hérisson")
    assert all((pool.labels[name] == labels).all() for name, labels in LABELS.items())
    assert (pool.images == IMAGES).all()
    assert (test.images == IMAGES).all()
    assert (test.labels == LABELS["clean"]).all()


def test_splits_come_back(tmp_path):
    splits = {seed: Split(np.array([3, seed]), np.array([9, 8])) for seed in (0, 1)}
    write_splits(splits, tmp_path / "splits.json")
    read = read_splits(tmp_path / "splits.json")
    assert list(read) == [0, 1]
    assert read[1].train.tolist() == [3, 1]
    assert read[1].val.tolist() == [9, 8]
    assert read[1].train.dtype == np.int64


def test_pickles_are_refused(tmp_path):
    np.savez(tmp_path / "evil.npz", images=np.array([{"any": "object"}], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        load_arrays(tmp_path / "evil.npz")


@pytest.mark.parametrize("read", [read_pool, read_test, read_splits])
def test_missing_files_name_the_command(tmp_path, read):
    with pytest.raises(UserError, match=r"data is missing; `dvc repro prepare`"):
        read(tmp_path / "data")
