"""Stage ``train``: one variant on every label set with every seed, into ``data/runs/<variant>/``."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file

from stages import config, files
from stages.datasets.arrays import POOL, SPLITS, read_pool, read_splits
from stages.errors import UserError, stage
from stages.training import jobs
from stages.training.device import device_name, find_device
from stages.training.history import METRICS
from stages.training.replicas import Material, Replica, train_variant

RUNS = Path("data/runs")


@stage
def main() -> None:
    params = config.load()
    if len(sys.argv) != 2:
        raise UserError(f"usage: python -m stages.train VARIANT; there are {', '.join(params.variants)}")
    variant = params.variant(sys.argv[1])
    device = find_device(variant.training.device)
    code = map(Path, ("stages/training", "stages/regularizers", "stages/models.py", "stages/rng.py"))
    pool, splits = read_pool(), read_splits()
    record = {
        "variant": variant.name,
        "parameters": variant.parameters(),
        "device": device_name(device),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "sha256": {"code": files.sha256(*code), "data": files.sha256(POOL, SPLITS)},
    }
    with jobs.job(f"train/{variant.name}") as parts:
        material = Material(
            pool.images,
            pool.labels,
            len(pool.classes),
            {seed: (split.train, split.val) for seed, split in splits.items()},
        )
        replicas = train_variant(variant, material, device, parts / jobs.key(record))
        write(RUNS / variant.name, record, replicas)
    diverged = sum(replica.diverged for replica in replicas)
    print(f"{variant.name}: {len(replicas)} replicas on {record['device']}" + f", {diverged} diverged" * bool(diverged))


def write(folder: Path, record: dict[str, Any], replicas: list[Replica]) -> None:
    """Write the histories, the weights and, last, the record of all replicas."""
    histories = [
        pd.DataFrame(replica.history, columns=list(METRICS)).assign(
            labels=replica.labels, seed=replica.seed, epoch=range(len(replica.history))
        )
        for replica in replicas
    ]
    table = pd.concat(histories, ignore_index=True)
    files.write_parquet(folder / "history.parquet", table[["labels", "seed", "epoch", *METRICS]])
    with files.replacing(folder / "weights.safetensors") as temporary:
        weights = {f"{r.labels}/{r.seed}/{name}": value for r in replicas for name, value in r.weights.items()}
        save_file({name: value.contiguous() for name, value in weights.items()}, temporary)
    outcomes = [
        {
            "labels": replica.labels,
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
