"""The stacked networks are plain ones, R at a time."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.config import Training
from stages.networks import NETWORKS, parameter_count
from stages.networks.layers import LayerNorm, NoiseLayer
from stages.networks.network import Network, copy_replicas
from stages.regularizers.base import Step
from stages.streams import Streams
from stages.training.loop import Job, build
from tests.networks.twins import copy, size, twin
from tests.training.conftest import (
    CLASSES,
    CPU,
    KINDS,
    SHAPE,
    Methods,
    Settings,
    every_kind,
    every_method,
    examples,
    regularizers,
    stacked,
    train,
    weights,
)

SEED = 2021
"""The seed notebook's."""
PICTURE = (3, 32, 32)


class FromGlobalSeed(Streams):
    """The stream `init` of every replica is torch's generator after manual_seed(2021), as in the notebook."""

    def generator(self, replica: int, purpose: str) -> torch.Generator:
        return self._generators.setdefault((replica, purpose), torch.Generator().manual_seed(SEED))


def built(settings: Training, seeds: tuple[int, ...], shape: tuple[int, ...], **methods: dict[str, Any]) -> Network:
    """A drawn network with methods."""
    network, _ = build([Job(settings, tuple(regularizers(**methods)), seed) for seed in seeds], shape, CLASSES, CPU)
    network.draw(Streams(seeds, CPU))
    return network


def test_animal_net_starts_with_the_printed_norm() -> None:
    network = NETWORKS["AnimalNet"].stack(1, PICTURE, 3, CPU)
    network.draw(FromGlobalSeed([0], CPU))
    assert f"{network.norm().item():.4f}" == "7.3810"


def test_the_course_notebooks_layers_have_its_names() -> None:
    for name in ("AnimalNet", "BigAnimalNet", "AnimalNetDropout"):
        assert list(NETWORKS[name].stack(1, PICTURE, 3, CPU).layers()) == ["fc1", "fc2", "fc3"]


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_draw_as_torch_draws_and_outputs_are_torchs(name: str) -> None:
    network = NETWORKS[name].stack(2, PICTURE, 3, CPU)
    network.draw(FromGlobalSeed([0, 1], CPU))
    torch.manual_seed(SEED)
    plain = twin(name, PICTURE, 3)
    own = [module for module in plain.modules() if list(module.parameters(recurse=False))]
    for replica in range(2):
        for layer, module in zip(network.weighted, own, strict=True):
            assert torch.equal(layer.weight[replica], module.weight)
            assert torch.equal(layer.bias[replica], module.bias)
    x = torch.rand(5, *PICTURE)
    out = network.eval()(x.expand(2, -1, -1, -1, -1))
    assert torch.allclose(out[1], plain(x), atol=1e-6)
    assert parameter_count(name, PICTURE, 3) == size(plain)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 9, 7)])
def test_it_is_the_plain_network_of_its_weights(
    settings: Settings, name: str, norm: bool, shape: tuple[int, int, int]
) -> None:
    """In training, where batch norm takes the batch's statistics, and in evaluation, where it takes running ones."""
    methods: Methods = {"batch_norm": {"momentum": 0.1}} if norm else {}
    # Its own dropout is held to torch's in tests/regularizers/test_dropout.py.
    methods |= {"dropout": {"p": 0.0}} if name == "AnimalNetDropout" else {}
    network = built(settings(network=name), (3, 4), shape, **methods)
    alone = [twin(name, shape, CLASSES, norm) for _ in range(2)]
    for r, one in enumerate(alone):
        copy(network, r, one)
    for training in (True, True, False):
        x = torch.randn(2, 6, *shape)
        out = network.train(training)(x)
        assert out.shape == (2, 6, CLASSES)
        for r, one in enumerate(alone):
            assert torch.allclose(out[r], one.train(training)(x[r]), atol=1e-5)
    gradient = torch.autograd.grad(out.square().sum(), list(network.parameters()))
    for r, one in enumerate(alone):
        expected = torch.autograd.grad(one(x[r]).square().sum(), list(one.parameters()))
        ours = torch.cat([g[r].flatten() for g in gradient])
        assert torch.allclose(ours, torch.cat([g.flatten() for g in expected]), rtol=1e-4, atol=1e-4)


