"""Stage ``train``: every variant as written and as tuned, on every task with every final seed, into ``data/runs/``, and
a few variants with every split and every set of draws, into ``data/crossed/``.

``python -m stages.train VARIANT TASK TRACK SEED`` trains one replica again, alone, and reports whether the result is
identical.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from safetensors.torch import load_file, save

from stages import artefacts, config, files, tasks
from stages.artefacts import checked, read_json
from stages.config import DEFAULT, Params, Variant
from stages.errors import UserError, stage
from stages.history import METRICS
from stages.tasks import Material
from stages.training.device import find_device
from stages.training.jobs import Replica, Unit, read, train_all, train_stack
from stages.training.kept import forget, unpacked
from stages.training.provenance import conditions

RUNS = Path("data/runs")
CROSSED = Path("data/crossed")
"""The crossed design: the same files, of its variants alone; no result but the components of variance rests on them."""
CHOSEN = Path("data/tuning/chosen.json")
STORE = Path(".cache/replicas")
"""Finished replicas. DVC, which deletes a stage's outputs before it runs, does not know about it."""
REPEAT = 1_000_000
"""How far apart the draws of two repeats of one split are."""


class Planned(NamedTuple):
    """One replica of the results: what it is trained with, and why."""

    track: str
    search: int | None
    """Which search chose its parameters; None if they are the variant's as written."""
    changes: Mapping[str, Any]
    repeat: int
    """Which network of its split it is."""
    unit: Unit

    @property
    def key(self) -> dict[str, Any]:
        """What tells it from the variant's others."""
        return {"task": self.unit.task, "track": self.track, "seed": self.unit.seed, "repeat": self.repeat}

    @property
    def prefix(self) -> str:
        """What the names of its weights begin with."""
        return "/".join(map(str, self.key.values())) + "/"


@stage
def main() -> None:
    params = config.load()
    if len(sys.argv) not in (1, 5):
        raise UserError("usage: python -m stages.train [VARIANT TASK TRACK SEED]")
    device = find_device(params.training.device)
    material = tasks.read()
    planned = plan(params, chosen())
    if len(sys.argv) == 5:
        again(params.variant(sys.argv[1]), (sys.argv[2], sys.argv[3], sys.argv[4]), planned, material, device)
        return
    made_by = conditions(params, device)
    with files.alone(STORE / "train.lock", "another process is training"):
        folders = {RUNS / name: own for name, own in planned.items()}
        folders |= {CROSSED / name: own for name, own in crossed(params).items()}
        units = [each.unit for own in folders.values() for each in own]
        found = train_all("training", units, material, device, STORE, made_by)
        data, diverged = tasks.digest(), 0
        for folder, own in folders.items():
            name, replicas = folder.name, [read(found[each.unit]) for each in own]
            about = {"variant": name, "parameters": params.variants[name].parameters(), "data": data}
            write(folder, about | made_by[name], own, replicas)
            diverged += sum(replica.diverged for replica in replicas)
    files.keep_only(RUNS, params.variants)
    files.keep_only(CROSSED, params.crossed.variants)
    artefacts.record(RUNS, CROSSED)
    forget(STORE)
    print(f"{RUNS}, {CROSSED}: {len(units):,} networks of {len(planned)} variants, {diverged} diverged")


def chosen() -> dict[str, Any]:
    """What the searches chose. Raises ``UserError`` if they have not run, or the file is damaged."""
    found: dict[str, Any] = read_json(CHOSEN)
    return found


def plan(params: Params, chosen: Mapping[str, Any]) -> dict[str, list[Planned]]:
    """The replicas of each variant, in the order task, track, seed, repeat."""
    return {name: list(_planned(variant, params, chosen)) for name, variant in params.variants.items()}


def _planned(variant: Variant, params: Params, chosen: Mapping[str, Any]) -> Iterator[Planned]:
    for task, settings in params.all_tasks.items():
        if not settings.has(variant.name):
            continue
        for track in settings.tracks(task):
            for seed in params.splits.drawn(settings.seeds):
                search, changes = None, {}
                if track != DEFAULT:
                    search = params.search(seed)
                    found = _chosen(chosen, variant.tuned_as, settings.tune, track)[search]["parameters"]
                    changes = variant.own(found)
                own = variant.with_parameters(changes)
                for repeat in range(variant.repeats if task in params.tasks else 1):
                    draws = seed + REPEAT * repeat
                    unit = Unit(variant.name, own.training, own.regularizers, task, seed, draws)
                    yield Planned(track, search, changes, repeat, unit)


