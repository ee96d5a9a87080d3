"""Weight decay with more inputs than rows: a book's chapter and its readers' questions.

Linear regression on generated data, trained for all seeds and strengths at once: x (S, n, 200), y (S, n), weights
(S, 200, C), biases (S, C), for S seeds and C strengths, in double precision. Losses are mean squared errors throughout,
also where the training minimizes half of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import Lasso, Ridge

from stages import rng
from stages.documents.base import ExperimentContext
from stages.documents.linear_decay import LinearDecaySettings
from stages.documents.outcome import DataNote, ExperimentOutcome, Identity, Printed, deviation
from stages.networks.layers import Linear

Array = NDArray[np.float64]
Penalty = Callable[[Array], Array]
"""The gradient of a penalty, from weights (S, 200, C) to the same."""

TRAIN_ROWS, TEST_ROWS, INPUTS = 20, 100, 200
TRUE_WEIGHT, TRUE_BIAS, NOISE = 0.01, 0.05, 0.01
BATCH_SIZE, LR, EPOCHS = 5, 0.003, 100
TABLE = range(11)
"""The strengths of the reader's table."""
STRENGTHS = np.arange(21.0)
"""Those trained here: another reader finds 16 to be best."""
READER = pd.DataFrame(
    {
        "lambda": TABLE,
        "train_loss": [
            2.360348e-13,
            3.561247e-04,
            1.136713e-03,
            2.143079e-03,
            3.240126e-03,
            4.373294e-03,
            5.604185e-03,
            6.343381e-03,
            7.639927e-03,
            8.753147e-03,
            9.767077e-03,
        ],
        "test_loss": [
            1.914223,
            0.035403,
            0.018138,
            0.017133,
            0.017512,
            0.017590,
            0.017622,
            0.017295,
            0.017984,
            0.017798,
            0.017654,
        ],
    }
)
"""A reader's table, trained on draws of the reader's own."""
CHAPTER_LR, CHAPTER_EPOCHS, CHAPTER_STRENGTH, CHAPTER_START = 0.01, 10, 3.0, 0.01
"""The book's own run of today; the last is the standard deviation of its initial weights."""
CHAPTER_NORMS = {"scratch": {0.0: "0.00922", CHAPTER_STRENGTH: "0.00162"}, "concise": {CHAPTER_STRENGTH: "0.0136"}}
"""Half the squared norm that the book's two programs print, by strength."""
SMALL_INPUTS, SMALL_NOISE = 0.01, 0.001
"""Standard deviations of inputs and noise in the forum's first post."""
L1_STRENGTH = 1.0
STEEP_LR, STEEP_EPOCHS = 0.03, 20
"""The learning rate and the epochs of the reader who subtracts the L1 penalty."""
EXACT_SEEDS, EXACT_LR, EXACT_STEPS = 4, 0.05, 8000
"""Full-batch gradient descent until nothing moves."""
LASSO_STRENGTH = 0.03


@dataclass(frozen=True)
class Rows:
    """Inputs x (S, n, 200) and targets y (S, n) of S seeds."""

    x: Array
    y: Array

    def residual(self, w: Array, b: Array) -> Array:
        """Predictions minus targets (S, n, C)."""
        return self.x @ w + b[:, None] - self.y[..., None]

    def loss(self, w: Array, b: Array) -> Array:
        """Mean squared error (S, C)."""
        return np.square(self.residual(w, b)).mean(1)


@dataclass(frozen=True)
class Way:
    """How a model is trained: its start, and what is minimized."""

    start: Callable[[np.random.Generator], Array]
    """Draws the initial weights (200,)."""
    loss: float
    """What the mean squared error is multiplied by."""
    penalty: float
    """What the squared norm of the weights is multiplied by, besides the strength."""


def normal(generator: np.random.Generator, scale: float) -> Array:
    return generator.normal(0, scale, INPUTS)


def uniform(generator: np.random.Generator, bound: float) -> Array:
    return generator.uniform(-bound, bound, INPUTS)


