"""DropBlock."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from stages.networks import NETWORKS
from stages.networks.noise import DropBlock
from stages.regularizers.dropblock import DropBlock as Method
from stages.streams import Streams
from tests.regularizers.closed_forms import idle
from tests.training.conftest import CPU, Settings


def layer(block: int, *p: float) -> DropBlock:
    made = DropBlock(torch.tensor(p), block)
    made.streams, made.purpose = Streams(range(len(p)), CPU), "dropblock.0"
    return made


def test_blocks_of_one_are_dropout_but_that_what_is_left_counts_as_much_as_fell_out() -> None:
    x = torch.randn(2, 10, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    out = layer(1, 0.3, 0.5)(x)
    draws = Streams([0, 1], CPU).uniform("dropblock.0", 10, 3, 8, 8)
    for replica, p in enumerate((0.3, 0.5)):
        kept = draws[replica] >= p
        assert torch.allclose(out[replica], x[replica] * kept / kept.float().mean(), atol=1e-5)
        assert kept.double().mean().item() == pytest.approx(1 - p, abs=0.05)


@pytest.mark.parametrize("block", [2, 3, 4])
def test_zeros_are_whole_squares(block: int) -> None:
    out = layer(block, 0.1, 0.3)(torch.ones(2, 30, 4, 9, 7))
    zeros = (out == 0).double().flatten(0, 1)
    whole = F.avg_pool2d(zeros, block, 1) > 1 - 1e-9  # by the upper left corner
    covered = F.max_pool2d(F.pad(whole.double(), [block - 1] * 4), block, 1)
    assert torch.equal(covered, zeros)
    assert zeros.sum() > 0


@pytest.mark.parametrize("block", [1, 2, 3])
def test_shares_are_as_asked_less_overlaps_and_the_sum_stays(block: int) -> None:
    out = layer(block, 0.05, 0.2)(torch.ones(2, 4000, 4, 12, 12))
    shares = (out == 0).double().flatten(1).mean(1)
    for share, p in zip(shares.tolist(), (0.05, 0.2), strict=True):
        corners = (12 - block + 1) ** 2
        rate = p * 144 / block**2 / corners
        # A pixel stays if no square begins where it would cover it: along each side there are so many beginnings.
        along = torch.tensor([min(i, block - 1, 11 - i, 12 - block) + 1 for i in range(12)])
        beginnings = along[:, None] * along
        assert share == pytest.approx((1 - (1 - rate) ** beginnings).mean().item(), rel=0.03)
        assert share <= p * 1.03
    assert out.flatten(1).double().sum(1).tolist() == pytest.approx([4000 * 4 * 144] * 2, rel=1e-5)


def test_squares_are_no_larger_than_the_picture_and_evaluation_has_none() -> None:
    x = torch.ones(1, 50, 2, 2, 2)
    out = layer(5, 0.4)(x).flatten(3)
    assert {len(set(each.tolist())) for each in out.flatten(0, 2)} == {1}
    assert torch.equal(layer(5, 0.4).eval()(x), x)


@pytest.mark.parametrize("network", ["SmallConvNet", "SmallResNet"])
def test_without_probability_it_does_nothing(settings: Settings, network: str) -> None:
    assert idle(settings, network, {"dropblock": {"p": 0.0, "block": 3}})


def test_it_needs_pictures_within() -> None:
    fitting = {name for name, network in NETWORKS.items() if not Method(p=0.1, block=3).obstacle(network)}
    assert fitting == {"SmallConvNet", "SmallResNet"}
