"""The stage `download`: `data/raw/<source>` holds its files and nothing else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml
from PIL import Image

from stages import download, prepare
from stages.config import PARAMS

RAW = Path("data/raw")


@pytest.fixture
def choose(tmp_path, monkeypatch):
    params = loads_yaml(PARAMS.read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    for name, grey in (("ant", 0), ("bee", 255)):
        folder = Path("data/images/train") / name
        folder.mkdir(parents=True)
        Image.fromarray(np.full((4, 4), grey, np.uint8)).save(folder / "1.png")

    def choose(source):
        params["data"]["source"] = source
        PARAMS.write_text(dumps_yaml(params), encoding="utf-8")

    return choose


def _manifest(source):
    return json.loads((RAW / source / "manifest.json").read_text())


def test_the_digits_and_their_manifest(choose):
    choose("digits")
    download.main()
    entry = _manifest("digits")["files"]["digits.npz"]
    content = (RAW / "digits/digits.npz").read_bytes()
    assert entry["sha256"] == hashlib.sha256(content).hexdigest()
    assert entry["size"] == len(content)
    assert entry["licence"] == "CC BY 4.0"
    with np.load(RAW / "digits/digits.npz", allow_pickle=False) as arrays:
        assert arrays["images"].shape == (1797, 8, 8)
        assert arrays["images"].max() == 16


def test_another_source_leaves_the_first_and_litter_goes(choose):
    choose("digits")
    download.main()
    (RAW / "folder/.killed").mkdir(parents=True)
    (RAW / "folder/.killed/half.zip").touch()
    choose("folder")
    download.main()
    assert [path.name for path in (RAW / "folder").iterdir()] == ["manifest.json"]
    assert _manifest("folder")["source"] == "folder"
    assert (RAW / "digits/digits.npz").exists()


def test_two_runs_write_the_same_bytes(choose):
    choose("digits")
    download.main()
    before = {path.name: path.read_bytes() for path in (RAW / "digits").iterdir()}
    download.main()
    assert {path.name: path.read_bytes() for path in (RAW / "digits").iterdir()} == before


def test_prepare_asks_for_the_source_that_was_downloaded(choose, capsys):
    choose("digits")
    download.main()
    choose("folder")
    with pytest.raises(SystemExit) as exit_:
        prepare.main()
    assert exit_.value.code == 1
    assert "data/raw/folder/manifest.json is missing; `dvc repro download`" in capsys.readouterr().err
