"""Stage ``evaluate``: the saved weights on the test set, and on the examples they were trained on."""

from __future__ import annotations

import json
from collections.abc import Iterable
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
from stages.metrics import METRICS, Observed
from stages.networks.network import Network
from stages.statistics import confusion_matrix
from stages.tasks import Material
from stages.training.examples import select
from stages.training.loop import Job, build

RUNS = Path("data/runs")
EVALUATION = Path("data/evaluation")
SUMMARY = Path("reports/metrics.json")
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
            split = task.splits[seed]
            observed = Observed(
                test=predict(network, test.images),
                test_labels=test.labels,
                attacked=predict_under_attack(network, test, params.evaluation.fgsm_epsilon),
                train=predict(network, material.images[split.train]),
                given=task.labels[split.train],
                true=material.true[split.train],
                val=predict(network, material.images[split.val]),
                val_given=task.labels[split.val],
                curve=curves[task.name, seed],
                planned=variant.training.epochs,
                diverged=replica["diverged"],
                weights=values_of(p for layer in network.weighted for p in (layer.effective(), layer.bias)),
                scales=values_of(p for layer in network.normalizations for p in layer.parameters()),
                settings=params.evaluation,
            )
            runs.append(key | {name: metric.compute(observed) for name, metric in METRICS.items()})
            counts = confusion_matrix(test.labels, observed.test.argmax(1), len(material.classes))
            confusion += [
                key | {"true": true, "predicted": guess, "count": int(count)}
                for (true, guess), count in np.ndenumerate(counts)
            ]
            layers += [key | row for row in per_layer(network, replica["initial_norms"], params.evaluation.near_zero)]
    table = pd.DataFrame(runs).astype({"epochs_to_fit": "Int64"})
    files.write_parquet(EVALUATION / "runs.parquet", table)
    files.write_parquet(EVALUATION / "confusion.parquet", pd.DataFrame(confusion))
    files.write_parquet(EVALUATION / "layers.parquet", pd.DataFrame(layers))
    files.write_json(SUMMARY, summary(table))


def restore(variant: config.Variant, state: dict[str, Tensor], material: Material) -> Network:
    """The trained network of one replica, as a stack of one, from its weights by parameter name."""
    height, width, channels = material.images.shape[1:]
    job = Job(variant.training, variant.regularizers, seed=0)  # nothing is drawn
    network, _ = build([job], (channels, height, width), len(material.classes), CPU)
    network.load_state_dict({name: value[None] for name, value in state.items()})
    return network.eval()


@torch.no_grad()
def predict(network: Network, images: np.ndarray) -> np.ndarray:
    """Log-probabilities (N, classes) of uint8 images (N, H, W, C)."""
    labels = np.zeros(len(images), dtype=np.int64)
    examples = select(images, [labels], [np.arange(len(images))], CPU)
    return network(examples.images)[0].double().log_softmax(-1).numpy()


def predict_under_attack(network: Network, test: HeldOut, epsilon: float) -> np.ndarray:
    """The class (N,) of each test image after the fast gradient sign method has moved pixels by ``epsilon``.

    A pixel moves by that share of the range from black to white in the direction in which the loss of the true class
    grows, and no further than the range's end. Goodfellow, Shlens, Szegedy 2015, https://arxiv.org/abs/1412.6572.
    """
    examples = select(test.images, [test.labels], [np.arange(len(test.labels))], CPU)
    moved = fast_gradient_sign(network, examples.images, examples.labels, 2 * epsilon)
    with torch.no_grad():
        return network(moved)[0].argmax(-1).numpy()


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


def values_of(parameters: Iterable[Tensor]) -> np.ndarray:
    """All numbers of some parameters in one row."""
    values = [p.detach().flatten() for p in parameters]
    return torch.cat(values).numpy() if values else np.zeros(0)


def per_layer(network: Network, initial_norms: dict[str, float], near_zero: float) -> list[dict[str, Any]]:
    """For each layer its norm before and after training, and the share of its parameters below ``near_zero``."""
    norms = network.layer_norms()
    rows = []
    for name, parameters in network.layers().items():
        values = torch.cat([p.detach().abs().flatten() for p in parameters])
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
    result: dict[str, dict[str, dict[str, float | None]]] = {}
    for (variant, task), group in runs.groupby(["variant", "task"], sort=False):
        means = group[list(METRICS)].astype(float).mean().items()
        rounded = {str(metric): round(mean, 6) if np.isfinite(mean) else None for metric, mean in means}
        result.setdefault(str(variant), {})[str(task)] = rounded
    return result


if __name__ == "__main__":
    main()