@every_method
@every_kind
def test_no_replicas_loss_moves_with_anothers_images(settings: Settings, methods: Methods, network: str) -> None:
    chosen = tuple(regularizers(**methods))
    stack, works = build([Job(settings(network=network), chosen, seed) for seed in range(3)], SHAPE, CLASSES, CPU)
    streams = Streams([0, 1, 2], CPU)
    stack.draw(streams)
    x = torch.rand(3, 7, *SHAPE, requires_grad=True)
    targets = F.one_hot(torch.arange(21).view(3, 7) % CLASSES, CLASSES).float().requires_grad_()
    step = Step(x, targets, torch.arange(7).expand(3, 7), 0, 10, stack, streams, images=7)
    for work in works:
        work.batch(step)
    step.logits = stack(step.x)
    loss = -(step.y * step.logits.log_softmax(-1)).sum(-1).mean(-1)
    for work in works:
        loss = work.loss(step, loss)
    loss[1].backward()
    images = step.x if x.grad is None else x  # a method that differentiates by the images takes copies of them
    for leaf in (images, targets, *stack.parameters()):
        assert leaf.grad is not None
        assert leaf.grad[[0, 2]].abs().sum() == 0
    assert images.grad is not None
    assert images.grad[1].abs().sum() > 0


@every_method
@every_kind
def test_no_replica_is_trained_otherwise_beside_others(settings: Settings, methods: Methods, network: str) -> None:
    """To the bit: whatever the images and labels of its neighbors."""
    chosen = settings(network=network, epochs=3, batch_size=7)
    jobs = [Job(chosen, tuple(regularizers(**methods)), seed) for seed in range(3)]
    ends = []
    for offset in (0, 50):
        own = [examples(seed + offset * (seed != 1), 24) for seed in range(3)]
        validation = [examples(1000 + seed + offset * (seed != 1), 30) for seed in range(3)]
        ends.append(train(jobs, stacked(own), stacked(validation), CLASSES))
    first, second = (trained.network.state_dict() for trained in ends)
    for name, value in first.items():
        assert torch.equal(value[1], second[name][1])
    rows = int(ends[0].history.rows[1])
    assert torch.equal(*(trained.history.values[:rows, :, 1] for trained in ends))
    assert not torch.equal(*(weights(trained.network)[0] for trained in ends))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("norm", [False, True])
def test_norms_add_up(settings: Settings, name: str, norm: bool) -> None:
    """The norm of all weights and biases; scales and shifts of normalizations have norms of their own layers."""
    network = built(settings(network=name), (3, 4), (1, 8, 8), **({"batch_norm": {"momentum": 0.1}} if norm else {}))
    assert any("batch_norm" in layer for layer in network.layer_norms()) == norm
    for r in range(2):
        parameters = {key: float(p[r].detach().double().square().sum()) for key, p in network.named_parameters()}
        layers = math.sqrt(sum(float(norms[r]) ** 2 for norms in network.layer_norms().values()))
        assert layers == pytest.approx(math.sqrt(sum(parameters.values())), rel=1e-5)
        weighted = math.sqrt(sum(value for key, value in parameters.items() if "batch_norm" not in key))
        assert network.norm()[r].item() == pytest.approx(weighted, rel=1e-5)
        own = [float(n[r]) ** 2 for layer, n in network.layer_norms().items() if "batch_norm" not in layer]
        assert math.sqrt(sum(own)) == pytest.approx(weighted, rel=1e-5)


