"""Label smoothing."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tests.regularizers.common import flat, plain_end, step, work
from tests.training.conftest import CLASSES, Settings, every_kind, run, same, weights


@every_kind
def test_training_with_it_is_pytorchs_label_smoothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=5)
    ours = weights(run(chosen, label_smoothing={"epsilon": 0.2}).network)[0]
    expected = plain_end(chosen, lambda model, x, y: F.cross_entropy(model(x), y, label_smoothing=0.2))
    assert torch.allclose(ours, flat(expected), atol=1e-5)
    assert (ours - weights(run(chosen).network)[0]).abs().max() > 0.001


def test_its_gradient_is_pytorchs() -> None:
    logits = torch.randn(1, 9, CLASSES, requires_grad=True)
    labels = torch.randint(CLASSES, (9,))
    now = step(torch.zeros(1, 9, 1), F.one_hot(labels, CLASSES)[None].float())
    work("label_smoothing", {"epsilon": 0.2}).batch(now)
    ours = torch.autograd.grad(-(now.y * logits.log_softmax(-1)).sum(-1).mean(), logits)[0]
    expected = torch.autograd.grad(F.cross_entropy(logits[0], labels, label_smoothing=0.2), logits)[0]
    assert torch.allclose(ours, expected, atol=1e-6)


def test_targets_stay_probabilities_and_each_replica_has_its_own() -> None:
    now = step(torch.zeros(2, 2, 1), torch.eye(2).expand(2, 2, 2).clone())
    before = now.y
    work("label_smoothing", {"epsilon": 0.2}, {"epsilon": 0.0}).batch(now)
    assert now.y.flatten().tolist() == pytest.approx([0.9, 0.1, 0.1, 0.9, 1, 0, 0, 1])
    assert torch.equal(before, torch.eye(2).expand(2, 2, 2))


def test_none_of_it_changes_nothing(settings: Settings) -> None:
    assert same(run(settings(), label_smoothing={"epsilon": 0.0}), run(settings()))
