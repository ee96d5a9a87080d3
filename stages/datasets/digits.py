"""Handwritten digits, 8x8 pixels, shipped with scikit-learn: the source that needs no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages import rng
from stages.config import Data
from stages.datasets.arrays import load_arrays, save_arrays
from stages.datasets.manifest import Entry, Manifest, downloaded, verify, write_manifest
from stages.datasets.sampling import draw
from stages.datasets.source import Decoded, LabelSet, Source

FILE = "digits.npz"
URL = "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits"
LICENCE = "CC BY 4.0"
LEVELS = 16
"""A pixel counts the dark points in a 4x4 block of the scan: 0 to 16."""
TEST_SIZE = 500


def fetch(data: Data, raw: Path) -> None:
    from sklearn.datasets import load_digits  # two seconds, so only where it is needed

    digits = load_digits()
    save_arrays(raw / FILE, images=digits.images.astype(np.uint8), labels=digits.target.astype(np.int64))
    write_manifest(Manifest("digits", {FILE: Entry.of(raw / FILE, URL, LICENCE)}), raw)


def decode(data: Data, raw: Path) -> Decoded:
    verify(raw / FILE, downloaded("digits", raw).files[FILE])
    arrays = load_arrays(raw / FILE)
    # 0 to 16 becomes 0 to 255, the range that training maps to [-1, 1]; round(pixel * 16 / 255) gives it back.
    images = np.rint(arrays["images"][..., np.newaxis] * (255 / LEVELS)).astype(np.uint8)
    labels = arrays["labels"]
    test = np.sort(draw(labels, TEST_SIZE, rng.generator(0, "digits.test")))
    pool = np.setdiff1d(np.arange(len(labels)), test)
    return Decoded(
        images[pool],
        {"clean": LabelSet(labels[pool], "as published", 0.0)},
        images[test],
        labels[test],
        f"{TEST_SIZE} images drawn once, stratified by class, the same for every seed",
        classes=tuple("0123456789"),
    )


DIGITS = Source(
    title="Handwritten digits",
    description="Handwritten digits of 8x8 grey pixels, as scikit-learn ships them.",
    url=URL,
    licence=LICENCE,
    licence_url="https://creativecommons.org/licenses/by/4.0/",
    citation="E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits. UCI Machine Learning Repository, "
    "1998. https://doi.org/10.24432/C50P49",
    fetch=fetch,
    decode=decode,
)