@every_kind
def test_the_norm_leaves_out_every_normalization(settings: Settings, network: str) -> None:
    stack = built(settings(network=network), (3, 4), (1, 8, 8))
    before = stack.norm()
    for place in stack.places("norm"):
        place.hang("layer_norm", LayerNorm(2, place.units, CPU))
    assert torch.equal(stack.norm(), before)
    assert sum(p.numel() for p in stack.parameters()) > parameter_count(network, (1, 8, 8), CLASSES) * 2


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("AnimalNet", {"input": [1], "norm": [128, 32], "drop": [128, 32], "branch": []}),
        ("SmallConvNet", {"input": [1], "norm": [16, 32], "drop": [16, 32], "branch": []}),
        (
            "SmallResNet",
            {"input": [1], "norm": [16, 16, 16, 32, 32, 32], "drop": [16, 16, 16, 32, 32], "branch": [16, 32]},
        ),
    ],
)
def test_places_are_where_they_say(name: str, places: dict[str, list[int]]) -> None:
    """Modules hung there see as many units or channels as the place tells."""
    network = NETWORKS[name].stack(2, (1, 8, 8), CLASSES, CPU)
    network.draw(Streams([0, 1], CPU))
    seen: dict[str, list[int]] = {kind: [] for kind in places}

    class Watch(nn.Module):
        def __init__(self, kind: str):
            super().__init__()
            self.kind = kind

        def forward(self, x: Tensor) -> Tensor:
            seen[self.kind].append(x.shape[2])
            return x

    for kind, units in places.items():
        assert sorted(place.units for place in network.places(kind)) == sorted(units)
        for place in network.places(kind):
            place.hang("watch", Watch(kind))
    network(torch.rand(2, 5, 1, 8, 8))
    assert {kind: sorted(units) for kind, units in seen.items()} == {k: sorted(u) for k, u in places.items()}


class Watch(NoiseLayer):
    """Notes what it draws, and changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.drawn.append(self.uniform(4))
        return x


def draws(*places: tuple[str, int]) -> list[Tensor]:
    """What noise of one name draws at places, each a kind and a number, in two passes: (2, R, 4) each."""
    network = NETWORKS["SmallResNet"].stack(2, (1, 8, 8), CLASSES, CPU)
    watches = [Watch() for _ in places]
    for (kind, number), watch in zip(places, watches, strict=True):
        network.places(kind)[number].hang("watch", watch)
    network.draw(Streams([0, 1], CPU))
    for _ in range(2):
        network(torch.rand(2, 5, 1, 8, 8))
    return [torch.stack(watch.drawn) for watch in watches]


@pytest.mark.parametrize(
    "kind",
    [
        "input",
        "norm",
        "drop",
        "branch",
    ],
)
def test_noise_draws_the_same_whatever_else_draws(kind: str) -> None:
    (alone,) = draws((kind, 1 if kind != "input" else 0))
    beside = draws((kind, 1 if kind != "input" else 0), ("drop", 3), ("drop", 4))
    assert torch.equal(alone, beside[0])
    assert len({tuple(numbers.flatten().tolist()) for numbers in (*alone, *beside[1:])}) == 4


def test_noise_at_places_of_two_kinds_draws_from_two_streams() -> None:
    (alone,) = draws(("drop", 0))
    beside, _ = draws(("drop", 0), ("input", 0))
    assert torch.equal(alone, beside)


def test_some_replicas_are_copied_and_others_left() -> None:
    source = {"a": torch.ones(3, 2, 2), "b": torch.ones(3)}
    target = {"a": torch.zeros(3, 2, 2), "b": torch.zeros(3)}
    copy_replicas(source, target, torch.tensor([True, False, True]))
    assert target["a"].sum((1, 2)).tolist() == [4, 0, 4]
    assert target["b"].tolist() == [1, 0, 1]


def test_a_network_of_each_kind_is_tried() -> None:
    assert {NETWORKS[name].kind for name in KINDS} == {architecture.kind for architecture in NETWORKS.values()}
