"""Weight decay by the optimizer against a penalty in the loss, as in the lecture's code.

The document trains logistic regression on 75 of 100 points, all at once, with the cross-entropy **summed** over them,
once with SGD's `weight_decay` and once with half of it times the squared norm in the loss. Here the two are followed
step by step, with momentum and under Adam too; and the decay is put to use on many shuffles of the points, and on fresh
data sets, each with a large test set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

from stages import rng
from stages.datasets.manifest import RAW
from stages.documents.base import ExperimentContext
from stages.documents.logistic_decay import LogisticDecaySettings
from stages.documents.logistic_decay.data import ROWS, ToyPoints, clouds, load
from stages.documents.outcome import ExperimentOutcome, Identity, Printed, deviation

SHUFFLE_SEED = 123
"""The seed of NumPy's global generator."""
TEST = 25
DECAY = 2.0
LR = 0.1
EPOCHS = 30

MOMENTUM = 0.9
MOMENTUM_LR = 0.01
"""With this momentum a step goes up to ten times as far."""
ADAM_LR, ADAM_EPOCHS = 0.05, 300
"""Small, for Adam moves a weight by about this much per step, however small the gradient, and AdamW takes this times
the decay off it: 10 %."""

STRENGTHS = (0.0, 0.3, 2.0, 5.0, 10.0)
"""Strengths of the decay. The document's is a power of two, which adds no rounding; 0.3 does."""
SHUFFLES = 100
FRESH, FRESH_TEST = "fresh_", 10_000
"""What the cases of the fresh data sets begin with, and how many points each is tested on."""
FAIR_LR, FAIR_EPOCHS = 0.02, 500
"""With the document's learning rate and the strongest decay, each step overshoots, and training never settles."""

PICTURED = (0.0, 2.0, 10.0)
"""Strengths whose models are drawn."""
PROBABILITIES = (0.1, 0.5, 0.9)
"""The probabilities of class 1 on the lines that are drawn."""
EDGE = 3.0
"""Lines are drawn up to so many standard deviations from the mean."""

PRINTED_COST = ("0.055", "0.065", "0.080", "0.094", "0.104", "0.108", "0.110", "0.111", *22 * ["0.112"])
"""Mean cross-entropy of the training points after each epoch."""
PRINTED_TRAIN_ACCURACY = "0.973"
"""After each epoch."""
PRINTED_PARAMETERS = {"first weight": "1.7546", "second weight": "1.5997", "bias": "-0.0401"}
PRINTED_TEST_ACCURACY = "96.00"
"""In percent."""

WAYS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "weight_decay": {"weight_decay": DECAY},
    "penalty": {"penalty": DECAY},
}
"""As the document trains, and without regularization, which it leaves out."""
ADAM_WAYS: Mapping[str, Mapping[str, Any]] = {
    "adam": {},
    "adam_weight_decay": {"weight_decay": DECAY},
    "adam_penalty": {"penalty": DECAY},
    "adamw": {"optimizer": AdamW, "weight_decay": DECAY},
}


@dataclass(frozen=True)
class PointSplits:
    """R times training and test points, standardized by mean and standard deviation of the training points."""

    train_x: Tensor
    """(R, 75, 2)"""
    train_y: Tensor
    """(R, 75), 0 or 1"""
    test_x: Tensor
    """(R, 25 or more, 2)"""
    test_y: Tensor
    """(R, 25 or more)"""


def run(settings: LogisticDecaySettings, context: ExperimentContext) -> ExperimentOutcome:
    return compare(settings, load(settings, RAW / "toydata"))


def compare(settings: LogisticDecaySettings, points: ToyPoints) -> ExperimentOutcome:
    """All of it on these points."""
    features, labels = points.features, points.labels
    torch.set_flush_denormal(True)  # gradients of points far from the boundary are tiny and would be slow
    order = np.arange(len(labels))
    np.random.RandomState(SHUFFLE_SEED).shuffle(order)
    document = split(features, labels, order[None])
    paths = {name: train(document, EPOCHS, lr=LR, **way) for name, way in WAYS.items()}
    # Torch's other steps of Adam take MKL's roots, which depend on the processor.
    adam = {
        name: train(document, ADAM_EPOCHS, **{"optimizer": Adam, "lr": ADAM_LR, "fused": True, **way})
        for name, way in ADAM_WAYS.items()
    }
    shuffles = [rng.generator(seed, "logistic_decay.shuffle").permutation(len(labels)) for seed in range(SHUFFLES)]
    return ExperimentOutcome(
        points.note,
        {
            **settings.model_dump(),
            "train": len(labels) - TEST,
            "test": TEST,
            "decay": DECAY,
            "lr": LR,
            "epochs": EPOCHS,
            "adam_lr": ADAM_LR,
            "adam_epochs": ADAM_EPOCHS,
            "shuffles": SHUFFLES,
            "fresh_test": FRESH_TEST,
            "fair_lr": FAIR_LR,
            "fair_epochs": FAIR_EPOCHS,
        },
        pd.concat([fair(split(features, labels, np.stack(shuffles))), fair(fresh(settings.seeds), FRESH)]),
        identities(document, adam),
        printed(document, paths, points.note.published),
        {
            "epochs": pd.concat(_by_epoch(document, name, path) for name, path in (paths | adam).items()),
            "points": _points(document),
            "boundaries": boundaries(document),
        },
    )


