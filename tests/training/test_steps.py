"""The optimizers give each replica PyTorch's steps, and leave its compiler alone."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from stages.regularizers.base import Group
from stages.training.steps import OPTIMIZERS

LR, DECAY, MOMENTUM = [0.1, 0.05, 0.01, 0.003], [0.0, 0.01, 0.3, 0.01], [0.9, 0.0, 0.5, 0.99]
FACTORS = [1.0, 1.0, 0.3, 0.77, 1e-3, 1.5, 0.0, 1.0, 1.0, 0.1]
TORCHS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def column(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.double)


def ends(name: str, shape: tuple[int, ...], foreach: bool, factors: list[float]) -> tuple[Tensor, Tensor]:
    """Two parameters of four replicas after steps on random gradients: by the stack's optimizer and by torch's four."""
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(4, *shape, generator=generator) for _ in range(2)]
    gradients = [[torch.randn(4, *shape, generator=generator) for _ in start] for _ in factors]
    ours = [value.clone() for value in start]
    optimizer = OPTIMIZERS[name]([Group(ours, column(LR), column(DECAY), column(MOMENTUM))])
    for factor, step in zip(factors, gradients, strict=True):
        for parameter, gradient in zip(ours, step, strict=True):
            parameter.grad = gradient.clone()
        optimizer.step(factor)
    assert optimizer.steps == len(factors)
    theirs = []
    for r in range(4):
        alone = [value[r].clone() for value in start]
        options: dict[str, Any] = {"momentum": MOMENTUM[r]} if name == "sgd" else {}
        plain = TORCHS[name](alone, lr=LR[r], weight_decay=DECAY[r], foreach=foreach, **options)
        for factor, step in zip(factors, gradients, strict=True):
            for parameter, gradient in zip(alone, step, strict=True):
                parameter.grad = gradient[r].clone()
            plain.param_groups[0]["lr"] = LR[r] * factor
            plain.step()
        theirs.append(torch.cat([value.flatten() for value in alone]))
    return torch.cat([value.flatten(1) for value in ours], 1), torch.stack(theirs)


@pytest.mark.parametrize("shape", [(1,), (7,), (33, 5), (4, 3, 3, 3), (200, 20)], ids=str)
@pytest.mark.parametrize("foreach", [False, True])
@pytest.mark.parametrize("factors", [[1.0] * 10, FACTORS], ids=["constant", "scheduled"])
def test_sgd_takes_pytorchs_steps_to_the_bit(shape: tuple[int, ...], foreach: bool, factors: list[float]) -> None:
    assert torch.equal(*ends("sgd", shape, foreach, factors))


@pytest.mark.parametrize("name", ["adam", "adamw"])
@pytest.mark.parametrize("shape", [(1,), (7,), (33, 5), (200, 20)], ids=str)
@pytest.mark.parametrize("foreach", [False, True])
@pytest.mark.parametrize("factors", [[1.0] * 10, FACTORS], ids=["constant", "scheduled"])
def test_adam_and_adamw_take_pytorchs_steps(
    name: str, shape: tuple[int, ...], foreach: bool, factors: list[float]
) -> None:
    ours, theirs = ends(name, shape, foreach, factors)
    assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-6)
    assert (ours - theirs).norm() <= 1e-6 * theirs.norm()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_replicas_steps_do_not_depend_on_its_neighbors(name: str) -> None:
    """To the bit, though each has a learning rate, a decay and a momentum of its own."""
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(4, 33, 5, generator=generator)
    gradients = torch.randn(10, 4, 33, 5, generator=generator)

    def run(chosen: list[int]) -> Tensor:
        parameter = start[chosen].clone()
        lr, decay, momentum = (column(values)[chosen] for values in (LR, DECAY, MOMENTUM))
        optimizer = OPTIMIZERS[name]([Group([parameter], lr, decay, momentum)])
        for gradient in gradients:
            parameter.grad = gradient[chosen].clone()
            optimizer.step(0.7)
        return parameter

    together = run([0, 1, 2, 3])
    for r in range(4):
        assert torch.equal(run([r])[0], together[r])
    assert torch.equal(run([3, 1]), together[[3, 1]])


def test_groups_have_learning_rates_of_their_own() -> None:
    parts = [torch.ones(2, 3), torch.ones(2, 3)]
    zeros = torch.zeros(2)
    groups = [
        Group([part], torch.tensor(lr), zeros, zeros) for part, lr in zip(parts, ([0.0, 0.5], [0.25, 0.0]), strict=True)
    ]
    optimizer = OPTIMIZERS["sgd"](groups)
    for part in parts:
        part.grad = torch.ones(2, 3)
    optimizer.step()
    assert parts[0][:, 0].tolist() == [1.0, 0.5]
    assert parts[1][:, 0].tolist() == [0.75, 1.0]
    optimizer.zero_grad()
    assert all(part.grad is None for part in parts)


def test_the_worked_example_of_weight_decay() -> None:
    """Seed document 002: w = b = 1, gradients -32 and -10, lr 0.1, decay 1 give 4.1000 and 1.9000."""
    w, b = (torch.ones(1, 1, requires_grad=True) for _ in range(2))
    optimizer = OPTIMIZERS["sgd"]([Group([w, b], torch.tensor([0.1]), torch.ones(1), torch.zeros(1))])
    x, y = torch.tensor([[2.0, 4.0]]), torch.tensor([[7.0, 11.0]])
    loss = (w * x + b - y).square().mean()
    assert loss.item() == 26
    loss.backward()
    assert w.grad is not None
    assert b.grad is not None
    assert (w.grad.item(), b.grad.item()) == (-32, -10)
    optimizer.step()
    assert (f"{w.item():.4f}", f"{b.item():.4f}") == ("4.1000", "1.9000")


def test_training_does_not_import_the_compiler() -> None:
    script = """
import sys
import torch
torch.set_num_threads(1)
from stages import config
from stages.training.examples import Examples
from stages.training.loop import OPTIMIZERS, Job, train
LABELS = torch.arange(6)[None] % 2
data = Examples(torch.rand(1, 6, 1, 4, 4), LABELS, LABELS)
params = config.load()
everything = [m for v in params.variants.values() if v.name == "everything" for m in v.regularizers]
for name, network in zip(OPTIMIZERS, ("AnimalNet", "SmallConvNet", "SmallResNet"), strict=True):
    settings = params.training.model_copy(update={"optimizer": name, "network": network, "epochs": 2})
    trained = train([Job(settings, tuple(everything), 0)], data, data, 2)
    assert (trained.history.values[0] != trained.history.values[2]).any()
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
