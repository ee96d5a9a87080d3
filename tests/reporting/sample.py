"""A small set of results as the other stages write them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from dvc.utils.serialize import dumps_yaml, loads_yaml
from safetensors.numpy import save_file

from stages import compare, config
from stages.config import DEFAULT, TUNED, TUNED_CLEAN, Params, Task, Variant
from stages.documents import FOLDER, outcome
from stages.documents.base import ExperimentContext
from stages.documents.face_notebook import REPLAY, ToyDropoutSettings, replay, toy_dropout
from stages.metrics import METRICS
from stages.tasks import Material, Split, TaskData, write
from tests import small

ROOT = Path(__file__).parents[2]
TASKS = ("clean", "partly_random", "random")
HOSTILE = "<script>alert('x')</script> & \"two\" {{ 7 * 7 }} [a](b) | c"
"""A text that HTML, Jinja and Markdown would each read as markup."""
FORMULA = "=1+1"
CLASSES = ("cat", HOSTILE, FORMULA)
VARIANTS: dict[str, dict[str, Any]] = {
    "none": {"about": "The reference.", "repeats": 2},
    "l1": {"about": HOSTILE, "l1": {"strength": 1.0e-3}, "dropout": {"p": 0.5}},
    "large_lr": {"training": {"lr": 0.2}},
}
SEEDS, EPOCHS, POOL, TEST = 3, 12, 60, 30
FIRST = 100
"""The first final seed."""
SEARCHES, TRIALS = 2, 4
DIVERGED = ("large_lr", "random", TUNED, FIRST + 1)
UNFINISHED = ("l1", "partly_random", TUNED, FIRST + 2)
FAILING = "large_lr"
"""On clean labels it is worse than the reference by far more than seeds differ, so that one comparison is decided."""
SHAPES = {"fc1.weight": (5, 64), "fc1.bias": (5,), "fc2.weight": (3, 5), "fc2.bias": (3,)}


def write_results(
    root: Path, variants: Mapping[str, Mapping[str, Any]] = VARIANTS, seeds: int = SEEDS, epochs: int = EPOCHS
) -> None:
    """Parameters and results of a few variants, seeds and searches; one replica has diverged, one has not finished."""
    rng = np.random.default_rng(0)
    params = parameters(root, variants, seeds, epochs)
    (root / "pyproject.toml").write_text('[project]\nname = "regularization-benchmark"\n')
    (root / "data/evaluation").mkdir(parents=True)
    (root / "data/tuning").mkdir()
    images, labels = write_images(root, params, rng)
    write_tuning(root, params, rng)
    chosen = json.loads((root / "data/tuning/chosen.json").read_text())
    rows, confusion, layers = [], [], []
    for variant in params.variants.values():
        replicas = list(planned(params, variant))
        for key in replicas:
            named = {"variant": variant.name} | key
            diverged = (variant.name, key["task"], key["track"], key["seed"]) == DIVERGED
            unfinished = (variant.name, key["task"], key["track"], key["seed"]) == UNFINISHED
            trained = epochs // 3 if diverged else epochs
            rows.append(named | measured(named, params.all_tasks[key["task"]], trained, diverged, unfinished, rng))
        write_run(root, params, variant, rows[-len(replicas) :], chosen[variant.tuned_as], rng)
        # Those of repeated trainings count together.
        for key in [{name: row[name] for name in KEYS} for row in rows[-len(replicas) :] if not row["repeat"]]:
            answers = rng.multinomial(TEST // 3, np.ones(3) / 3, size=3) * variant.repeats
            cells = [(t, p) for t in range(3) for p in range(3)]
            confusion += [key | {"true": t, "predicted": p, "count": int(answers[t, p])} for t, p in cells]
            norms = {"initial_norm": 1.0, "norm": 2.0, "near_zero": 0.5}
            layers += [key | {"layer": layer} | norms for layer in ("fc1", "fc2")]
    table = pd.DataFrame(rows).astype({"epochs_to_fit": "Int64"})
    evaluation = root / "data/evaluation"
    table.to_parquet(evaluation / "runs.parquet", index=False)
    test = np.arange(TEST, dtype=np.uint8) % len(CLASSES)
    predicted = rng.integers(0, len(CLASSES), (len(table), TEST), dtype=np.uint8)
    np.savez(evaluation / "predictions.npz", predicted=predicted, labels=test)
    pd.DataFrame(confusion).to_parquet(evaluation / "confusion.parquet", index=False)
    pd.DataFrame(layers).to_parquet(evaluation / "layers.parquet", index=False)
    first, searches = params.splits.first, params.tune.searches
    against = {name: variant.against for name, variant in params.variants.items()}
    confidence = params.evaluation.confidence
    found = compare.compare(table, params.claims, confidence, first, searches, against, params.grid, params.needless)
    found.to_parquet(root / "data/comparisons.parquet", index=False)
    compare.variance(table, predicted == test, first, searches, against).to_parquet(root / "data/variance.parquet")
    design = params.crossed
    correct = rng.random((len(design.variants), design.splits, design.draws, TEST)) < 0.7
    crossed = compare.crossed_variance(design.variants, correct, against)
    crossed.to_parquet(root / "data/variance_crossed.parquet", index=False)
    classical = [
        {"method": method, "task": task, "seed": seed, "test_accuracy": rng.uniform(0.7, 0.8)}
        for method in ("logistic_regression", "random_forest")
        for task, each in params.tasks.items()
        for seed in params.splits.drawn(each.seeds)
    ]
    pd.DataFrame(classical).to_parquet(evaluation / "classical.parquet", index=False)
    write_documents(root, images, labels)
    small.accept(root)


KEYS = ("variant", "task", "track", "seed")


def parameters(root: Path, variants: Mapping[str, Mapping[str, Any]], seeds: int, epochs: int) -> Params:
    """Those of the project, cut down, in `params.yaml`."""
    params = loads_yaml((ROOT / "params.yaml").read_text())
    params["splits"] = {"first": FIRST, "seeds": seeds, "train": 12, "val": 12}
    params["tune"] |= {"trials": TRIALS, "searches": SEARCHES}
    params["tasks"] = {
        "clean": {},
        "partly_random": {"noise": {"kind": "uniform", "rate": 0.1}},
        "random": {"noise": {"kind": "uniform", "rate": 1.0}, "tune": "clean"},
    }
    params["grid"] |= {"train": [6, 12], "rate": [0.0, 0.4], "kind": ["uniform"], "seeds": 2}
    params["grid"]["variants"] = list(variants)[:2]
    params["crossed"] |= {"task": "partly_random", "variants": list(variants)[:2], "splits": 4, "draws": 3}
    params["training"]["epochs"] = epochs
    params["documents"] = {"face_notebook": {"seeds": 2, "steps": 500}}
    params["variants"] = {name: dict(body) for name, body in variants.items()}
    (root / "params.yaml").write_text(dumps_yaml(params))
    return config.load(root / "params.yaml")


def write_images(root: Path, params: Params, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Pool, splits and card; returns the images and their true labels."""
    clean = np.arange(POOL) % len(CLASSES)
    images = rng.integers(0, 256, (POOL, 8, 8, 1), dtype=np.uint8)
    seeds = [*params.splits.drawn(max(task.seeds for task in params.all_tasks.values())), *params.tune.seeds]
    tasks = {}
    for name, task in params.all_tasks.items():
        some = np.where(np.arange(POOL) % 5, clean, 0)
        labels = clean if not task.noise else rng.permutation(clean) if task.noise.rate == 1 else some
        split = Split(np.arange(task.train if isinstance(task.train, int) else 40), np.arange(40, 52))
        tasks[name] = TaskData(name, labels, dict.fromkeys(seeds, split))
    with chdir(root):
        write(Material(images, CLASSES, tasks))
    counts = dict.fromkeys(CLASSES, POOL // len(CLASSES))
    card = {
        "source": "digits",
        "title": "Handwritten digits",
        "description": HOSTILE,
        "url": "https://example.org/digits",
        "licence": "CC BY 4.0",
        "licence_url": "javascript:alert(1)",
        "citation": "Someone (1998). doi:10.24432/C50P49",
        "image": {"height": 8, "width": 8, "channels": 1},
        "classes": list(CLASSES),
        "counts": {"pool": counts, "test": dict.fromkeys(CLASSES, TEST // len(CLASSES))},
        "tasks": {
            name: {
                "origin": HOSTILE,
                "rate": 0.1,
                "wrong_share": float(np.mean(task.labels != clean)),
                "counts": counts,
            }
            for name, task in tasks.items()
        },
        "test_origin": "30 images drawn once, whose writers are in training, too",
        "duplicates": {"removed_from_pool": 1, "within_pool": 2, "within_test": 0},
        "unreadable": [{"file": HOSTILE, "reason": "truncated"}],
        "splits": params.splits.model_dump(),
    }
    (root / "data/card.json").write_text(json.dumps(card))
    return images, clean


def write_tuning(root: Path, params: Params, rng: np.random.Generator) -> None:
    """The trials of every search, and what each has chosen."""
    rows: list[dict[str, Any]] = []
    chosen: dict[str, dict[str, Any]] = {}
    for variant in params.variants.values():
        if variant.tuned_as != variant.name:
            continue
        chosen[variant.name] = {}
        for name, task in params.all_tasks.items():
            if task.tune != name or not task.has(variant.name):
                continue
            picks = chosen[variant.name][name] = {track: [] for track in task.tracks(name) if track != DEFAULT}
            for search in range(params.tune.searches):
                own = [trial(params, variant, name, search, number, rng) for number in range(params.tune.trials)]
                rows += own
                for track, metric in ((TUNED, "val_accuracy"), (TUNED_CLEAN, "val_accuracy_true")):
                    if track in picks:
                        best = max(own, key=lambda row: row[metric])
                        changed = json.loads(best["parameters"])
                        picks[track].append({"search": search, "trial": best["trial"], "parameters": changed})
    pd.DataFrame(rows).to_parquet(root / "data/tuning/trials.parquet", index=False)
    (root / "data/tuning/chosen.json").write_text(json.dumps(chosen))


def trial(
    params: Params, variant: Variant, task: str, search: int, number: int, rng: np.random.Generator
) -> dict[str, Any]:
    """A row of the table of trials; the first trial of a search is the variant as written."""
    lr, changed = variant.training.lr, {}
    if number:
        low, high = params.tune.lr
        lr *= drawn(low, high, True, rng)
        changed["training.lr"] = lr
        for method in variant.regularizers:
            for field, space in method.search.items():
                changed[f"{method.key}.{field}"] = drawn(space.low, space.high, space.scale == "log", rng)
    accuracies = {name: float(rng.uniform(0.5, 0.9)) for name in ("train", "val", "val_true")}
    return {
        "variant": variant.name,
        "task": task,
        "search": search,
        "trial": number,
        "seed": params.tune.first + search,
        "parameters": json.dumps(changed),
        "lr": lr,
        "epochs": variant.training.epochs,
        "diverged": False,
        "unfinished": False,
        "train_loss": 0.1,
        "train_accuracy": accuracies["train"],
        "val_loss": 1 - accuracies["val"],
        "val_accuracy": accuracies["val"],
        "val_loss_true": 1 - accuracies["val_true"],
        "val_accuracy_true": accuracies["val_true"],
    }


def drawn(low: float, high: float, log: bool, rng: np.random.Generator) -> float:
    """A value of a range, even on a linear or a logarithmic scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))) if log else rng.uniform(low, high))


def planned(params: Params, variant: Variant) -> Iterator[dict[str, Any]]:
    """`task, track, seed, repeat` of each replica of a variant."""
    for name, task in params.all_tasks.items():
        if task.has(variant.name):
            for track in task.tracks(name):
                for seed in params.splits.drawn(task.seeds):
                    for repeat in range(variant.repeats):
                        yield {"task": name, "track": track, "seed": seed, "repeat": repeat}


def measured(
    key: Mapping[str, Any], task: Task, epochs: int, diverged: bool, unfinished: bool, rng: np.random.Generator
) -> dict[str, Any]:
    """Every metric of a replica."""
    metrics: dict[str, Any] = dict(zip(METRICS, rng.random(len(METRICS)).tolist(), strict=True))
    effect = np.random.default_rng([len(key["variant"]), ord(key["variant"][0])]).normal(0, 0.02)
    effect += 0.02 * (key["track"] != DEFAULT)
    metrics["test_accuracy"] = 0.75 + effect + 0.02 * metrics["test_accuracy"]
    if key["task"] == "clean":
        metrics["test_accuracy"] *= 0.2 if key["variant"] == FAILING else 1
    if not task.noise:
        metrics |= {"accuracy_on_wrong_given": np.nan, "accuracy_on_wrong_true": np.nan}
    elif key["task"] == "random":
        metrics["accuracy_on_wrong_given"] = 1.0
    fitted = None if diverged or key["seed"] == FIRST + 2 else int(rng.integers(1, epochs))
    return metrics | {"epochs_to_fit": fitted, "epochs": epochs, "diverged": diverged, "unfinished": unfinished}


def write_run(
    root: Path,
    params: Params,
    variant: Variant,
    rows: list[dict[str, Any]],
    chosen: Mapping[str, Any],
    rng: np.random.Generator,
) -> None:
    """What `train` writes of a variant, from the rows of its replicas."""
    folder = root / "data/runs" / variant.name
    folder.mkdir(parents=True)
    histories, replicas = [], []
    weights: dict[str, Any] = {}
    for row in rows:
        key = {name: row[name] for name in ("task", "track", "seed", "repeat")}
        epochs, search = row["epochs"], None if row["track"] == DEFAULT else params.search(row["seed"])
        history = pd.DataFrame(key | {"epoch": np.arange(epochs + 1)})
        grown = 1 - np.exp(-4 * history["epoch"] / epochs)
        for metric in ("train_accuracy", "train_accuracy_true", "val_accuracy", "val_accuracy_true"):
            history[metric] = grown * rng.uniform(0.7, 0.9)
        for metric in ("train_loss", "val_loss"):
            history[metric] = 2 - grown * rng.uniform(1, 1.9)
        history["param_norm"] = 1 + grown
        noisy = params.all_tasks[row["task"]].noise is not None
        history["wrong_given"] = grown if noisy else np.nan
        history["wrong_true"] = grown * (1 - grown) if noisy else np.nan
        if row["diverged"]:
            history.loc[epochs, ["train_loss", "val_loss"]] = [np.nan, np.inf]
        histories.append(history)
        weights |= {
            f"{row['task']}/{row['track']}/{row['seed']}/{row['repeat']}/{name}": np.zeros(shape, np.float32)
            for name, shape in SHAPES.items()
        }
        changed = {}
        if search is not None:
            changed = variant.own(chosen[params.all_tasks[row["task"]].tune][row["track"]][search]["parameters"])
        replicas.append(key | {"search": search, "parameters": changed, "epochs": epochs, "diverged": row["diverged"]})
    record = {
        "variant": variant.name,
        "parameters": variant.parameters(),
        "device": "cpu",
        "arithmetic": "portable",
        "versions": {"torch": "2.14.1", "numpy": "2.4.6"},
        "replicas": replicas,
    }
    (folder / "run.json").write_text(json.dumps(record))
    pd.concat(histories).to_parquet(folder / "history.parquet", index=False)
    save_file(weights, folder / "weights.safetensors")


def write_documents(root: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """What the replay and a document's experiment write, of a few epochs."""
    context = ExperimentContext("cpu", root / "keeps no parts")
    toy = toy_dropout.run(ToyDropoutSettings(seeds=2, steps=500), context)
    with chdir(root):
        outcome.write(toy, FOLDER / "face_notebook")
    examples = replay.NotebookExamples(images, labels)
    short = {name: replace(one, epochs=3) for name, one in replay.EXPERIMENTS.items()}
    splits = dict.fromkeys(replay.SPLITS, (examples, examples))
    data = outcome.DataNote("Handwritten digits", False, HOSTILE)
    replayed = replay.run(splits, len(CLASSES), data, short)
    with chdir(root):
        outcome.write(replayed, REPLAY)
    drawn = {name: {"train": [*range(20)], "val": [*range(20, 40)]} for name in splits}
    (root / "data/replay/splits.json").write_text(json.dumps(drawn))
