"""The whole replay of the face notebook, from the start of its process, against the notebook's own way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml
from pytest_benchmark.fixture import BenchmarkFixture

from stages.config import PARAMS
from stages.datasets.manifest import Entry, Manifest, write_manifest
from stages.datasets.sources.afhq import ARCHIVES
from tests import faces, notebook, small

IMAGES = 600
WORKERS = 2
EPOCHS = 2
"""Timed of each of the notebook's experiments."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose archives hold generated pictures, unpacked in ``pictures`` too."""
    params = loads_yaml(PARAMS.read_text(encoding="utf-8"))
    params["data"]["source"] = "afhq"
    (tmp_path / PARAMS).write_text(dumps_yaml(params), encoding="utf-8")
    shutil.copytree("stages", tmp_path / "stages")
    raw = tmp_path / "data/raw/afhq"
    faces.write(tmp_path / "pictures", IMAGES)
    faces.pack(tmp_path / "pictures", raw)
    write_manifest(Manifest("afhq", {name: Entry.of(raw / name, None, None) for name in ARCHIVES.values()}), raw)
    small.accept(tmp_path)
    return tmp_path


@pytest.mark.benchmark(group="replay")
def test_replay(benchmark: BenchmarkFixture, project: Path) -> None:
    """The process of the stage, and some epochs of each experiment by data loaders, which give the same figures."""
    if benchmark.disabled:
        pytest.skip("takes half a minute; tests/test_replay.py checks the same on fewer epochs")
    environment = {**os.environ, "PYTHONPATH": str(project)}

    def replay() -> None:
        subprocess.run([sys.executable, "-m", "stages.replay"], cwd=project, env=environment, check=True)

    benchmark.pedantic(replay, rounds=1)
    curves = pd.read_parquet(project / "data/replay/curves.parquet")
    folders = {name: project / "pictures" / folder / "train" for name, folder in faces.FOLDERS.items()}
    seconds = 0.0
    for experiment in notebook.experiments(folders, WORKERS):
        replayed = curves[curves["experiment"] == experiment.name]
        start = time.perf_counter()
        figures = list(notebook.main(experiment, EPOCHS))
        seconds += (time.perf_counter() - start) / EPOCHS * len(replayed)
        assert list(zip(replayed["train_acc"], replayed["val_acc"], strict=True))[:EPOCHS] == [f[:2] for f in figures]
    benchmark.extra_info.update(
        notebook_seconds=seconds,
        notebook_epochs_timed=EPOCHS,
        workers=WORKERS,
        experiments=int(curves["experiment"].nunique()),
        epochs=len(curves),
        images=IMAGES,
    )
