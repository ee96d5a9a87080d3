"""The stage `replay`, from archives to tables."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml

from stages import download, replay
from stages.config import PARAMS
from stages.datasets.sources import afhq
from stages.documents import DOCUMENTS
from stages.documents.face_notebook import replay as face_notebook
from stages.documents.face_notebook import replay_page
from stages.documents.page import render
from tests import faces, notebook

COUNT = 363
ONE_OF_EACH_SPLIT = ("unregularized", "l2", "augmented", "memorize_partly_random", "memorize_random")


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    short = {name: replace(one, epochs=1) for name, one in face_notebook.EXPERIMENTS.items()}
    monkeypatch.setattr(face_notebook, "EXPERIMENTS", short)


@pytest.fixture
def enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def project(source: str) -> None:
        params = loads_yaml(PARAMS.read_text(encoding="utf-8"))
        params["data"]["source"] = source
        monkeypatch.chdir(tmp_path)
        PARAMS.write_text(dumps_yaml(params), encoding="utf-8")
        download.main()

    return project


@pytest.fixture
def unpacked(enter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Path]:
    """A project on generated archives; their folders, unpacked, by label set."""
    folders = faces.write(tmp_path / "unpacked", COUNT)
    faces.pack(tmp_path / "unpacked", tmp_path / "mirror")
    counts = {"train": dict.fromkeys(faces.CLASSES, COUNT // 3), "val": dict.fromkeys(faces.CLASSES, 1)}
    monkeypatch.setattr(afhq, "COUNTS", counts)
    monkeypatch.setenv("REGBENCH_MIRROR", str(tmp_path / "mirror"))
    enter("afhq")
    return folders


def test_archives_give_the_curves_that_their_folders_give(unpacked: Mapping[str, Path]) -> None:
    replay.main()
    curves = pd.read_parquet(replay.REPLAY / "curves.parquet").set_index("experiment")
    assert list(curves.index) == list(face_notebook.EXPERIMENTS)
    for experiment in notebook.experiments(unpacked, workers=0):
        if experiment.name in ONE_OF_EACH_SPLIT:
            train_acc, val_acc, param_norm = next(notebook.main(experiment, 1))
            replayed = curves.loc[experiment.name]
            assert (replayed["train_acc"], replayed["val_acc"]) == (train_acc, val_acc)
            assert replayed["param_norm"] == pytest.approx(param_norm, rel=1e-6)


def test_what_came_from_a_mirror_is_compared_with_nothing_printed(unpacked: Mapping[str, Path]) -> None:
    replay.main()
    record = json.loads((replay.REPLAY / "record.json").read_text())
    assert record["data"]["title"] == "Images from a mirror, not verified to be Animal Faces (AFHQ)"
    assert not record["data"]["published"]
    compared = {number["what"]: number["comparable"] for number in record["printed"] if number["printed"] != "7.3810"}
    assert [what for what, comparable in compared.items() if "accuracy" in what and comparable] == []
    assert sum("accuracy" in what for what in compared) == 4


def test_digits_have_tables_of_every_experiment_the_same_every_time(enter) -> None:
    enter("digits")
    replay.main()
    first = {path.name: path.read_bytes() for path in replay.REPLAY.iterdir()}
    outcomes = pd.read_parquet(replay.REPLAY / "outcomes.parquet")
    layers = pd.read_parquet(replay.REPLAY / "layers.parquet")
    assert set(outcomes["case"]) == set(layers["experiment"]) == set(face_notebook.EXPERIMENTS)
    assert outcomes["value"][outcomes["metric"].str.endswith("_acc")].between(0, 1).all()
    assert not outcomes.duplicated(["case", "seed", "metric"]).any()
    splits = json.loads((replay.REPLAY / "splits.json").read_text())
    assert [len(splits[name]["train"]) for name in ("base", "reg", "pure", "aug")] == [100, 30, 250, 250]
    shutil.rmtree(replay.REPLAY)
    replay.main()
    assert {path.name: path.read_bytes() for path in replay.REPLAY.iterdir()} == first


def test_a_pool_that_is_too_small_is_left_out_and_said_so(
    unpacked: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(face_notebook, "SMALLEST", COUNT + 1)
    replay.main()
    assert f"not run: it needs {COUNT + 1} images" in capsys.readouterr().out
    page = replay_page.page(replay.REPLAY)
    shown = {"document": DOCUMENTS["face_notebook"], "pages": {}, "claims": []}
    html = str(render(page, "face_notebook/replay_page.html", replay.REPLAY, **shown)["documents/replay.html"])
    assert "Not run: the notebook’s splits take more images" in html
    assert f"{COUNT} images of 32×32 pixels outside the test set. The notebook’s splits take {COUNT + 1}." in html
    assert "Early stopping" not in html
