"""A replica's bits do not depend on the stack it trains in."""

from __future__ import annotations

import pytest
import torch

from stages.config import Training
from stages.networks import NETWORKS
from tests.training.conftest import METHODS, Methods, Settings, every_kind, every_method, run


@pytest.mark.parametrize("methods", METHODS, ids=lambda m: "+".join(m) or "none")
@pytest.mark.parametrize("batch_size", [24, 7])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_a_replica_ends_the_same_alone_and_in_a_stack(
    settings: Settings, methods: Methods, batch_size: int, optimizer: str
) -> None:
    check(settings(batch_size=batch_size, optimizer=optimizer, lr=0.1 if optimizer == "sgd" else 0.003), methods)


@every_method
@every_kind
def test_so_it_does_in_a_network_of_each_kind(settings: Settings, network: str, methods: Methods) -> None:
    check(settings(network=network, batch_size=7, epochs=3), methods)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("n", [24, 7])
def test_so_it_does_whatever_the_sizes(settings: Settings, network: str, n: int) -> None:
    """Hidden layers of 210 units, numbers of images that four does not divide."""
    check(settings(network=network, epochs=6), {}, n)


def check(chosen: Training, methods: Methods, n: int = 24) -> None:
    together = run(chosen, seeds=range(5), n=n, **methods)
    for seeds in ([3], [2, 3]):
        fewer = run(chosen, seeds=seeds, n=n, **methods)
        for name, value in fewer.network.state_dict().items():
            assert torch.equal(value[-1], together.network.state_dict()[name][3]), name
        rows = int(fewer.history.rows[-1])
        assert rows == int(together.history.rows[3])
        assert torch.equal(fewer.history.values[:rows, :, -1], together.history.values[:rows, :, 3])
