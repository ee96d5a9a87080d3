"""Trained networks on the test images, whole and disturbed, and on the examples they were trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from stages.config import Evaluation
from stages.evaluation.attacks import direction, fast_gradient_sign, projected_gradient
from stages.metrics import METRICS, Observed, Value
from stages.networks.network import Network
from stages.statistics import best_temperature
from stages.tasks import Material
from stages.training.examples import select
from stages.training.jobs import Unit
from stages.training.loop import Job, build

CPU = torch.device("cpu")
KEY = ["variant", "task", "track", "seed", "repeat"]
"""What tells a replica from all others."""
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
    plain: Array
    """float32 (M, H, W, C) in [-1, 1]."""
    corrupted: Mapping[str, Array]
    """Such images by what was done to them."""


def evaluate_stack(stack: Sequence[Saved], material: Material, trial: Trial, settings: Evaluation) -> list[Outcome]:
    """The outcomes of replicas that can train together; no bit of one depends on the others."""
    network = restore(stack, material)
    columns = [material.tasks[one.unit.task].labels for one in stack]
    parts = [material.tasks[one.unit.task].splits[one.unit.seed].parts(one.unit.settings.images) for one in stack]
    trained, validated = zip(*parts, strict=True)
    training = select(material.images, columns, material.true, trained, CPU)
    validation = select(material.images, columns, material.true, validated, CPU)
    test = predict(network, pictures(trial.plain))
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


def pictures(images: Array) -> Tensor:
    """Images (M, C, H, W) of (M, H, W, C), laid out as those that networks are trained on: of a single channel, the
    layout decides how convolutions round."""
    return torch.from_numpy(images).movedim(-1, 1).contiguous()


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
    found = {name: [logits(network, pictures(images))] for name, images in trial.corrupted.items()}
    found |= {"fgsm": [], "pgd": []}
    plain = batches(network, pictures(trial.plain))
    for images, true in zip(plain, labels.split(BATCH, 1), strict=True):
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
