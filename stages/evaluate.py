"""Stage ``evaluate``: the saved weights on the test set, whole and disturbed, and on the examples they were trained on.

The only stage that opens the test set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from stages import artefacts, config, files, tasks
from stages.artefacts import checked, read_json, read_parquet
from stages.config import Evaluation, Params
from stages.datasets.test_set import HeldOut, read_test
from stages.errors import UserError, stage
from stages.evaluation import classical, corruptions
from stages.evaluation.networks import CPU, KEY, Array, Outcome, Saved, Trial, evaluate_stack
from stages.metrics import METRICS
from stages.statistics import confusion_matrix
from stages.tasks import Material, save_arrays
from stages.training.examples import select
from stages.training.jobs import Unit, together
from stages.training.parallel import in_order

RUNS = Path("data/runs")
CROSSED = Path("data/crossed")
EVALUATION = Path("data/evaluation")
SUMMARY = Path("reports/metrics.json")
FIT = [key for key in KEY if key != "repeat"]


@stage
def main() -> None:
    params = config.load()
    files.keep_only(RUNS, params.variants)
    material, test, design = tasks.read(), read_test(), params.crossed
    data = tasks.digest()
    found = [one for variant in params.variants.values() for one in saved(variant, RUNS, data)]
    crossed = [one for name in design.variants for one in saved(params.variants[name], CROSSED, data)]
    everything = evaluate([*found, *crossed], material, trial(test, params.evaluation), params.evaluation)
    outcomes, others = everything[: len(found)], everything[len(found) :]
    keys = pd.DataFrame([one.key for one in found], columns=KEY)
    predicted = np.stack([each.predicted for each in outcomes])
    runs = pd.concat([keys, pd.DataFrame([each.metrics for each in outcomes])], axis=1).astype(
        {"epochs_to_fit": "Int64"}
    )
    files.write_parquet(EVALUATION / "runs.parquet", runs)
    save_arrays(EVALUATION / "predictions.npz", predicted=predicted.astype(np.uint8), labels=test.labels)
    save_arrays(
        EVALUATION / "crossed.npz",
        variants=np.array(design.variants),
        predicted=np.array([each.predicted for each in others], np.uint8).reshape(
            len(design.variants), design.splits, design.draws, len(test.labels)
        ),
        labels=test.labels,
    )
    main_tasks = keys["task"].isin(list(params.tasks))
    files.write_parquet(
        EVALUATION / "confusion.parquet", confusion(keys[main_tasks], predicted, test.labels, len(material.classes))
    )
    layers = [dict(one.key) | row for one, each in zip(found, outcomes, strict=True) for row in each.layers]
    files.write_parquet(EVALUATION / "layers.parquet", per_layer(pd.DataFrame(layers), params.tasks))
    files.write_parquet(EVALUATION / "classical.parquet", without_networks(params, material, test))
    files.write_json(SUMMARY, summary(runs[main_tasks]))
    artefacts.record(EVALUATION, SUMMARY)


def saved(variant: config.Variant, results: Path, data: str) -> Iterator[Saved]:
    """The trained replicas of a variant, in the order of its record among the results.

    Raises ``UserError`` if one of its files is missing or damaged, or it was trained on other data than those of the
    sha256 `data`.
    """
    folder = results / variant.name
    record = read_json(folder / "run.json")
    if record["data"] != data:
        raise UserError(
            f"{folder} was trained on other data than those in {tasks.POOL} and {tasks.SPLITS}; `dvc repro train` "
            "trains on them"
        )
    history = read_parquet(folder / "history.parquet").sort_values("epoch", kind="stable")
    columns = {name: history[name].to_numpy() for name in history.columns.difference(KEY)}
    rows = history.groupby(KEY[1:]).indices
    weights = checked(folder / "weights.safetensors").resolve()  # for processes that may have begun elsewhere
    for replica in record["replicas"]:
        own = variant.with_parameters(replica["parameters"])
        place = tuple(replica[name] for name in KEY[1:])
        task, _, seed, _ = place
        yield Saved(
            dict(zip(KEY, (variant.name, *place), strict=True)),
            weights,
            Unit(variant.name, own.training, own.regularizers, task, seed, replica["draws"]),
            replica["diverged"],
            replica["initial_norms"],
            {name: column[rows[place]] for name, column in columns.items()},
        )


def trial(test: HeldOut, settings: Evaluation) -> Trial:
    pictures = (test.images / 255).astype(np.float32)
    corrupted = {
        "noise": corruptions.noise(pictures, settings.noise_sigma),
        "blur": corruptions.blur(pictures, settings.blur_sigma),
        "contrast": corruptions.contrast(pictures, settings.contrast_factor),
    }
    everything = np.arange(len(test.labels))
    plain = select(test.images, [test.labels], test.labels, [everything], CPU).images[0]
    return Trial(
        test.labels, plain.movedim(1, -1).numpy(), {name: 2 * images - 1 for name, images in corrupted.items()}
    )


def evaluate(found: Sequence[Saved], material: Material, trial: Trial, settings: Evaluation) -> list[Outcome]:
    """Of each replica what there is to know, in their order. Stacks are evaluated side by side on all cores."""
    one_of = {one.unit: one for one in found}
    stacks = [[one_of[unit] for unit in stack] for stack in together(list(one_of), material, CPU)]
    work = partial(evaluate_stack, material=material, trial=trial, settings=settings)
    outcomes = {
        one.unit: outcome
        for stack, own in zip(stacks, in_order(work, stacks), strict=True)
        for one, outcome in zip(stack, own, strict=True)
    }
    return [outcomes[one.unit] for one in found]


def confusion(keys: pd.DataFrame, predicted: Array, labels: Array, classes: int) -> pd.DataFrame:
    """How many test images of each class are taken for each class, by the columns ``FIT``; repeats are summed.

    ``keys`` are rows of `predicted` (rows, M) by their index.
    """
    groups = keys.groupby(FIT, sort=False).indices
    counts = [
        confusion_matrix(np.tile(labels, len(own)), predicted[keys.index[own]].ravel(), classes)
        for own in groups.values()
    ]
    table = pd.DataFrame(list(groups), columns=FIT).loc[np.repeat(np.arange(len(groups)), classes**2)]
    true, guess = np.divmod(np.arange(classes**2), classes)
    return table.assign(true=np.tile(true, len(groups)), predicted=np.tile(guess, len(groups)), count=np.ravel(counts))


def per_layer(layers: pd.DataFrame, main_tasks: Iterable[str]) -> pd.DataFrame:
    """Means over repeats of what is known of each layer, on the main tasks."""
    return (
        layers[layers["task"].isin(list(main_tasks))]
        .groupby([*FIT, "layer"], sort=False)[["initial_norm", "norm", "near_zero"]]
        .mean()
        .reset_index()
    )


def without_networks(params: Params, material: Material, test: HeldOut) -> pd.DataFrame:
    """What classifiers of scikit-learn reach on the main tasks and final seeds, from the images the networks have."""
    pixels, tested = classical.flattened(material.images), classical.flattened(test.images)
    items = [
        (method, name, seed)
        for method in classical.METHODS
        for name, task in params.tasks.items()
        for seed in params.splits.drawn(task.seeds)
    ]
    work = partial(classical.scores, material=material, pixels=pixels, tested=tested, test_labels=test.labels)
    return pd.DataFrame(in_order(work, items))


def summary(runs: pd.DataFrame) -> dict[str, dict[str, dict[str, dict[str, float | None]]]]:
    """Means over seeds and repeats by variant, task and track, for ``dvc metrics``; null where a metric is not
    defined."""
    result: dict[str, dict[str, dict[str, dict[str, float | None]]]] = {}
    means = runs.groupby(FIT[:-1], sort=False)[list(METRICS)].agg("mean").astype(float)
    for (variant, task, track), row in zip(means.index, means.to_numpy(), strict=True):
        values = zip(METRICS, row.tolist(), strict=True)
        rounded = {name: round(mean, 6) if np.isfinite(mean) else None for name, mean in values}
        result.setdefault(variant, {}).setdefault(task, {})[track] = rounded
    return result


if __name__ == "__main__":
    main()
