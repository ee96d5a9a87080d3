"""A new document is a folder and a section of `params.yaml`: every stage takes it up, and nothing else is edited."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml

from tests import small
from tests.reporting.sample import write_results

PARTS = {
    "__init__.py": """
from stages.config import Section, Seeds
from stages.documents.base import Document


class CoinSettings(Section):
    seeds: Seeds


DOCUMENT = Document(
    number="900",
    title="On coins",
    about="It throws coins.",
    url="https://example.org/coins",
    settings=CoinSettings,
)
""",
    "experiment.py": """
import pandas as pd

from stages import rng
from stages.documents.base import ExperimentContext
from stages.documents.coin import CoinSettings
from stages.documents.outcome import DataNote, ExperimentOutcome


def run(settings: CoinSettings, context: ExperimentContext) -> ExperimentOutcome:
    rows = [
        {"case": case, "seed": seed, "metric": "heads", "value": share + 0.01 * rng.generator(seed, case).random()}
        for seed in range(settings.seeds)
        for case, share in (("fair", 0.5), ("bent", 0.9))
    ]
    return ExperimentOutcome(DataNote("Coins", True, "Thrown here."), settings.model_dump(), pd.DataFrame(rows))
""",
    "page.py": """
from pathlib import Path

import pandas as pd

from stages.documents.page import DocumentPage
from stages.reporting.tables import Cell, Table, number_cell


def page(folder: Path) -> DocumentPage:
    means = pd.read_parquet(folder / "outcomes.parquet").groupby("case")["value"].mean().reset_index()
    rows = [[Cell(case), number_cell(100 * share, 0)] for case, share in means.itertuples(index=False)]
    table = Table("coin-heads", "Heads, in percent.", ["Coin", "Heads"], rows, means)
    return DocumentPage("coin", "Coins", {}, {"heads": table})
""",
    "page.html": """{% extends "documents/page.html" %}
{% from "macros.html" import table with context %}
{% block experiment %}
<p>Two coins.</p>
{{ table(tables.heads, root) }}
{% endblock %}
""",
    "claims.py": """
from stages.documents.claim import Claim, Points
from stages.documents.evidence import of_document

CLAIMS = [
    Claim(
        id="bent-coins-win",
        claim="A bent coin shows more heads.",
        section="Coins",
        experiment="Both are thrown.",
        parts=[
            Points(
                "bent",
                "heads of the bent coin minus those of the fair one",
                of_document("coin", "bent", "heads") - of_document("coin", "fair", "heads"),
                "greater",
                "documents/coin.html#table-coin-heads",
            )
        ],
    )
]
""",
}


def add(folder: Path) -> None:
    """Put the document into a project."""
    for name, content in PARTS.items():
        file = folder / "stages/documents/coin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    params = loads_yaml((folder / "params.yaml").read_text())
    params["documents"]["coin"] = {"seeds": 3}
    (folder / "params.yaml").write_text(dumps_yaml(params))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with results of the benchmark, to which the document is added."""
    folder = small.make(tmp_path_factory.mktemp("project"))
    write_results(folder)
    add(folder)
    return folder


@pytest.mark.slow
def test_every_stage_takes_it_up(project: Path) -> None:
    assert "coin: Coins" in small.stage(project, "document", "coin").stdout
    outcomes = pd.read_parquet(project / "data/documents/coin/outcomes.parquet")
    assert outcomes.groupby("case")["value"].mean().round(1).to_dict() == {"bent": 0.9, "fair": 0.5}

    small.stage(project, "claims")
    entry = json.loads((project / "reports/claims.json").read_text())["claims"][-1]
    assert (entry["id"], entry["document"], entry["verdict"]) == ("bent-coins-win", "900", "holds")
    assert entry["data"] == ["Coins"]

    small.stage(project, "report")
    reports = project / "reports"
    page = (reports / "documents/coin.html").read_text()
    assert "Document 900" in page
    assert "Two coins." in page
    assert 'id="table-coin-heads"' in page
    assert "claims.html#bent-coins-win" in page
    assert (reports / "tables/coin-heads.csv").exists()
    for name in ("index", "replay", "toy_dropout"):
        assert 'href="coin.html"' in (reports / f"documents/{name}.html").read_text()
    assert "On coins" in (reports / "claims.html").read_text()


@pytest.mark.slow
def test_an_edit_of_a_document_runs_that_document_alone(project: Path) -> None:
    shutil.copytree(
        small.ROOT / ".dvc", project / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local")
    )
    small.stage(project, "start")
    targets = ("document@coin", "document@face_notebook")
    small.run(project, "dvc", "repro", "--single-item", *targets)
    assert json.loads(small.run(project, "dvc", "status", "--json", *targets).stdout) == {}
    for name in ("experiment.py", "page.html"):
        file = project / "stages/documents/coin" / name
        file.write_text(file.read_text() + "\n")
        assert json.loads(small.run(project, "dvc", "status", "--json", *targets).stdout).keys() == {"document@coin"}
        small.run(project, "dvc", "repro", "--single-item", "document@coin")


def test_a_mistake_in_its_section_is_found(project: Path) -> None:
    params = loads_yaml((project / "params.yaml").read_text())
    whole = dumps_yaml(params)
    params["documents"]["coin"] = {"seeds": 0}
    (project / "params.yaml").write_text(dumps_yaml(params))
    done = small.stage(project, "document", "coin", check=False)
    (project / "params.yaml").write_text(whole)
    assert "documents.coin.seeds: found 0" in done.stderr
