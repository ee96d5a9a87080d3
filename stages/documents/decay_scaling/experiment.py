"""Is the decay divided by the batch size? The question and its answer, reproduced.

The question's NumPy code divides the penalty by the number of rows and disagrees with PyTorch. Its data are not given,
so two species of iris from scikit-learn stand in, also with four features. They are not standardized: the question's
code does not do so, and with centered features and classes of one size the bias would stay near zero, where nobody
could see whether it is decayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.datasets import load_iris
from torch import nn

from stages import rng
from stages.documents.base import ExperimentContext
from stages.documents.decay_scaling import DecayScalingSettings
from stages.documents.outcome import DataNote, ExperimentOutcome, Identity, Printed, deviation

Floats = NDArray[np.float64]

KINDS = (1, 2)
"""Versicolor and virginica, which become the labels 0 and 1."""
LR = 0.05
DECAY = 0.1
BATCH_SIZES = (10, 20, 50, 100)
SEEDS = 20

EXAMPLE_LR, EXAMPLE_DECAY = 0.1, 1.0


def run(settings: DecayScalingSettings, context: ExperimentContext) -> ExperimentOutcome:
    x, y = rows()
    decay = np.full(x.shape[1], DECAY)
    full_batches = [np.arange(len(y))] * settings.epochs
    by_hand = {
        "not divided": descend(x, y, decay, full_batches),
        "divided": descend(x, y, decay / len(y), full_batches),
        "bias spared": descend(x, y, np.where(np.arange(len(decay)) == 0, 0.0, decay), full_batches),
    }
    pytorch, losses = descend_in_torch(x, y, settings.epochs)
    groups, _ = descend_in_torch(x, y, settings.epochs, spare_bias=True)
    paths = {**by_hand, "PyTorch": pytorch, "PyTorch, bias spared": groups}
    return ExperimentOutcome(
        DataNote(
            "Iris, versicolor and virginica",
            False,
            f"{len(y)} flowers with four measurements each, as scikit-learn ships them; the question’s own data are "
            "not "
            "given. The worked example of the answer has its own two rows, so its numbers must be reproduced.",
        ),
        {**settings.model_dump(), "lr": LR, "decay": DECAY, "rows": len(y), "seeds": SEEDS},
        by_batch_size(x, y, settings.epochs),
        {
            "decay_not_divided": Identity(
                "the penalty by hand, not divided, and PyTorch’s weight_decay: weights and bias after every epoch",
                deviation(by_hand["not divided"], pytorch),
            ),
            "divided_differs": Identity(
                "the penalty by hand, divided by the number of rows, and PyTorch’s weight_decay",
                deviation(by_hand["divided"], pytorch),
            ),
            "bias_is_decayed": Identity(
                "the same with the penalty not divided, of the bias alone",
                deviation(by_hand["not divided"][:, 0], pytorch[:, 0]),
            ),
            "spared_bias_differs": Identity(
                "the penalty by hand, not divided, that spares the bias, and PyTorch’s weight_decay",
                deviation(by_hand["bias spared"], pytorch),
            ),
            "parameter_groups_spare_the_bias": Identity(
                "the same, the bias in a parameter group of PyTorch with weight_decay 0",
                deviation(by_hand["bias spared"], groups),
            ),
            "loss_excludes_penalty": Identity(
                "the loss that PyTorch reports, and the cross-entropy by hand, without the penalty",
                deviation(cross_entropy(x, y, pytorch[:-1]), losses),
            ),
            "loss_with_penalty_differs": Identity(
                "the loss that PyTorch reports, and the cross-entropy by hand with the penalty",
                deviation(cross_entropy(x, y, pytorch[:-1]) + DECAY / 2 * (pytorch[:-1] ** 2).sum(1), losses),
            ),
        },
        worked_example(),
        {
            "paths": pd.concat(
                pd.DataFrame(path, columns=["bias", "w1", "w2", "w3", "w4"]).assign(
                    version=version,
                    epoch=range(len(path)),
                    norm=np.linalg.norm(path, axis=1),
                    distance=np.linalg.norm(path - pytorch, axis=1),
                )
                for version, path in paths.items()
            ),
            "shrinkage": shrinkage(len(y)),
        },
    )


def rows() -> tuple[Floats, Floats]:
    """x (100, 5): a column of ones for the bias, then four measurements in cm. y (100,): 0 or 1."""
    iris = load_iris()
    chosen = np.isin(iris.target, KINDS)
    measures = iris.data[chosen].astype(np.float64)
    return np.column_stack([np.ones(len(measures)), measures]), (iris.target[chosen] == KINDS[1]).astype(np.float64)


def descend(x: Floats, y: Floats, decay: Floats, batches: Iterable[NDArray[np.int64]]) -> Floats:
    """Gradient descent by hand from zero: the parameters (steps + 1, ..., 5), the bias first, for decays (..., 5).

    Each step takes the mean gradient over the rows of a batch, and the decay times the parameters.
    """
    parameters = np.zeros(decay.shape)
    path = [parameters]
    for batch in batches:
        residual = probabilities(x[batch], parameters) - y[batch]
        parameters = parameters - LR * (residual @ x[batch] / len(batch) + decay * parameters)
        path.append(parameters)
    return np.array(path)


def descend_in_torch(x: Floats, y: Floats, epochs: int, spare_bias: bool = False) -> tuple[Floats, Floats]:
    """The question's PyTorch code in double precision: parameters as `descend` gives them, and losses (epochs,).

    A loss is the mean cross-entropy as it is before its step.
    """
    model = nn.Linear(x.shape[1] - 1, 1, dtype=torch.float64)
    with torch.no_grad():
        model.weight.zero_()
        model.bias.zero_()
    groups: list[dict[str, Any]] = [{"params": [model.weight]}, {"params": [model.bias]}]
    if spare_bias:
        groups[1]["weight_decay"] = 0.0
    optimizer = torch.optim.SGD(groups, lr=LR, weight_decay=DECAY)
    inputs, targets = torch.from_numpy(x[:, 1:].copy()), torch.from_numpy(y)[:, None]
    path, losses = [np.zeros(x.shape[1])], []
    for _ in range(epochs):
        loss = F.binary_cross_entropy(torch.sigmoid(model(inputs)), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        path.append(torch.cat([model.bias, model.weight[0]]).detach().numpy())
        losses.append(loss.item())
    return np.array(path), np.array(losses)


def by_batch_size(x: Floats, y: Floats, steps: int) -> pd.DataFrame:
    """`case, seed, metric, value`: the model after so many steps on batches of each size, drawn in a shuffled order.

    The penalty is not divided, or divided by the batch size; cases are `batch_10/undivided`, ... Seeds are orders.
    """
    table = []
    for size in BATCH_SIZES:
        decays = np.full((2, x.shape[1]), [[DECAY], [DECAY / size]])
        for seed in range(SEEDS):
            batches = islice(batches_of(size, len(y), rng.generator(seed, "decay_scaling.order")), steps)
            for case, last in zip(("undivided", "divided"), descend(x, y, decays, batches)[-1], strict=True):
                table += [
                    (f"batch_{size}/{case}", seed, "norm", np.linalg.norm(last)),
                    (f"batch_{size}/{case}", seed, "train_loss", cross_entropy(x, y, last)),
                    (f"batch_{size}/{case}", seed, "train_accuracy", np.mean((x @ last > 0) == y)),
                ]
    return pd.DataFrame(table, columns=["case", "seed", "metric", "value"])


def batches_of(size: int, rows: int, generator: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Epoch after epoch in a new order, without end. `size` divides `rows`."""
    while True:
        yield from generator.permutation(rows).reshape(-1, size)


