"""Stage ``train``: one variant on every task with every seed, into ``data/runs/<variant>/``.

``python -m stages.train VARIANT TASK SEED`` trains one replica again, alone, and reports whether the result is
identical.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from stages import config, files, tasks
from stages.config import Variant
from stages.errors import UserError, stage
from stages.history import METRICS
from stages.tasks import POOL, SPLITS, Material
from stages.training.device import device_name, find_device
from stages.training.jobs import Replica, Unit, train_all, train_stack, weights
from stages.training.kept import forget

RUNS = Path("data/runs")
PLAN = Path("data/plan")
STORE = Path(".cache/replicas")
"""Finished replicas. DVC, which deletes a stage's outputs before it runs, does not know about it."""
CODE = tuple(
    Path("stages", name)
    for name in ("training", "networks", "regularizers/base.py", "streams.py", "history.py", "rng.py")
)
"""The code that the training of all variants uses."""


@stage
def main() -> None:
    params = config.load()
    if len(sys.argv) not in (2, 4):
        raise UserError(f"usage: python -m stages.train VARIANT [TASK SEED]; variants: {', '.join(params.variants)}")
    variant = params.variant(sys.argv[1])
    device = find_device(variant.training.device)
    material = tasks.read()
    made_by = {
        "device": device_name(device),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "code": {"training": files.sha256(*CODE), **methods(variant)},
    }
    if len(sys.argv) == 4:
        again(variant, (sys.argv[2], sys.argv[3]), material, device)
        return
    units = units_of(variant, material)
    with files.alone(STORE / f"{variant.name}.lock", f"{variant.name}: another process is training it"):
        replicas = train_all(variant.name, units, material, device, STORE, made_by)
    about = {"variant": variant.name, "parameters": variant.parameters(), "data": files.sha256(POOL, SPLITS)}
    write(RUNS / variant.name, about | made_by, replicas)
    forget(STORE)
    diverged = sum(replica.diverged for replica in replicas)
    print(
        f"{variant.name}: {len(replicas)} replicas on {made_by['device']}" + f", {diverged} diverged" * bool(diverged)
    )


def methods(variant: Variant) -> dict[str, str]:
    """The hashes of the variant's own files, as the stage `plan` found them."""
    file = PLAN / f"{variant.name}.json"
    try:
        plan = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{file} is missing; `dvc repro plan` makes it") from None
    found: dict[str, str] = plan["methods"]
    return found


def units_of(variant: Variant, material: Material) -> list[Unit]:
    """All replicas of a variant, in the order task, seed."""
    return [
        Unit(variant.training, variant.regularizers, task, seed)
        for task in material.tasks
        for seed in sorted(material.tasks[task].splits)
    ]


def again(variant: Variant, wanted: tuple[str, str], material: Material, device: torch.device) -> None:
    """Train one replica alone, whatever is on disk, and compare it with the one in the variant's results.

    Raises ``UserError`` if there is no such replica, no result, or another result.
    """
    task, seed = wanted
    chosen = [unit for unit in units_of(variant, material) if (unit.task, str(unit.seed)) == wanted]
    if not chosen:
        seeds = sorted(next(iter(material.tasks.values())).splits)
        raise UserError(
            f"there is no task {task!r} with seed {seed}; available: the tasks {', '.join(material.tasks)} "
            f"and the seeds {seeds[0]} to {seeds[-1]}"
        )
    file, prefix = RUNS / variant.name / "weights.safetensors", f"{task}/{seed}/"
    if not file.exists():
        raise UserError(f"{file} is missing; `dvc repro train@{variant.name}` makes it")
    (tensors,) = train_stack(chosen, material, device)
    before = {k.removeprefix(prefix): value for k, value in load_file(file).items() if k.startswith(prefix)}
    after = weights(tensors)
    if {name: value.shape for name, value in before.items()} != {name: value.shape for name, value in after.items()}:
        raise UserError(
            f"{file} has no replica of {task} with seed {seed} that was made with the current parameters; "
            f"`dvc repro train@{variant.name}` makes it"
        )
    apart = {
        name: float((value - before[name]).abs().max())
        for name, value in after.items()
        if not torch.equal(value, before[name])
    }
    if apart:
        name = max(apart, key=lambda name: apart[name])
        raise UserError(
            f"{variant.name}, {task}, seed {seed}: trained alone it differs from the one in {file}: {len(apart)} "
            f"of {len(before)} tensors differ, by at most {apart[name]:.3g} in {name}; if code, versions or machine "
            f"have changed since, `dvc repro train@{variant.name}` regenerates the results"
        )
    print(f"{variant.name}, {task}, seed {seed}: trained alone it is bit-identical to the one in {file}")


def write(folder: Path, record: dict[str, Any], replicas: Sequence[Replica]) -> None:
    """Write the histories, the weights and, last, the record of all replicas."""
    histories = [
        pd.DataFrame(replica.history, columns=list(METRICS)).assign(
            task=replica.task, seed=replica.seed, epoch=replica.epochs
        )
        for replica in replicas
    ]
    table = pd.concat(histories, ignore_index=True)
    files.write_parquet(folder / "history.parquet", table[["task", "seed", "epoch", *METRICS]])
    with files.replacing(folder / "weights.safetensors") as temporary:
        save_file(
            {f"{r.task}/{r.seed}/{name}": value for r in replicas for name, value in r.weights.items()}, temporary
        )
    outcomes = [
        {
            "task": replica.task,
            "seed": replica.seed,
            "epochs": int(replica.epochs[-1]),
            "diverged": replica.diverged,
            "initial_norms": replica.initial_norms,
        }
        for replica in replicas
    ]
    files.write_json(folder / "run.json", {**record, "replicas": outcomes})


if __name__ == "__main__":
    main()
