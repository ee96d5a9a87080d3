"""Stage ``tune``: the same budget of trials for every variant, and what each search chose, into ``data/tuning/``.

It sees neither the test set nor the final seeds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from stages import artefacts, config, files, search, tasks
from stages.config import TUNED, TUNED_CLEAN, Params, Variant
from stages.errors import stage
from stages.history import METRICS
from stages.statistics import still_learning
from stages.training.device import find_device
from stages.training.jobs import Replica, Unit, read, train_all
from stages.training.kept import forget
from stages.training.provenance import conditions

TRIALS = Path("data/tuning/trials.parquet")
CHOSEN = Path("data/tuning/chosen.json")
STORE = Path(".cache/trials")
"""Finished trials. DVC, which deletes a stage's outputs before it runs, does not know about it."""


class Trial(NamedTuple):
    """One point of one search, on one task."""

    variant: Variant
    task: str
    search: int
    trial: int
    changes: Mapping[str, Any]
    """The parameters that differ from those of the variant as written."""
    unit: Unit


@stage
def main() -> None:
    params = config.load()
    device = find_device(params.training.device)
    material = tasks.read()
    trials = list(trials_of(params))
    with files.alone(STORE / "tune.lock", "another process is tuning"):
        units = [trial.unit for trial in trials]
        found = train_all("tuning", units, material, device, STORE, conditions(params, device), trials=True)
        percent = params.evaluation.unfinished_percent
        rows = [row(trial, read(found[trial.unit]), percent) for trial in trials]
    files.write_parquet(TRIALS, pd.DataFrame(rows))
    files.write_json(CHOSEN, choose(rows, params))
    artefacts.record(TRIALS, CHOSEN)
    forget(STORE)
    print(f"{TRIALS}: {len(rows):,} trials of {len(params.variants)} variants")


def trials_of(params: Params) -> Iterator[Trial]:
    """All trials: of every variant, on each task that is tuned, in every search."""
    for variant in params.variants.values():
        if variant.tuned_as != variant.name:
            continue
        points = [search.points(variant, params.tune, k) for k in range(params.tune.searches)]
        for task, settings in params.all_tasks.items():
            if settings.tune != task or not settings.has(variant.name):
                continue
            for k, seed in enumerate(params.tune.seeds):
                for i, changes in enumerate(points[k]):
                    own = variant.with_parameters(changes)
                    unit = Unit(variant.name, own.training, own.regularizers, task, seed, seed)
                    yield Trial(variant, task, k, i, changes, unit)


def row(trial: Trial, replica: Replica, percent: float) -> dict[str, Any]:
    """The row of a trial: the metrics of the state that it would have saved."""
    curve = dict(zip(METRICS, replica.history.T, strict=True))
    return {
        "variant": trial.variant.name,
        "task": trial.task,
        "search": trial.search,
        "trial": trial.trial,
        "seed": trial.unit.seed,
        "parameters": json.dumps(trial.changes),
        "lr": trial.unit.settings.lr,
        "epochs": int(replica.epochs[-1]),
        "diverged": replica.diverged,
        "unfinished": still_learning(
            replica.epochs,
            curve["train_loss"],
            float(curve["train_accuracy"][-1]),
            trial.unit.settings.epochs,
            percent,
        ),
        **replica.final,
    }


def choose(rows: Sequence[Mapping[str, Any]], params: Params) -> dict[str, Any]:
    """For each variant and task that is tuned, on each track, what each search chose."""
    groups: dict[tuple[str, str, int], list[Mapping[str, Any]]] = {}
    for trial in rows:
        groups.setdefault((trial["variant"], trial["task"], trial["search"]), []).append(trial)
    chosen: dict[str, Any] = {}
    for (variant, task, k), trials in groups.items():
        for track, labels in ((TUNED, ""), (TUNED_CLEAN, "_true")):
            if track in params.all_tasks[task].tracks(task):
                won = trials[search.best(trials, labels)]
                entry = {"search": k, "trial": won["trial"], "parameters": json.loads(won["parameters"])}
                chosen.setdefault(variant, {}).setdefault(task, {}).setdefault(track, []).append(entry)
    return chosen


if __name__ == "__main__":
    main()
