"""The stage `evaluate`: its figures against ones computed by other means from the same files."""

from __future__ import annotations

import json
from contextlib import chdir
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

from stages import config, evaluate, tasks
from stages.config import TRACKS
from stages.datasets.test_set import HeldOut, read_test
from stages.evaluation.networks import CPU, pictures
from stages.metrics import METRICS
from stages.training.device import make_ready
from stages.training.examples import select
from tests import small

KEY = evaluate.KEY
TASKS = {"clean": TRACKS[:2], "partly_random": TRACKS, "random": TRACKS[:2]}
CELL = "grid-30-uniform-0_2"
SEEDS = (100, 101)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cell = {"grid__train": [30], "grid__rate": [0.2], "grid__variants": ["none", "l1"]}
    folder = small.make(tmp_path_factory.mktemp("project"), training__epochs=60, variants__none__repeats=3, **cell)
    for name in ("download", "prepare", "plan", "tune", "train"):
        small.stage(folder, name)
    stale = folder / "data/runs/removed"
    stale.mkdir()
    (stale / "run.json").write_text("{}")
    small.stage(folder, "evaluate")
    return folder


@pytest.fixture(scope="module")
def runs(project: Path) -> pd.DataFrame:
    return pd.read_parquet(project / "data/evaluation/runs.parquet").set_index(KEY)


def layers_of(project: Path, variant: str, task: str, track: str, seed: int, repeat: int) -> list[torch.Tensor]:
    """Weight and bias of each layer of a saved AnimalNet."""
    weights = load_file(project / f"data/runs/{variant}/weights.safetensors")
    prefix = f"{task}/{track}/{seed}/{repeat}/fc"
    return [weights[f"{prefix}{layer}.{name}"] for layer in (1, 2, 3) for name in ("weight", "bias")]


def forward(x: torch.Tensor, layers: list[torch.Tensor]) -> torch.Tensor:
    first, second, third = (layers[i : i + 2] for i in (0, 2, 4))
    return F.linear(F.linear(F.linear(x, *first).relu(), *second).relu(), *third)


def pixels(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).flatten(1).float() / 127.5 - 1  # one channel: no axis to move


def test_there_is_a_row_for_every_replica(project: Path, runs: pd.DataFrame) -> None:
    repeats = {"none": 3, "l1": 1, "everything": 1}
    expected = [
        (variant, task, track, seed, repeat)
        for variant in small.VARIANTS
        for task, tracks in TASKS.items()
        for track in tracks
        for seed in SEEDS
        for repeat in range(repeats[variant])
    ]
    main = runs.index.get_level_values("task") != CELL
    assert list(runs.index[main]) == expected
    assert list(runs.index[~main]) == [
        (variant, CELL, track, seed, 0) for variant in ("none", "l1") for track in TRACKS[:2] for seed in SEEDS
    ]
    assert not (project / "data/runs/removed").exists()


@pytest.mark.parametrize("variant", ["none", "l1"])
@pytest.mark.parametrize("task", [*TASKS, CELL])
def test_figures_follow_from_the_weights(project: Path, runs: pd.DataFrame, variant: str, task: str) -> None:
    with chdir(project):
        pool, test = tasks.read(), read_test()
    learnt = pool.tasks[task]
    own = runs[(runs.index.get_level_values("variant") == variant) & (runs.index.get_level_values("task") == task)]
    assert len(own)
    for key, row in own.iterrows():
        assert isinstance(key, tuple)
        layers, train = layers_of(project, *key), learnt.splits[key[3]].train
        out = forward(pixels(test.images), layers)
        guess = out.argmax(1).numpy()
        given, true = learnt.labels[train], pool.true[train]
        fitted = forward(pixels(pool.images[train]), layers).argmax(1).numpy()
        assert row["test_accuracy"] == pytest.approx((guess == test.labels).mean())
        # scikit-learn's log_loss clips probabilities, and a network that overfits goes below its bound
        assert row["test_loss"] == pytest.approx(F.cross_entropy(out, torch.from_numpy(test.labels)).item(), rel=1e-4)
        cooled = F.cross_entropy(out.double() / row["temperature"], torch.from_numpy(test.labels)).item()
        assert row["scaled_test_loss"] == pytest.approx(cooled, rel=1e-4)
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
        last = history.groupby(KEY[1:], sort=False).last()
        ours = runs.loc[variant]
        for metric in ("train_accuracy", "val_accuracy", "param_norm"):
            assert np.allclose(ours[metric], last[metric].loc[ours.index], rtol=1e-6)
        fitted = history[history["train_accuracy"] == 1].groupby(KEY[1:])["epoch"].min()
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
    curve = {
        "epoch": np.arange(len(losses)),
        "train_loss": np.array(losses),
        "train_accuracy": np.full(len(losses), fitted),
    }
    seen: Any = SimpleNamespace(curve=curve, planned=2, settings=config.load().evaluation)
    assert METRICS["unfinished"].compute(seen) == expected


