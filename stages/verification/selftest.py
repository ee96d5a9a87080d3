"""What this machine computes: for each class of operation that results are made of, a hash of the outcome's bits.

The inputs are the same everywhere: integers that NumPy draws, divided by powers of two. Two machines with the same
hashes may still differ in operations on other shapes; those with different ones do differ.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
import vl_convert
from numpy.typing import NDArray
from scipy import linalg, stats
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits
from torch.nn import functional as F

Outcome = torch.Tensor | NDArray[np.floating] | bytes
AVOIDED = frozenset({"float32 square roots", "steps of torch's AdamW"})
"""Those that training and evaluation do without where results are the same on every processor."""
DIGITS = 16
"""How much of a hash is kept."""


def drawn(*shape: int) -> NDArray[np.float64]:
    """Numbers between -1 and 1 that float32 holds exactly."""
    return np.random.default_rng(0).integers(-(2**20), 2**20, shape) / 2**20


def tensor(*shape: int) -> torch.Tensor:
    return torch.from_numpy(drawn(*shape).astype(np.float32))


def _steps(optimizer: Callable[[list[torch.Tensor]], torch.optim.Optimizer]) -> Outcome:
    weights = tensor(64, 65).requires_grad_()
    steps = optimizer([weights])
    for _ in range(3):
        steps.zero_grad()
        (weights * weights * weights).sum().backward()
        steps.step()
    return weights.detach()


def _classifiers() -> Outcome:
    x, y = drawn(120, 64), np.arange(120) % 3
    models = DecisionTreeClassifier(max_features="sqrt", random_state=0), LogisticRegression(max_iter=200)
    return np.concatenate([model.fit(x, y).predict_proba(drawn(50, 64)) for model in models])


def _chart() -> Outcome:
    values = [{"x": float(x), "y": float(y)} for x, y in drawn(20, 2)]
    axes = {key: {"field": key, "type": "quantitative", "title": "Ångström ±"} for key in ("x", "y")}
    return str(vl_convert.vegalite_to_svg({"data": {"values": values}, "mark": "line", "encoding": axes})).encode()


def _parquet() -> Outcome:
    stream = io.BytesIO()
    pd.DataFrame(drawn(1000, 3), columns=["a", "b", "c"]).to_parquet(stream, index=False)
    return stream.getvalue()


def _draws() -> Outcome:
    torch.manual_seed(0)
    uniform, order = torch.rand(1000), torch.randperm(1000)
    return np.concatenate([uniform.numpy(), order.numpy(), np.random.default_rng(0).standard_normal(1000)])


CLASSES: dict[str, Callable[[], Outcome]] = {
    "float32 products (NumPy)": lambda: drawn(100, 64).astype(np.float32) @ drawn(64, 128).astype(np.float32),
    "float32 products (torch)": lambda: tensor(100, 64) @ tensor(64, 128),
    "convolutions": lambda: F.conv2d(tensor(8, 4, 12, 12), tensor(6, 4, 3, 3)),
    "exponentials and logarithms": lambda: torch.cat([tensor(5000).exp(), (tensor(5000) + 2).log()]),
    "softmax": lambda: torch.cat([tensor(500, 10).softmax(1), tensor(500, 10).log_softmax(1)]),
    "other functions": lambda: torch.cat([f(tensor(5000)) for f in (torch.tanh, torch.sigmoid, torch.erf, torch.sin)]),
    "float32 square roots": lambda: (tensor(5000) + 2).sqrt(),
    "sums": lambda: torch.cat([tensor(300, 77).sum(0), tensor(300, 77).mean(1), tensor(300, 77).var(1)]),
    "steps of torch's SGD": lambda: _steps(lambda own: torch.optim.SGD(own, 0.1, momentum=0.9)),
    "steps of torch's AdamW": lambda: _steps(lambda own: torch.optim.AdamW(own, 0.1)),
    "random draws": _draws,
    "float64 products": lambda: drawn(200, 64) @ drawn(64, 50),
    "float64 functions": lambda: np.concatenate([f(drawn(5000) + 2) for f in (np.exp, np.log, np.sqrt, np.sin)]),
    "decompositions": lambda: linalg.svd(drawn(30, 20), compute_uv=False),
    "quantiles": lambda: stats.t.ppf(0.75 + drawn(50) / 8, 20),
    "classifiers": _classifiers,
    "parquet": _parquet,
    "charts": _chart,
}


def hashes() -> dict[str, str]:
    """The hash of each class; takes about two seconds."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            return {name: _hash(compute()) for name, compute in CLASSES.items()}
    finally:
        torch.set_num_threads(threads)


def _hash(outcome: Outcome) -> str:
    if isinstance(outcome, torch.Tensor):
        outcome = outcome.numpy()
    content = outcome if isinstance(outcome, bytes) else np.ascontiguousarray(outcome).tobytes()
    return hashlib.sha256(content).hexdigest()[:DIGITS]
