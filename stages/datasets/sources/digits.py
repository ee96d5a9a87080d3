"""Handwritten digits, 8x8 pixels, shipped with scikit-learn: the source that needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from stages import rng
from stages.datasets.manifest import Entry, Manifest, downloaded, verify, write_manifest
from stages.datasets.sampling import draw
from stages.datasets.sources.base import Decoded, LabelSet, Source
from stages.tasks import Labels, load_arrays, save_arrays

FILE = "digits.npz"
URL = "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits"
LICENCE = "CC BY 4.0"
SIDE = 8
LEVELS = 16
"""A pixel counts the dark points in a 4x4 block of the scan: 0 to 16."""
TEST_SIZE = 500
WRITERS = "The file does not say who wrote which image, but images of one writer stand together in it"
ORIGINS = {
    "within_writers": f"{TEST_SIZE} images drawn once, stratified by class, the same for every seed. "
    f"{WRITERS}: most writers of test images have images in the pool, too, so that no handwriting is new",
    "by_blocks": f"the last {TEST_SIZE} images of the file, the same for every seed, not stratified by class. "
    f"{WRITERS}: consecutive images, which approximates other writers, although one at the edge may be on both sides. "
    "Training and validation images share their writers",
}
"""How the test set is chosen, in words, by the value of `split`."""


class Digits(Source):
    title: ClassVar[str] = "Handwritten digits"
    description: ClassVar[str] = "Handwritten digits of 8x8 gray pixels by 13 writers, as scikit-learn ships them."
    url: ClassVar[str | None] = URL
    licence: ClassVar[str | None] = LICENCE
    licence_url: ClassVar[str | None] = "https://creativecommons.org/licenses/by/4.0/"
    citation: ClassVar[str | None] = (
        "E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits. UCI Machine Learning Repository, "
        "1998. https://doi.org/10.24432/C50P49"
    )
    augmentation: ClassVar[Mapping[str, float]] = {"horizontal_flip": 0.0, "shift": 1}

    split: Literal["within_writers", "by_blocks"]
    """Whether the writers of the test images have images in the pool, too, or hardly."""

    @property
    def shape(self) -> tuple[int, int, int]:
        return SIDE, SIDE, 1

    def fetch(self, raw: Path) -> None:
        from sklearn.datasets import load_digits  # two seconds, so only where it is needed

        digits = load_digits()
        save_arrays(raw / FILE, images=digits.images.astype(np.uint8), labels=digits.target.astype(np.int64))
        write_manifest(Manifest("digits", {FILE: Entry.of(raw / FILE, URL, LICENCE)}), raw)

    def decode(self, raw: Path) -> Decoded:
        verify(raw / FILE, downloaded("digits", raw).files[FILE])
        arrays = load_arrays(raw / FILE)
        # 0 to 16 becomes 0 to 255, the range that training maps to [-1, 1]; round(pixel * 16 / 255) gives it back.
        images = np.rint(arrays["images"][..., np.newaxis] * (255 / LEVELS)).astype(np.uint8)
        labels = arrays["labels"]
        test = self._test(labels)
        pool = np.setdiff1d(np.arange(len(labels)), test)
        return Decoded(
            images[pool],
            LabelSet(labels[pool], "as published", 0.0),
            images[test],
            labels[test],
            ORIGINS[self.split],
            classes=tuple("0123456789"),
        )

    def _test(self, labels: Labels) -> Labels:
        """The places of the test images in the file."""
        if self.split == "by_blocks":
            return np.arange(len(labels) - TEST_SIZE, len(labels))
        return np.sort(draw(labels, TEST_SIZE, rng.generator(0, "digits.test")))