def crossed(params: Params) -> dict[str, list[Planned]]:
    """The replicas of each variant of the crossed design, in the order seed, repeat.

    Repeat k of every split has the draws of the k-th final seed. So where both are of one seed, the replica is that of
    the results as written, and not trained again.
    """
    return {name: list(_crossed(params.variants[name], params)) for name in params.crossed.variants}


def _crossed(variant: Variant, params: Params) -> Iterator[Planned]:
    design = params.crossed
    for seed in params.splits.drawn(design.splits):
        for repeat, draws in enumerate(params.splits.drawn(design.draws)):
            unit = Unit(variant.name, variant.training, variant.regularizers, design.task, seed, draws)
            yield Planned(DEFAULT, None, {}, repeat, unit)


def _chosen(chosen: Mapping[str, Any], variant: str, task: str, track: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = chosen[variant][task][track]
    except KeyError:
        raise UserError(f"{CHOSEN} has nothing for {variant} on {task}; `dvc repro tune` makes it") from None
    return found


def again(
    variant: Variant,
    wanted: tuple[str, str, str],
    planned: Mapping[str, Sequence[Planned]],
    material: Material,
    device: torch.device,
) -> None:
    """Train one replica alone, whatever is on disk, and compare it with the one in the variant's results.

    Raises ``UserError`` if there is no such replica, no result, or another result.
    """
    own = planned[variant.name]
    named = {(str(each.unit.task), each.track, str(each.unit.seed)): each for each in reversed(own)}
    if wanted not in named:
        there = [", ".join(dict.fromkeys(each)) for each in ((e.unit.task for e in own), (e.track for e in own))]
        seeds = [each.unit.seed for each in own]
        raise UserError(
            f"there is no task {wanted[0]!r} with track {wanted[1]!r} and seed {wanted[2]}; available: the tasks "
            f"{there[0]}, the tracks {there[1]} and the seeds from {min(seeds)} to {max(seeds)}"
        )
    one = named[wanted]
    file = RUNS / variant.name / "weights.safetensors"
    saved = load_file(checked(file))
    (outcome,) = train_stack([one.unit], material, device)
    before = {k.removeprefix(one.prefix): value for k, value in saved.items() if k.startswith(one.prefix)}
    after = Replica.of(unpacked(outcome)).weights
    what = f"{variant.name}, {wanted[0]}, {wanted[1]}, seed {wanted[2]}"
    if {name: value.shape for name, value in before.items()} != {name: value.shape for name, value in after.items()}:
        raise UserError(
            f"{file} has no such replica ({what}) that was made with the current parameters; `dvc repro train` makes it"
        )
    apart = {
        name: float((value - before[name]).abs().max())
        for name, value in after.items()
        if not torch.equal(value, before[name])
    }
    if apart:
        name = max(apart, key=lambda name: apart[name])
        raise UserError(
            f"{what}: trained alone it differs from the one in {file}: {len(apart)} "
            f"of {len(before)} tensors differ, by at most {apart[name]:.3g} in {name}; if code, versions or machine "
            "have changed since, `dvc repro train` regenerates the results"
        )
    print(f"{what}: trained alone it is bit-identical to the one in {file}")


def write(folder: Path, record: dict[str, Any], planned: Sequence[Planned], replicas: Sequence[Replica]) -> None:
    """Write the histories, the weights and, last, the record of all replicas of a variant."""
    pairs = list(zip(planned, replicas, strict=True))
    histories = [
        pd.DataFrame(replica.history, columns=list(METRICS)).assign(**each.key, epoch=replica.epochs)
        for each, replica in pairs
    ]
    table = pd.concat(histories, ignore_index=True)
    files.write_parquet(folder / "history.parquet", table[[*planned[0].key, "epoch", *METRICS]])
    state = {each.prefix + name: value for each, r in pairs for name, value in r.weights.items()}
    files.write_bytes(folder / "weights.safetensors", save(state))
    outcomes = [
        each.key
        | {
            "draws": each.unit.draws,
            "search": each.search,
            "parameters": dict(each.changes),
            "epochs": int(replica.epochs[-1]),
            "diverged": replica.diverged,
            "initial_norms": replica.initial_norms,
        }
        for each, replica in pairs
    ]
    files.write_json(folder / "run.json", {**record, "replicas": outcomes})


if __name__ == "__main__":
    main()
