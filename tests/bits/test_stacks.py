"""A replica's bits do not depend on the stack it trains in."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stages.config import Training
from stages.networks import NETWORKS
from stages.regularizers import REGULARIZERS
from stages.training.loop import Job, Trained
from tests.training.conftest import IN_PARAMS, METHODS, Methods, Settings, every_method, run, train_jobs


@every_method
@pytest.mark.parametrize(("optimizer", "batch_size"), [("sgd", 24), ("adamw", 7)])
def test_a_replica_ends_the_same_alone_and_in_a_stack(
    settings: Settings, methods: Methods, optimizer: str, batch_size: int
) -> None:
    check(settings(batch_size=batch_size, optimizer=optimizer, lr=0.1 if optimizer == "sgd" else 0.003), methods)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("n", [24, 7])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_so_it_does_whatever_the_sizes(settings: Settings, network: str, n: int, optimizer: str) -> None:
    """Hidden layers of 210 units, numbers of images that four does not divide."""
    check(settings(network=network, epochs=6, optimizer=optimizer, lr=0.01), {}, n)


def values(methods: Methods) -> list[Methods]:
    """Values for four replicas that differ in every field that may."""

    def other(field: Any, replica: int) -> Any:
        match field:
            case bool():
                return field ^ bool(replica % 2)
            case int():
                return field + replica
            case _:
                return field * (1 - replica / 4)

    return [
        {
            key: own | {field: other(own[field], replica) for field in REGULARIZERS[key].differ}
            for key, own in methods.items()
        }
        for replica in range(4)
    ]


@every_method
@pytest.mark.parametrize(
    ("network", "optimizer"), [("AnimalNet", "adam"), ("SmallConvNet", "sgd"), ("SmallResNet", "adamw")]
)
def test_replicas_that_differ_in_what_may_differ_end_as_each_does_alone(
    settings: Settings, methods: Methods, network: str, optimizer: str
) -> None:
    lr = 0.1 if optimizer == "sgd" else 0.003
    jobs = [
        Job(
            settings(network=network, optimizer=optimizer, batch_size=7, epochs=4, lr=lr * factor, momentum=momentum),
            tuple(REGULARIZERS[key](**parameters) for key, parameters in own.items()),
            seed,
        )
        for own, factor, momentum, seed in zip(
            values(methods), (1, 0.3, 1.7, 0), (0.9, 0, 0.5, 0.7), (0, 1, 1, 5), strict=True
        )
    ]
    together = train_jobs(jobs)
    for replica, job in enumerate(jobs):
        equal(train_jobs([job]), 0, together, replica)
    few = train_jobs([jobs[2], jobs[0]])
    equal(few, 0, together, 2)
    equal(few, 1, together, 0)


def test_all_that_may_differ_is_tried() -> None:
    tried = {
        (key, field)
        for methods in METHODS
        for key in methods
        for field in REGULARIZERS[key].differ
        if len({each[key][field] for each in values(methods)}) > 1
    }
    assert tried == {(key, field) for key in IN_PARAMS for field in REGULARIZERS[key].differ}


def check(chosen: Training, methods: Methods, n: int = 24) -> None:
    together = run(chosen, seeds=range(5), n=n, **methods)
    for seeds in ([3], [2, 3]):
        equal(run(chosen, seeds=seeds, n=n, **methods), -1, together, 3)


def equal(a: Trained, i: int, b: Trained, j: int) -> None:
    """Replica i of one training is replica j of another."""
    for name, value in a.network.state_dict().items():
        assert torch.equal(value[i], b.network.state_dict()[name][j]), name
    rows = int(a.history.rows[i])
    assert rows == int(b.history.rows[j])
    assert torch.equal(a.history.values[:rows, :, i].nan_to_num(), b.history.values[:rows, :, j].nan_to_num())
    assert a.history.diverged[i] == b.history.diverged[j]
    for layer, norms in a.initial_norms.items():
        assert norms[i] == b.initial_norms[layer][j]
