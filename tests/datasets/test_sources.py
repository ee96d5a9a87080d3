"""A source is one file: found by its name, checked by its own parameters; and those in the format of MNIST."""

from __future__ import annotations

import gzip
import hashlib
import json
from contextlib import chdir
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml

from stages import config, download, prepare, tasks
from stages.datasets import idx
from stages.datasets.manifest import read_manifest
from stages.datasets.sources import SOURCES, mnist
from stages.datasets.test_set import read_test
from tests import small

STRIPES = '''"""Stripes: a source for a test."""

from pathlib import Path

import numpy as np
from pydantic import Field

from stages.datasets.manifest import Entry, Manifest, write_manifest
from stages.datasets.sources.base import Decoded, LabelSet, Source


class Stripes(Source):
    title = "Stripes"
    description = "Rows or columns."
    augmentation = {"horizontal_flip": 0.25, "shift": 3}

    side: int = Field(ge=4)

    @property
    def shape(self):
        return self.side, self.side, 1

    def fetch(self, raw):
        (raw).mkdir(parents=True, exist_ok=True)
        (raw / "stripes.txt").write_text("of two kinds")
        write_manifest(Manifest("stripes", {"stripes.txt": Entry.of(raw / "stripes.txt", None, None)}), raw)

    def decode(self, raw):
        images = np.random.default_rng(0).integers(0, 256, (240, self.side, self.side, 1), dtype=np.uint8)
        labels = np.arange(240) % 2
        images[labels == 1, ::2] = 255
        clean, noisy = LabelSet(labels[40:], "drawn", 0.0), {"random": LabelSet(1 - labels[40:], "turned", 1.0)}
        return Decoded(images[40:], clean, images[:40], labels[:40], "the first", ("rows", "none"), noisy)
'''


@pytest.mark.slow
def test_a_new_file_is_a_source(tmp_path: Path) -> None:
    folder = small.make(tmp_path)
    (folder / "stages/datasets/sources/stripes.py").write_text(STRIPES)
    content = loads_yaml((folder / "params.yaml").read_text())
    content["data"] |= {"source": "stripes", "stripes": {"side": 2}}
    (folder / "params.yaml").write_text(dumps_yaml(content))
    assert "data.stripes.side: found 2" in small.stage(folder, "download", check=False).stderr
    content["data"]["stripes"]["side"] = 6
    (folder / "params.yaml").write_text(dumps_yaml(content))
    commands = ["config", "source=stripes"], ["download"], ["prepare"], ["plan"], ["tune"], ["train"]
    for name, *arguments in commands:
        small.stage(folder, name, *arguments)
    with chdir(folder):
        found = tasks.read()
    assert found.images.shape == (200, 6, 6, 1)
    assert (found.tasks["random"].labels == 1 - found.true).all()  # the source's own; of the other, derived
    assert 0 < (found.tasks["partly_random"].labels != found.true).mean() < 0.1
    assert '"shift": 3' in (folder / "data/runs/everything/run.json").read_text()


def test_every_source_says_what_it_is() -> None:
    sources = config.load().sources
    assert set(sources) == set(SOURCES)
    for name, source in sources.items():
        assert source.name == name
        assert source.title
        assert source.description.endswith(".")
        assert min(source.shape) >= 1
        assert bool(source.licence) == bool(source.licence_url) == bool(source.citation) == (name != "folder")


@pytest.fixture(params=["mnist", "fashion_mnist"])
def served(request, project, tmp_path, monkeypatch) -> SimpleNamespace:
    """A project and a folder of files of the names and the layout of a source's, of 300 and 20 random images."""
    name, generator = request.param, np.random.default_rng(0)
    folder = tmp_path / "mirror"
    folder.mkdir()
    small_files, bytes_of = {}, {}
    for file, content in SOURCES[name].files.items():
        rows = 300 if "train" in file else 20
        values = generator.integers(0, 256, rows * content.row, np.uint8) if content.row > 1 else np.arange(rows) % 10
        data = bytes(content.header) + values.astype(np.uint8).tobytes()
        packed = gzip.compress(data)
        md5 = hashlib.md5(packed if content.packed else data).hexdigest()
        small_files[file] = idx.Content(rows, content.header, content.row, md5, content.packed)
        (folder / file).write_bytes(packed)
        bytes_of[file] = data
    monkeypatch.setattr(SOURCES[name], "files", small_files)
    monkeypatch.setattr(SOURCES[name], "address", "http://127.0.0.1:9/none")
    monkeypatch.setenv("REGBENCH_MIRROR", str(folder))
    project({"data.source": name, "splits": {"first": 0, "seeds": 2, "train": 100, "val": 100}})
    return SimpleNamespace(name=name, folder=folder, bytes_of=bytes_of)


def test_idx_files_become_pool_and_test_set(served) -> None:
    download.main()
    prepare.main()
    manifest = read_manifest(Path("data/raw") / served.name)
    assert manifest is not None
    assert json.loads(prepare.CARD.read_text())["title"] == SOURCES[served.name].title  # a mirror's, but verified
    assert list(manifest.files) == list(SOURCES[served.name].files)
    assert {entry.licence for entry in manifest.files.values()} == {SOURCES[served.name].licence}
    pool, test = tasks.read(), read_test()
    assert pool.classes == SOURCES[served.name].classes
    assert (pool.images.shape, test.images.shape) == ((300, 28, 28, 1), (20, 28, 28, 1))
    images, labels, test_images, test_labels = served.bytes_of.values()
    assert pool.images.tobytes() == images[16:]
    assert pool.true.tolist() == list(labels[8:])
    assert test.images.tobytes() == test_images[16:]
    assert test.labels.tolist() == list(test_labels[8:])


def test_files_come_from_the_publisher_by_its_names(served, server, answer, monkeypatch) -> None:
    for file, data in served.bytes_of.items():
        server.answer(f"/{file.removeprefix(mnist.PREFIX)}", answer((served.folder / file).read_bytes()))
        assert data
    monkeypatch.delenv("REGBENCH_MIRROR")
    monkeypatch.setattr(SOURCES[served.name], "address", server.address)
    download.main()
    assert sorted(server.requests) == sorted(
        f"/{kind}-{what}-ubyte.gz" for kind in ("t10k", "train") for what in ("images-idx3", "labels-idx1")
    )


@pytest.mark.parametrize("place", [0, 3])
def test_a_file_with_another_checksum_is_refused(served, capsys, place, pauses) -> None:
    file = list(served.bytes_of)[place]
    data = served.bytes_of[file]
    (served.folder / file).write_bytes(gzip.compress(data[:-1] + bytes([data[-1] ^ 1])))
    with pytest.raises(SystemExit):
        download.main()
    errors = capsys.readouterr().err
    assert f"{file} could not be fetched" in errors
    assert f"{file} is not {SOURCES[served.name].title}'s" in errors
    assert not (Path("data/raw") / served.name / file).exists()


def test_published_checksums_are_those_that_torchvision_knows() -> None:
    from torchvision.datasets import FashionMNIST

    ours = {name.removeprefix(mnist.PREFIX): c.md5 for name, c in SOURCES["fashion_mnist"].files.items()}
    assert ours == dict(FashionMNIST.resources)
    assert list(SOURCES["fashion_mnist"].classes) == FashionMNIST.classes
