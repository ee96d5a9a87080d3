"""TrivialAugment."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from stages.regularizers.trivial_augment import OPERATIONS
from tests.regularizers.steps import Fixed, step, work
from tests.training.conftest import Settings, every_kind, run, same


def changed(x: Tensor, operation: str, size: float, sign: int = 1, strength: float = 1.0) -> Tensor:
    """Images after one operation of a size from 0 to 1."""
    which = (OPERATIONS.index(operation) + 0.5) / len(OPERATIONS)
    now = step(x, torch.ones(*x.shape[:2], 2))
    now.streams = Fixed(torch.tensor([which, size, 0.0 if sign > 0 else 0.9]).view(1, 3, 1))
    work("trivial_augment", {"strength": strength}).batch(now)
    return now.x


PLACE = (2 * torch.arange(12) + 1) / 12 - 1
RAMP = PLACE.expand(1, 1, 1, 12, 12).contiguous()
"""As bright as its place across."""
INNER = slice(4, 8)


@pytest.mark.parametrize("sign", [1, -1])
def test_geometry(sign: int) -> None:
    across, down = RAMP, RAMP.mT.contiguous()
    cos, sin = torch.tensor(torch.pi / 6).cos(), sign * torch.tensor(torch.pi / 6).sin()
    cases = {
        "identity": (across, down),
        "rotate": (cos * across - sin * down, sin * across + cos * down),
        "shear_across": (across + sign * 0.3 * down, down),
        "shear_down": (across, down + sign * 0.3 * across),
        "move_across": (across + sign * 2 / 3, down),
        "move_down": (across, down + sign * 2 / 3),
    }
    for operation, expected in cases.items():
        for picture, want in zip((across, down), expected, strict=True):
            found = changed(picture, operation, 1.0, sign)
            edge = float(PLACE[-1])
            want = want.clamp(-edge, edge)
            assert torch.allclose(found[..., INNER, INNER], want[..., INNER, INNER], atol=1e-5), operation


def test_brightness_contrast_and_solarizing() -> None:
    x = 2 * torch.rand(1, 4, 1, 12, 12) - 1
    light = (x + 1) / 2
    assert torch.allclose(changed(x, "brightness", 1.0, -1), 2 * (0.1 * light) - 1, atol=1e-6)
    assert torch.allclose(changed(x, "brightness", 0.5), 2 * (1.45 * light).clamp(0, 1) - 1, atol=1e-6)
    mean = x.mean((-3, -2, -1), keepdim=True)
    assert torch.allclose(changed(x, "contrast", 1.0, -1), mean + 0.1 * (x - mean), atol=1e-6)
    assert torch.equal(changed(x, "solarize", 1.0), -x)
    assert torch.equal(changed(x, "solarize", 0.5), torch.where(x > 0, -x, x))


def test_every_operation_is_drawn_alike_and_half_of_the_strength_halves_them() -> None:
    x = (2 * torch.rand(12, 12) - 1).expand(1, 9000, 1, 12, 12)
    now = step(x, torch.ones(1, 9000, 2))
    work("trivial_augment", {"strength": 1.0}).batch(now)
    untouched = (now.x == x).flatten(2).all(-1).double().mean().item()
    assert untouched == pytest.approx(1 / len(OPERATIONS), abs=0.02)
    for operation in OPERATIONS:
        assert torch.equal(changed(RAMP, operation, 0.8, strength=0.5), changed(RAMP, operation, 0.4))
        assert torch.equal(changed(RAMP, operation, 1.0, strength=0.0), RAMP)


@every_kind
def test_strength_zero_changes_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3, batch_size=7)
    assert same(run(chosen, trivial_augment={"strength": 0.0}), run(chosen))
    assert not same(run(chosen, trivial_augment={"strength": 1.0}), run(chosen))
