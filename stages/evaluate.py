"""Stage ``evaluate``: the saved weights on the test set, whole and disturbed, and on the examples they were trained on.

The only stage that opens the test set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from stages import artefacts, config, files, tasks
from stages.artefacts import checked, read_json, read_parquet
from stages.config import Evaluation, Params
from stages.datasets.test_set import HeldOut, read_test
from stages.errors import UserError, stage
from stages.evaluation import classical, corruptions
from stages.evaluation.attacks import direction, fast_gradient_sign, projected_gradient
from stages.metrics import METRICS, Observed, Value
from stages.networks.network import Network
from stages.statistics import best_temperature, confusion_matrix
from stages.tasks import Material, save_arrays
from stages.training.examples import select
from stages.training.jobs import Unit, together
from stages.training.loop import Job, build
from stages.training.parallel import in_threads

RUNS = Path("data/runs")
CROSSED = Path("data/crossed")
EVALUATION = Path("data/evaluation")
SUMMARY = Path("reports/metrics.json")
CPU = torch.device("cpu")
KEY = ["variant", "task", "track", "seed", "repeat"]
"""What tells a replica from all others."""
FIT = [key for key in KEY if key != "repeat"]
BATCH = 256
"""How many images pass through a stack at once: what lies between its layers has to fit in a core's cache."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Saved:
    """A trained replica on disk."""

    key: Mapping[str, Any]
    """By the names in ``KEY``."""
    weights: Path
    """The file that holds them."""
    unit: Unit
    """How it was trained; two tracks may have the same."""
    diverged: bool
    initial_norms: Mapping[str, float]
    curve: Mapping[str, Array]
    """What was measured (n,) after each ``epoch``."""

    @property
    def prefix(self) -> str:
        """What their names begin with there."""
        return "/".join(str(self.key[name]) for name in KEY[1:]) + "/"


@dataclass(frozen=True)
class Outcome:
    """What was found out about a replica."""

    metrics: dict[str, Value]
    predicted: Array
    """The class (M,) of each test image."""
    layers: list[dict[str, Any]]
    """For each layer its norm before and after training, and the share of its parameters near zero."""


@dataclass(frozen=True)
class Trial:
    """The test images as the networks see them."""

    labels: Array
    """(M,)"""
    plain: Tensor
    """(M, C, H, W) in [-1, 1]."""
    corrupted: Mapping[str, Tensor]
    """Such images by what was done to them."""


@stage
def main() -> None:
    params = config.load()
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("error")
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
    weights = checked(folder / "weights.safetensors")
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
        test.labels,
        plain,
        {name: torch.from_numpy(2 * images - 1).movedim(-1, 1).contiguous() for name, images in corrupted.items()},
    )


def evaluate(found: Sequence[Saved], material: Material, trial: Trial, settings: Evaluation) -> list[Outcome]:
    """Of each replica what there is to know, in their order. Stacks are evaluated side by side on all cores."""
    one_of = {one.unit: one for one in found}
    stacks = [[one_of[unit] for unit in stack] for stack in together(list(one_of), material, CPU)]

    def run(stack: list[Saved], check: Callable[[], None]) -> list[Outcome]:
        check()
        return evaluate_stack(stack, material, trial, settings)

    outcomes = {
        one.unit: outcome
        for stack, own in zip(stacks, in_threads(run, stacks), strict=True)
        for one, outcome in zip(stack, own, strict=True)
    }
    return [outcomes[one.unit] for one in found]


def evaluate_stack(stack: Sequence[Saved], material: Material, trial: Trial, settings: Evaluation) -> list[Outcome]:
    """The outcomes of replicas that can train together; no bit of one depends on the others."""
    network = restore(stack, material)
    columns = [material.tasks[one.unit.task].labels for one in stack]
    parts = [material.tasks[one.unit.task].splits[one.unit.seed].parts(one.unit.settings.images) for one in stack]
    trained, validated = zip(*parts, strict=True)
    training = select(material.images, columns, material.true, trained, CPU)
    validation = select(material.images, columns, material.true, validated, CPU)
    test = predict(network, trial.plain)
    train, val = predict(network, training.images), predict(network, validation.images)
    disturbed = disturb(network, trial, settings)
    temperatures = best_temperature(val, validation.labels.numpy())
    weights = values_of(network, [p for layer in network.weighted for p in (layer.effective(), layer.bias)])
    scales = values_of(network, [p for layer in network.normalizations for p in layer.parameters()])
    layers = layer_table(network, settings.near_zero)
    outcomes = []
    for r, one in enumerate(stack):
        observed = Observed(
            test=test[r],
            test_labels=trial.labels,
            disturbed={name: classes[r] for name, classes in disturbed.items()},
            train=train[r],
            given=training.labels[r].numpy(),
            true=training.true[r].numpy(),
            val=val[r],
            val_given=validation.labels[r].numpy(),
            temperature=float(temperatures[r]) if one.unit.settings.images != "train_and_val" else np.nan,
            curve=one.curve,
            planned=one.unit.settings.epochs,
            diverged=one.diverged,
            weights=weights[r],
            scales=scales[r],
            settings=settings,
        )
        outcomes.append(
            Outcome(
                {name: metric.compute(observed) for name, metric in METRICS.items()},
                test[r].argmax(1),
                [
                    {"layer": name, "initial_norm": one.initial_norms[name], "norm": norm[r], "near_zero": share[r]}
                    for name, (norm, share) in layers.items()
                ],
            )
        )
    return outcomes


