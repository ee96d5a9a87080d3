"""CutMix."""

from __future__ import annotations

import pytest
import torch

from tests.regularizers.steps import Fixed, step, work
from tests.training.conftest import Settings, every_kind, run, same


def test_targets_are_mixed_by_the_share_of_own_pixels() -> None:
    """Image i is all i, so that every pixel tells where it is from."""
    n, boxes = 6, set()
    x = torch.arange(float(n)).view(1, n, 1, 1, 1).expand(2, n, 3, 8, 8)
    y = torch.eye(n).expand(2, n, n)
    method, now = work("cutmix", *[{"alpha": 1.0, "p": 1.0}] * 2), step(x, y)
    for _ in range(40):
        now.x, now.y = x, y
        method.batch(now)
        for r in range(2):
            for i in range(n):
                assert torch.equal(now.x[r, i, 0], now.x[r, i, 2])
                pixels = torch.stack([(now.x[r, i, 0] == j).float().mean() for j in range(n)])
                assert torch.allclose(now.y[r, i], pixels, atol=1e-6)
                others = (now.x[r, i, 0] != i).nonzero()
                if len(others):  # a full box
                    height, width = (others.max(0).values - others.min(0).values + 1).tolist()
                    assert height * width == len(others)
                    boxes.add((height, width))
    assert len(boxes) > 5
    assert torch.equal(y, torch.eye(n).expand(2, n, n))


def test_sides_of_the_box_are_the_root_of_the_others_share() -> None:
    alphas, boxes = (0.5, 1.0, 3.0, 9.0), set()
    now = step(torch.rand(4, 9, 1, 32, 32), torch.eye(9).expand(4, 9, 9))
    shares = now.streams.beta("cutmix.share", alphas)
    now.streams = Fixed(torch.tensor([0.5, 0.5, 0.0]).expand(4, 3))
    before = now.x
    work("cutmix", *[{"alpha": alpha, "p": 1.0} for alpha in alphas]).batch(now)
    for r, share in enumerate(shares.tolist()):
        changed = (now.x[r] != before[r]).any(0)[0].nonzero()
        side = int(32 * (1 - share) ** 0.5) // 2 * 2
        assert (changed.max(0).values - changed.min(0).values + 1).tolist() == [side, side]
        boxes.add(side)
    assert len(boxes) == 4


def test_it_mixes_a_share_p_of_steps() -> None:
    x, y = torch.rand(2, 4, 1, 8, 8), torch.eye(4).expand(2, 4, 4)
    method, now, mixed = work("cutmix", {"alpha": 1e3, "p": 0.3}, {"alpha": 1e3, "p": 1.0}), step(x, y), []
    for _ in range(300):
        now.x, now.y = x, y
        method.batch(now)
        mixed.append((now.y != y).flatten(1).any(1))
    shares = torch.stack(mixed).double().mean(0)
    assert shares[0].item() == pytest.approx(0.3 * shares[1].item(), abs=0.08)
    # A box of half the image around a centre anywhere.
    assert shares[1].item() > 0.9


@every_kind
def test_p_zero_changes_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3, batch_size=7)
    assert same(run(chosen, cutmix={"alpha": 1.0, "p": 0.0}), run(chosen))
    assert not same(run(chosen, cutmix={"alpha": 1.0, "p": 1.0}), run(chosen))