WAYS = {
    "book": Way(partial(normal, scale=1.0), loss=0.5, penalty=0.5),
    # Glorot and Bengio 2010: Keras's layers start so, its losses are not halved and its penalties neither.
    "keras": Way(partial(uniform, bound=np.sqrt(6 / (INPUTS + 1))), loss=1.0, penalty=1.0),
    "zero": Way(partial(normal, scale=0.0), loss=0.5, penalty=0.5),
}
"""The book's first edition; the one that gives the reader's table; and the first with a start at zero."""


def run(settings: LinearDecaySettings, context: ExperimentContext) -> ExperimentOutcome:
    """All experiments on `settings.seeds` seeds."""
    seeds = range(settings.seeds)
    sweep, choice = sweep_strengths(seeds)
    table = sweep[sweep["lambda"].isin(TABLE)]
    cases = {"keras": "", "book": "book_", "zero": "zero_", "ridge": "ridge_"}
    outcomes = [
        tidy(table.assign(case=table["way"].map(cases) + "lambda_" + table["lambda"].astype(int).astype(str))),
        tidy(choice.assign(case=choice["pick"] + "_" + choice["way"]), ["lambda", "test_loss"]),
    ]
    norms = chapter_norms(seeds)
    small = small_inputs(seeds)
    l1, steep = l1_ways(seeds)
    outcomes += [
        tidy(
            norms.assign(case=norms["version"] + "_" + norms["lambda"].astype(int).astype(str)), ["half_squared_norm"]
        ),
        tidy(steep.assign(case="steep"), ["train_loss"]),
    ]
    return ExperimentOutcome(
        DataNote(
            "20 generated rows of 200 inputs",
            published=False,
            description=f"Linear regression with weights of {TRUE_WEIGHT}, a bias of {TRUE_BIAS} and noise of {NOISE}, "
            f"as in the book, and {TEST_ROWS} test rows, drawn anew for each seed. Book and readers drew theirs.",
        ),
        {
            **settings.model_dump(),
            "rows": TRAIN_ROWS,
            "true_weight": TRUE_WEIGHT,
            "noise": NOISE,
            "chapter_norms": CHAPTER_NORMS,
        },
        pd.concat(outcomes, ignore_index=True),
        identities(seeds[:EXACT_SEEDS]),
        chapter_printed(norms),
        {"sweep": sweep, "choice": choice, "reader": READER, "norms": norms, "small": small, "l1": l1},
    )


def tidy(table: pd.DataFrame, metrics: Sequence[str] = ("train_loss", "test_loss", "norm")) -> pd.DataFrame:
    """The columns `case, seed` and the metrics as `case, seed, metric, value`."""
    return table.melt(["case", "seed"], list(metrics), "metric", "value")


def draw(seeds: Sequence[int], purpose: str, n: int, inputs: float = 1.0, noise: float = NOISE) -> Rows:
    """Rows of each seed, with inputs and noise of these standard deviations."""
    generators = [rng.generator(seed, f"linear_decay.{purpose}") for seed in seeds]
    x = np.stack([generator.normal(0, inputs, (n, INPUTS)) for generator in generators])
    noises = np.stack([generator.normal(0, noise, n) for generator in generators])
    return Rows(x, TRUE_WEIGHT * x.sum(2) + TRUE_BIAS + noises)


def starts(seeds: Sequence[int], start: Callable[[np.random.Generator], Array], columns: int) -> Array:
    """Initial weights (S, 200, C), the same for all strengths."""
    drawn = np.stack([start(rng.generator(seed, "linear_decay.start")) for seed in seeds])
    return np.repeat(drawn[..., None], columns, 2)


def batches(seeds: Sequence[int], epochs: int) -> NDArray[np.int64]:
    """The rows (epochs, steps, S, 5) of every step, in an order drawn anew in every epoch."""
    generators = [rng.generator(seed, "linear_decay.batch_order") for seed in seeds]
    orders = np.stack([[generator.permutation(TRAIN_ROWS) for _ in range(epochs)] for generator in generators])
    return orders.reshape(len(seeds), epochs, -1, BATCH_SIZE).transpose(1, 2, 0, 3)


