"""Handwritten digits, 8x8 pixels, shipped with scikit-learn: the source that needs no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages import rng
from stages.config import Data
from stages.datasets.arrays import load_arrays, save_arrays
from stages.datasets.manifest import Entry, Manifest, write_manifest
from stages.datasets.sampling import draw
from stages.datasets.source import Decoded, Source

FILE = "digits.npz"
URL = "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits"
LICENCE = "CC BY 4.0"
LEVELS = 16
"""Pixels count the dark points in a 4x4 block of the scan: 0 to 16."""
TEST_SIZE = 500


def fetch(data: Data, raw: Path) -> None:
    from sklearn.datasets import load_digits  # two seconds, so only where it is needed

    digits = load_digits()
    save_arrays(raw / FILE, images=digits.images.astype(np.uint8), labels=digits.target.astype(np.int64))
    write_manifest(Manifest("digits", {FILE: Entry.of(raw / FILE, URL, LICENCE)}), raw)


def decode(data: Data, raw: Path) -> Decoded:
    arrays = load_arrays(raw / FILE)
    labels = arrays["labels"]
    # 0 to 16 becomes 0 to 255, the range that training maps to [-1, 1]; round(pixel * 16 / 255) gives it back.
    images = np.rint(arrays["images"][..., np.newaxis] * (255 / LEVELS)).astype(np.uint8)
    test = np.sort(draw(labels, TEST_SIZE, rng.generator(0, "digits.test")))
    pool = np.setdiff1d(np.arange(len(labels)), test)
    classes = tuple(str(digit) for digit in range(10))
    return Decoded(images[pool], labels[pool], images[test], labels[test], classes)


DIGITS = Source(
    title="Handwritten digits",
    description="1,797 handwritten digits of 8x8 grey pixels, 500 of them set aside as the test set.",
    licence=LICENCE,
    licence_url="https://creativecommons.org/licenses/by/4.0/",
    citation="E. Alpaydin and C. Kaynak (1998). Optical Recognition of Handwritten Digits. UCI Machine Learning Repository. "
    "doi:10.24432/C50P49",
    url=URL,
    fetch=fetch,
    decode=decode,
)