def split(features: NDArray[np.float32], labels: NDArray[np.int64], orders: NDArray[np.int64]) -> PointSplits:
    """A division for each row of `orders` (R, N): its first 25 points are the test set."""
    x, y = features[orders], torch.from_numpy(labels[orders]).float()
    mean, std = x[:, TEST:].mean(1, keepdims=True), x[:, TEST:].std(1, keepdims=True)
    scaled = torch.from_numpy((x - mean) / std)
    return PointSplits(scaled[:, TEST:], y[:, TEST:], scaled[:, :TEST], y[:, :TEST])


def fresh(seeds: int) -> PointSplits:
    """So many data sets, of which each has 100 points of its own, shuffled and divided as the document's.

    The 25 that it would be tested on are replaced by 10,000 more of the same clouds, standardized like them.
    """
    rows = []
    for seed in range(seeds):
        generator = rng.generator(seed, "logistic_decay.data")
        features, labels = clouds(ROWS, generator)
        order = generator.permutation(ROWS)[TEST:]
        train, (test, test_labels) = features[order], clouds(FRESH_TEST, generator)
        mean, std = train.mean(0), train.std(0)
        rows.append(((train - mean) / std, labels[order], (test - mean) / std, test_labels))
    train_x, train_y, test_x, test_y = (torch.from_numpy(np.stack(each)).float() for each in zip(*rows, strict=True))
    return PointSplits(train_x, train_y, test_x, test_y)


def train(
    splits: PointSplits, epochs: int, optimizer: type[Optimizer] = SGD, penalty: float = 0.0, **settings: Any
) -> Tensor:
    """Both weights and the bias (epochs + 1, R, 3) before training and after each epoch, which is one step.

    `settings` are those of the optimizer; half of `penalty` times the squared norm, bias included, is in the loss.
    """
    parameters = torch.zeros(len(splits.train_y), 3, requires_grad=True)
    stepping = optimizer([parameters], **settings)
    path = [parameters.detach().clone()]
    for _ in range(epochs):
        loss = F.binary_cross_entropy_with_logits(logits(splits.train_x, parameters), splits.train_y, reduction="sum")
        loss = loss + 0.5 * penalty * parameters.square().sum()
        stepping.zero_grad()
        loss.backward()
        stepping.step()
        path.append(parameters.detach().clone())
    return torch.stack(path)


def logits(x: Tensor, parameters: Tensor) -> Tensor:
    """The logits of x (R, N, 2) under parameters (..., R, 3): (..., R, N)."""
    return (x * parameters[..., None, :2]).sum(-1) + parameters[..., 2:]