def test_early_stopping_is_measured_at_its_best_epoch(project: Path, runs: pd.DataFrame) -> None:
    history = pd.read_parquet(project / "data/runs/everything/history.parquet")
    best = history.groupby(KEY[1:], sort=False)["val_accuracy"].max()
    assert np.allclose(runs.loc["everything"]["val_accuracy"], best.loc[runs.loc["everything"].index])


def test_no_bit_of_a_replica_depends_on_its_stack(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    make_ready()
    params, material = config.load(), tasks.read()
    trial = evaluate.trial(read_test(), params.evaluation)
    found = [
        one for variant in params.variants.values() for one in evaluate.saved(variant, evaluate.RUNS, tasks.digest())
    ]
    with monkeypatch.context() as patch:
        patch.setenv("LOKY_MAX_CPU_COUNT", "2")  # in other processes
        together = evaluate.evaluate(found, material, trial, params.evaluation)
    tested = {(one.key["variant"], one.key["task"]): number for number, one in enumerate(found)}
    for number in tested.values():
        (alone,) = evaluate.evaluate([found[number]], material, trial, params.evaluation)
        in_stack = together[number]
        pd.testing.assert_series_equal(pd.Series(alone.metrics), pd.Series(in_stack.metrics), check_exact=True)
        assert np.array_equal(alone.predicted, in_stack.predicted)
        assert alone.layers == in_stack.layers


@pytest.mark.parametrize("channels", [1, 3])
def test_test_images_are_laid_out_as_those_for_training_in_every_process(channels: int) -> None:
    """With one channel two layouts are the same pixels in the same order, and convolutions round by which it is."""
    shape = (7, 8, 8, channels)
    test = HeldOut(np.random.default_rng(0).integers(0, 256, shape, np.uint8), np.arange(7) % 3)
    trial = evaluate.trial(test, config.load().evaluation)
    trained = select(test.images, [test.labels], test.labels, [np.arange(7)], CPU).images[0]
    for images in (trial.plain, np.array(trial.plain, order="C")):  # as it is here, and as it arrives elsewhere
        assert torch.equal(pictures(images), trained)
        assert pictures(images).stride() == trained.stride()
    for images in trial.corrupted.values():
        assert pictures(images).stride() == trained.stride()


def test_predictions_are_those_of_the_rows(project: Path, runs: pd.DataFrame) -> None:
    with np.load(project / "data/evaluation/predictions.npz") as file:
        predicted, labels = file["predicted"], file["labels"]
    assert predicted.dtype == np.uint8
    with chdir(project):
        assert np.array_equal(labels, read_test().labels)
    assert np.allclose((predicted == labels).mean(1), runs["test_accuracy"])


def test_the_crossed_design_is_a_balanced_table_of_its_own(project: Path, runs: pd.DataFrame) -> None:
    """Where split and draws are of one seed it is the row of the results, elsewhere it follows from its weights."""
    with np.load(project / "data/evaluation/crossed.npz") as file:
        names, predicted, labels = file["variants"].tolist(), file["predicted"], file["labels"]
    with chdir(project):
        test = read_test()
    assert (names, predicted.shape, predicted.dtype) == (["none"], (1, 2, 2, len(test.labels)), np.uint8)
    assert np.array_equal(labels, test.labels)
    with np.load(project / "data/evaluation/predictions.npz") as file:
        results = dict(zip(runs.index, file["predicted"], strict=True))
    weights = load_file(project / "data/crossed/none/weights.safetensors")
    for split, draws in np.ndindex(2, 2):
        prefix = f"partly_random/default/{SEEDS[split]}/{draws}/fc"
        layers = [weights[f"{prefix}{layer}.{name}"] for layer in (1, 2, 3) for name in ("weight", "bias")]
        guess = forward(pixels(test.images), layers).argmax(1).numpy()
        assert np.array_equal(predicted[0, split, draws], guess)
        own = results["none", "partly_random", "default", SEEDS[split], 0]
        assert np.array_equal(guess, own) == (split == draws)


def test_confusion_counts_and_layers_add_up(project: Path, runs: pd.DataFrame) -> None:
    key = KEY[:-1]
    main = runs[runs.index.get_level_values("task") != CELL]
    confusion = pd.read_parquet(project / "data/evaluation/confusion.parquet")
    totals = confusion.groupby(key, sort=False)["count"].sum()
    hits = confusion[confusion["true"] == confusion["predicted"]].groupby(key, sort=False)["count"].sum()
    means = main.groupby(key, sort=False)["test_accuracy"].mean()
    assert list(totals.index) == list(means.index)
    assert np.allclose(hits / totals, means)
    with chdir(project):
        labels = read_test().labels
    assert confusion.groupby([*key, "true"])["count"].sum().loc["none", "clean", "tuned", 100].tolist() == (
        (3 * np.bincount(labels)).tolist()  # repeats are summed
    )
    layers = pd.read_parquet(project / "data/evaluation/layers.parquet")
    assert set(layers["task"]) == set(TASKS)
    linear = layers["layer"].str.startswith("fc")
    single = main.xs("everything", drop_level=False).droplevel("repeat")
    for column, total, own in (
        ("norm", "param_norm", layers[linear]),
        ("initial_norm", "initial_norm", layers[linear]),
        ("norm", "normalization_norm", layers[~linear]),
    ):
        squares = (own[column] ** 2).groupby([own[k] for k in key], sort=False).sum().reindex(single.index)
        assert np.allclose(squares**0.5, single[total], rtol=1e-5)
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
    means = runs.groupby(KEY[:3])["test_accuracy"].mean()
    assert set(metrics["none"]) == set(TASKS)
    for variant, task, track in means.index:
        if task != CELL:
            found = metrics[variant][task][track]["test_accuracy"]
            assert found == pytest.approx(means[variant, task, track], abs=1e-6)
    assert metrics["none"]["clean"]["default"]["accuracy_on_wrong_given"] is None
    assert list(metrics["none"]["clean"]["default"]) == list(METRICS)


def test_an_attack_goes_up_the_gradient_of_the_loss(project: Path, runs: pd.DataFrame) -> None:
    with chdir(project):
        test = read_test()
    labels = torch.from_numpy(test.labels)
    settings = small.params()["evaluation"]
    key = ("none", "clean", "default", 100, 0)
    layers = [each.double() for each in layers_of(project, *key)]
    images = pixels(test.images).double()

    def gradient(x: torch.Tensor) -> torch.Tensor:
        x = x.clone().requires_grad_()
        F.cross_entropy(forward(x, layers), labels, reduction="sum").backward()
        assert x.grad is not None
        return x.grad.sign()

    def reached(x: torch.Tensor) -> float:
        return (forward(x, layers).argmax(1) == labels).double().mean().item()

    row, once, size = runs.loc[key], 2 * settings["fgsm_epsilon"], 2 * settings["pgd_epsilon"]
    moved = images
    for _ in range(settings["pgd_steps"]):
        moved = moved + 2.5 * size / settings["pgd_steps"] * gradient(moved)
        moved = torch.minimum(torch.maximum(moved, images - size), images + size).clamp(-1, 1)
    few = 2.5 / len(labels)  # single precision: a tie or two
    assert row["fgsm_accuracy"] == pytest.approx(reached((images + once * gradient(images)).clamp(-1, 1)), abs=few)
    assert row["pgd_accuracy"] == pytest.approx(reached(moved), abs=few)
    assert row["fgsm_drop"] == pytest.approx(row["test_accuracy"] - row["fgsm_accuracy"])
    assert (runs["fgsm_drop"].groupby("variant").mean() > 0).all()
    assert (runs["pgd_accuracy"] <= runs["fgsm_accuracy"]).groupby("variant").mean().min() > 0.9  # at larger sizes


def test_classifiers_without_networks_have_the_same_images(project: Path) -> None:
    found = pd.read_parquet(project / "data/evaluation/classical.parquet")
    expected = [(m, task, seed) for m in ("logistic_regression", "random_forest") for task in TASKS for seed in SEEDS]
    assert list(found[["method", "task", "seed"]].itertuples(index=False, name=None)) == expected
    clean, noisy = (found["task"] == task for task in ("clean", "random"))
    assert (found.loc[clean, ["test_accuracy", "val_accuracy"]] > 0.5).all(axis=None)
    assert found.loc[clean, "accuracy_on_wrong_given"].isna().all()
    assert (found.loc[noisy, "test_accuracy"] < 0.4).all()
    # Unrestricted trees fit any labels.
    assert (found.loc[noisy & (found["method"] == "random_forest"), "accuracy_on_wrong_given"] > 0.9).all()
