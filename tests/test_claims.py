"""The stage `claims`: every claim is judged, whatever has been run, the same from the same results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml

from stages import claims, config
from stages.documents.claims import CLAIMS
from tests import small
from tests.documents.test_claim import write_benchmark

ROOT = Path(__file__).parent.parent


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with parameters that name one document and a benchmark that has run."""
    content = loads_yaml((ROOT / "params.yaml").read_text())
    content["documents"] = {"decay_scaling": content["documents"]["decay_scaling"]}
    (tmp_path / "params.yaml").write_text(dumps_yaml(content))
    write_benchmark(tmp_path, config.load(tmp_path / "params.yaml"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_outcome(project: Path, deviations: Mapping[str, float | None]) -> None:
    folder = project / "data/documents/decay_scaling"
    folder.mkdir(parents=True)
    record = {
        "data": {"title": "Some flowers", "published": False, "description": ""},
        "identities": {name: {"text": "", "deviation": deviation} for name, deviation in deviations.items()},
    }
    (folder / "record.json").write_text(json.dumps(record))
    table = [{"case": "a", "seed": 0, "metric": "m", "value": 1.0}]
    pd.DataFrame(table).to_parquet(folder / "outcomes.parquet", index=False)
    small.accept(project)


def ledger() -> dict[str, dict[str, Any]]:
    return {entry["id"]: entry for entry in json.loads(Path("reports/claims.json").read_text())["claims"]}


DEVIATIONS = {"decay_not_divided": 1e-15, "divided_differs": 0.3, "bias_is_decayed": 1e-15, "spared_bias_differs": 0.3}


def test_every_claim_is_in_the_ledger_with_the_data_it_was_tested_on(project: Path) -> None:
    write_outcome(project, DEVIATIONS)
    claims.main()
    entries = ledger()
    assert list(entries) == [claim.id for claim in CLAIMS]
    assert entries["decay-not-divided"]["verdict"] == "holds"
    assert entries["decay-not-divided"]["data"] == ["Some flowers"]
    assert entries["augmentation-helps"]["data"] == ["Generated"]
    assert entries["lambda-plateau"]["verdict"] == "not tested"


def test_a_deviation_that_is_not_finite_is_undecided(project: Path) -> None:
    write_outcome(project, DEVIATIONS | {"divided_differs": None})
    claims.main()
    entry = ledger()["decay-not-divided"]
    assert entry["verdict"] == "undecided"
    assert [part["verdict"] for part in entry["parts"]] == ["holds", "undecided"]
    assert entry["parts"][1]["deviation"] is None


def test_a_second_run_gives_the_same_bytes(project: Path) -> None:
    write_outcome(project, DEVIATIONS)
    claims.main()
    first = Path("reports/claims.json").read_bytes()
    claims.main()
    assert Path("reports/claims.json").read_bytes() == first


def test_an_experiment_that_has_not_run_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        claims.main()
    assert ended.value.code == 1
    assert "decay_scaling" in capsys.readouterr().err
    assert not Path("reports/claims.json").exists()
