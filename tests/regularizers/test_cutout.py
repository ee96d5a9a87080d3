"""Cutout."""

from __future__ import annotations

import pytest
import torch

from tests.regularizers.steps import Fixed, step, work
from tests.training.conftest import Settings, every_kind, run, same


@pytest.mark.parametrize(("side", "pixels"), [(0.5, 4), (0.375, 3), (1.0, 8), (0.0, 0)])
def test_it_covers_a_square_and_no_target(side: float, pixels: int) -> None:
    x, y = torch.ones(1, 200, 2, 8, 8), torch.rand(1, 200, 3)
    now = step(x, y.clone())
    work("cutout", {"side": side}).batch(now)
    assert torch.equal(now.y, y)
    covered = now.x[0] == 0
    assert torch.equal(covered, now.x[0] != 1)
    assert torch.equal(covered[:, 0], covered[:, 1])
    sizes = set()
    for box in covered[:, 0]:
        height, width = int(box.any(1).sum()), int(box.any(0).sum())
        assert int(box.sum()) == height * width
        sizes.add((height, width))
    least = pixels - pixels // 2  # in a corner
    lengths = range(least, pixels + 1) if pixels < 8 else range(4, 9)
    assert {a for a, _ in sizes} <= set(lengths)
    assert max(sizes) == (pixels, pixels)
    assert torch.equal(x, torch.ones_like(x))


def test_a_centre_in_the_middle_covers_the_side_squared() -> None:
    now = step(torch.ones(2, 1, 1, 8, 8), torch.ones(2, 1, 2))
    now.streams = Fixed(torch.tensor([0.5, 0.5]).view(2, 1, 1))
    work("cutout", {"side": 0.5}, {"side": 0.25}).batch(now)
    assert (now.x == 0).flatten(1).sum(1).tolist() == [16, 4]
    assert (now.x[0, 0, 0, 2:6, 2:6] == 0).all()


@every_kind
def test_side_zero_changes_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3, batch_size=7)
    assert same(run(chosen, cutout={"side": 0.0}), run(chosen))
    assert not same(run(chosen, cutout={"side": 0.5}), run(chosen))
