"""Forward correction."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.regularizers.steps import each_label, loss, slope, some_logits
from tests.training.conftest import Settings, every_kind, run, same


def test_it_is_the_cross_entropy_after_the_noise() -> None:
    logits, y = some_logits(2, 50, 4)
    found = loss("forward_correction", logits, y, {"rate": 0.3}, {"rate": 0.8})
    for r, rate in enumerate((0.3, 0.8)):
        noise = (1 - rate) * torch.eye(4) + rate / 4
        expected = F.nll_loss((logits[r].softmax(-1) @ noise).log(), y[r].argmax(-1))
        assert torch.allclose(found[r], expected, atol=1e-6)


def test_the_true_probabilities_have_no_slope() -> None:
    """In the mean over noisy labels, of images whose true labels follow p."""
    logits = torch.tensor([[[1.0, 0.0, -2.0]]], requires_grad=True)
    rate = 0.3
    noisy = (1 - rate) * logits.detach().softmax(-1)[0, 0] + rate / 3
    losses = each_label(lambda labels: loss("forward_correction", logits, labels, {"rate": rate}), 1, 3)
    assert slope((noisy * losses).sum(), logits).abs().max() < 1e-7
    plain = each_label(lambda labels: loss("forward_correction", logits, labels, {"rate": 0.0}), 1, 3)
    assert slope((noisy * plain).sum(), logits).abs().max() > 0.01


@every_kind
def test_rate_zero_changes_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3)
    assert same(run(chosen, forward_correction={"rate": 0.0}), run(chosen))
    assert not same(run(chosen, forward_correction={"rate": 0.3}), run(chosen))
