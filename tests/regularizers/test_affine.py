"""Rotations and changes of size."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.regularizers.steps import Fixed, step, work
from tests.training.conftest import Settings, every_kind, run, same


def warped(x: Tensor, turn: float, growth: float, degrees: float, scale: float) -> Tensor:
    """Images as the draws ``turn`` and ``growth`` from -1 to 1 turn and scale them."""
    now = step(x, torch.ones(*x.shape[:2], 2))
    now.streams = Fixed(((torch.tensor([turn, growth]) + 1) / 2).view(1, 2, 1))
    work("affine", {"degrees": degrees, "scale": scale}).batch(now)
    return now.x


def test_right_angles_are_those_of_pixels() -> None:
    x = torch.rand(1, 3, 2, 7, 7)
    for turn, quarters in ((1.0, 1), (-1.0, -1)):
        assert torch.allclose(warped(x, turn, 0, 90.0, 0.0), x.rot90(quarters, (-2, -1)), atol=1e-5)
    assert torch.allclose(warped(x, 1.0, 0, 180.0, 0.0), x.flip(-1, -2), atol=1e-5)
    assert torch.allclose(warped(x, 0.0, 0, 180.0, 0.5), x, atol=1e-5)


def test_a_ramp_grows_and_turns() -> None:
    """A picture that is linear in its places is as linear after, but for the edges."""
    place = (2 * torch.arange(16) + 1) / 16 - 1
    ramp = place.expand(1, 1, 1, 16, 16).contiguous()
    assert torch.allclose(warped(ramp, 0.0, 1.0, 0.0, 0.5), ramp / 1.5, atol=1e-5)
    inner = slice(4, 12)
    small = warped(ramp, 0.0, -1.0, 0.0, 0.5)
    assert torch.allclose(small[..., inner], 2 * ramp[..., inner], atol=1e-5)
    assert torch.allclose(small[..., 0], ramp[..., 0], atol=1e-6)  # the edge, repeated
    turned = warped(ramp, 1.0, 0.0, 30.0, 0.0)
    expected = 3**0.5 / 2 * ramp - 0.5 * ramp.mT
    assert torch.allclose(turned[..., inner, inner], expected[..., inner, inner], atol=1e-5)


def test_each_image_turns_by_its_own_angle() -> None:
    x = torch.rand(1, 1, 1, 8, 8).expand(2, 5, 1, 8, 8)
    now = step(x, torch.ones(2, 5, 2))
    work("affine", {"degrees": 30.0, "scale": 0.1}, {"degrees": 0.0, "scale": 0.0}).batch(now)
    assert len({image.sum().item() for image in now.x[0]}) == 5
    assert torch.equal(now.x[1], x[1])


@every_kind
def test_no_angle_and_no_scale_change_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3, batch_size=7)
    assert same(run(chosen, affine={"degrees": 0.0, "scale": 0.0}), run(chosen))
    assert not same(run(chosen, affine={"degrees": 20.0, "scale": 0.0}), run(chosen))
    assert not same(run(chosen, affine={"degrees": 0.0, "scale": 0.2}), run(chosen))
