"""Net and NetDropout on ten noisy points of a line: the toy part of the notebook, section 2.

The notebook's two runs (seed 2021) are replayed draw for draw. Further seeds draw their own points, initial weights
and masks; there Net and NetDropout start from the same weights, in the notebook they do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, pairwise

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from stages.documents.base import ExperimentContext
from stages.documents.face_notebook import ToyDropoutSettings
from stages.documents.outcome import DataNote, ExperimentOutcome, Printed
from stages.networks.layers import Linear
from stages.networks.network import norm
from stages.streams import Streams
from stages.training.parallel import in_order

NOTEBOOK_SEED, NOTEBOOK_STEPS = 2021, 10_000
POINTS, TEST_POINTS = 10, 40
UNITS = (1, 300, 500, 1)
DROPOUT: dict[str, tuple[float, ...]] = {"Net": (), "NetDropout": (0.4, 0.2)}
"""The networks, by the shares of units that they drop before each activation, if any."""
NEGATIVE_SLOPE = 0.01
LR = 1e-4
MEASURE_EVERY, PREDICT_EVERY = 100, 500
"""Steps of Adam between measurements of losses and norm, and between predictions kept."""
STACK = 5
"""Replicas that train together. Fewer lose time to the overhead of operations, more to the memory."""
CPU = torch.device("cpu")


class Draws(Streams):
    """Streams of their own for all seeds but the notebook's, which draws everything from one generator."""

    def __init__(self, seeds: Sequence[int]):
        super().__init__(seeds, CPU)
        self.notebook = torch.Generator().manual_seed(NOTEBOOK_SEED)

    def generator(self, replica: int, purpose: str) -> torch.Generator:
        return self.notebook if self.seeds[replica] == NOTEBOOK_SEED else super().generator(replica, purpose)

    def points(self) -> tuple[Tensor, Tensor]:
        """Inputs and noisy targets, each (R, 10, 1)."""
        replicas = range(len(self.seeds))
        x = torch.stack([torch.rand(POINTS, 1, generator=self.generator(r, "points")) for r in replicas])
        noise = torch.stack([torch.randn(POINTS, 1, generator=self.generator(r, "noise")) for r in replicas])
        return x, 2 * x + 2 * noise

    def masks(self, layer: int, p: float) -> Tensor:
        """What multiplies the units (R, 10, units) of a hidden layer: 0 for those dropped, 1 / (1 - p) for the rest."""
        # In double precision these are the draws of torch's dropout.
        draws = [
            torch.rand(POINTS, UNITS[layer], dtype=torch.float64, generator=self.generator(r, f"dropout.{layer}"))
            for r in range(len(self.seeds))
        ]
        return (torch.stack(draws) < 1 - p).float().div_(1 - p)


