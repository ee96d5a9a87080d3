"""Confidence penalty."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from tests.regularizers.steps import ce, loss, some_logits
from tests.training.conftest import Settings, every_kind, run, same


def test_it_is_the_divergence_from_the_uniform_distribution() -> None:
    """CE - b H(p) = CE + b (KL(p || u) - log K)."""
    logits, y = some_logits(2, 50, 5)
    found = loss("confidence_penalty", logits, y, {"strength": 0.1}, {"strength": 0.7})
    uniform = torch.full_like(logits, 1 / 5).log()
    divergence = F.kl_div(uniform, logits.log_softmax(-1), log_target=True, reduction="none").sum(-1).mean(-1)
    expected = ce(logits, y) + torch.tensor([0.1, 0.7]) * (divergence - math.log(5))
    assert torch.allclose(found, expected, atol=1e-5)


@every_kind
def test_strength_zero_changes_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3)
    assert same(run(chosen, confidence_penalty={"strength": 0.0}), run(chosen))
    assert not same(run(chosen, confidence_penalty={"strength": 0.1}), run(chosen))
