"""MNIST's four files: the right ones, whole, of bounded size; and the digits that stand in for them."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from stages.datasets import idx, mnist
from stages.datasets.manifest import read_manifest
from stages.errors import UserError

MIRROR = os.environ.get("REGBENCH_MIRROR", "")
NOWHERE = "http://127.0.0.1:9/mnist"


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror of files with MNIST's names and layout: 50 and 10 images of 2x2 pixels."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    generator = np.random.default_rng(0)
    small = {}
    for name, content in mnist.FILES.items():
        rows, row = content.rows // 1000, 4 if "images" in name else 1
        data = bytes(content.header) + generator.integers(0, 256 if row == 4 else 10, rows * row, np.uint8).tobytes()
        small[name] = idx.Content(rows, content.header, row, hashlib.md5(data).hexdigest())
        (folder / name).write_bytes(gzip.compress(data))
    monkeypatch.setattr(mnist, "FILES", small)
    monkeypatch.setattr(mnist, "VALIDATION", 10)
    monkeypatch.setenv("REGBENCH_MIRROR", str(folder))
    return folder


def test_three_parts_of_the_four_files(mirror, tmp_path):
    parts = mnist.load("mnist", NOWHERE, tmp_path / "raw")
    assert {name: pixels.shape for name, (pixels, _) in parts.items()} == {
        "train": (50, 4),
        "validation": (10, 4),
        "test": (10, 4),
    }
    bytes_of = {name: gzip.decompress((mirror / name).read_bytes()) for name in mnist.FILES}
    images = np.frombuffer(bytes_of["train-images-idx3-ubyte.gz"][16:], np.uint8).reshape(60, 4)
    labels = np.frombuffer(bytes_of["train-labels-idx1-ubyte.gz"][8:], np.uint8)
    pixels, classes = parts["validation"]
    np.testing.assert_array_equal(pixels * 256, images[50:])
    np.testing.assert_array_equal(classes, labels[50:])
    assert pixels.dtype == np.float32
    assert classes.dtype == np.int64


def test_the_manifest_has_addresses_and_licence(mirror, tmp_path):
    mnist.fetch(f"{NOWHERE}/", tmp_path / "raw")
    manifest = read_manifest(tmp_path / "raw")
    assert manifest is not None
    assert list(manifest.files) == list(mnist.FILES)
    for name, entry in manifest.files.items():
        assert (entry.url, entry.licence, entry.from_mirror) == (f"{NOWHERE}/{name}", mnist.LICENCE, True)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda data: gzip.compress(gzip.decompress(data)[:-1] + b"\xff"), "is not MNIST's"),
        (lambda data: gzip.compress(gzip.decompress(data)[:-1]), "is not MNIST's"),
        (lambda data: gzip.compress(gzip.decompress(data) + bytes(1 << 20)), "found more"),
        (lambda data: data[:-20], "not a complete gzip file"),
        (lambda data: b"<html>not found</html>", "not a complete gzip file"),
    ],
    ids=["changed", "short", "bomb", "cut off", "no gzip"],
)
def test_another_file_is_refused(mirror, tmp_path, spoil, complaint):
    file = mirror / "t10k-images-idx3-ubyte.gz"
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(UserError, match=complaint):
        mnist.accept(file)


def test_what_cannot_be_had_is_named(mirror, tmp_path, monkeypatch):
    (mirror / "t10k-labels-idx1-ubyte.gz").write_bytes(b"")
    monkeypatch.setattr("stages.datasets.transfer._download", lambda address, arrived: _offline())
    with pytest.raises(UserError, match=r"t10k-labels-idx1-ubyte.gz could not be fetched"):
        mnist.fetch(NOWHERE, tmp_path / "raw")
    assert (tmp_path / "raw/train-images-idx3-ubyte.gz").exists()


def _offline() -> None:
    raise OSError("no route")


def test_digits_in_its_place():
    parts = mnist.load("digits", NOWHERE, Path("not used"))
    assert {name: len(labels) for name, (_, labels) in parts.items()} == {"train": 200, "validation": 800, "test": 797}
    rows = np.concatenate([pixels for pixels, _ in parts.values()])
    assert len(np.unique(rows, axis=0)) == 1797  # no image twice, none left out
    assert (rows.min(), rows.max(), rows.dtype) == (0, 1, np.float32)
    for _, labels in parts.values():
        shares = np.bincount(labels, minlength=10) / len(labels)
        np.testing.assert_allclose(shares, 0.1, atol=0.01)


@pytest.mark.skipif(not MIRROR, reason="REGBENCH_MIRROR names no mirror of MNIST's files")
def test_the_published_files(tmp_path, monkeypatch):
    monkeypatch.setenv("REGBENCH_MIRROR", MIRROR)
    mnist.fetch(NOWHERE, tmp_path / "raw")
    parts = mnist.read(tmp_path / "raw")
    assert [len(labels) for _, labels in parts.values()] == [50_000, 10_000, 10_000]
    assert parts["train"][1][:5].tolist() == [5, 0, 4, 1, 9]
    assert parts["test"][1][:5].tolist() == [7, 2, 1, 0, 4]
