"""The toy data: generated ones are what they say, published ones come from a mirror and are looked into."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from stages.documents.logistic_decay import LogisticDecaySettings
from stages.documents.logistic_decay import data as toydata
from stages.errors import UserError

PUBLISHED = LogisticDecaySettings(data="published", url="published nowhere/toydata.txt", seeds=2)
GENERATED = LogisticDecaySettings(data="generated", url=PUBLISHED.url, seeds=2)
ROW = "0.5\t-1.25\t1\n"


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Call it with the text of the file that the mirror holds."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv("REGBENCH_MIRROR", str(folder))
    return (folder / toydata.FILE).write_text


def test_generated_points_are_two_clouds_and_say_so(tmp_path):
    points = toydata.load(GENERATED, tmp_path / "raw")
    assert points.features.shape == (100, 2)
    assert np.bincount(points.labels).tolist() == [50, 50]
    assert "generated" in points.note.title
    assert not points.note.published
    assert not (tmp_path / "raw").exists()
    for label, (mean, std) in enumerate(toydata.CLOUDS):
        cloud = points.features[points.labels == label]
        np.testing.assert_allclose(cloud.mean(0), mean, atol=4 * std / np.sqrt(50))
        np.testing.assert_allclose(cloud.std(0), std, rtol=0.4)


def test_generated_points_are_the_same_each_time():
    np.testing.assert_array_equal(toydata.generate().features, toydata.generate().features)


def test_published_points_are_those_of_the_file(tmp_path, mirror, monkeypatch):
    features = np.round(np.random.default_rng(0).normal(size=(100, 2)), 2)
    text = "".join(f"{a}\t{b}\t{row % 2}\n" for row, (a, b) in enumerate(features))
    monkeypatch.setattr(toydata, "SHA256", hashlib.sha256(text.encode()).hexdigest())
    mirror(text)
    points = toydata.load(PUBLISHED, tmp_path / "raw")
    np.testing.assert_array_equal(points.features, features.astype(np.float32))
    np.testing.assert_array_equal(points.labels, np.arange(100) % 2)
    assert points.note.published
    manifest = json.loads((tmp_path / "raw/manifest.json").read_text())
    assert manifest["files"][toydata.FILE]["from_mirror"]


@pytest.mark.parametrize("text", ["", 99 * ROW, 100 * ROW, "<html>not here</html>"])
def test_another_file_is_refused(tmp_path, mirror, text):
    mirror(text)
    with pytest.raises(UserError, match=r"toydata\.txt is not the lecture's") as error:
        toydata.load(PUBLISHED, tmp_path / "raw")
    assert toydata.SHA256 in str(error.value)
    assert not (tmp_path / "raw" / toydata.FILE).exists()
