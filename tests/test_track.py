"""The stage ``track`` against real MLflow stores: a sqlite file, and a server over HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from safetensors.numpy import save_file

from stages import config, files, track, tracking
from stages.config import LABEL_SETS
from stages.errors import UserError

PROJECT = Path(__file__).parents[1]
SEEDS, EPOCHS = 2, 12
RUNS_OF_A_VARIANT = len(LABEL_SETS) * (1 + SEEDS)


def write_params(root: Path, variants: list[str]) -> None:
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    params["variants"] = {name: params["variants"][name] for name in variants}
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def write_results(root: Path, variants: list[str], seeds: int = SEEDS, epochs: int = EPOCHS) -> None:
    """Made-up results of the same form as those of the stages `prepare`, `train`, `evaluate` and `report`."""
    write_params(root, variants)
    data = root / "data"
    data.mkdir()
    for name in ("pool.npz", "splits.json"):
        (data / name).write_bytes(name.encode())
    label_sets = {labels: {"wrong_share": 0.1 * i} for i, labels in enumerate(LABEL_SETS)}
    image = {"height": 8, "width": 8, "channels": 1}
    card = {"source": "digits", "title": "Digits", "image": image, "classes": ["0", "1"], "label_sets": label_sets}
    files.write_json(data / "card.json", card)
    (root / "reports" / "timing").mkdir(parents=True)
    (root / "reports" / "index.html").write_text("<h1>Report</h1>")
    (root / "reports" / "timing" / "index.html").write_text("<h1>Timing</h1>")
    rows = [write_variant(root, variant, seeds, epochs) for variant in variants]
    files.write_parquet(data / "evaluation" / "runs.parquet", pd.concat(rows, ignore_index=True))


def write_variant(root: Path, variant: str, seeds: int, epochs: int) -> pd.DataFrame:
    """The files of one trained variant; returns its rows of the evaluation."""
    rng = np.random.default_rng(list(variant.encode()))
    replicas = pd.MultiIndex.from_product([LABEL_SETS, range(seeds)], names=["labels", "seed"]).to_frame(index=False)
    history = replicas.merge(pd.DataFrame({"epoch": range(epochs + 1)}), how="cross")
    progress = 1 - np.exp(-history["epoch"] / 15)
    for metric in ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "param_norm"):
        noise = rng.normal(0, 0.02, len(history)) + rng.normal(0, 0.05)
        history[metric] = 1 - progress + noise if "loss" in metric else 0.1 + 0.7 * progress + noise
    folder = root / "data" / "runs" / variant
    files.write_parquet(folder / "history.parquet", history)
    weights = {
        f"{labels}/{seed}/fc1.weight": rng.normal(size=(4, 3)).astype(np.float32)
        for labels, seed in replicas.itertuples(index=False)
    }
    save_file(weights, folder / "weights.safetensors")
    run = {
        "variant": variant,
        "parameters": config.load(root / "params.yaml").variants[variant].parameters(),
        "device": "cpu",
        "versions": {"python": "3.11.7", "torch": "2.14.1"},
    }
    files.write_json(folder / "run.json", run)
    metrics = ["test_accuracy", "test_loss", "train_accuracy", "val_accuracy", "accuracy_on_wrong_given"]
    rows = replicas.assign(variant=variant, **{metric: rng.uniform(0.5, 0.9, len(replicas)) for metric in metrics})
    rows.loc[rows["labels"] == "clean", "accuracy_on_wrong_given"] = np.nan
    rows["epochs_to_fit"] = pd.array([7, *[None] * (len(rows) - 1)], dtype="Int64")
    rows["diverged"] = False
    return rows
