"""The stacked layers are torch's own, R at a time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.networks.layers import (
    BatchNorm,
    Conv2d,
    Dropout,
    Flatten,
    GlobalMeanPool,
    LayerNorm,
    Linear,
    MaxPool,
    Place,
    Residual,
    Weighted,
)
from stages.streams import Streams

CPU = torch.device("cpu")
SEED = 2021
"""The seed notebook's."""


def drawn(layer: Weighted, alone: type[nn.Module], *sizes: int, **options: int) -> list[nn.Module]:
    """Draw a layer's replicas from seeds of their own, and torch's layers from the same."""
    found = []
    for replica in range(len(layer.weight)):
        layer.draw(replica, torch.Generator().manual_seed(SEED + replica))
        torch.manual_seed(SEED + replica)
        found.append(alone(*sizes, **options))
    return found


@pytest.mark.parametrize("images", [8, 7, 1])
@pytest.mark.parametrize("sizes", [(16, 12), (15, 12), (16, 5), (15, 5), (1, 1)])
def test_linear_is_torchs_in_draws_outputs_and_gradients(sizes: tuple[int, int], images: int) -> None:
    layer = Linear(3, *sizes, CPU)
    x = torch.randn(3, images, sizes[0], requires_grad=True)
    out = layer(x)
    alone = drawn(layer, nn.Linear, *sizes)
    out = layer(x)
    assert out.shape == (3, images, sizes[1])
    (out * out.detach()).sum().backward()
    for r, one in enumerate(alone):
        assert torch.equal(layer.weight[r], one.weight)
        assert torch.equal(layer.bias[r], one.bias)
        check(layer, x, out, r, one)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (1, 1), (1, 2), (5, 1)])
@pytest.mark.parametrize("grouped", [False, True], ids=["one after the other", "grouped, as on a GPU"])
def test_conv_is_torchs_in_draws_outputs_and_gradients(
    monkeypatch: pytest.MonkeyPatch, kernel: int, stride: int, grouped: bool
) -> None:
    if grouped:
        monkeypatch.setattr(Tensor, "is_cuda", True)
    layer = Conv2d(3, 2, 4, kernel, CPU, stride)
    alone = drawn(layer, nn.Conv2d, 2, 4, kernel_size=kernel, stride=stride, padding=kernel // 2)
    x = torch.randn(3, 5, 2, 7, 6, requires_grad=True)
    out = layer(x)
    (out * out.detach()).sum().backward()
    for r, one in enumerate(alone):
        assert torch.equal(layer.weight[r], one.weight)
        assert torch.equal(layer.bias[r], one.bias)
        check(layer, x, out, r, one)


def check(layer: Weighted, x: Tensor, out: Tensor, replica: int, alone: nn.Module) -> None:
    """Outputs, and gradients of half the sum of their squares, are those of the one layer."""
    theirs = x.detach()[replica].requires_grad_()
    expected = alone(theirs)
    assert torch.allclose(out[replica], expected, atol=1e-5)
    (expected * expected.detach()).sum().backward()
    assert x.grad is not None
    assert theirs.grad is not None
    assert torch.allclose(x.grad[replica], theirs.grad, atol=1e-5)
    for mine, other in zip(layer.parameters(), alone.parameters(), strict=True):
        assert mine.grad is not None
        assert other.grad is not None
        assert torch.allclose(mine.grad[replica], other.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3, 2)])
@pytest.mark.parametrize("momentum", [0.1, 1.0])
def test_batch_norm_is_torchs_for_each_replica(training: bool, shape: tuple[int, ...], momentum: float) -> None:
    kind = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
    stack = BatchNorm(2, 5, momentum, CPU).train(training)
    alone = [kind(5, momentum=momentum).train(training) for _ in range(2)]
    with torch.no_grad():
        for parameter in stack.parameters():
            parameter.uniform_(-1, 1)
        for r, module in enumerate(alone):
            module.weight.copy_(stack.weight[r])
            module.bias.copy_(stack.bias[r])
    for _ in range(3):
        x = 3 * torch.randn(2, *shape) + 1
        out = stack(x)
        assert out.shape == x.shape
        for r, module in enumerate(alone):
            assert torch.allclose(out[r], module(x[r]), atol=1e-5)
    for r, module in enumerate(alone):
        assert torch.allclose(stack.running_mean[r], module.running_mean, atol=1e-6)
        assert torch.allclose(stack.running_var[r], module.running_var, atol=1e-5)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3, 2)])
def test_layer_norm_is_torchs_for_each_replica(shape: tuple[int, ...]) -> None:
    stack = LayerNorm(2, 5, CPU)
    with torch.no_grad():
        for parameter in stack.parameters():
            parameter.uniform_(-1, 1)
    x = 3 * torch.randn(2, *shape) + 1
    out = stack(x)
    assert out.shape == x.shape
    for r in range(2):
        alone = nn.LayerNorm(5)
        alone.load_state_dict({name: value[r] for name, value in stack.state_dict().items()})
        assert torch.allclose(out[r], alone(x[r].movedim(1, -1)).movedim(-1, 1), atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 400, 128), (2, 40, 8, 6, 6)])
def test_dropout_keeps_the_mean_and_evaluation_has_none(shape: tuple[int, ...]) -> None:
    layer = Dropout(torch.tensor([0.4, 0.1]))
    layer.streams, layer.purpose = Streams([0, 1], CPU), "dropout.0"
    x = torch.rand(shape) + 0.5
    dropped = layer(x)
    for r, p in enumerate((0.4, 0.1)):
        zero = dropped[r] == 0
        assert zero.double().mean().item() == pytest.approx(p, abs=0.01)
        assert torch.allclose(dropped[r][~zero], x[r][~zero] / (1 - p), rtol=1e-5)
        assert dropped[r].mean().item() == pytest.approx(x[r].mean().item(), rel=0.02)
    assert not torch.equal(layer(x), dropped)
    assert torch.equal(layer.eval()(x), x)


def test_noise_without_streams_is_refused() -> None:
    with pytest.raises(RuntimeError, match="needs the streams"):
        Dropout(torch.tensor([0.5]))(torch.ones(1, 2, 3))


def test_what_hangs_in_a_place_acts_in_the_order_it_came() -> None:
    place = Place("input", 3)
    x = torch.randn(2, 4, 3)
    assert torch.equal(place(x), x)
    place.hang("positive", nn.ReLU())
    place.hang("negative", nn.LogSigmoid())
    assert torch.equal(place(x), F.logsigmoid(F.relu(x)))
    place.hang("positive", nn.Tanh())  # takes the other's place
    assert torch.equal(place(x), F.logsigmoid(torch.tanh(x)))


def test_pools_and_sums_are_torchs() -> None:
    x = torch.randn(2, 4, 3, 7, 6)
    for r in range(2):
        assert torch.equal(MaxPool(2)(x)[r], F.max_pool2d(x[r], 2))
        assert torch.allclose(GlobalMeanPool()(x)[r], F.adaptive_avg_pool2d(x[r], 1).flatten(1), atol=1e-6)
        assert torch.equal(Flatten()(x)[r], nn.Flatten()(x[r]))
    assert torch.equal(Residual(nn.Tanh())(x), x + x.tanh())
    assert torch.equal(Residual(nn.Tanh(), nn.ReLU())(x), x.relu() + x.tanh())