def descend(
    rows: Rows,
    w: Array,
    order: NDArray[np.int64] | None,
    penalty: Penalty,
    *,
    loss: float,
    lr: float = LR,
    steps: int = 0,
    shrink: Penalty | None = None,
    on_epoch: Callable[[Array, Array], None] = lambda w, b: None,
) -> tuple[Array, Array]:
    """Weights and biases after stochastic gradient descent on `loss` times the mean squared error plus a penalty.

    `order` names the rows of every step; without it all rows make each of `steps` steps. `shrink` is applied to the
    weights after each. The biases start at zero and are not penalized.
    """
    b = np.zeros((len(w), w.shape[2]))
    seeds = np.arange(len(w))[:, None]
    everything = np.broadcast_to(np.arange(rows.y.shape[1]), rows.y.shape)
    for epoch in [[everything]] * steps if order is None else order:
        on_epoch(w, b)
        for chosen in epoch:
            batch = rows if order is None else Rows(rows.x[seeds, chosen], rows.y[seeds, chosen])
            residual = 2 * loss / batch.y.shape[1] * batch.residual(w, b)
            w = w - lr * (batch.x.transpose(0, 2, 1) @ residual + penalty(w))
            b = b - lr * residual.sum(1)
            if shrink:
                w = shrink(w)
    on_epoch(w, b)
    return w, b


def squared_norm(strengths: Array | float) -> Penalty:
    """The gradient of half the squared norm times each strength (C,)."""
    return lambda w: strengths * w


