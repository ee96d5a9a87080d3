"""Stage ``evaluate``: the saved weights on the test set, and on the examples they were trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file
from torch import Tensor

from stages import config, files, tasks
from stages.datasets.test_set import HeldOut, read_test
from stages.errors import stage
from stages.models import NETWORKS, Network
from stages.statistics import confusion_matrix, expected_calibration_error, macro_f1, still_falling
from stages.tasks import Material, Task
from stages.training.examples import select

RUNS = Path("data/runs")
EVALUATION = Path("data/evaluation")
METRICS = Path("reports/metrics.json")
CPU = torch.device("cpu")


@stage
def main() -> None:
    params = config.load()
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("error")
    files.keep_only(RUNS, params.variants)
    material, test = tasks.read(), read_test()
    runs, confusion, layers = [], [], []
    for variant in params.variants.values():
        folder = RUNS / variant.name
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        history = pd.read_parquet(folder / "history.parquet")
        curves = dict(iter(history.groupby(["task", "seed"])))
        weights = load_file(folder / "weights.safetensors")
        for replica in record["replicas"]:
            task, seed = material.tasks[replica["task"]], replica["seed"]
            prefix = f"{task.name}/{seed}/"
            state = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
            network = restore(variant, state, material)
            key = {"variant": variant.name, "task": task.name, "seed": seed}
            curve = curves[task.name, seed]
            measured, counts = on_test(network, test, params.evaluation.calibration_bins)
            attacked = accuracy_under_attack(network, test, params.evaluation.fgsm_epsilon)
            measured |= {"fgsm_accuracy": attacked, "fgsm_drop": measured["test_accuracy"] - attacked}
            measured |= on_training(network, material, task, seed)
            measured["generalization_gap"] = measured["train_accuracy"] - measured["test_accuracy"]
            fitted = curve.loc[curve["train_accuracy"] == 1, "epoch"]
            sizes = torch.cat([p.detach().abs().flatten() for p in network.parameters()])
            runs.append(
                key
                | measured
                | {
                    "epochs_to_fit": int(fitted.iloc[0]) if len(fitted) else None,
                    "epochs": replica["epochs"],
                    "diverged": replica["diverged"],
                    "unfinished": unfinished(curve, variant, params.evaluation),
                    "param_norm": float(network.norm()),
                    "initial_norm": float(curve["param_norm"].iloc[0]),
                    "near_zero": float((sizes < params.evaluation.near_zero).double().mean()),
                }
            )
            confusion += [key | row for row in counts]
            layers += [key | row for row in per_layer(network, replica["initial_norms"], params.evaluation.near_zero)]
    table = pd.DataFrame(runs).astype({"epochs_to_fit": "Int64"})
    files.write_parquet(EVALUATION / "runs.parquet", table)
    files.write_parquet(EVALUATION / "confusion.parquet", pd.DataFrame(confusion))
    files.write_parquet(EVALUATION / "layers.parquet", pd.DataFrame(layers))
    files.write_json(METRICS, summary(table))


def unfinished(curve: pd.DataFrame, variant: config.Variant, rule: config.Evaluation) -> bool:
    """Whether a replica was still learning when its epochs were used up: had labels to fit, and was on its way.

    False for one that stopped before by itself.
    """
    curve = curve.sort_values("epoch")
    cut_off = len(curve) == variant.training.epochs + 1
    misses = curve["train_accuracy"].iloc[-1] < 1
    return bool(cut_off and misses and still_falling(curve["train_loss"].to_numpy(), rule.unfinished_percent))


def restore(variant: config.Variant, state: dict[str, Tensor], material: Material) -> Network:
    """The trained network of one replica, as a stack of one, from its weights by parameter name."""
    height, width, channels = material.images.shape[1:]
    network = NETWORKS[variant.training.network].stack(1, (channels, height, width), len(material.classes), CPU)
    for regularizer in variant.regularizers:
        regularizer.build(network)
    network.load_state_dict({name: value[None] for name, value in state.items()})
    return network


@torch.no_grad()
def predict(network: Network, images: np.ndarray) -> np.ndarray:
    """Log-probabilities (N, classes) of uint8 images (N, H, W, C)."""
    labels = np.zeros(len(images), dtype=np.int64)
    examples = select(images, [labels], [np.arange(len(images))], CPU)
    return network(examples.images)[0].double().log_softmax(-1).numpy()


def on_test(network: Network, test: HeldOut, bins: int) -> tuple[dict[str, Any], list[dict[str, int]]]:
    """The metrics on the test set, and the confusion counts as rows of true class, predicted class, count."""
    log_probabilities = predict(network, test.images)
    predicted, classes = log_probabilities.argmax(1), log_probabilities.shape[1]
    counts = confusion_matrix(test.labels, predicted, classes)
    metrics = {
        "test_accuracy": float((predicted == test.labels).mean()),
        "test_loss": negative_log_likelihood(log_probabilities, test.labels),
        "expected_calibration_error": expected_calibration_error(np.exp(log_probabilities), test.labels, bins),
        "macro_f1": macro_f1(counts),
    }
    rows = [{"true": true, "predicted": guess, "count": int(count)} for (true, guess), count in np.ndenumerate(counts)]
    return metrics, rows


def accuracy_under_attack(network: Network, test: HeldOut, epsilon: float) -> float:
    """Share of test images classified correctly after the fast gradient sign method has moved pixels by ``epsilon``.

    A pixel moves by that share of the range from black to white in the direction in which the loss of the true class
    grows, and no further than the range's end. Goodfellow, Shlens, Szegedy 2015, https://arxiv.org/abs/1412.6572.
    """
    examples = select(test.images, [test.labels], [np.arange(len(test.labels))], CPU)
    moved = fast_gradient_sign(network, examples.images, examples.labels, 2 * epsilon)
    with torch.no_grad():
        predicted = network(moved)[0].argmax(-1)
    return float((predicted == examples.labels[0]).double().mean())


def fast_gradient_sign(network: Network, images: Tensor, labels: Tensor, step: float) -> Tensor:
    """Images (R, N, C, H, W) in [-1, 1], each pixel moved by ``step`` against the true class (R, N).

    A pixel without influence stays where it is.
    """
    images = images.clone().requires_grad_()
    logits = network(images)
    true = labels[..., None]
    others = logits.scatter(-1, true, -torch.inf).logsumexp(-1)
    # The loss is log(1 + exp(excess)). Its gradient has the sign of that of the excess, which a network that is sure
    # of itself does not round to zero.
    excess = others - logits.gather(-1, true)[..., 0]
    (gradient,) = torch.autograd.grad(excess.sum(), images)
    return (images + step * gradient.sign()).detach().clamp(-1, 1)


def on_training(network: Network, material: Material, task: Task, seed: int) -> dict[str, Any]:
    """Fit of the labels trained on, and memory of the wrong ones among them.

    ``accuracy_on_wrong_given`` and ``accuracy_on_wrong_true`` are NaN where no training label is wrong.
    """
    given, true, split = task.labels, material.true, task.splits[seed]
    log_probabilities = predict(network, material.images[split.train])
    predicted = log_probabilities.argmax(1)
    wrong = given[split.train] != true[split.train]
    validated = predict(network, material.images[split.val]).argmax(1)
    return {
        "train_accuracy": float((predicted == given[split.train]).mean()),
        "train_loss": negative_log_likelihood(log_probabilities, given[split.train]),
        "val_accuracy": float((validated == given[split.val]).mean()),
        "accuracy_on_wrong_given": _share(predicted == given[split.train], wrong),
        "accuracy_on_wrong_true": _share(predicted == true[split.train], wrong),
    }


def negative_log_likelihood(log_probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean over images, in nats, from log-probabilities (N, K) and class indices (N,)."""
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def per_layer(network: Network, initial_norms: dict[str, float], near_zero: float) -> list[dict[str, Any]]:
    """For each layer its norm before and after training, and the share of its parameters below ``near_zero``."""
    norms = network.layer_norms()
    rows = []
    for name, layer in network.named_children():
        values = torch.cat([p.detach().abs().flatten() for p in layer.parameters()])
        rows.append(
            {
                "layer": name,
                "initial_norm": initial_norms[name],
                "norm": float(norms[name]),
                "near_zero": float((values < near_zero).double().mean()),
            }
        )
    return rows


def summary(runs: pd.DataFrame) -> dict[str, dict[str, dict[str, float | None]]]:
    """Means over seeds by variant and task, for ``dvc metrics``; null where a metric is not defined."""
    reported = [
        "test_accuracy",
        "test_loss",
        "expected_calibration_error",
        "macro_f1",
        "fgsm_accuracy",
        "generalization_gap",
        "accuracy_on_wrong_given",
        "accuracy_on_wrong_true",
        "param_norm",
        "diverged",
        "unfinished",
    ]
    result: dict[str, dict[str, dict[str, float | None]]] = {}
    for (variant, task), group in runs.groupby(["variant", "task"], sort=False):
        means = {metric: float(group[metric].mean()) for metric in reported}
        rounded = {metric: round(mean, 6) if np.isfinite(mean) else None for metric, mean in means.items()}
        result.setdefault(str(variant), {})[str(task)] = rounded
    return result


def _share(hits: np.ndarray, among: np.ndarray) -> float:
    return float(hits[among].mean()) if among.any() else float("nan")


if __name__ == "__main__":
    main()
