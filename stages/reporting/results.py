"""What the report is made from."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import safe_open

from stages import tasks
from stages.artefacts import checked, read_json, read_parquet
from stages.config import Params
from stages.errors import UserError
from stages.tasks import Material

DATA = Path("data")


@dataclass(frozen=True)
class Run:
    """What training recorded for one variant."""

    history: pd.DataFrame
    """`task, track, seed, repeat, epoch, train_loss, train_accuracy, train_accuracy_true, wrong_given, wrong_true,
    val_loss, val_accuracy, val_accuracy_true, param_norm`"""
    parameters: Mapping[str, Mapping[str, Any]]
    """As written in `params.yaml`, resolved, by section: `training` and each regularizer."""
    replicas: Sequence[Mapping[str, Any]]
    """`task, track, seed, repeat, search, parameters, epochs, diverged` of each."""
    device: str
    arithmetic: str
    versions: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    """The shape of each parameter of one network, by name."""

    @cached_property
    def curves(self) -> Mapping[tuple[str, str], pd.DataFrame]:
        """The history by task and track, with the number `replica` of its networks, from 0."""
        keys = ["task", "track"]
        replica = self.history.groupby([*keys, "seed", "repeat"]).ngroup()
        return {
            (str(task), str(track)): rows.assign(replica=replica[rows.index] - replica[rows.index].min())
            for (task, track), rows in self.history.groupby(keys)
        }

    @property
    def size(self) -> int:
        """The number of parameters of one network."""
        return sum(math.prod(shape) for shape in self.shapes.values())


@dataclass(frozen=True)
class Results:
    """All results of a benchmark; the variants and tasks are those of `params`, in that order."""

    params: Params
    card: Mapping[str, Any]
    """What `prepare` measured in the data: `data/card.json`."""
    material: Material
    runs: Mapping[str, Run]
    trials: pd.DataFrame
    """One row per `variant, task, search, trial` of the searches: `parameters` (JSON text of those that differ from the
    variant's as written) and what came of them."""
    chosen: Mapping[str, Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]]
    """`search, trial, parameters` of each search, by variant, task and track."""
    replicas: pd.DataFrame
    """One row per `variant, task, track, seed, repeat` with every metric of `evaluate`."""
    comparisons: pd.DataFrame
    """What `compare` made of it: one row per `variant, task, track, metric`."""
    confusion: pd.DataFrame
    """`variant, task, track, seed, true, predicted, count` on the test set."""
    layers: pd.DataFrame
    """`variant, task, track, seed, layer, initial_norm, norm, near_zero`"""
    variance: pd.DataFrame
    """Where the variance of accuracies comes from: `task, variant, track, component, value`, in squared points."""
    crossed: pd.DataFrame
    """The same by the crossed design: `variant, quantity, component, value`, in squared points."""
    classical: pd.DataFrame
    """`method, task, seed` and accuracies of models that are no networks."""
    repository: str
    """The project's address on the web, without a slash at its end, or an empty text."""

    @property
    def classes(self) -> tuple[str, ...]:
        return self.material.classes

    @cached_property
    def trials_of(self) -> Mapping[tuple[str, str], pd.DataFrame]:
        """The trials by variant and task."""
        return {(str(name), str(task)): rows for (name, task), rows in self.trials.groupby(["variant", "task"])}


def read(params: Params) -> Results:
    """The results of the variants that the parameters name, in `data/`.

    Raises `UserError` if one is missing, because the pipeline has not run since the parameters changed, or damaged.
    """
    results = Results(
        params=params,
        card=read_json(DATA / "card.json"),
        material=tasks.read(),
        runs={name: _read_run(DATA / "runs" / name) for name in params.variants},
        trials=read_parquet(DATA / "tuning/trials.parquet"),
        chosen=read_json(DATA / "tuning/chosen.json"),
        replicas=read_parquet(DATA / "evaluation/runs.parquet"),
        comparisons=read_parquet(DATA / "comparisons.parquet"),
        confusion=read_parquet(DATA / "evaluation/confusion.parquet"),
        layers=read_parquet(DATA / "evaluation/layers.parquet"),
        variance=read_parquet(DATA / "variance.parquet"),
        crossed=read_parquet(DATA / "variance_crossed.parquet"),
        classical=read_parquet(DATA / "evaluation/classical.parquet"),
        repository=_repository(),
    )
    if missing := sorted(set(params.variants) - set(results.comparisons["variant"])):
        raise UserError(
            f"{DATA / 'comparisons.parquet'} has no results for {', '.join(missing)}; run `dvc repro report`"
        )
    return results


def _read_run(folder: Path) -> Run:
    record = read_json(folder / "run.json")
    history = read_parquet(folder / "history.parquet")
    with safe_open(checked(folder / "weights.safetensors"), framework="numpy") as weights:
        first = record["replicas"][0]
        prefix = "{task}/{track}/{seed}/{repeat}/".format_map(first)
        shapes = {
            name.removeprefix(prefix): tuple(weights.get_slice(name).get_shape())
            for name in sorted(weights.keys())
            if name.startswith(prefix) and "running_" not in name  # statistics are not parameters
        }
    return Run(
        history,
        record["parameters"],
        record["replicas"],
        record["device"],
        record["arithmetic"],
        record["versions"],
        shapes,
    )


def _repository() -> str:
    """The project's address, from the table `project.urls` of `pyproject.toml`; empty if it has none."""
    with Path("pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"].get("urls", {}).get("Repository", "")).rstrip("/")