def sweep_strengths(seeds: Sequence[int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every way of training with every strength, and which strength a validation set picks.

    The validation set is 20 additional rows. Returns `way, lambda, seed, train_loss, validation_loss, test_loss, norm`
    and `way, pick, seed, lambda, test_loss`, where `pick` is `validated` or `best` by the test set.
    """
    train, test = draw(seeds, "train", TRAIN_ROWS), draw(seeds, "test", TEST_ROWS)
    validation = draw(seeds, "validation", TRAIN_ROWS)
    tables, picks = [], []
    for name in (*WAYS, "ridge"):
        if name == "ridge":
            w, b = ridge(train, STRENGTHS)
        else:
            way = WAYS[name]
            order = batches(seeds, EPOCHS)
            penalty = squared_norm(2 * way.penalty * STRENGTHS)
            w, b = descend(train, starts(seeds, way.start, len(STRENGTHS)), order, penalty, loss=way.loss)
        validated, tested = validation.loss(w, b), test.loss(w, b)
        measured = {
            "train_loss": train.loss(w, b),
            "validation_loss": validated,
            "test_loss": tested,
            "norm": np.linalg.norm(w, axis=1),
        }
        tables.append(long(seeds, STRENGTHS, measured).assign(way=name))
        for pick, losses in (("validated", validated), ("best", tested)):
            chosen = losses.argmin(1)
            picked = {"lambda": STRENGTHS[chosen], "test_loss": tested[np.arange(len(seeds)), chosen]}
            picks.append(pd.DataFrame({"way": name, "pick": pick, "seed": seeds, **picked}))
    return pd.concat(tables, ignore_index=True), pd.concat(picks, ignore_index=True)


def long(seeds: Sequence[int], strengths: Array, measured: dict[str, Array]) -> pd.DataFrame:
    """`lambda, seed` and columns of values (S, C)."""
    seed, strength = np.repeat(seeds, len(strengths)), np.tile(strengths, len(seeds))
    return pd.DataFrame({"lambda": strength, "seed": seed, **{name: v.ravel() for name, v in measured.items()}})


def ridge(rows: Rows, strengths: Array) -> tuple[Array, Array]:
    """The weights and biases that minimize half the mean squared error plus strength / 2 times the squared norm.

    Centering leaves the bias out of the penalty. Without a penalty it is the solution of the smallest norm.
    """
    x_mean, y_mean = rows.x.mean(1, keepdims=True), rows.y.mean(1, keepdims=True)
    x, y = rows.x - x_mean, rows.y - y_mean
    gram, n = x @ x.transpose(0, 2, 1), x.shape[1]
    inverses = [
        np.linalg.pinv(gram + n * strength * np.eye(n), hermitian=True) @ y[..., None] for strength in strengths
    ]
    w = x.transpose(0, 2, 1) @ np.concatenate(inverses, 2)
    return w, y_mean - (x_mean @ w)[:, 0]


def chapter_norms(seeds: Sequence[int]) -> pd.DataFrame:
    """What the book's two programs print as the norm: `version, lambda, seed, half_squared_norm`.

    `scratch` adds the penalty to half the mean squared error. `concise` hands the strength to the optimizer and does
    not halve the loss. The book gives both N(0, 0.01) for a start, but the layer of the concise one has no weights yet
    and draws them later, as torch's layers do: `concise` is what runs, `concise_as_meant` what was meant.
    """
    rows = draw(seeds, "train", TRAIN_ROWS)
    order = batches(seeds, CHAPTER_EPOCHS)
    start = partial(normal, scale=CHAPTER_START)
    tables = []
    for strength in (0.0, CHAPTER_STRENGTH):
        settings = {"loss": 0.5, "lr": CHAPTER_LR}
        w, _ = descend(rows, starts(seeds, start, 1), order, squared_norm(strength), **settings)  # type: ignore[arg-type]
        default = default_start(seeds)
        versions = {
            "scratch": w[..., 0],
            "concise": optimized(rows, default, order, strength),
            "concise_as_meant": optimized(rows, starts(seeds, start, 1)[..., 0], order, strength),
        }
        for version, weights in versions.items():
            halves = np.square(weights).sum(1) / 2
            columns = {"version": version, "lambda": strength, "seed": seeds, "half_squared_norm": halves}
            tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def default_start(seeds: Sequence[int]) -> Array:
    """Weights (S, 200) as torch's linear layers draw them."""
    layer = Linear(len(seeds), INPUTS, 1, torch.device("cpu"))
    for replica, seed in enumerate(seeds):
        state = rng.sequence(seed, "linear_decay.default_start").generate_state(1)
        layer.draw(replica, torch.Generator().manual_seed(int(state[0])))
    return layer.weight.detach()[:, 0].double().numpy()


def optimized(
    rows: Rows, start: Array, order: NDArray[np.int64], weight_decay: float, loss: float = 1.0, lr: float = CHAPTER_LR
) -> Array:
    """Weights (S, 200) after `torch.optim.SGD` with its own weight decay, on the weights alone."""
    x, y = torch.from_numpy(rows.x), torch.from_numpy(rows.y)
    w, b = torch.from_numpy(start).clone().requires_grad_(), torch.zeros(len(start), 1, dtype=x.dtype).requires_grad_()
    groups: list[dict[str, Any]] = [{"params": [w], "weight_decay": weight_decay}, {"params": [b]}]
    optimizer = torch.optim.SGD(groups, lr=lr)
    seeds = torch.arange(len(start))[:, None]
    for chosen in torch.from_numpy(order).flatten(0, 1):
        predicted = (x[seeds, chosen] @ w[..., None])[..., 0] + b
        optimizer.zero_grad()
        # The sum over seeds gives each the gradient of its own mean.
        (loss * (predicted - y[seeds, chosen]).square().mean(1).sum()).backward()
        optimizer.step()
    return w.detach().numpy()


def chapter_printed(norms: pd.DataFrame) -> list[Printed]:
    numbers = [(version, *number) for version, own in CHAPTER_NORMS.items() for number in own.items()]
    printed = []
    for version, strength, value in numbers:
        ours = norms.query("version == @version and `lambda` == @strength")["half_squared_norm"]
        within = "within" if ours.min() <= float(value) <= ours.max() else "outside"
        printed.append(
            Printed(
                f"The book’s half squared norm, {version}, strength {strength:g}",
                value,
                float(ours.mean()),
                comparable=False,
                note=f"other data; {within} the range of our seeds, whose mean is shown",
            )
        )
    return printed


def small_inputs(seeds: Sequence[int]) -> pd.DataFrame:
    """The forum's first post: inputs a hundred times smaller, and half the norm as the penalty instead of its square.

    Returns `penalty, lambda, seed, train_loss, plotted_loss, test_loss, norm`; the post plots half the training loss
    plus the penalty, and half the test loss.
    """
    strengths = STRENGTHS[TABLE.start : TABLE.stop]
    train = draw(seeds, "train", TRAIN_ROWS, SMALL_INPUTS, SMALL_NOISE)
    test = draw(seeds, "test", TEST_ROWS, SMALL_INPUTS, SMALL_NOISE)
    start, order = starts(seeds, WAYS["book"].start, len(strengths)), batches(seeds, EPOCHS)
    penalties: dict[str, tuple[Penalty, Callable[[Array], Array]]] = {
        "norm": (lambda w: strengths * w / np.linalg.norm(w, axis=1, keepdims=True) / 2, lambda norm: norm / 2),
        "squared norm": (squared_norm(strengths), lambda norm: norm**2 / 2),
    }
    tables = []
    for name, (gradient, value) in penalties.items():
        w, b = descend(train, start, order, gradient, loss=0.5)
        norm, train_loss = np.linalg.norm(w, axis=1), train.loss(w, b)
        measured = {"train_loss": train_loss, "test_loss": test.loss(w, b), "norm": norm}
        plotted = {"plotted_loss": train_loss / 2 + strengths * value(norm)}
        tables.append(long(seeds, strengths, measured | plotted).assign(penalty=name))
    return pd.concat(tables, ignore_index=True)


def l1_ways(seeds: Sequence[int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """An L1 penalty added by its subgradient, by soft-thresholding, and subtracted, as a reader did.

    Returns `way, epoch, seed, test_loss, l1_norm, objective, zeros` (the share of weights that are exactly zero), and
    `seed, train_loss` after that reader's 20 epochs at a learning rate of 0.03 without any penalty.
    """
    train, test = draw(seeds, "train", TRAIN_ROWS), draw(seeds, "test", TEST_ROWS)
    start, order = starts(seeds, WAYS["book"].start, 1), batches(seeds, EPOCHS)
    none: Penalty = np.zeros_like
    ways: dict[str, tuple[Penalty, Penalty | None, float]] = {
        "proximal": (none, partial(soft_threshold, by=LR * L1_STRENGTH), L1_STRENGTH),
        "subgradient": (lambda w: L1_STRENGTH * np.sign(w), None, L1_STRENGTH),
        "subtracted": (lambda w: -L1_STRENGTH * np.sign(w), None, -L1_STRENGTH),
    }
    records: list[pd.DataFrame] = []
    for name, (penalty, shrink, sign) in ways.items():

        def watch(w: Array, b: Array, name: str = name, sign: float = sign) -> None:
            l1_norm, epoch = np.abs(w[..., 0]).sum(1), len(records) % (EPOCHS + 1)
            values = {
                "test_loss": test.loss(w, b)[:, 0],
                "l1_norm": l1_norm,
                "objective": train.loss(w, b)[:, 0] + sign * l1_norm,
                "zeros": (w[..., 0] == 0).mean(1),
            }
            records.append(pd.DataFrame({"way": name, "epoch": epoch, "seed": seeds, **values}))

        descend(train, start, order, penalty, loss=1.0, shrink=shrink, on_epoch=watch)
    w, b = descend(train, start, order[:STEEP_EPOCHS], none, loss=1.0, lr=STEEP_LR)
    return pd.concat(records, ignore_index=True), pd.DataFrame({"seed": seeds, "train_loss": train.loss(w, b)[:, 0]})


def soft_threshold(w: Array, by: float) -> Array:
    """Weights moved towards zero, and no further: the proximal step of an L1 penalty."""
    return np.sign(w) * np.maximum(np.abs(w) - by, 0)


def identities(seeds: Sequence[int]) -> dict[str, Identity]:
    """What must be the same, on a few seeds."""
    rows = draw(seeds, "train", TRAIN_ROWS)
    strengths = STRENGTHS[1 : TABLE.stop]
    start = WAYS["book"].start
    ends = descend(
        rows,
        starts(seeds, start, len(strengths)),
        None,
        squared_norm(strengths),
        loss=0.5,
        lr=EXACT_LR,
        steps=EXACT_STEPS,
    )
    fits = [[Ridge(alpha=TRAIN_ROWS * s).fit(x, y) for s in strengths] for x, y in zip(rows.x, rows.y, strict=True)]
    ridges = stacked([[(fit.coef_, fit.intercept_) for fit in row] for row in fits])
    order = batches(seeds, EPOCHS)
    scratch, _ = descend(rows, starts(seeds, start, 1), order, squared_norm(CHAPTER_STRENGTH), loss=0.5)
    by_optimizer = optimized(rows, starts(seeds, start, 1)[..., 0], order, CHAPTER_STRENGTH, loss=0.5, lr=LR)
    posterior = [[most_probable(x, y, CHAPTER_STRENGTH)] for x, y in zip(rows.x, rows.y, strict=True)]
    lasso = [
        [(fit.coef_, fit.intercept_)]
        for fit in (
            Lasso(alpha=LASSO_STRENGTH, tol=1e-10, max_iter=100_000).fit(x, y)
            for x, y in zip(rows.x, rows.y, strict=True)
        )
    ]
    shrunk = descend(
        rows,
        starts(seeds, WAYS["zero"].start, 1),
        None,
        np.zeros_like,
        loss=0.5,
        lr=EXACT_LR,
        steps=EXACT_STEPS,
        shrink=partial(soft_threshold, by=EXACT_LR * LASSO_STRENGTH),
    )
    chosen = list(strengths).index(CHAPTER_STRENGTH)
    matrices = rows.x
    return {
        "decay_is_ridge": Identity(
            "Weights and bias after full-batch gradient descent with decay, strengths 1 to 10, and those of "
            f"scikit-learn’s Ridge with alpha = {TRAIN_ROWS} × strength",
            deviation(joined(*ends), joined(*ridges)),
        ),
        "map_is_ridge": Identity(
            "Weights and bias of the largest posterior density, found numerically, with a Gaussian prior of variance "
            f"noise² / ({TRAIN_ROWS} × strength), and those of Ridge, strength {CHAPTER_STRENGTH:g}",
            deviation(joined(*stacked(posterior)), joined(*ridges)[..., [chosen]]),
        ),
        "l1_is_lasso": Identity(
            "Weights and bias after full-batch gradient descent with soft-thresholding, and those of scikit-learn’s "
            f"Lasso, strength {LASSO_STRENGTH:g}",
            deviation(joined(*shrunk), joined(*stacked(lasso))),
        ),
        "scratch_is_optimizer": Identity(
            "Weights by the scratch penalty and by `torch.optim.SGD` with `weight_decay`, from the same start and loss",
            deviation(scratch[..., 0], by_optimizer),
        ),
        "frobenius_is_trace": Identity(
            "The squared Frobenius norm of the inputs X, and the trace of XᵀX",
            deviation(
                np.square(matrices).sum((1, 2)), np.trace(matrices.transpose(0, 2, 1) @ matrices, axis1=1, axis2=2)
            ),
        ),
    }


def stacked(fits: list[list[tuple[Array, float]]]) -> tuple[Array, Array]:
    """Weights (S, 200, C) and biases (S, C) from those of each seed and strength."""
    return np.array([[w for w, _ in row] for row in fits]).transpose(0, 2, 1), np.array(
        [[b for _, b in row] for row in fits]
    )


def joined(w: Array, b: Array) -> Array:
    """Weights and bias of each model in one vector: (S, 201, C)."""
    return np.concatenate([w, b[:, None]], 1)


def most_probable(x: Array, y: Array, strength: float) -> tuple[Array, float]:
    """The maximum of the posterior of weights and bias given rows x (n, 200), y (n,), by a numerical search."""
    design = np.column_stack([x, np.ones(len(y))])
    # The bias has a flat prior.
    precision = np.diag([len(y) * strength / NOISE**2] * INPUTS + [0.0])
    curvature = design.T @ design / NOISE**2 + precision

    def negative_log_density(v: Array) -> float:
        return float(np.square(design @ v - y).sum() / NOISE**2 + v @ precision @ v) / 2

    found = minimize(
        negative_log_density,
        np.zeros(INPUTS + 1),
        jac=lambda v: design.T @ (design @ v - y) / NOISE**2 + precision @ v,
        hess=lambda v: curvature,
        method="trust-exact",
    )
    return found.x[:-1], float(found.x[-1])
