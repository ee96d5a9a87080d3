"""Weight decay."""

from __future__ import annotations

import pytest
import torch

from stages.training.loop import Job, make_optimizer
from tests.regularizers.common import flat, plain_end, work
from tests.training.conftest import Settings, regularizers, run, weights


def test_the_worked_example(settings: Settings) -> None:
    """Seed document 002: w = b = 1, gradients -32 and -10, lr 0.1, decay 1 give 4.1000 and 1.9000."""
    w, b = (torch.ones(1, 1, requires_grad=True) for _ in range(2))
    jobs = [Job(settings(lr=0.1, momentum=0.0), tuple(regularizers(weight_decay={"strength": 1.0})), 0)]
    optimizer = make_optimizer(jobs, [work("weight_decay", {"strength": 1.0})], [w, b])
    x, y = torch.tensor([[2.0, 4.0]]), torch.tensor([[7.0, 11.0]])
    loss = (w * x + b - y).square().mean()
    assert loss.item() == 26
    loss.backward()
    assert w.grad is not None
    assert b.grad is not None
    assert (w.grad.item(), b.grad.item()) == (-32, -10)
    optimizer.step()
    assert (f"{w.item():.4f}", f"{b.item():.4f}") == ("4.1000", "1.9000")


@pytest.mark.parametrize(
    ("name", "optimizer", "lr"),
    [("sgd", torch.optim.SGD, 0.1), ("adam", torch.optim.Adam, 0.003), ("adamw", torch.optim.AdamW, 0.003)],
)
def test_it_is_the_weight_decay_of_pytorchs_optimizers(
    settings: Settings, name: str, optimizer: type[torch.optim.Optimizer], lr: float
) -> None:
    chosen = settings(optimizer=name, lr=lr, epochs=6)
    ours = weights(run(chosen, weight_decay={"strength": 0.2}).network)[0]
    expected = flat(plain_end(chosen, optimizer=optimizer, weight_decay=0.2))
    # Adam divides by the root of squared gradients, which enlarges rounding where these are next to nothing.
    assert torch.allclose(ours, expected, atol=1e-5 if name == "sgd" else 2e-4)
    assert (ours - weights(run(chosen).network)[0]).abs().max() > 0.001


def test_adamw_decouples_the_decay(settings: Settings) -> None:
    chosen = settings(optimizer="adamw", lr=0.003)
    decayed = weights(run(chosen, weight_decay={"strength": 0.2}).network)
    penalized = weights(run(chosen, l2={"strength": 0.1}).network)
    assert (decayed - penalized).abs().max() > 0.001
