"""Focal loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.regularizers.steps import ce, loss, slope, some_logits
from tests.training.conftest import Settings, every_kind, run, same


def test_it_is_the_formula_and_no_more_than_the_cross_entropy() -> None:
    logits, y = some_logits(3, 50, 4)
    found = loss("focal", logits, y, {"gamma": 0.5}, {"gamma": 2.0}, {"gamma": 5.0})
    p = (logits.softmax(-1) * y).sum(-1)
    expected = ((1 - p) ** torch.tensor([[0.5], [2.0], [5.0]]) * -p.log()).mean(-1)
    assert torch.allclose(found, expected, rtol=1e-4)
    assert (found < ce(logits, y)).all()


def test_for_two_classes_it_is_torchvisions() -> None:
    x = torch.linspace(-4, 4, 20)
    one = F.one_hot(torch.arange(20) % 2, 2).float()[None]
    logits = torch.stack([torch.zeros_like(x), x], -1)[None]
    p = x.sigmoid()
    p_true = p * one[0, :, 1] + (1 - p) * one[0, :, 0]
    plain = F.binary_cross_entropy_with_logits(x, one[0, :, 1], reduction="none")
    assert torch.allclose(loss("focal", logits, one, {"gamma": 2.0})[0], ((1 - p_true) ** 2 * plain).mean(), atol=1e-6)


def test_what_is_learnt_has_a_finite_slope_that_vanishes() -> None:
    def at(size: float, gamma: float) -> Tensor:
        logits = torch.tensor([[[size, 0.0]]], requires_grad=True)
        return slope(loss("focal", logits, torch.tensor([[[1.0, 0.0]]]), {"gamma": gamma}), logits).abs().max()

    for gamma in (0.0, 0.3, 1.0, 2.0):
        for size in (20.0, 60.0, 500.0):
            assert at(size, gamma) < 1e-6
    assert at(5.0, 2.0) < 0.1 * at(5.0, 0.0)


@every_kind
def test_gamma_zero_changes_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3)
    assert same(run(chosen, focal={"gamma": 0.0}), run(chosen))
    assert not same(run(chosen, focal={"gamma": 2.0}), run(chosen))
