"""The stacked networks are torch's own, R at a time."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stages.models import NETWORKS, BatchNorm, Linear
from stages.regularizers import REGULARIZERS
from stages.training.streams import Streams

CPU = torch.device("cpu")
SEED = 2021
"""The seed notebook's."""


class FromGlobalSeed(Streams):
    """The stream `init` of every replica is torch's generator after manual_seed(2021), as in the notebook."""

    def generator(self, replica: int, purpose: str) -> torch.Generator:
        return self._generators.setdefault((replica, purpose), torch.Generator().manual_seed(SEED))


def test_the_notebooks_linear_layer_has_its_printed_norms() -> None:
    layer = Linear(1, 20, 20, CPU)
    layer.draw(0, torch.Generator().manual_seed(SEED))
    parameters = list(layer.parameters())
    assert REGULARIZERS["l1"](strength=1.0).penalty(parameters).item() == pytest.approx(48.445133209228516, rel=1e-6)
    assert REGULARIZERS["l2"](strength=1.0).penalty(parameters).item() == pytest.approx(7.328375816345215, rel=1e-6)


def test_animal_net_starts_with_the_printed_norm() -> None:
    network = NETWORKS["AnimalNet"].stack(1, (3, 32, 32), 3, CPU)
    network.draw(FromGlobalSeed([0], CPU))
    assert f"{network.norm().item():.4f}" == "7.3810"


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("AnimalNet", [3072, 128, 32, 3]),
        ("WideAnimalNet", [3072, 256, 64, 3]),
        ("BigAnimalNet", [3072, 124, 64, 3]),
        ("AnimalNetDropout", [3072, 248, 210, 3]),
    ],
)
def test_layers_are_the_notebooks_and_draw_as_torch_draws(name: str, sizes: list[int]) -> None:
    network = NETWORKS[name].stack(2, (3, 32, 32), 3, CPU)
    network.draw(FromGlobalSeed([0, 1], CPU))
    torch.manual_seed(SEED)
    layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    for number, layer in enumerate(layers, start=1):
        for replica in range(2):
            assert torch.equal(network.get_submodule(f"fc{number}").weight[replica], layer.weight)
            assert torch.equal(network.get_submodule(f"fc{number}").bias[replica], layer.bias)
    x = torch.rand(5, 3, 32, 32)
    activation = F.relu if name in ("AnimalNet", "WideAnimalNet") else F.leaky_relu
    expected = layers[2](activation(layers[1](activation(layers[0](x.flatten(1))))))
    assert torch.allclose(network(x.expand(2, -1, -1, -1, -1))[1], expected, atol=1e-6)


def test_replicas_do_not_see_each_other() -> None:
    network = NETWORKS["AnimalNet"].stack(3, (1, 8, 8), 10, CPU)
    network.set_dropout(0.3)
    network.add_batch_norm(0.1)
    streams = Streams([0, 1, 2], CPU)
    network.draw(streams)
    x = torch.rand(3, 7, 1, 8, 8, requires_grad=True)
    network(x, streams)[1].sum().backward()
    assert x.grad is not None
    assert x.grad[1].abs().sum() > 0
    assert x.grad[[0, 2]].abs().sum() == 0


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_torchs_for_each_replica(training: bool) -> None:
    stack = BatchNorm(2, 5, 0.1, CPU)
    alone = [nn.BatchNorm1d(5).train(training) for _ in range(2)]
    for _ in range(3):
        x = 3 * torch.randn(2, 6, 5) + 1
        out = stack(x, training)
        for r, module in enumerate(alone):
            assert torch.allclose(out[r], module(x[r]), atol=1e-5)
    for r, module in enumerate(alone):
        assert torch.allclose(stack.running_mean[r], module.running_mean, atol=1e-6)
        assert torch.allclose(stack.running_var[r], module.running_var, atol=1e-6)


def test_dropout_keeps_the_mean_and_evaluation_has_none() -> None:
    network = NETWORKS["AnimalNet"].stack(1, (1, 8, 8), 10, CPU)
    network.draw(Streams([0], CPU))
    network.set_dropout(0.4)
    seen: list[torch.Tensor] = []
    network.activation = lambda x: seen.append(x) or x  # type: ignore[func-returns-value]
    x = torch.rand(1, 400, 1, 8, 8)
    network(x)
    network(x, Streams([0], CPU))
    plain, dropped = seen[0], seen[2]
    zero = dropped == 0
    assert zero.double().mean().item() == pytest.approx(0.4, abs=0.01)
    assert torch.allclose(dropped[~zero], plain[~zero] / 0.6, rtol=1e-5)
    assert torch.equal(network(x), network(x))


def test_norms_add_up() -> None:
    network = NETWORKS["BigAnimalNet"].stack(2, (1, 8, 8), 10, CPU)
    network.add_batch_norm(0.1)
    network.draw(Streams([3, 4], CPU))
    for r in range(2):
        weights = [p for linear in network.linears for p in linear.parameters()]
        total = math.sqrt(sum(float(p[r].detach().double().square().sum()) for p in weights))
        layers = math.sqrt(sum(float(n[r]) ** 2 for name, n in network.layer_norms().items() if name.startswith("fc")))
        assert network.norm()[r].item() == pytest.approx(total, rel=1e-5)
        assert layers == pytest.approx(total, rel=1e-5)
