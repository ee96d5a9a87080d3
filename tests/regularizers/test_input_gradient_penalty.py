"""Double backpropagation."""

from __future__ import annotations

import torch

from tests.regularizers.steps import ce, linear, some, step, taken, work
from tests.training.conftest import Settings, every_kind, run, same


def test_of_a_linear_map_it_has_a_closed_form() -> None:
    """The gradient by x is W'(p - y), image by image."""
    network, (x, y) = linear(2, 6, 3), some(2, 20, 6, 3)
    method, now = work("input_gradient_penalty", {"strength": 0.1}, {"strength": 2.0}), step(x, y)
    method.batch(now)
    now.logits = network(now.x)
    found = method.loss(now, ce(now.logits, y))
    slopes = (now.logits.softmax(-1) - y) @ network.weighted[-1].weight
    expected = ce(now.logits, y) + torch.tensor([0.1, 2.0]) * slopes.square().sum(-1).mean(-1)
    assert torch.allclose(found, expected, atol=1e-6)
    parameters = list(network.parameters())
    ours, theirs = (torch.autograd.grad(value.sum(), parameters, retain_graph=True) for value in (found, expected))
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_it_sees_images_as_an_attack_has_left_them() -> None:
    network, (x, y) = linear(1, 6, 3), some(1, 20, 6, 3)
    attack, method = work("fgsm_training", {"epsilon": 0.1}), work("input_gradient_penalty", {"strength": 0.1})
    now = taken(network, step(x, y), method, attack)
    alone = taken(network, step(x, y), attack)
    assert torch.equal(now.x, alone.x)
    assert now.x.requires_grad
    assert now.x.is_leaf


@every_kind
def test_strength_zero_changes_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3, batch_size=7)
    assert same(run(chosen, input_gradient_penalty={"strength": 0.0}), run(chosen))
    assert not same(run(chosen, input_gradient_penalty={"strength": 0.1}), run(chosen))
