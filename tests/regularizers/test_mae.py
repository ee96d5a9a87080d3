"""Mean absolute error."""

from __future__ import annotations

import torch

from tests.regularizers.steps import each_label, loss, some_logits


def test_it_is_half_the_absolute_error() -> None:
    logits, y = some_logits(2, 50, 4)
    expected = (logits.softmax(-1) - y).abs().sum(-1).mean(-1) / 2
    assert torch.allclose(loss("mae", logits, y), expected, atol=1e-6)


def test_summed_over_labels_it_is_constant_so_uniform_noise_only_rescales_it() -> None:
    logits, y = some_logits(1, 50, 4)
    sums = each_label(lambda labels: loss("mae", logits, labels), 50, 4)
    assert torch.allclose(sums.sum(), torch.tensor(3.0))
    rate = 0.4  # (1 - rate) L + rate (K - 1) / K
    noisy = loss("mae", logits, (1 - rate) * y + rate / 4)
    assert torch.allclose(noisy, (1 - rate) * loss("mae", logits, y) + rate * 3 / 4, atol=1e-6)
