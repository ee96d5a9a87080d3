"""The face notebook draw for draw: its splits, initial weights, order of images and every random number.

It has a loop of its own. `training.loop` serves the fair benchmark: it stacks replicas, which moves the last bits of a
result, and it draws each number from a stream of its own. Here accuracies must be those of the notebook in every epoch,
so each operation is the notebook's, on operands of the same shape. Work is saved only where that changes no bit:
images are decoded once, and experiments run side by side, each with a generator in the state in which the notebook's
global one was; the notebook seeds that anew before it builds a model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, zip_longest
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from stages.documents.outcome import DataNote, ExperimentOutcome, Printed
from stages.networks import NETWORKS, Architecture, parameter_count
from stages.networks.layers import Linear
from stages.training.parallel import in_order

SEED = 2021
BATCH = 128
FLIP = 0.1
"""The probability of a horizontal flip, and that of a vertical one."""


@dataclass(frozen=True)
class NotebookSplit:
    """A random split into images to train on, images to validate on and the rest."""

    labels: str
    """The label set whose images are split."""
    train: int
    val: int = 100


SPLITS = {
    "base": NotebookSplit("clean", 100),
    "base_random": NotebookSplit("random", 100),
    "base_partly_random": NotebookSplit("partly_random", 100),
    "reg": NotebookSplit("clean", 30),
    "pure": NotebookSplit("clean", 250),
    "aug": NotebookSplit("clean", 250),
}
"""In the order in which they are drawn."""
SMALLEST = max(split.train + split.val for split in SPLITS.values())
"""The fewest images that can be split so."""


@dataclass(frozen=True)
class NotebookExperiment:
    """One training run of the notebook, or of its first part (Tutorial 1)."""

    network: str
    train: str
    """The split whose first part it trains on."""
    val: str
    """The split whose second part it is validated on."""
    epochs: int
    lr: float
    momentum: float
    l1: float = 0.0
    l2: float = 0.0
    flips: bool = False
    patience: int | None = None
    """Stop after more than so many epochs in a row without a new best validation accuracy; keep the best weights."""

    @property
    def steps_as_it_measures(self) -> bool:
        """Whether nothing is random in a training pass, so that its outputs are also those of a measuring pass."""
        return not self.flips and not any(NETWORKS[self.network].dropout)


EXPERIMENTS = {
    "unregularized": NotebookExperiment("AnimalNet", "reg", "reg", 150, 5e-3, 0.99),
    "l1": NotebookExperiment("AnimalNet", "reg", "reg", 150, 5e-3, 0.99, l1=1e-3),
    "l2": NotebookExperiment("AnimalNet", "base", "base", 150, 5e-3, 0.99, l2=1e-3),
    "l1_l2": NotebookExperiment("AnimalNet", "base", "base", 150, 5e-3, 0.99, l1=1e-3, l2=1e-3),
    "dropout": NotebookExperiment("AnimalNetDropout", "base", "base", 200, 5e-3, 0.9),
    "big": NotebookExperiment("BigAnimalNet", "base", "base", 200, 5e-3, 0.9),
    "augmented": NotebookExperiment("AnimalNet", "aug", "pure", 250, 1e-3, 0.99, flips=True),
    "pure": NotebookExperiment("AnimalNet", "pure", "pure", 250, 1e-3, 0.99),
    "lr_0.0005": NotebookExperiment("AnimalNet", "pure", "pure", 20, 5e-4, 0.99),
    "lr_0.001": NotebookExperiment("AnimalNet", "pure", "pure", 20, 1e-3, 0.99),
    "lr_0.005": NotebookExperiment("AnimalNet", "pure", "pure", 20, 5e-3, 0.99),
    "memorize_clean": NotebookExperiment("BigAnimalNet", "base", "base", 200, 5e-3, 0.9),
    "memorize_partly_random": NotebookExperiment(
        "BigAnimalNet", "base_partly_random", "base_partly_random", 200, 5e-3, 0.9
    ),
    "memorize_random": NotebookExperiment("BigAnimalNet", "base_random", "base_random", 200, 5e-3, 0.9),
    "early_stopping": NotebookExperiment("AnimalNet", "base", "base", 200, 5e-4, 0.99, patience=20),
}
"""Those of the notebook, then those of Tutorial 1. Penalties are on all parameters."""

PRINTED_MAX_VAL = {"unregularized": "51.0", "lr_0.0005": "36.0", "lr_0.001": "42.0", "lr_0.005": "49.0"}
"""Largest validation accuracies in percent that the notebook prints."""
PRINTED_NORM = "7.3810"
PRINTED_L1, PRINTED_L2 = "48.445133209228516", "7.328375816345215"
"""Norms of a linear layer from 20 to 20 units, drawn after the seed: sum of magnitudes, sum of squares."""


@dataclass(frozen=True)
class NotebookExamples:
    """Images uint8 (N, H, W, C) with their labels int64 (N,)."""

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Replayed:
    """The outcome of an experiment."""

    curves: pd.DataFrame
    """`epoch` from 1; `train_acc`, `val_acc` in percent, `param_norm`; `train_loss`, `val_loss`, which the notebook
    computes and drops."""
    layers: pd.DataFrame
    """`layer`, and the Frobenius norm of its weight or bias `before` and `after` training."""


def draw_splits(
    sizes: Mapping[str, int], image_shape: tuple[int, ...], classes: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The images to train and to validate on, by split: indices into the images of its label set in the order of
    `torchvision.datasets.ImageFolder`, of which there are `sizes`, each at least `SMALLEST`.
    """
    generator = torch.Generator().manual_seed(SEED)
    splits = {}
    for name, split in SPLITS.items():
        if name == "pure":  # the network built last before these splits are drawn, and what it draws itself
            generator.manual_seed(SEED)
            draw_weights(NETWORKS["BigAnimalNet"], math.prod(image_shape), classes, generator)
        order = torch.randperm(sizes[split.labels], generator=generator).numpy()
        splits[name] = order[: split.train], order[split.train : split.train + split.val]
    return splits


