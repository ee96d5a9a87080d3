"""The stage `evaluate`: its figures against ones computed by other means from the same files."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from sklearn.metrics import f1_score

from stages import config, tasks
from stages.datasets.test_set import read_test
from stages.evaluate import fast_gradient_sign
from stages.metrics import METRICS
from stages.networks.layers import Flatten, Linear
from stages.networks.network import Network
from tests import small

TASKS = ("clean", "partly_random", "random")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small.make(tmp_path_factory.mktemp("project"), training__epochs=60)
    for name in ("download", "prepare", "plan"):
        small.stage(folder, name)
    for variant in small.VARIANTS:
        small.stage(folder, "train", variant)
    stale = folder / "data/runs/removed"
    stale.mkdir()
    (stale / "run.json").write_text("{}")
    small.stage(folder, "evaluate")
    return folder


@pytest.fixture(scope="module")
def runs(project: Path) -> pd.DataFrame:
    return pd.read_parquet(project / "data/evaluation/runs.parquet").set_index(["variant", "task", "seed"])


def test_there_is_a_row_for_every_replica(project: Path, runs: pd.DataFrame) -> None:
    assert list(runs.index) == [(v, task, s) for v in small.VARIANTS for task in TASKS for s in range(2)]
    assert not (project / "data/runs/removed").exists()


@pytest.mark.parametrize("variant", ["none", "l1"])
@pytest.mark.parametrize("task", TASKS)
def test_figures_follow_from_the_weights(project: Path, runs: pd.DataFrame, variant: str, task: str) -> None:
    weights = load_file(project / f"data/runs/{variant}/weights.safetensors")
    pool = tasks.read(project / "data/pool.npz", project / "data/splits.json")
    learnt = pool.tasks[task]
    test = read_test(project / "data/test.npz")

    def logits(images: np.ndarray, seed: int) -> torch.Tensor:
        x = torch.from_numpy(images).flatten(1).float() / 127.5 - 1  # one channel: no axis to move
        for layer in (1, 2, 3):
            prefix = f"{task}/{seed}/fc{layer}"
            x = F.linear(x, weights[f"{prefix}.weight"], weights[f"{prefix}.bias"])
            x = x.relu() if layer < 3 else x
        return x

    for seed in range(2):
        row = runs.loc[(variant, task, seed)]
        out, train = logits(test.images, seed), learnt.splits[seed].train
        guess = out.argmax(1).numpy()
        given, true = learnt.labels[train], pool.true[train]
        fitted = logits(pool.images[train], seed).argmax(1).numpy()
        assert row["test_accuracy"] == pytest.approx((guess == test.labels).mean())
        # scikit-learn's log_loss clips probabilities, and a network that overfits goes below its bound
        assert row["test_loss"] == pytest.approx(F.cross_entropy(out, torch.from_numpy(test.labels)).item(), rel=1e-4)
        assert row["macro_f1"] == pytest.approx(f1_score(test.labels, guess, average="macro"))
        assert row["train_accuracy"] == pytest.approx((fitted == given).mean())
        assert row["train_accuracy_clean"] == pytest.approx((fitted == true).mean())
        assert row["generalization_gap"] == pytest.approx((fitted == true).mean() - (guess == test.labels).mean())
        assert np.isnan(row["normalization_norm"])
        wrong = given != true
        assert wrong.any() == (task != "clean")
        if wrong.any():
            assert row["accuracy_on_wrong_given"] == pytest.approx((fitted == given)[wrong].mean())
            assert row["accuracy_on_wrong_true"] == pytest.approx((fitted == true)[wrong].mean())
        else:
            assert np.isnan(row["accuracy_on_wrong_given"])


def test_it_agrees_with_what_training_measured(project: Path, runs: pd.DataFrame) -> None:
    for variant in ("none", "l1"):
        history = pd.read_parquet(project / f"data/runs/{variant}/history.parquet")
        last = history.groupby(["task", "seed"], sort=False).last()
        ours = runs.loc[variant]
        for metric in ("train_accuracy", "val_accuracy", "param_norm"):
            assert np.allclose(ours[metric], last[metric].loc[ours.index], rtol=1e-6)
        fitted = history[history["train_accuracy"] == 1].groupby(["task", "seed"])["epoch"].min()
        expected = fitted.reindex(ours.index).astype("Int64")
        assert ours["epochs_to_fit"].equals(expected.rename("epochs_to_fit"))


@pytest.mark.parametrize(
    ("losses", "fitted", "expected"),
    [
        ([2.0, 1.5, 1.0], 0.9, True),
        ([2.0, 1.5, 1.0], 1.0, False),  # nothing left to learn
        ([2.0, 1.0, 1.0], 0.9, False),  # it has come to rest without
        ([2.0, 1.5], 0.9, False),  # stopped before its epochs were used up
    ],
)
def test_a_replica_is_unfinished_if_it_was_still_learning(losses: list[float], fitted: float, expected: bool) -> None:
    curve = pd.DataFrame({"epoch": range(len(losses)), "train_loss": losses, "train_accuracy": fitted})
    seen: Any = SimpleNamespace(
        curve=curve.sample(frac=1, random_state=1), planned=2, settings=config.load().evaluation
    )
    assert METRICS["unfinished"].compute(seen) == expected


def test_early_stopping_is_measured_at_its_best_epoch(project: Path, runs: pd.DataFrame) -> None:
    history = pd.read_parquet(project / "data/runs/everything/history.parquet")
    best = history.groupby(["task", "seed"], sort=False)["val_accuracy"].max()
    assert np.allclose(runs.loc["everything"]["val_accuracy"], best.loc[runs.loc["everything"].index])


def test_confusion_counts_and_layers_add_up(project: Path, runs: pd.DataFrame) -> None:
    key = ["variant", "task", "seed"]
    confusion = pd.read_parquet(project / "data/evaluation/confusion.parquet")
    totals = confusion.groupby(key, sort=False)["count"].sum()
    hits = confusion[confusion["true"] == confusion["predicted"]].groupby(key, sort=False)["count"].sum()
    assert np.allclose(hits / totals, runs["test_accuracy"])
    layers = pd.read_parquet(project / "data/evaluation/layers.parquet")
    linear = layers["layer"].str.startswith("fc")
    for column, total, own in (
        ("norm", "param_norm", layers[linear]),
        ("initial_norm", "initial_norm", layers[linear]),
        ("norm", "normalization_norm", layers[~linear]),
    ):
        squares = (own[column] ** 2).groupby([own[k] for k in key], sort=False).sum().reindex(runs.index)
        assert np.allclose(squares**0.5, runs[total], rtol=1e-5, equal_nan=True)
    assert runs["normalization_norm"].notna().groupby("variant").all().to_dict() == {
        "none": False,
        "l1": False,
        "everything": True,
    }
    assert layers["near_zero"].between(0, 1).all()


def test_every_column_is_a_metric(runs: pd.DataFrame) -> None:
    assert list(runs.columns) == list(METRICS)


def test_metrics_are_the_means_over_seeds(project: Path, runs: pd.DataFrame) -> None:
    metrics = json.loads((project / "reports/metrics.json").read_text())
    means = runs.groupby(["variant", "task"])["test_accuracy"].mean()
    for (variant, task), mean in means.items():
        assert metrics[variant][task]["test_accuracy"] == pytest.approx(mean, abs=1e-6)
    assert metrics["none"]["clean"]["accuracy_on_wrong_given"] is None
    assert list(metrics["none"]["clean"]) == list(METRICS)


def linear_network(weight: list[list[float]], bias: list[float]) -> Network:
    """A network without hidden layers, its inputs the pixels of a row."""
    cpu = torch.device("cpu")
    layers = {"flatten": Flatten(), "fc1": Linear(1, len(weight[0]), len(weight), cpu)}
    network = Network(1, layers, (), cpu)
    network.load_state_dict({"fc1.weight": torch.tensor([weight]), "fc1.bias": torch.tensor([bias])})
    return network


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_an_attack_on_a_linear_network_takes_the_sum_of_weights_off_the_margin(scale: float) -> None:
    # However sure the network is: the probability of the true class rounds to one under the larger scale.
    weight = [[0.5 * scale, -1.0 * scale, 0.0], [-0.5 * scale, 2.0 * scale, 0.0]]
    network = linear_network(weight, [0.0, 0.0])
    images = torch.tensor([0.3, -0.4, 0.1]).view(1, 1, 1, 1, 3)
    moved = fast_gradient_sign(network, images, torch.tensor([[0]]), 0.25)
    assert torch.allclose(moved.flatten(), torch.tensor([0.3 - 0.25, -0.4 + 0.25, 0.1]))
    with torch.no_grad():
        before, after = (logits[0, 0, 0] - logits[0, 0, 1] for logits in (network(images), network(moved)))
    assert (before - after).item() == pytest.approx(0.25 * scale * (1.0 + 3.0), rel=1e-5)


def test_an_attack_stays_between_black_and_white() -> None:
    network = linear_network([[1.0, -1.0], [0.0, 0.0]], [0.0, 0.0])
    images = torch.tensor([-0.9, 1.0]).view(1, 1, 1, 1, 2)
    moved = fast_gradient_sign(network, images, torch.tensor([[0]]), 0.5)
    assert moved.flatten().tolist() == [-1.0, 1.0]


def test_an_attack_goes_up_the_gradient_of_the_loss(project: Path, runs: pd.DataFrame) -> None:
    weights = load_file(project / "data/runs/none/weights.safetensors")
    test = read_test(project / "data/test.npz")
    labels = torch.from_numpy(test.labels)
    epsilon = small.params()["evaluation"]["fgsm_epsilon"]

    def logits(x: torch.Tensor) -> torch.Tensor:
        for layer in (1, 2, 3):
            prefix = f"clean/0/fc{layer}"
            x = F.linear(x, weights[f"{prefix}.weight"].double(), weights[f"{prefix}.bias"].double())
            x = x.relu() if layer < 3 else x
        return x

    x = (torch.from_numpy(test.images).flatten(1).double() / 127.5 - 1).requires_grad_()
    F.cross_entropy(logits(x), labels, reduction="sum").backward()
    assert x.grad is not None
    attacked = (x + 2 * epsilon * x.grad.sign()).clamp(-1, 1)
    expected = (logits(attacked).argmax(1) == labels).double().mean().item()
    row = runs.loc[("none", "clean", 0)]
    assert row["fgsm_accuracy"] == pytest.approx(expected, abs=1.5 / len(labels))  # single precision, one tie at most
    assert row["fgsm_drop"] == pytest.approx(row["test_accuracy"] - row["fgsm_accuracy"])
    assert (runs["fgsm_drop"].groupby("variant").mean() > 0).all()
