"""The replay of the face notebook against the notebook's own way: image files, data loaders, the global generator."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import random_split
from torchvision.datasets import ImageFolder

from stages.documents.face_notebook import replay as face_notebook
from stages.documents.face_notebook.replay import EXPERIMENTS, NotebookExamples
from stages.documents.outcome import DataNote
from tests import faces, notebook

DATA = DataNote("generated pictures", False, "For a test.")
SHAPE = (5, 7, 3)
COUNT = 360
EPOCHS = 2
RATES = ("lr_0.0005", "lr_0.001", "lr_0.005")

Splits = dict[str, tuple[NotebookExamples, NotebookExamples]]


@pytest.fixture(scope="module", autouse=True)
def _one_thread_per_operation() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return faces.write(tmp_path_factory.mktemp("pictures"), COUNT, *SHAPE[:2])


@pytest.fixture(scope="module")
def splits(folders: Mapping[str, Path]) -> Splits:
    listed = {name: ImageFolder(folder) for name, folder in folders.items()}
    drawn = face_notebook.draw_splits({name: len(own) for name, own in listed.items()}, SHAPE, len(faces.CLASSES))

    def examples(split: str, positions: np.ndarray) -> NotebookExamples:
        images, labels = zip(*(listed[face_notebook.SPLITS[split].labels][n] for n in positions), strict=True)
        return NotebookExamples(np.stack([np.asarray(image) for image in images]), np.array(labels))

    return {name: (examples(name, train), examples(name, val)) for name, (train, val) in drawn.items()}


def _curves(splits: Splits, **changes: int) -> pd.DataFrame:
    experiments = {name: replace(one, **changes) for name, one in EXPERIMENTS.items()}
    return face_notebook.run(splits, len(faces.CLASSES), DATA, experiments).tables["curves"]


@pytest.fixture(scope="module")
def curves(splits: Splits) -> pd.DataFrame:
    return _curves(splits, epochs=EPOCHS)


def test_every_epoch_is_the_notebook_s(folders: Mapping[str, Path], curves: pd.DataFrame) -> None:
    """Every experiment in the notebook's order, on oblong images, in which no flip passes for another."""
    expected = [
        (experiment.name, epoch, *figures)
        for experiment in notebook.experiments(folders, workers=0)
        for epoch, figures in enumerate(notebook.main(experiment, EPOCHS), start=1)
    ]
    names, epochs, train_acc, val_acc, param_norm = (list(column) for column in zip(*expected, strict=True))
    assert list(dict.fromkeys(names)) == list(EXPERIMENTS)
    assert curves["experiment"].tolist() == names
    assert curves["epoch"].tolist() == epochs
    assert curves["train_acc"].tolist() == train_acc
    assert curves["val_acc"].tolist() == val_acc
    assert curves["param_norm"].tolist() == pytest.approx(param_norm, rel=1e-6)


def test_early_stopping_stops_and_keeps_as_the_notebook_does(folders: Mapping[str, Path], splits: Splits) -> None:
    *_, stopping = notebook.experiments(folders, workers=0)
    expected = list(notebook.main(replace(stopping, patience=2, lr=5e-3), 40))
    one = replace(EXPERIMENTS["early_stopping"], patience=2, lr=5e-3, epochs=40)
    stopped = face_notebook.train(one, splits, len(faces.CLASSES))
    assert 2 < len(expected) < 40
    assert list(zip(stopped.curves["train_acc"], stopped.curves["val_acc"], strict=True)) == [e[:2] for e in expected]
    best = stopped.curves["val_acc"].argmax()
    assert math.hypot(*stopped.layers["after"]) == pytest.approx(stopped.curves["param_norm"][best], rel=1e-5)


@pytest.mark.parametrize("p", [0.5, 0.3])
@pytest.mark.parametrize("shape", [(100, 248), (30, 7)])
def test_dropout_draws_as_torch_does(p: float, shape: tuple[int, int]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(face_notebook.SEED)
    expected = F.dropout(x, p)
    assert torch.equal(face_notebook.dropout(x, p, torch.Generator().manual_seed(face_notebook.SEED)), expected)


def test_splits_are_those_of_the_global_generator() -> None:
    splits = face_notebook.draw_splits(dict.fromkeys(("clean", "partly_random", "random"), 1000), SHAPE, 3)
    torch.manual_seed(face_notebook.SEED)
    for name, sizes in (("base", (100, 100)), ("base_random", (100, 100)), ("base_partly_random", (100, 100))):
        train, val, _ = random_split(range(1000), [*sizes, 1000 - sum(sizes)])
        assert splits[name][0].tolist() == train.indices
        assert splits[name][1].tolist() == val.indices
    assert {name: tuple(map(len, parts)) for name, parts in splits.items()} == {
        "base": (100, 100),
        "base_random": (100, 100),
        "base_partly_random": (100, 100),
        "reg": (30, 100),
        "pure": (250, 100),
        "aug": (250, 100),
    }
    for train, val in splits.values():
        assert len({*train, *val}) == len(train) + len(val)


def test_a_learning_rate_is_the_start_of_the_same_longer_run(curves: pd.DataFrame) -> None:
    by_name = {name: own.drop(columns="experiment").to_numpy() for name, own in curves.groupby("experiment")}
    np.testing.assert_array_equal(by_name["lr_0.001"], by_name["pure"])
    np.testing.assert_array_equal(by_name["memorize_clean"], by_name["big"])


def test_same_figures_every_time(splits: Splits, curves: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(_curves(splits, epochs=EPOCHS), curves, check_exact=True)


def test_numbers_that_need_no_images_are_the_printed_ones() -> None:
    black = {
        name: tuple(
            NotebookExamples(np.zeros((n, 32, 32, 3), np.uint8), np.zeros(n, np.int64)) for n in (split.train, 10)
        )
        for name, split in face_notebook.SPLITS.items()
    }
    experiments = {name: replace(EXPERIMENTS[name], epochs=1) for name in ("unregularized", *RATES)}
    printed = face_notebook.run(black, 3, DATA, experiments).printed
    assert [number.text for number in printed if number.comparable] == [
        "48.445133209228516",
        "7.328375816345215",
        "7.3810",
    ]
