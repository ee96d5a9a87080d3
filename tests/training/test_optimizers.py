"""The optimizers are PyTorch's to the bit, and leave its compiler alone."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from stages.training import optimizers

OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.01, "fused": True}),
    ("Adam", {"weight_decay": 0.01}),
    ("Adam", {"fused": True}),
    ("AdamW", {"weight_decay": 0.01, "fused": True}),
]


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)
def test_they_take_pytorchs_steps(name: str, options: dict[str, Any]) -> None:
    ends = []
    for module in (torch.optim, optimizers):
        generator = torch.Generator().manual_seed(0)
        weights = torch.randn(50, 20, generator=generator, requires_grad=True)
        optimizer = getattr(module, name)([weights], **options)
        for x in torch.randn(10, 20, generator=generator):
            optimizer.zero_grad()
            (weights @ x).square().sum().backward()
            optimizer.step()
        ends.append(weights)
    assert torch.equal(*ends)


def test_training_does_not_import_the_compiler() -> None:
    script = """
import sys
from stages import config
from stages.training.loop import OPTIMIZERS, make_optimizer
import torch
for name in OPTIMIZERS:
    weights = torch.ones(3, requires_grad=True)
    settings = config.load().training.model_copy(update={"optimizer": name})
    optimizer = make_optimizer(settings, [], [weights])
    optimizer.zero_grad()
    weights.square().sum().backward()
    optimizer.step()
    assert (weights != 1).all()
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
