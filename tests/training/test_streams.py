"""Random numbers: each replica's own, by purpose, on every device the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from stages.streams import Streams
from tests.training.conftest import CPU

Draw = Callable[[Streams, str], Tensor]
DRAWS: dict[str, Draw] = {
    "uniform": lambda streams, purpose: streams.uniform(purpose, 4, 3),
    "normal": lambda streams, purpose: streams.normal(purpose, 4, 3),
    "beta": lambda streams, purpose: streams.beta(purpose, torch.full((len(streams.seeds),), 0.4), 4, 3),
    "permutation": lambda streams, purpose: streams.permutation(purpose, 12),
}
every_draw = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)


@every_draw
def test_streams_are_named_not_ordered(draw: Draw) -> None:
    straight, other = Streams([5, 6], CPU), Streams([6], CPU)
    for disturb in DRAWS.values():
        disturb(other, "a new method")
    first, second = draw(straight, "init"), draw(straight, "init")
    assert torch.equal(first[1], draw(other, "init")[0])
    assert torch.equal(second[1], draw(other, "init")[0])
    assert len({tuple(numbers.flatten().tolist()) for numbers in (*first, *second)}) == 4
    assert not torch.equal(draw(Streams([5], CPU), "a"), draw(Streams([5], CPU), "b"))
    assert len(first) == 2


def test_they_are_distributed_as_they_say() -> None:
    streams = Streams([0, 1], CPU)
    alpha = torch.tensor([0.2, 2.0])
    uniform, normal, beta = streams.uniform("a", 5000), streams.normal("b", 5000), streams.beta("c", alpha, 5000)
    assert uniform.dtype == normal.dtype == beta.dtype == torch.float32
    for r in range(2):
        assert stats.kstest(uniform[r], "uniform").pvalue > 0.001
        assert stats.kstest(normal[r], "norm").pvalue > 0.001
        assert stats.kstest(beta[r].double(), stats.beta(*[float(alpha[r])] * 2).cdf).pvalue > 0.001
        assert abs(np.corrcoef(uniform[0], uniform[1])[0, 1]) < 0.05
    assert torch.equal(streams.permutation("order", 9).sort().values, torch.arange(9).expand(2, 9))


def test_beta_draws_of_a_replica_do_not_depend_on_its_neighbors_alpha() -> None:
    for neighbour in (0.1, 3.0):
        together = Streams([3, 4], CPU).beta("mixing", torch.tensor([neighbour, 0.4]), 50)
        assert torch.equal(together[1], Streams([4], CPU).beta("mixing", torch.tensor([0.4]), 50)[0])