class ToyNetwork:
    """R networks with leaky ReLU. Their gradient is written out: autograd would take twice the time here."""

    def __init__(self, draws: Draws):
        layers = [Linear(len(draws.seeds), fan_in, fan_out, CPU) for fan_in, fan_out in pairwise(UNITS)]
        for replica in range(len(draws.seeds)):
            for layer in layers:
                layer.draw(replica, draws.generator(replica, "init"))
        tensors = [layer.weight.detach().mT for layer in layers] + [layer.bias.detach()[:, None] for layer in layers]
        self.parameters = torch.cat([tensor.flatten() for tensor in tensors])
        """All in one row: with a tensor for each layer's weights and biases the optimizer takes a sixth longer."""
        self.parameters.grad = torch.zeros_like(self.parameters)
        self.weights, self.biases = self._split(self.parameters, tensors)
        self.weight_gradients, self.bias_gradients = self._split(self.parameters.grad, tensors)

    @staticmethod
    def _split(row: Tensor, tensors: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """The parts of a row that are each layer's weights (R, fan_in, fan_out) and biases (R, 1, fan_out)."""
        parts = [p.view(t.shape) for p, t in zip(row.split([t.numel() for t in tensors]), tensors, strict=True)]
        return parts[: len(parts) // 2], parts[len(parts) // 2 :]

    def forward(self, x: Tensor, masks: Sequence[Tensor] = ()) -> list[Tensor]:
        """Every layer's input for x (R, N, 1), the network's output last; masks multiply the hidden units."""
        values = [x]
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values.append(torch.baddbmm(bias, values[-1], weight))
            if layer < len(self.weights) - 1:
                F.leaky_relu_(values[-1], NEGATIVE_SLOPE)
                if masks:
                    values[-1] *= masks[layer]
        return values

    def differentiate(self, x: Tensor, y: Tensor, masks: Sequence[Tensor] = ()) -> None:
        """Set the gradient of each replica's mean squared error."""
        *values, predicted = self.forward(x, masks)
        delta = (predicted - y) * (2 / y.shape[1])
        for layer in reversed(range(len(self.weights))):
            torch.bmm(values[layer].mT, delta, out=self.weight_gradients[layer])
            torch.sum(delta, 1, keepdim=True, out=self.bias_gradients[layer])
            if layer:
                delta = torch.bmm(delta, self.weights[layer].mT)
                # A unit has the sign of its input; the gradient of one that is dropped is zero whatever its slope.
                delta = torch.ops.aten.leaky_relu_backward(delta, values[layer], NEGATIVE_SLOPE, True)
                if masks:
                    delta *= masks[layer - 1]


def run(settings: ToyDropoutSettings, context: ExperimentContext) -> ExperimentOutcome:
    """Train both networks on the notebook's points and on those of `settings.seeds` seeds."""
    seeds = (NOTEBOOK_SEED, *range(settings.seeds))
    stacks = [(case, seeds[i : i + STACK]) for i in range(0, len(seeds), STACK) for case in DROPOUT]
    trained = in_order(partial(train, steps=settings.steps), stacks)
    curves, predictions = (pd.DataFrame(list(chain(*tables))) for tables in zip(*trained, strict=True))
    points = [table.flatten().tolist() for table in Draws(seeds).points()]
    final = curves[curves["step"] == settings.steps].drop(columns="step")
    return ExperimentOutcome(
        DataNote(
            "10 generated points",
            published=True,
            description="Ten points of the line y = 2x with noise of standard deviation 2, drawn anew for each seed; "
            f"seed {NOTEBOOK_SEED} draws those of the notebook. The {TEST_POINTS} test points lie on the line itself.",
        ),
        settings.model_dump() | {"notebook_seed": NOTEBOOK_SEED},
        final.melt(["case", "seed"], var_name="metric").sort_values(["case", "seed", "metric"], ignore_index=True),
        printed=printed(curves, settings.steps),
        tables={
            "curves": curves,
            "predictions": predictions,
            "points": pd.DataFrame({"seed": [s for s in seeds for _ in range(POINTS)], "x": points[0], "y": points[1]}),
        },
    )


TableRows = list[dict[str, float | str]]


@torch.no_grad()
def train(stack: tuple[str, Sequence[int]], steps: int) -> tuple[TableRows, TableRows]:
    """Adam on the mean squared error of all ten points at once, in one case with some seeds.

    Returns the rows `case, seed, step, train_loss, test_loss, norm`, whose losses are without dropped units, and `case,
    seed, step, x, y` of the predictions.
    """
    case, seeds = stack
    draws = Draws(seeds)
    x, y = draws.points()
    if case == "NetDropout":
        draws.notebook.manual_seed(NOTEBOOK_SEED)  # the notebook sets it again, before this network only
    network = ToyNetwork(draws)
    optimizer = torch.optim.Adam([network.parameters], lr=LR, fused=True)
    x_test = torch.linspace(0, 1, TEST_POINTS).reshape(1, -1, 1).expand(len(seeds), -1, -1)
    curves: TableRows = []
    predictions: TableRows = []
    for step in range(steps + 1):
        if step % MEASURE_EVERY == 0:
            fitted, predicted = network.forward(x)[-1], network.forward(x_test)[-1]
            losses = {"train_loss": squared_error(fitted, y), "test_loss": squared_error(predicted, 2 * x_test)}
            curves += rows(case, seeds, step, norm=norm([*network.weights, *network.biases]), **losses)
            if step % PREDICT_EVERY == 0:
                for point in range(TEST_POINTS):
                    predictions += rows(case, seeds, step, x=x_test[:, point, 0], y=predicted[:, point, 0])
        if step < steps:
            network.differentiate(x, y, [draws.masks(layer, p) for layer, p in enumerate(DROPOUT[case], 1)])
            optimizer.step()
    return curves, predictions


def squared_error(predicted: Tensor, y: Tensor) -> Tensor:
    """Mean squared error (R,) of predictions (R, N, 1)."""
    return (predicted - y).square().mean((1, 2))


def rows(case: str, seeds: Sequence[int], step: int, **values: Tensor) -> Iterator[dict[str, float | str]]:
    """A row for each seed, from values (R,)."""
    for replica, seed in enumerate(seeds):
        yield {"case": case, "seed": seed, "step": step, **{name: float(v[replica]) for name, v in values.items()}}


def printed(curves: pd.DataFrame, steps: int) -> list[Printed]:
    """What can be read off the notebook's plots, beside ours; the notebook prints none of it.

    Only values from before any training can be compared, whatever the result.
    """
    own = curves[curves["seed"] == NOTEBOOK_SEED].set_index(["case", "step"])
    after = {
        "Net": "training amplifies differences of rounding",
        "NetDropout": "which units are dropped depends on the build of PyTorch and the processor it ran on",
    }
    plots = [
        ("Net", 0, "norm", "norm at the start", "19.5"),
        ("Net", steps, "test_loss", "test loss at the end", "6.7"),
        ("Net", steps, "norm", "norm at the end", "32.9"),
        ("NetDropout", 0, "norm", "norm at the start", "19.5"),
        ("NetDropout", steps, "test_loss", "test loss at the end", "5.7"),
        ("NetDropout", steps, "norm", "norm at the end", "31.5"),
    ]
    early = f"after {steps:,} steps, not {NOTEBOOK_STEPS:,}"
    return [
        Printed(
            f"{case}, {what}",
            value,
            float(own.loc[(case, step), metric]),  # type: ignore[arg-type]
            comparable=step == 0,
            note="; ".join(
                ["read off a plot", *[after[case]] * (step > 0), *[early] * (step not in (0, NOTEBOOK_STEPS))]
            ),
        )
        for case, step, metric, what, value in plots
    ]