def shrinkage(rows: int) -> pd.DataFrame:
    """`batch_size, steps, step, epoch, epoch_divided`: the share of a weight that the decay alone leaves.

    After one step and after the steps of one epoch; and after one epoch, if the decay were divided by the batch size.
    """
    sizes = np.array(BATCH_SIZES)
    steps = rows // sizes
    return pd.DataFrame(
        {
            "batch_size": sizes,
            "steps": steps,
            "step": 1 - LR * DECAY,
            "epoch": (1 - LR * DECAY) ** steps,
            "epoch_divided": (1 - LR * DECAY / sizes) ** steps,
        }
    )


def worked_example() -> list[Printed]:
    """One step of y = w x + b from w = b = 1 on two rows, as the answer prints it."""
    model = nn.Linear(1, 1)
    nn.init.ones_(model.weight)
    nn.init.ones_(model.bias)
    optimizer = torch.optim.SGD(model.parameters(), lr=EXAMPLE_LR, weight_decay=EXAMPLE_DECAY)
    inputs, targets = torch.tensor([[2.0], [4.0]]), torch.tensor([[7.0], [11.0]])
    predictions = model(inputs)
    loss = F.mse_loss(predictions, targets)
    loss.backward()
    gradient = model.weight.grad.item()  # type: ignore[union-attr]  # set by backward
    before = [
        Printed("first prediction", "3.", predictions[0].item()),
        Printed("second prediction", "5.", predictions[1].item()),
        Printed("mean squared error", "26.0", loss.item()),
        Printed("gradient of the weight", "-32.", gradient),
        Printed("gradient of the bias", "-10.", model.bias.grad.item()),  # type: ignore[union-attr]
    ]
    divided = model.weight.item() - EXAMPLE_LR * (gradient + EXAMPLE_DECAY / len(inputs) * model.weight.item())
    optimizer.step()
    return [
        *before,
        Printed("weight after the step", "4.1000", model.weight.item()),
        Printed("bias after the step", "1.9000", model.bias.item()),
        Printed("weight, had the decay been divided by the batch size", "4.15", divided),
    ]


def probabilities(x: Floats, parameters: Floats) -> Floats:
    """The probability of label 1: (..., N) for x (N, 5) and parameters (..., 5)."""
    return 1 / (1 + np.exp(-(parameters @ x.T)))


def cross_entropy(x: Floats, y: Floats, parameters: Floats) -> Floats:
    """Mean over the rows, in nats: (...) for parameters (..., 5)."""
    p = probabilities(x, parameters)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p), axis=-1)
