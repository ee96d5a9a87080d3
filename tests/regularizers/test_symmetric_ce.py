"""Symmetric cross-entropy."""

from __future__ import annotations

import torch

from tests.regularizers.steps import ce, loss, some_logits
from tests.training.conftest import Settings, every_kind, run, same


def test_it_is_the_sum_of_both_cross_entropies() -> None:
    """With -4 in place of the logarithm of zero."""
    logits, y = some_logits(2, 50, 4)
    found = loss("symmetric_ce", logits, y, {"alpha": 0.1, "beta": 1.0}, {"alpha": 2.0, "beta": 0.5})
    reverse = -(logits.softmax(-1) * y.log().clamp(min=-4)).sum(-1).mean(-1)
    expected = torch.tensor([0.1, 2.0]) * ce(logits, y) + torch.tensor([1.0, 0.5]) * reverse
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(reverse, 4 * loss("mae", logits, y), atol=1e-5)


@every_kind
def test_beta_zero_changes_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3)
    assert same(run(chosen, symmetric_ce={"alpha": 1.0, "beta": 0.0}), run(chosen))
    assert not same(run(chosen, symmetric_ce={"alpha": 1.0, "beta": 1.0}), run(chosen))
