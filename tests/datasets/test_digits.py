"""The digits: where their test images are in the file, and why that matters."""

from __future__ import annotations

import json

import numpy as np
import pytest

from stages import download, prepare
from stages.datasets.test_set import read_test

IMAGES, WRITERS, TEST = 1797, 13, 500
"""As scikit-learn's description has it; and as many are tested on."""


@pytest.fixture(scope="module")
def published():
    """scikit-learn's own."""
    from sklearn.datasets import load_digits

    return load_digits()


@pytest.mark.parametrize("split", ["within_writers", "by_blocks"])
def test_the_test_images_are_spread_over_the_file_or_a_block_at_its_end(project, published, split):
    project({"data.source": "digits", "data.digits.split": split})
    download.main()
    prepare.main()
    place = {image.astype(np.uint8).tobytes(): row for row, image in enumerate(published.images)}
    pixels = np.rint(read_test().images[..., 0] * (16 / 255)).astype(np.uint8)
    places = [place[image.tobytes()] for image in pixels]
    origin = json.loads(prepare.CARD.read_text())["test_origin"]
    assert len(places) == TEST
    if split == "by_blocks":
        assert places == list(range(IMAGES - TEST, IMAGES))
        assert "consecutive images, which approximates other writers" in origin
    else:
        in_tenths = np.bincount(np.array(places) * 10 // IMAGES)
        assert (np.abs(in_tenths - TEST / 10) < 25).all()  # nearly four standard deviations
        assert "no handwriting is new" in origin


def test_images_near_each_other_in_the_file_look_alike(published):
    """What the card says of writers: the most similar image of the same class is often near by."""
    place, pixels, labels = np.arange(IMAGES), published.data, published.target
    squares = (pixels**2).sum(1)
    distances = squares[:, None] + squares - 2 * pixels @ pixels.T
    distances[labels[:, None] != labels] = np.inf
    np.fill_diagonal(distances, np.inf)
    near = np.abs(place[:, None] - place) < IMAGES // WRITERS
    by_chance = near[np.isfinite(distances)].mean()
    assert near[place, distances.argmin(1)].mean() > 3 * by_chance
