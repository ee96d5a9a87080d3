"""Stage ``train``: one variant on every task with every seed, into ``data/runs/<variant>/``."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file

from stages import config, files, tasks
from stages.errors import UserError, stage
from stages.training.device import device_name, find_device
from stages.training.history import METRICS
from stages.training.replicas import Replica, train_variant

RUNS = Path("data/runs")
KEPT = Path(".cache/train")
"""Finished stacks of unfinished variants. DVC, which deletes a stage's outputs before it runs, does not know of it."""


@stage
def main() -> None:
    params = config.load()
    if len(sys.argv) != 2:
        raise UserError(f"usage: python -m stages.train VARIANT; there are {', '.join(params.variants)}")
    variant = params.variant(sys.argv[1])
    device = find_device(variant.training.device)
    pipeline = os.getppid()
    code = map(Path, ("stages/training", "stages/regularizers", "stages/models.py", "stages/rng.py"))
    material = tasks.read()
    record = {
        "variant": variant.name,
        "parameters": variant.parameters(),
        "device": device_name(device),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "sha256": {"code": files.sha256(*code), "data": files.sha256(tasks.POOL, tasks.SPLITS)},
    }
    key = sha256(json.dumps(record).encode()).hexdigest()[:16]
    folder = RUNS / variant.name
    # A training outlives a killed `dvc repro`.
    with files.alone(KEPT / f"{variant.name}.lock", f"{variant.name}: another process is training it") as waited:
        if waited and finished(folder, record):
            print(f"{variant.name}: the training that was under way has finished it")
            return
        replicas = train_variant(variant, material, device, KEPT / variant.name / key)
        write(folder, record, replicas)
        if os.getppid() == pipeline:  # else `dvc repro` was killed and will not know of this outcome
            shutil.rmtree(KEPT / variant.name)
    diverged = sum(replica.diverged for replica in replicas)
    print(f"{variant.name}: {len(replicas)} replicas on {record['device']}" + f", {diverged} diverged" * bool(diverged))


def finished(folder: Path, record: dict[str, Any]) -> bool:
    """True if the folder holds the whole outcome of this very training."""
    file = folder / "run.json"
    return file.exists() and record.items() <= json.loads(file.read_text(encoding="utf-8")).items()


def write(folder: Path, record: dict[str, Any], replicas: list[Replica]) -> None:
    """Write the histories, the weights and, last, the record of all replicas."""
    histories = [
        pd.DataFrame(replica.history, columns=list(METRICS)).assign(
            task=replica.task, seed=replica.seed, epoch=range(len(replica.history))
        )
        for replica in replicas
    ]
    table = pd.concat(histories, ignore_index=True)
    files.write_parquet(folder / "history.parquet", table[["task", "seed", "epoch", *METRICS]])
    with files.replacing(folder / "weights.safetensors") as temporary:
        weights = {f"{r.task}/{r.seed}/{name}": value for r in replicas for name, value in r.weights.items()}
        save_file({name: value.contiguous() for name, value in weights.items()}, temporary)
    outcomes = [
        {
            "task": replica.task,
            "seed": replica.seed,
            "epochs": len(replica.history) - 1,
            "diverged": replica.diverged,
            "initial_norms": replica.initial_norms,
        }
        for replica in replicas
    ]
    files.write_json(folder / "run.json", {**record, "replicas": outcomes})


if __name__ == "__main__":
    main()
