"""A small set of results as the other stages write them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from dvc.utils.serialize import dumps_yaml, loads_yaml
from safetensors.numpy import save_file

from stages import compare, config
from stages.documents import outcome
from stages.documents.base import ExperimentContext
from stages.documents.face_notebook import ToyDropoutSettings, replay, toy_dropout
from stages.metrics import METRICS
from stages.tasks import Material, Split, TaskData, write

ROOT = Path(__file__).parents[2]
TASKS = ("clean", "partly_random", "random")
HOSTILE = "<script>alert('x')</script> & \"two\" {{ 7 * 7 }} [a](b) | c"
"""A text that HTML, Jinja and Markdown would each read as markup."""
CLASSES = ("cat", HOSTILE, "wild")
VARIANTS: dict[str, dict[str, Any]] = {
    "none": {"about": "The reference."},
    "l1": {"about": HOSTILE, "l1": {"strength": 1.0e-3}, "dropout": {"p": 0.5}},
    "large_lr": {"training": {"lr": 0.2}},
}
SEEDS, EPOCHS, POOL, TEST = 3, 12, 60, 30
DIVERGED = ("large_lr", "random", 1)
UNFINISHED = ("l1", "partly_random", 2)


def write_results(root: Path) -> None:
    """Parameters and results of three variants with three seeds; one replica has diverged, one has not finished."""
    rng = np.random.default_rng(0)
    params = loads_yaml((ROOT / "params.yaml").read_text())
    params["splits"] = {"seeds": SEEDS, "train": 12, "val": 12}
    params["training"]["epochs"] = EPOCHS
    params["documents"] = {"face_notebook": {"seeds": 2, "steps": 500}}
    params["variants"] = VARIANTS
    (root / "params.yaml").write_text(dumps_yaml(params))
    (root / "pyproject.toml").write_text('[project]\nname = "regularization-benchmark"\n')
    data = root / "data"
    (data / "evaluation").mkdir(parents=True)

    clean = np.arange(POOL) % len(CLASSES)
    labels = {
        "clean": clean,
        "partly_random": np.where(np.arange(POOL) % 5, clean, 0),
        "random": rng.permutation(clean),
    }
    images = rng.integers(0, 256, (POOL, 8, 8, 1), dtype=np.uint8)
    splits = dict.fromkeys(range(SEEDS), Split(np.arange(12), np.arange(12, 24)))
    tasks = {name: TaskData(name, values, splits) for name, values in labels.items()}
    write(Material(images, CLASSES, tasks), data / "pool.npz", data / "splits.json")
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
                "wrong_share": float(np.mean(values != clean)),
                "counts": counts,
            }
            for name, values in labels.items()
        },
        "duplicates": {"removed_from_pool": 1, "within_pool": 2, "within_test": 0},
        "unreadable": [{"file": HOSTILE, "reason": "truncated"}],
        "splits": params["splits"],
    }
    (data / "card.json").write_text(json.dumps(card))

    rows, confusion, layers = [], [], []
    for variant, body in VARIANTS.items():
        folder = data / "runs" / variant
        folder.mkdir(parents=True)
        histories, replicas = [], []
        weights: dict[str, Any] = {}
        for name in TASKS:
            for seed in range(SEEDS):
                diverged = (variant, name, seed) == DIVERGED
                key = {"variant": variant, "task": name, "seed": seed}
                epochs = 4 if diverged else EPOCHS
                history = pd.DataFrame({"task": name, "seed": seed, "epoch": range(epochs + 1)})
                for metric in ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "param_norm"):
                    history[metric] = rng.random(epochs + 1)
                if diverged:
                    history.loc[epochs, ["train_loss", "val_loss"]] = [np.nan, np.inf]
                histories.append(history)
                shapes = {"fc1.weight": (5, 64), "fc1.bias": (5,), "fc2.weight": (3, 5), "fc2.bias": (3,)}
                weights |= {f"{name}/{seed}/{key}": np.zeros(s, np.float32) for key, s in shapes.items()}
                replicas.append({"task": name, "seed": seed, "epochs": epochs, "diverged": diverged})
                metrics: dict[str, Any] = dict(zip(METRICS, rng.random(len(METRICS)).tolist(), strict=True))
                # An effect far beyond the spread of the seeds, so that one comparison is sure to be decided.
                if variant == "large_lr" and name == "clean":
                    metrics["test_accuracy"] = 0.01 * metrics["test_accuracy"]
                if variant == "none" and name == "clean":
                    metrics["test_accuracy"] = 0.98 + 0.01 * metrics["test_accuracy"]
                if name == "clean":
                    metrics |= {"accuracy_on_wrong_given": np.nan, "accuracy_on_wrong_true": np.nan}
                fitted = None if diverged or seed == 2 else int(rng.integers(1, EPOCHS))
                rows.append(
                    key
                    | metrics
                    | {
                        "epochs_to_fit": fitted,
                        "epochs": epochs,
                        "diverged": diverged,
                        "unfinished": (variant, name, seed) == UNFINISHED,
                    }
                )
                answers = rng.multinomial(TEST // 3, np.ones(3) / 3, size=3)
                confusion += [
                    key | {"true": t, "predicted": p, "count": int(answers[t, p])} for t in range(3) for p in range(3)
                ]
                layers += [
                    key | {"layer": layer, "initial_norm": 1.0, "norm": 2.0, "near_zero": 0.5}
                    for layer in ("fc1", "fc2")
                ]
        record = {
            "variant": variant,
            "parameters": {
                "training": params["training"] | body.get("training", {}),
                **{section: values for section, values in body.items() if section not in ("about", "training")},
            },
            "device": "cpu",
            "versions": {"python": "3.11.7", "torch": "2.14.1", "numpy": "2.4.6"},
            "replicas": replicas,
        }
        (folder / "run.json").write_text(json.dumps(record))
        pd.concat(histories).to_parquet(folder / "history.parquet", index=False)
        save_file(weights, folder / "weights.safetensors")
    table = pd.DataFrame(rows).astype({"epochs_to_fit": "Int64"})
    table.to_parquet(data / "evaluation/runs.parquet", index=False)
    settings = config.load(root / "params.yaml")
    compared = compare.compare(table, settings.claims, settings.evaluation.confidence)
    compared.to_parquet(data / "comparisons.parquet", index=False)
    pd.DataFrame(confusion).to_parquet(data / "evaluation/confusion.parquet", index=False)
    pd.DataFrame(layers).to_parquet(data / "evaluation/layers.parquet", index=False)
    write_documents(root, images, clean)


def write_documents(root: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """What the replay and a document's experiment write, of a few epochs."""
    context = ExperimentContext("cpu", root / "keeps no parts")
    toy = toy_dropout.run(ToyDropoutSettings(seeds=2, steps=500), context)
    outcome.write(toy, root / "data/documents/face_notebook")
    examples = replay.NotebookExamples(images, labels)
    short = {name: replace(one, epochs=3) for name, one in replay.EXPERIMENTS.items()}
    splits = dict.fromkeys(replay.SPLITS, (examples, examples))
    data = outcome.DataNote("Handwritten digits", False, HOSTILE)
    outcome.write(replay.run(splits, len(CLASSES), data, short), root / "data/replay")
    drawn = {name: {"train": [*range(20)], "val": [*range(20, 40)]} for name in splits}
    (root / "data/replay/splits.json").write_text(json.dumps(drawn))
