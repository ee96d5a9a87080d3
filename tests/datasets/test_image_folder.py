"""Listings against torchvision's `ImageFolder` on the same files, unpacked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import ImageFolder

from stages import config, download, rng
from stages.datasets import image_folder
from stages.datasets.manifest import RAW
from stages.datasets.noise import uniform
from stages.datasets.sources import afhq
from stages.datasets.sources.base import Listing
from stages.errors import UserError
from tests import faces

COUNT = 31


def _listings() -> Mapping[str, Listing]:
    params = config.load()
    return image_folder.listings(params.source, params.data.label_noise.seed, RAW / params.source.name)


def _check(listing: Listing, folder: Path) -> None:
    expected = ImageFolder(folder)
    assert listing.classes == tuple(expected.classes)
    assert listing.labels.tolist() == expected.targets
    positions = np.random.default_rng(0).permutation(len(expected))[:12]
    images = listing.read(positions)
    assert images.shape == (12, *listing.image_shape)
    for position, image in zip(positions, images, strict=True):
        np.testing.assert_array_equal(image, np.asarray(expected[position][0]))


@pytest.fixture
def archived(
    project: Callable[[dict[str, object]], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Mapping[str, Path]:
    """A project with generated archives in the place of AFHQ's; their folders, unpacked, by label set."""
    folders = faces.write(tmp_path / "unpacked", COUNT)
    faces.pack(tmp_path / "unpacked", tmp_path / "mirror")
    counts = {"train": dict(zip(faces.CLASSES, (11, 10, 10), strict=True)), "val": dict.fromkeys(faces.CLASSES, 1)}
    monkeypatch.setattr(afhq, "COUNTS", counts)
    monkeypatch.setenv("REGBENCH_MIRROR", str(tmp_path / "mirror"))
    project({"data.source": "afhq"})
    download.main()
    return folders


def test_archives_are_listed_as_their_folders(archived: Mapping[str, Path]) -> None:
    listings = _listings()
    assert set(listings) == set(archived)
    for name, folder in archived.items():
        _check(listings[name], folder)


def test_an_archive_that_changed_is_refused(archived: Mapping[str, Path]) -> None:
    with (RAW / "afhq/afhq_random_32x32.zip").open("ab") as archive:
        archive.write(b"more")
    with pytest.raises(UserError, match=r"afhq_random_32x32\.zip is not the file that was downloaded"):
        _listings()


def test_a_folder_is_listed_as_it_is(project: Callable[[dict[str, object]], Path], tmp_path: Path) -> None:
    clean = faces.write(tmp_path / "data/images", COUNT)["clean"]
    project({"data.source": "folder", "data.folder.path": str(clean.parent), "data.folder.image_size": 32})
    download.main()
    listings = _listings()
    _check(listings["clean"], clean)
    for listing in listings.values():
        assert (np.diff(listing.labels) >= 0).all()


def test_noisy_labels_move_an_image_and_do_not_change_it(project: Callable[[dict[str, object]], Path]) -> None:
    """On digits: the images and labels of a derived label set are those of the source, by class."""
    project({"data.source": "digits"})
    download.main()
    params = config.load()
    decoded = params.source.decode(RAW / "digits")
    clean, seed = decoded.clean.labels, params.data.label_noise.seed
    random = uniform(decoded.images, clean, 10, 1.0, rng.generator(seed, "label_noise.random"))
    listing = _listings()["random"]
    images = listing.read(np.arange(len(clean)))
    for label in range(10):
        np.testing.assert_array_equal(images[listing.labels == label], decoded.images[random == label])