def measure(x: Tensor, y: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy in nats and accuracy of x (R, N, 2), y (R, N) under parameters (..., R, 3): (..., R) each."""
    outputs = logits(x, parameters)
    y = y.expand_as(outputs)
    return F.binary_cross_entropy_with_logits(outputs, y, reduction="none").mean(-1), ((outputs > 0) == y).float().mean(
        -1
    )


def fair(splits: PointSplits, prefix: str = "") -> pd.DataFrame:
    """`case, seed, metric, value` for each strength of the decay; a seed is one of the R divisions."""
    rows = []
    for strength in STRENGTHS:
        last = train(splits, FAIR_EPOCHS, lr=FAIR_LR, weight_decay=strength)[-1]
        train_loss, train_accuracy = measure(splits.train_x, splits.train_y, last)
        test_loss, test_accuracy = measure(splits.test_x, splits.test_y, last)
        metrics = {
            "test_accuracy": test_accuracy,
            "test_loss": test_loss,
            "train_accuracy": train_accuracy,
            "train_loss": train_loss,
            "norm": last.norm(dim=-1),
        }
        rows += [
            {"case": f"{prefix}lambda_{strength:g}", "seed": seed, "metric": metric, "value": float(value)}
            for metric, values in metrics.items()
            for seed, value in enumerate(values)
        ]
    return pd.DataFrame(rows)


def identities(splits: PointSplits, adam: Mapping[str, Tensor]) -> dict[str, Identity]:
    """Decay against penalty after every epoch, for all strengths; `adam` holds the paths of `ADAM_WAYS`."""

    def largest(**settings: Any) -> float:
        return max(
            deviation(
                train(splits, EPOCHS, weight_decay=strength, **settings),
                train(splits, EPOCHS, penalty=strength, **settings),
            )
            for strength in STRENGTHS
        )

    both = "weight_decay and the penalty in the loss: weights and bias after every epoch of"
    strengths = f"the largest of strengths {', '.join(f'{strength:g}' for strength in STRENGTHS)}"
    return {
        "decay_is_l2_under_sgd": Identity(f"{both} SGD, {strengths}", largest(lr=LR)),
        "decay_is_l2_with_momentum": Identity(
            f"{both} SGD with momentum {MOMENTUM}, Nesterov’s or not, {strengths}",
            max(largest(lr=MOMENTUM_LR, momentum=MOMENTUM, nesterov=nesterov) for nesterov in (False, True)),
        ),
        "adam_decay_is_l2": Identity(
            f"{both} Adam, strength {DECAY:g}", deviation(adam["adam_weight_decay"], adam["adam_penalty"])
        ),
        "adamw_differs": Identity(
            f"Adam’s weight_decay and AdamW’s, strength {DECAY:g}: weights and bias after every epoch",
            deviation(adam["adam_weight_decay"], adam["adamw"]),
        ),
    }


def printed(splits: PointSplits, paths: Mapping[str, Tensor], published: bool) -> list[Printed]:
    """What the document prints for either way; on other points than its own, only what it prints last."""
    numbers = []
    for name, way in (("weight_decay", "weight_decay"), ("penalty", "penalty in the loss")):
        last = paths[name][-1]
        ours = dict(zip(PRINTED_PARAMETERS, last[0].tolist(), strict=True))
        test_accuracy = float(measure(splits.test_x, splits.test_y, last)[1])
        numbers += [Printed(f"{what}, {way}", PRINTED_PARAMETERS[what], ours[what], published) for what in ours]
        numbers.append(Printed(f"test accuracy (%), {way}", PRINTED_TEST_ACCURACY, 100 * test_accuracy, published))
        costs, accuracies = measure(splits.train_x, splits.train_y, paths[name][:, 0, None])
        for epoch in range(1, EPOCHS + 1) if published else (EPOCHS,):
            numbers += [
                Printed(f"cost after epoch {epoch}, {way}", PRINTED_COST[epoch - 1], float(costs[epoch]), published),
                Printed(
                    f"training accuracy after epoch {epoch}, {way}",
                    PRINTED_TRAIN_ACCURACY,
                    float(accuracies[epoch]),
                    published,
                ),
            ]
    return numbers


def boundaries(splits: PointSplits) -> pd.DataFrame:
    """`strength, probability, x1, x2, x1_end, x2_end`: where a trained model gives class 1 that probability."""
    rows = []
    for strength in PICTURED:
        w1, w2, bias = train(splits, FAIR_EPOCHS, lr=FAIR_LR, weight_decay=strength)[-1, 0].double().tolist()
        for probability in PROBABILITIES:
            ends = clipped(w1, w2, np.log(probability / (1 - probability)) - bias)
            if ends is not None:
                rows.append([strength, probability, *ends[0], *ends[1]])
    return pd.DataFrame(rows, columns=["strength", "probability", "x1", "x2", "x1_end", "x2_end"])


def clipped(a: float, b: float, c: float) -> NDArray[np.float64] | None:
    """Both ends (2, 2) of the part of the line a x + b y = c with |x| and |y| up to `EDGE`; None if there is none."""
    normal = np.array([a, b])
    foot, along = c * normal / (normal @ normal), np.array([-b, a])
    with np.errstate(divide="ignore"):  # a line along an axis is bounded by the other one alone
        steps = np.sort((np.array([[-EDGE], [EDGE]]) - foot) / along, axis=0)
    first, last = steps[0].max(), steps[1].min()
    return foot + np.array([[first], [last]]) * along if first < last else None


def _points(splits: PointSplits) -> pd.DataFrame:
    """`part, label, x1, x2`, standardized."""
    parts = {"training": (splits.train_x, splits.train_y), "test": (splits.test_x, splits.test_y)}
    return pd.concat(
        pd.DataFrame({"part": part, "label": y[0].int().numpy(), "x1": x[0, :, 0].numpy(), "x2": x[0, :, 1].numpy()})
        for part, (x, y) in parts.items()
    )


def _by_epoch(splits: PointSplits, way: str, path: Tensor) -> pd.DataFrame:
    """`way, epoch, cost, accuracy, w1, w2, b, norm`; cost and accuracy are of the training points."""
    costs, accuracies = measure(splits.train_x, splits.train_y, path)
    return pd.DataFrame(
        {
            "way": way,
            "epoch": range(len(path)),
            "cost": costs[:, 0].numpy(),
            "accuracy": accuracies[:, 0].numpy(),
            **dict(zip(("w1", "w2", "b"), path[:, 0].T.numpy(), strict=True)),
            "norm": path[:, 0].norm(dim=-1).numpy(),
        }
    )
