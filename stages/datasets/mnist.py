"""MNIST in the three parts of document 003 and, where there is no network, scikit-learn's digits instead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages import rng
from stages.datasets import idx, transfer
from stages.datasets.sampling import draw
from stages.datasets.sources import digits
from stages.datasets.sources.mnist import FILES
from stages.tasks import Labels

LICENCE = "CC BY-SA 3.0"
ORIGINS = {
    "mnist": "MNIST, 28x28 pixels (Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-Based Learning Applied to "
    f"Document Recognition. Proceedings of the IEEE 86(11), 1998; {LICENCE})",
    "digits": "The digits that scikit-learn ships, 8x8 pixels (E. Alpaydin, C. Kaynak: Optical Recognition of "
    f"Handwritten Digits. UCI Machine Learning Repository, 1998; {digits.LICENCE})",
}
"""Whose images they are."""
VALIDATION = 10_000
"""The last of the 60,000 training images, as in the `mnist.pkl.gz` that the document reads."""
LEVELS = 256
"""That file divides pixels of 0 to 255 by it."""
DIGITS_VALIDATION, DIGITS_TEST = 800, 797


MnistPart = tuple[NDArray[np.float32], Labels]
"""Pixels (N, inputs) in [0, 1] and class indices (N,)."""


def load(data: str, url: str, raw: Path) -> dict[str, MnistPart]:
    """`train`, `validation` and `test` of `digits` or `mnist`; MNIST is fetched from `url` unless `raw` has it."""
    if data == "digits":
        return read_digits()
    fetch(url, raw)
    return read(raw)


def fetch(url: str, raw: Path) -> None:
    """Put the four files into `raw`; see `transfer.fetch`."""
    transfer.fetch("mnist", {name: f"{url.rstrip('/')}/{name}" for name in FILES}, LICENCE, accept, raw)


def accept(path: Path) -> None:
    """Raise `UserError` unless the file, unpacked, is the one that MNIST has by this name."""
    _unpacked(path)


def read(raw: Path) -> dict[str, MnistPart]:
    """`train` (50,000), `validation` (10,000) and `test` (10,000) from what `fetch` left in `raw`."""
    images, labels, test_images, test_labels = (_unpacked(raw / name) for name in FILES)
    pixels = _scaled(images, LEVELS)
    known = labels[:, 0].astype(np.int64)
    return {
        "train": (pixels[:-VALIDATION], known[:-VALIDATION]),
        "validation": (pixels[-VALIDATION:], known[-VALIDATION:]),
        "test": (_scaled(test_images, LEVELS), test_labels[:, 0].astype(np.int64)),
    }


def read_digits() -> dict[str, MnistPart]:
    """The same parts, 200, 800 and 797 rows, of the 1,797 digits, drawn once and stratified by class."""
    from sklearn.datasets import load_digits  # two seconds, so only where it is needed

    content = load_digits()
    pixels = _scaled(content.data, digits.LEVELS)
    labels = content.target.astype(np.int64)
    test = draw(labels, DIGITS_TEST, rng.generator(0, "mnist_mlp.test"))
    rest = np.setdiff1d(np.arange(len(labels)), test)
    validation = rest[draw(labels[rest], DIGITS_VALIDATION, rng.generator(0, "mnist_mlp.validation"))]
    parts = {"train": np.setdiff1d(rest, validation), "validation": validation, "test": test}
    return {name: (pixels[rows], labels[rows]) for name, rows in parts.items()}


def _scaled(pixels: np.ndarray, levels: int) -> NDArray[np.float32]:
    return np.asarray(pixels, np.float32) / np.float32(levels)


def _unpacked(path: Path) -> NDArray[np.uint8]:
    return idx.unpack(path, FILES[path.name], "MNIST")
