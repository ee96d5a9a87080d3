"""Stage `document`: what it writes, what it keeps while it runs, and what it says of a wrong name."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from dvc.utils.serialize import dumps_yaml

from stages import document, documents
from stages.documents import outcome
from stages.documents.base import ExperimentContext
from stages.documents.decay_scaling import experiment
from stages.documents.outcome import DataNote, ExperimentOutcome, Identity, Printed
from stages.training import jobs
from tests import small


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "params.yaml").write_text(dumps_yaml(small.params()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["stages.document", *arguments])
    document.main()


def test_what_was_kept_goes_when_all_is_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = jobs.CACHE / "document/decay_scaling"
    outcomes = pd.DataFrame([{"case": "a", "seed": 0, "metric": "m", "value": 1.0}])
    numbers = [Printed("a", "1.50", 1.504), Printed("b", "2", 3.0), Printed("c", "4", 4.0, comparable=False)]

    def run(settings: object, context: ExperimentContext) -> ExperimentOutcome:
        assert context.parts == kept
        kept.mkdir(parents=True)
        return ExperimentOutcome(
            DataNote("Noise", False, ""), {}, outcomes, {"i": Identity("same", 1e-9)}, numbers, {"more": outcomes}
        )

    monkeypatch.setattr(experiment, "run", run)
    call(monkeypatch, "decay_scaling")
    assert not kept.exists()
    folder = documents.FOLDER / "decay_scaling"
    assert {path.name for path in folder.iterdir()} == {"outcomes.parquet", "more.parquet", "record.json"}
    record = json.loads((folder / "record.json").read_text())
    assert [number["same"] for number in record["printed"]] == [True, False, None]
    assert [number["text"] for number in record["printed"]] == ["1.50", "3", "4"]
    assert record["identities"]["i"]["deviation"] == 1e-9


def test_what_was_kept_stays_when_it_fails(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = jobs.CACHE / "document/decay_scaling"

    def run(settings: object, context: ExperimentContext) -> ExperimentOutcome:
        assert context.parts == kept
        kept.mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "run", run)
    with pytest.raises(SystemExit) as stopped:
        call(monkeypatch, "decay_scaling")
    assert stopped.value.code == 130
    assert kept.exists()


def test_what_was_kept_stays_when_the_pipeline_is_gone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    another = os.getppid() + 1
    kept = jobs.CACHE / "document/decay_scaling"
    outcomes = pd.DataFrame([{"case": "a", "seed": 0, "metric": "m", "value": 1.0}])

    def run(settings: object, context: ExperimentContext) -> ExperimentOutcome:
        assert context.parts == kept
        kept.mkdir(parents=True)
        monkeypatch.setattr(os, "getppid", lambda: another)
        return ExperimentOutcome(DataNote("Noise", False, ""), {}, outcomes)

    monkeypatch.setattr(experiment, "run", run)
    call(monkeypatch, "decay_scaling")
    assert (documents.FOLDER / "decay_scaling/record.json").exists()
    assert kept.exists()


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
