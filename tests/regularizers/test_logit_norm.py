"""Logit normalization."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from tests.regularizers.steps import ce, loss, slope, some_logits


def test_it_is_the_cross_entropy_of_logits_of_constant_length() -> None:
    logits, y = some_logits(2, 50, 4)
    found = loss("logit_norm", logits, y, {"temperature": 0.04}, {"temperature": 0.5})
    for r, temperature in enumerate((0.04, 0.5)):
        assert torch.allclose(found[r], ce(F.normalize(logits[r], dim=-1) / temperature, y[r]), rtol=1e-5)


def test_the_size_of_logits_does_not_matter_and_the_loss_has_a_floor() -> None:
    logits, y = some_logits(1, 50, 4)
    values = {"temperature": 0.3}
    assert torch.allclose(loss("logit_norm", 8 * logits, y, values), loss("logit_norm", logits, y, values), rtol=1e-6)
    assert (slope(loss("logit_norm", logits, y, values), logits) * logits).sum(-1).abs().max() < 1e-7
    floor = math.log(1 + 3 * math.exp(-2 / 0.3))
    sure = loss("logit_norm", 100 * y, y, values).item()
    assert floor < sure
    best = y - 1 / 4
    assert loss("logit_norm", best, y, values).item() < sure


def test_logits_of_zero_have_a_finite_slope() -> None:
    logits = torch.zeros(1, 1, 3, requires_grad=True)
    found = loss("logit_norm", logits, torch.tensor([[[1.0, 0.0, 0.0]]]), {"temperature": 0.04})
    assert found.item() == math.log(3) or abs(found.item() - math.log(3)) < 1e-6
    assert slope(found, logits).isfinite().all()
