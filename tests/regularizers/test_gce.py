"""Generalized cross-entropy."""

from __future__ import annotations

import torch

from tests.regularizers.steps import ce, loss, slope, some_logits


def test_between_the_cross_entropy_and_half_the_absolute_error() -> None:
    logits, y = some_logits(3, 50, 4)
    found = loss("gce", logits, y, {"q": 1e-6}, {"q": 1.0}, {"q": 0.7})
    p = logits.softmax(-1)
    assert torch.allclose(found[0], ce(logits, y)[0], rtol=1e-4)
    assert torch.allclose(found[1], (p - y).abs().sum(-1).mean(-1)[1] / 2, atol=1e-6)
    assert torch.allclose(found[1], loss("mae", logits, y)[1])
    true = (p * y).sum(-1)
    assert torch.allclose(found[2], ((1 - true**0.7) / 0.7).mean(-1)[2], atol=1e-6)


def test_its_slope_is_that_of_the_cross_entropy_times_a_power_of_p() -> None:
    logits, y = some_logits(2, 50, 4)
    found = slope(loss("gce", logits, y, {"q": 0.7}, {"q": 0.2}), logits)
    weight = (logits.softmax(-1) * y).sum(-1, keepdim=True) ** torch.tensor([0.7, 0.2])[:, None, None]
    assert torch.allclose(found, weight * slope(ce(logits, y), logits), atol=1e-7)
