"""Normalized cross-entropy."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.regularizers.steps import each_label, loss, some_logits


def test_it_is_the_formula() -> None:
    logits, y = some_logits(2, 50, 4)
    found = loss("normalized_ce", logits, y, {"alpha": 1.0, "beta": 0.0}, {"alpha": 0.5, "beta": 2.0})
    losses = torch.stack([F.cross_entropy(logits.mT, torch.full((2, 50), k), reduction="none") for k in range(4)], -1)
    normalized = ((losses * y).sum(-1) / losses.sum(-1)).mean(-1)
    expected = torch.tensor([1.0, 0.5]) * normalized + torch.tensor([0.0, 2.0]) * 4 * loss("mae", logits, y)
    assert torch.allclose(found, expected, atol=1e-5)


def test_summed_over_labels_it_is_constant_so_uniform_noise_only_rescales_it() -> None:
    logits, y = some_logits(1, 50, 4)
    both = {"alpha": 1.0, "beta": 0.5}
    sums = each_label(lambda labels: loss("normalized_ce", logits, labels, both), 50, 4)
    total = 1 + 0.5 * 4 * 3
    assert torch.allclose(sums.sum(), torch.tensor(total))
    rate = 0.4
    noisy = loss("normalized_ce", logits, (1 - rate) * y + rate / 4, both)
    expected = (1 - rate) * loss("normalized_ce", logits, y, both) + rate * total / 4
    assert torch.allclose(noisy, expected, atol=1e-6)
