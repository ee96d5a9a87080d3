"""Stage `document`: what it writes, what it keeps while it runs, and what it says of a wrong name."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from dvc.utils.serialize import dumps_yaml
from filelock import FileLock

from stages import document, documents
from stages.documents import outcome
from stages.documents.base import ExperimentContext
from stages.documents.decay_scaling import experiment
from stages.documents.outcome import DataNote, ExperimentOutcome, Identity, Printed
from stages.errors import UserError
from stages.training.kept import keep, kept, packed
from tests import small


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "params.yaml").write_text(dumps_yaml(small.params()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["stages.document", *arguments])
    document.main()


PARTS = Path(".cache/documents/decay_scaling")
OUTCOMES = pd.DataFrame([{"case": "a", "seed": 0, "metric": "m", "value": 1.0}])
PART = {"numbers": torch.arange(3.0)}
"""Of an experiment."""


def experiment_that(monkeypatch: pytest.MonkeyPatch, finish: Callable[[Path], ExperimentOutcome]) -> None:
    """Put another experiment in the document's place, which keeps a part if it finds none."""

    def run(settings: object, context: ExperimentContext) -> ExperimentOutcome:
        file = context.parts / "some/part.stack"
        if not kept(file):
            keep(file, packed(PART))
        return finish(file)

    monkeypatch.setattr(experiment, "run", run)


def test_it_writes_what_the_experiment_found(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [Printed("a", "1.50", 1.504), Printed("b", "2", 3.0), Printed("c", "4", 4.0, comparable=False)]
    found = ExperimentOutcome(
        DataNote("Noise", False, ""), {}, OUTCOMES, {"i": Identity("same", 1e-9)}, numbers, {"more": OUTCOMES}
    )
    experiment_that(monkeypatch, lambda file: found)
    call(monkeypatch, "decay_scaling")
    folder = documents.FOLDER / "decay_scaling"
    assert {path.name for path in folder.iterdir()} == {"outcomes.parquet", "more.parquet", "record.json"}
    record = json.loads((folder / "record.json").read_text())
    assert [number["same"] for number in record["printed"]] == [True, False, None]
    assert [number["text"] for number in record["printed"]] == ["1.50", "3", "4"]
    assert record["identities"]["i"]["deviation"] == 1e-9


def test_what_was_kept_is_found_again_after_a_run_and_after_its_outputs_are_gone(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def finish(file: Path) -> ExperimentOutcome:
        written.append(file.stat().st_ino)  # of another file, if it was written again
        return ExperimentOutcome(DataNote("Noise", False, ""), {}, OUTCOMES)

    experiment_that(monkeypatch, finish)
    for _ in range(2):
        call(monkeypatch, "decay_scaling")
        assert [path for path in PARTS.rglob("*") if path.is_file()] == [PARTS / "some/part.stack"]
        shutil.rmtree(documents.FOLDER)  # as DVC does before it runs a stage
    assert len(set(written)) == 1


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), UserError("no"), RuntimeError("a defect")])
def test_what_was_kept_stays_when_it_fails(
    project: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    def finish(file: Path) -> ExperimentOutcome:
        raise failure

    experiment_that(monkeypatch, finish)
    with pytest.raises((SystemExit, RuntimeError)) as stopped:
        call(monkeypatch, "decay_scaling")
    if isinstance(failure, KeyboardInterrupt):
        assert isinstance(stopped.value, SystemExit)
        assert stopped.value.code == 130
    assert kept(PARTS / "some/part.stack")
    assert not documents.FOLDER.exists()


def test_what_was_not_used_for_long_goes_when_all_is_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = {days: PARTS / f"{days}.stack" for days in (29, 31)}
    used = PARTS / "some/part.stack"
    another = PARTS.parent / "linear_decay/part.stack"
    for days, file in {**old, 40: used, 50: another}.items():
        keep(file, packed(PART))
        os.utime(file, (0, time.time() - days * 86400))

    def finish(file: Path) -> ExperimentOutcome:
        assert old[31].exists()
        return ExperimentOutcome(DataNote("Noise", False, ""), {}, OUTCOMES)

    experiment_that(monkeypatch, finish)
    call(monkeypatch, "decay_scaling")
    assert {path for path in PARTS.rglob("*") if path.is_file()} == {old[29], used}
    assert another.exists()  # each document looks after its own


def test_two_runs_of_a_document_take_turns(tmp_path: Path) -> None:
    folder = small.make(tmp_path)
    lock = folder / PARTS.with_suffix(".lock")
    lock.parent.mkdir(parents=True)
    with FileLock(lock):
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "stages.document", "decay_scaling"],
            cwd=folder,
            env=small.environment(folder),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert "decay_scaling: another process is running it; waiting" in process.stdout.readline()
        assert not (folder / "data/documents").exists()
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert (folder / "data/documents/decay_scaling/record.json").exists()


@pytest.mark.parametrize("arguments", [(), ("linear_decay",), ("decay_scaling", "more")])
def test_a_wrong_name_is_answered_with_those_that_there_are(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit):
        call(monkeypatch, *arguments)
    assert "params.yaml names decay_scaling" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("printed", "ours", "text"), [("2.4e-13", 2.44e-13, "2.4e-13"), ("-0.0401", -0.04008, "-0.0401")]
)
def test_ours_has_the_digits_of_the_printed(printed: str, ours: float, text: str) -> None:
    assert (Printed("a", printed, ours).text, Printed("a", printed, ours).same) == (text, True)


def test_a_deviation_is_relative_to_the_largest_magnitude_of_both() -> None:
    assert outcome.deviation([1.0, -2.0], [1.0, -4.0]) == outcome.deviation([1.0, -4.0], [1.0, -2.0]) == 0.5
    assert outcome.deviation(torch.tensor([1.0, 3.0]), np.array([1.0, 3.0])) == 0
    assert math.isnan(outcome.deviation([1.0, math.nan], [1.0, 2.0]))
    assert math.isnan(outcome.deviation([1.0, 2.0], [1.0, math.nan]))
