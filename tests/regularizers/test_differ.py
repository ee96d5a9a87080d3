"""Replicas of one stack may differ in what their methods let differ."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stages.regularizers import REGULARIZERS
from stages.training.loop import Job
from tests.training.conftest import METHODS, Settings, regularizers, train_jobs, weights

OWN = {next(iter(methods)): methods for methods in METHODS if len(methods) == 1}
"""Values of each method by its key."""


def others(key: str, field: str) -> list[dict[str, Any]]:
    """Values that differ in one field: as tried, and the ends of its range or half and three quarters of it."""
    value = OWN[key][key][field]
    search = REGULARIZERS[key].search.get(field)
    ends = (search.low, search.high) if search else (value / 2, value * 3 / 4)
    kind = REGULARIZERS[key].model_fields[field].annotation
    return [OWN[key][key] | {field: int(v) if kind is int else v} for v in (value, *ends)]


@pytest.mark.parametrize(("key", "field"), [(key, field) for key in OWN for field in sorted(REGULARIZERS[key].differ)])
@pytest.mark.parametrize("network", ["AnimalNet", "SmallConvNet"])
def test_a_replica_ends_as_alone_with_its_own_values(settings: Settings, network: str, key: str, field: str) -> None:
    values = others(key, field)
    chosen = settings(network=network, batch_size=8, epochs=4)
    jobs = [Job(chosen, tuple(regularizers(**{key: value})), 0) for value in values]
    together = train_jobs(jobs)
    for r, job in enumerate(jobs):
        assert torch.equal(weights(train_jobs([job]).network)[0], weights(together.network)[r])
