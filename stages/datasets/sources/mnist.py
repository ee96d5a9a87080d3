"""MNIST: 70,000 handwritten digits, 28x28 pixels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from stages.datasets import idx
from stages.datasets.manifest import downloaded, verify
from stages.datasets.sources.base import Decoded, LabelSet, Source
from stages.datasets.transfer import fetch as fetch_files

FILES = idx.contents(
    {
        "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
    }
)
"""The hashes are of the content, for the compressed files differ from one publisher to the next."""
PREFIX = "fashion-"
"""Fashion-MNIST's files are published by MNIST's names; here, and on a mirror, this goes before them."""


class Mnist(Source):
    title: ClassVar[str] = "MNIST"
    description: ClassVar[str] = "Handwritten digits of 28x28 gray pixels."
    url: ClassVar[str | None] = "https://doi.org/10.1109/5.726791"
    licence: ClassVar[str | None] = "CC BY-SA 3.0"
    licence_url: ClassVar[str | None] = "https://creativecommons.org/licenses/by-sa/3.0/"
    citation: ClassVar[str | None] = (
        "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-Based Learning Applied to Document Recognition. "
        "Proceedings of the IEEE 86(11), 1998. https://doi.org/10.1109/5.726791"
    )
    hashed: ClassVar[bool] = True
    augmentation: ClassVar[Mapping[str, float]] = {"horizontal_flip": 0.0, "shift": 2}
    address: ClassVar[str] = "https://ossci-datasets.s3.amazonaws.com/mnist"
    files: ClassVar[Mapping[str, idx.Content]] = FILES
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")

    @property
    def shape(self) -> tuple[int, int, int]:
        return idx.SIDE, idx.SIDE, 1

    def fetch(self, raw: Path) -> None:
        urls = {name: f"{self.address}/{name.removeprefix(PREFIX)}" for name in self.files}
        fetch_files(self.name, urls, self.licence, self.accept, raw)

    def accept(self, path: Path) -> None:
        """Raise `UserError` unless the file is the published one."""
        idx.unpack(path, self.files[path.name], self.title)

    def decode(self, raw: Path) -> Decoded:
        known = downloaded(self.name, raw).files
        for name in self.files:
            verify(raw / name, known[name])
        images, labels, test_images, test_labels = idx.read(raw, self.files, self.title)
        clean = LabelSet(labels, "as published", 0.0)
        return Decoded(images, clean, test_images, test_labels, "the test images as published", self.classes)