def restore(stack: Sequence[Saved], material: Material) -> Network:
    """The trained networks."""
    height, width, channels = material.images.shape[1:]
    jobs = [Job(one.unit.settings, one.unit.methods, seed=0) for one in stack]  # nothing is drawn
    network, _ = build(jobs, (channels, height, width), len(material.classes), CPU)
    with ExitStack() as opened:
        found = {path: opened.enter_context(safe_open(path, framework="pt")) for path in {o.weights for o in stack}}
        network.load_state_dict(
            {
                name: torch.stack([found[one.weights].get_tensor(one.prefix + name) for one in stack])
                for name in network.state_dict()
            }
        )
    return network.eval().requires_grad_(False)


def predict(network: Network, images: Tensor) -> Array:
    """Log-probabilities (R, N, classes) in float64 of images (N, C, H, W) that all networks see, or (R, N, C, H, W)."""
    return logits(network, images).double().log_softmax(-1).numpy()


@torch.no_grad()
def logits(network: Network, images: Tensor) -> Tensor:
    """The outputs (R, N, classes) for such images."""
    return torch.cat([network(batch) for batch in batches(network, images)], 1)


def batches(network: Network, images: Tensor) -> tuple[Tensor, ...]:
    """Parts of the images for every network of the stack."""
    each = images if images.dim() == 5 else images.expand(network.replicas, *images.shape)
    return each.split(BATCH, 1)


def disturb(network: Network, trial: Trial, settings: Evaluation) -> dict[str, Array]:
    """The class (R, M) of each test image after attacks and corruptions, by their names."""
    labels = torch.from_numpy(trial.labels).long().expand(network.replicas, -1)
    # As a share of the range from black to white, which is 2 wide.
    fgsm, pgd = 2 * settings.fgsm_epsilon, 2 * settings.pgd_epsilon
    found = {name: [logits(network, images)] for name, images in trial.corrupted.items()}
    found |= {"fgsm": [], "pgd": []}
    for images, true in zip(batches(network, trial.plain), labels.split(BATCH, 1), strict=True):
        first = direction(network, images, true)
        found["fgsm"].append(logits(network, fast_gradient_sign(images, first, fgsm)))
        moved = projected_gradient(network, images, true, first, pgd, settings.pgd_steps)
        found["pgd"].append(logits(network, moved))
    return {name: torch.cat(parts, 1).numpy().argmax(-1) for name, parts in found.items()}


def values_of(network: Network, parameters: Iterable[Tensor]) -> Array:
    """All numbers of some parameters (R, ...), a row for each replica."""
    values = [p.detach().flatten(1) for p in parameters]
    return torch.cat(values, 1).numpy() if values else np.zeros((network.replicas, 0))


def layer_table(network: Network, near_zero: float) -> dict[str, tuple[list[float], list[float]]]:
    """By layer: the norms of the replicas and their shares of parameters below ``near_zero``."""
    norms = network.layer_norms()
    found = {}
    for name, parameters in network.layers().items():
        small = values_of(network, parameters)
        found[name] = (norms[name].tolist(), (np.abs(small) < near_zero).mean(1).tolist())
    return found


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
    from threadpoolctl import threadpool_limits

    pixels, tested = classical.flattened(material.images), classical.flattened(test.images)

    def run(item: tuple[str, str, int], check: Callable[[], None]) -> dict[str, Any]:
        check()
        method, name, seed = item
        task = material.tasks[name]
        split, labels = task.splits[seed], task.labels
        fitted = classical.METHODS[method](
            pixels[split.train], labels[split.train], pixels[split.val], labels[split.val], seed
        )
        memory = fitted.predict(pixels[split.train])
        wrong = labels[split.train] != material.true[split.train]
        return {
            "method": method,
            "task": name,
            "seed": seed,
            "test_accuracy": float((fitted.predict(tested) == test.labels).mean()),
            "val_accuracy": float((fitted.predict(pixels[split.val]) == labels[split.val]).mean()),
            "accuracy_on_wrong_given": (
                float((memory == labels[split.train])[wrong].mean()) if wrong.any() else np.nan
            ),
        }

    items = [
        (method, name, seed)
        for method in classical.METHODS
        for name, task in params.tasks.items()
        for seed in params.splits.drawn(task.seeds)
    ]
    with threadpool_limits(1):  # the same sums on any number of cores
        return pd.DataFrame(in_threads(run, items))


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
