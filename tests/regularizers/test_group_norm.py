"""Group normalization."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stages.networks import NETWORKS
from stages.networks.layers import LayerNorm
from stages.networks.normalization import GroupNorm
from stages.regularizers.group_norm import GroupNorm as Method
from stages.training.loop import Job, build
from tests.training.conftest import CLASSES, CPU, SHAPE, Settings, every_kind, regularizers, run, weights


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("places", [(), (3, 5)])
def test_it_is_pytorchs(groups: int, places: tuple[int, ...]) -> None:
    layer = GroupNorm(2, 8, groups, CPU)
    generator = torch.Generator().manual_seed(0)
    for parameter in layer.parameters():
        parameter.data = torch.rand(parameter.shape, generator=generator)
    x = torch.randn(2, 7, 8, *places, generator=generator)
    out = layer(x)
    for replica in range(2):
        norm = nn.GroupNorm(groups, 8)
        norm.load_state_dict({name: value[replica] for name, value in layer.state_dict().items()})
        assert torch.allclose(out[replica], norm(x[replica]), atol=1e-6)
        assert torch.allclose(out[replica, 3:4], norm(x[replica, 3:4]), atol=1e-6)  # whatever the other examples
    assert torch.equal(layer.eval()(x), out)


def test_one_group_of_a_vector_is_layer_normalization() -> None:
    x = torch.randn(2, 7, 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(GroupNorm(2, 8, 1, CPU)(x), LayerNorm(2, 8, CPU)(x), atol=1e-6)


def test_with_one_group_a_perceptron_is_trained_as_with_layer_normalization(settings: Settings) -> None:
    one, layer = run(settings(epochs=5), group_norm={"groups": 1}), run(settings(epochs=5), layer_norm={})
    assert torch.allclose(weights(one.network), weights(layer.network), atol=1e-4)


@every_kind
def test_it_stands_after_every_hidden_map(settings: Settings, network: str) -> None:
    methods = tuple(regularizers(group_norm={"groups": 4}))
    stack, _ = build([Job(settings(network=network), methods, 0)], SHAPE, CLASSES, CPU)
    assert [set(place.hung) for place in stack.places("norm")] == [{"group_norm"}] * len(stack.places("norm"))
    assert {m.groups for m in stack.modules() if isinstance(m, GroupNorm)} == {4}


def test_groups_that_do_not_divide_a_layer_are_refused() -> None:
    refused = {name for name, network in NETWORKS.items() if Method(groups=4).obstacle(network)}
    assert refused == {"AnimalNetDropout"}
    assert "210 units, which 4 groups do not divide" in Method(groups=4).obstacle(NETWORKS["AnimalNetDropout"])
    assert "32 units" in Method(groups=32).obstacle(NETWORKS["AnimalNet"])
    assert not Method(groups=16).obstacle(NETWORKS["SmallConvNet"])
