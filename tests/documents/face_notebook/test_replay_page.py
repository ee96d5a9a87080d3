"""The page of the replay says what its tables say."""

from __future__ import annotations

import json
import re
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages import files
from stages.documents import DOCUMENTS, outcome
from stages.documents.face_notebook import REPLAY, replay, replay_page
from stages.documents.face_notebook.replay import EXPERIMENTS, SPLITS, NotebookExamples
from stages.documents.outcome import DataNote
from stages.documents.page import DocumentPage, render

EPOCHS = 3
DOCUMENT, TEMPLATE = DOCUMENTS["face_notebook"], "face_notebook/replay_page.html"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A replay of a few epochs on noise; its augmented network trains on seven of the images that validate it."""
    root = tmp_path_factory.mktemp("project")
    generator = np.random.default_rng(0)

    def noise(count: int) -> NotebookExamples:
        images = generator.integers(0, 256, (count, 4, 4, 1), dtype=np.uint8)
        return NotebookExamples(images, generator.integers(3, size=count))

    examples = {name: (noise(split.train), noise(split.val)) for name, split in SPLITS.items()}
    experiments = {name: replace(one, epochs=EPOCHS) for name, one in EXPERIMENTS.items()}
    data = DataNote("Noise", False, "Generated.")
    splits = {name: {"train": [*range(split.train)], "val": [*range(500, 600)]} for name, split in SPLITS.items()}
    splits["aug"]["train"] = [*range(240, 483), *range(550, 557)]
    with chdir(root):
        files.write_json(REPLAY / "splits.json", splits)
        outcome.write(replay.run(examples, 3, data, experiments), REPLAY)
    return root


@pytest.fixture(autouse=True)
def _folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)


@pytest.fixture(scope="module")
def page(root: Path) -> DocumentPage:
    with chdir(root):
        return replay_page.page(REPLAY)


def test_every_curve_is_drawn_whole(page: DocumentPage) -> None:
    curves = pd.read_parquet(REPLAY / "curves.parquet")
    for figure in page.figures.values():
        fields = set(re.findall(r'"field": "(\w+)"', json.dumps(figure.still)))
        assert fields <= set(figure.data.columns)
        if "epoch" in figure.data:
            lengths = figure.data.groupby(["panel", "series"])["epoch"].agg(["min", "max", "size"])
            assert (lengths == [1, EPOCHS, EPOCHS]).all(axis=None)
    drawn = page.figures["rates_norm"].data.set_index(["series", "epoch"])["mean"]
    for row in curves[curves["experiment"] == "lr_0.005"].itertuples():
        assert drawn["0.005", row.epoch] == row.param_norm


def test_the_table_holds_every_experiment(page: DocumentPage) -> None:
    table = page.tables["experiments"]
    assert [row[0].text for row in table.rows] == list(EXPERIMENTS)
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert table.data["train_images"].tolist() == [SPLITS[one.train].train for one in EXPERIMENTS.values()]


def test_what_the_defects_come_to_is_counted(page: DocumentPage) -> None:
    assert (page.facts["both_trained"], page.facts["seen"]) == (10, 7)
    html = str(
        render(page, TEMPLATE, REPLAY, document=DOCUMENT, pages={"replay": page.title}, claims=[])[
            "documents/replay.html"
        ]
    )
    assert "trained on 7 of these 100 images" in html
    assert "toy_dropout.html" not in html


def test_a_split_without_images_in_common_is_no_defect(page: DocumentPage) -> None:
    apart = replace(page, facts={**page.facts, "seen": 0})
    html = str(render(apart, TEMPLATE, REPLAY, document=DOCUMENT, pages={}, claims=[])["documents/replay.html"])
    assert "trained on 0" not in html
    assert "with this data it has not" in html
