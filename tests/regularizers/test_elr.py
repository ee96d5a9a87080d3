"""Early-learning regularization."""

from __future__ import annotations

import torch

from tests.regularizers.steps import ce, slope, some_logits, step, work
from tests.training.conftest import Settings, every_kind, run, same


def test_memory_is_a_running_average_of_each_images_predictions() -> None:
    """The authors' formula, image by image, in batches of an order of their own."""
    beta, strength, images = (0.7, 0.5), (3.0, 1.0), 9
    method = work("elr", *[{"beta": b, "strength": s} for b, s in zip(beta, strength, strict=True)])
    memory = torch.zeros(2, images, 3)
    generator = torch.Generator().manual_seed(0)
    for t in range(12):
        logits = (6 * torch.randn(2, 4, 3, generator=generator)).requires_grad_()
        y = torch.eye(3)[torch.randint(3, (2, 4), generator=generator)]
        now = step(logits.detach()[..., None, None], y, t=t)
        now.index = torch.stack([torch.randperm(images, generator=generator)[:4] for _ in range(2)])
        now.images, now.logits = images, logits
        found = method.loss(now, ce(logits, y))
        p = logits.softmax(-1).clamp(1e-4, 1 - 1e-4)
        for r in range(2):
            extra = []
            for i, image in enumerate(now.index[r].tolist()):
                share = p[r, i].detach() / p[r, i].detach().sum()
                memory[r, image] = beta[r] * memory[r, image] + (1 - beta[r]) * share
                extra.append((1 - memory[r, image].clone() @ p[r, i]).log())
            expected = ce(logits, y)[r] + strength[r] * torch.stack(extra).mean()
            assert torch.allclose(found[r], expected, atol=1e-5)
            own = torch.autograd.grad(expected, logits, retain_graph=True)[0][r]
            assert torch.allclose(slope(found[r], logits)[r], own, atol=1e-5)


def test_a_second_pass_of_a_step_remembers_nothing_more() -> None:
    logits, y = some_logits(1, 5, 3)
    method = work("elr", {"beta": 0.5, "strength": 1.0})
    now = step(logits.detach()[..., None, None], y)
    now.logits = logits
    first = method.loss(now, ce(logits, y))
    assert torch.equal(method.loss(now, ce(logits, y)), first)
    now.t += 1
    assert not torch.equal(method.loss(now, ce(logits, y)), first)


def test_a_sure_prediction_has_a_finite_loss() -> None:
    logits = torch.tensor([[[200.0, 0.0, 0.0]]], requires_grad=True)
    y = torch.tensor([[[0.0, 1.0, 0.0]]])
    now = step(logits.detach()[..., None, None], y)
    now.logits = logits
    found = work("elr", {"beta": 0.0, "strength": 1.0}).loss(now, ce(logits, y))
    assert found.isfinite().all()
    assert slope(found, logits).isfinite().all()


@every_kind
def test_strength_zero_changes_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3, batch_size=7)
    assert same(run(chosen, elr={"strength": 0.0, "beta": 0.7}), run(chosen))
    assert not same(run(chosen, elr={"strength": 3.0, "beta": 0.7}), run(chosen))
