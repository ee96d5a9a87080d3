"""PyTorch's optimizers, spared the import of its compiler.

The first use of a class of ``torch.optim`` imports ``torch._dynamo``, which takes longer than it takes to train a small
network, only to keep the compiler out of what the method does. Nothing is compiled here, so these classes call the
methods that are wrapped in such care, and differ in nothing else.
"""

from __future__ import annotations

import inspect
from typing import TypeVar

import torch

Optimizer = TypeVar("Optimizer", bound=torch.optim.Optimizer)


def eager(optimizer: type[Optimizer]) -> type[Optimizer]:
    """The optimizer for networks that are not compiled, by the same arithmetic."""
    methods = {name: inspect.unwrap(getattr(optimizer, name)) for name in ("add_param_group", "zero_grad", "step")}
    methods["step"] = torch.no_grad()(methods["step"])
    return type(optimizer.__name__, (optimizer,), methods)


SGD = eager(torch.optim.SGD)
Adam = eager(torch.optim.Adam)
AdamW = eager(torch.optim.AdamW)