def draw_weights(
    architecture: Architecture, inputs: int, classes: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Weights (outputs, inputs) and biases by the notebook's names, drawn as `torch.nn.Linear` draws its own."""
    drawn: dict[str, Tensor] = {}
    for number, (fan_in, fan_out) in enumerate(pairwise([inputs, *architecture.hidden, classes]), start=1):
        layer = Linear(1, fan_in, fan_out, torch.device("cpu"))
        layer.draw(0, generator)
        drawn |= {f"fc{number}.weight": layer.weight.detach()[0], f"fc{number}.bias": layer.bias.detach()[0]}
    return drawn


def run(
    splits: Mapping[str, tuple[NotebookExamples, NotebookExamples]],
    classes: int,
    data: DataNote,
    experiments: Mapping[str, NotebookExperiment],
) -> ExperimentOutcome:
    """Experiments on the images of the splits, to train and to validate on, side by side on all cores."""

    def operations(experiment: NotebookExperiment) -> int:
        images = splits[experiment.train][0].images
        return experiment.epochs * len(images) * parameter_count(experiment.network, images.shape[1:], classes)

    # One of Tutorial 1 is identical to one of Tutorial 2. The longest start first, so that none lags behind.
    different = sorted(set(experiments.values()), key=operations, reverse=True)
    work = partial(train, splits=splits, classes=classes)
    replayed = dict(zip(different, in_order(work, different), strict=True))
    named = {name: replayed[experiment] for name, experiment in experiments.items()}
    return ExperimentOutcome(
        data,
        {name: vars(experiment) for name, experiment in experiments.items()},
        pd.DataFrame(row for name, one in named.items() for row in _figures(name, one)),
        printed=_printed(named, data.published, splits["base"][0].images.shape[1:], classes),
        tables={
            table: pd.concat([getattr(one, table).assign(experiment=name) for name, one in named.items()])[columns]
            for table, columns in (
                ("curves", ["experiment", "epoch", "train_acc", "val_acc", "param_norm", "train_loss", "val_loss"]),
                ("layers", ["experiment", "layer", "before", "after"]),
            )
        },
    )


def train(
    experiment: NotebookExperiment, splits: Mapping[str, tuple[NotebookExamples, NotebookExamples]], classes: int
) -> Replayed:
    """One experiment. It takes one thread if torch is set to one."""
    training, validation = splits[experiment.train][0], splits[experiment.val][1]
    architecture = NETWORKS[experiment.network]
    generator = torch.Generator().manual_seed(SEED)
    pictures, y = _tensors(training)
    x, forms = pictures.flatten(1), flipped(pictures)
    val_pictures, val_y = _tensors(validation)
    val_x = val_pictures.flatten(1)
    parameters = draw_weights(architecture, x.shape[1], classes, generator)
    before = {name: float(value.norm()) for name, value in parameters.items()}
    for value in parameters.values():
        value.requires_grad_()
    layers = list(zip(*[iter(parameters.values())] * 2, strict=True))
    optimizer = torch.optim.SGD(parameters.values(), lr=experiment.lr, momentum=experiment.momentum)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        """A pass over the training images."""
        images = draw_flips(forms, generator) if experiment.flips else x
        yield from zip(images.split(BATCH), y.split(BATCH), strict=True)

    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        total = F.nll_loss(outputs, labels)
        if experiment.l1:
            total = total + experiment.l1 * sum(value.abs().sum() for value in parameters.values())
        if experiment.l2:
            total = total + experiment.l2 * sum(value.square().sum() for value in parameters.values())
        return total

    rows: list[tuple[float, ...]] = []
    best, waited = 0.0, 0
    kept = {name: value.detach().clone() for name, value in parameters.items()}
    first: Tensor | None = None
    for epoch in range(1, experiment.epochs + 1):
        for number, (images, labels) in enumerate(batches()):
            optimizer.zero_grad()
            outputs = first if number == 0 and first is not None else forward(architecture, layers, images, generator)
            loss(outputs, labels).backward()
            optimizer.step()
        measured = []
        for number, (images, labels) in enumerate(batches()):
            # The next step begins with these outputs where it would compute identical ones.
            with torch.set_grad_enabled(experiment.steps_as_it_measures and number == 0):
                measured.append((forward(architecture, layers, images), labels))
        first = measured[0][0] if experiment.steps_as_it_measures else None
        with torch.no_grad():
            train_acc, train_loss = measure(measured)
            val_acc, val_loss = measure([(forward(architecture, layers, val_x), val_y)])
            norm = math.hypot(*(float(value.norm()) for value in parameters.values()))
        if experiment.patience is not None:
            if val_acc > best:
                best, waited = val_acc, 0
                kept = {name: value.detach().clone() for name, value in parameters.items()}
            else:
                waited += 1
            if waited > experiment.patience:  # the notebook drops the figures of the epoch in which it stops
                break
        rows.append((epoch, train_acc, val_acc, norm, train_loss, val_loss))
    after = parameters if experiment.patience is None else kept
    return Replayed(
        pd.DataFrame(rows, columns=["epoch", "train_acc", "val_acc", "param_norm", "train_loss", "val_loss"]),
        pd.DataFrame(
            {"layer": name, "before": before[name], "after": float(value.detach().norm())}
            for name, value in after.items()
        ),
    )


def forward(
    architecture: Architecture,
    layers: list[tuple[Tensor, ...]],
    images: Tensor,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Log-probabilities (N, classes) of images (N, inputs); with a generator a training pass."""
    *hidden, output = layers
    x = images
    activation = getattr(F, architecture.activation)
    for layer, p in zip_longest(hidden, architecture.dropout):
        x = F.linear(x, *layer)
        if generator is not None and p:
            x = dropout(x, p, generator)
        x = activation(x)
    return F.log_softmax(F.linear(x, *output), dim=1)


def dropout(x: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """`torch.nn.functional.dropout`, which takes no generator, with its draws and its rounding on a CPU."""
    return x * torch.empty_like(x).bernoulli_(1 - p, generator=generator).div_(1 - p)


def flipped(images: Tensor) -> Tensor:
    """Images (N, C, H, W) in four forms, as they are, flipped vertically, horizontally, both: (4, N, C, H, W)."""
    horizontally = images.flip(3)
    return torch.stack([images, images.flip(2), horizontally, horizontally.flip(2)])


def draw_flips(forms: Tensor, generator: torch.Generator) -> Tensor:
    """One of its forms for each image, as torchvision's two random flips draw them image by image: (N, inputs)."""
    horizontal, vertical = (torch.rand(forms.shape[1], 2, generator=generator) < FLIP).long().T
    return forms[2 * horizontal + vertical, torch.arange(forms.shape[1])].flatten(1)


def measure(batches: list[tuple[Tensor, Tensor]]) -> tuple[float, float]:
    """Accuracy in percent and mean loss of outputs, batch by batch."""
    images = sum(len(labels) for _, labels in batches)
    correct = sum(int(outputs.argmax(dim=1).eq(labels).sum()) for outputs, labels in batches)
    loss = sum(F.nll_loss(outputs, labels, reduction="sum").item() for outputs, labels in batches)
    return 100.0 * correct / images, loss / images


def _tensors(examples: NotebookExamples) -> tuple[Tensor, Tensor]:
    """Images float32 (N, C, H, W) from -1 to 1, rounded as torchvision's ToTensor and Normalize do, and labels."""
    images = torch.from_numpy(examples.images).permute(0, 3, 1, 2).contiguous()
    return images.float().div(255).sub_(0.5).div_(0.5), torch.from_numpy(examples.labels)


def _figures(name: str, one: Replayed) -> Iterator[dict[str, Any]]:
    """The outcome of an experiment, accuracies as shares; no `first_epoch_fitted` without 100 % train accuracy."""
    curves = one.curves
    fitted = curves["epoch"][curves["train_acc"] == 100]
    figures = {
        "max_train_acc": curves["train_acc"].max() / 100,
        "max_val_acc": curves["val_acc"].max() / 100,
        "final_train_acc": curves["train_acc"].iloc[-1] / 100,
        "final_val_acc": curves["val_acc"].iloc[-1] / 100,
        "final_param_norm": curves["param_norm"].iloc[-1],
        "best_epoch": curves["epoch"].iloc[curves["val_acc"].argmax()],
    }
    if len(fitted):
        figures["first_epoch_fitted"] = fitted.iloc[0]
    for metric, value in figures.items():
        yield {"case": name, "seed": SEED, "metric": metric, "value": float(value)}


def _printed(
    replayed: Mapping[str, Replayed], published: bool, image_shape: tuple[int, ...], classes: int
) -> list[Printed]:
    """What the notebook prints, beside ours."""
    generator = torch.Generator().manual_seed(SEED)
    layer = Linear(1, 20, 20, torch.device("cpu"))
    layer.draw(0, generator)
    unregularized = replayed["unregularized"]
    others = "" if published else "other images"
    like_faces = image_shape == (32, 32, 3) and classes == 3
    return [
        Printed(
            "Sum of the magnitudes of a linear layer from 20 to 20 units",
            PRINTED_L1,
            float(sum(value.detach().abs().sum() for value in layer.parameters())),
        ),
        Printed(
            "Sum of its squares", PRINTED_L2, float(sum(value.detach().square().sum() for value in layer.parameters()))
        ),
        Printed(
            "Norm of AnimalNet’s initial weights",
            PRINTED_NORM,
            math.hypot(*unregularized.layers["before"]),
            like_faces,
            "" if like_faces else "a network for images of another size",
        ),
        Printed(
            "Norm after the first epoch without regularization, which is what the notebook’s code prints",
            PRINTED_NORM,
            unregularized.curves["param_norm"].iloc[0],
            published,
            others,
        ),
        *(
            Printed(
                f"Largest validation accuracy (%), {name}",
                printed,
                replayed[name].curves["val_acc"].max(),
                published,
                others,
            )
            for name, printed in PRINTED_MAX_VAL.items()
        ),
    ]
