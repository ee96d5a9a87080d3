"""Ghost batch normalization."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stages.networks.normalization import GhostBatchNorm
from tests.training.conftest import CPU, Settings, every_kind, run, weights


@every_kind
@pytest.mark.parametrize("batch_size", [24, 7])
def test_with_a_part_that_holds_the_batch_it_is_batch_normalization(
    settings: Settings, network: str, batch_size: int
) -> None:
    chosen = settings(network=network, epochs=4, batch_size=batch_size)
    ghost = run(chosen, [0, 1], ghost_batch_norm={"size": 24, "momentum": 0.1})
    whole = run(chosen, [0, 1], batch_norm={"momentum": 0.1})
    assert torch.equal(weights(ghost.network), weights(whole.network))
    assert torch.equal(ghost.history.values, whole.history.values)
    other = run(chosen, [0, 1], ghost_batch_norm={"size": 6, "momentum": 0.1})
    assert not torch.allclose(weights(ghost.network), weights(other.network), atol=1e-3)


@pytest.mark.parametrize("places", [(), (3, 5)])
@pytest.mark.parametrize(("n", "size", "parts"), [(12, 4, [4, 4, 4]), (13, 5, [5, 4, 4]), (5, 4, [3, 2]), (3, 8, [3])])
def test_each_part_is_normalized_by_itself_and_goes_into_the_running_statistics(
    n: int, size: int, parts: list[int], places: tuple[int, ...]
) -> None:
    layer = GhostBatchNorm(2, 6, 0.3, size, CPU)
    x = torch.randn(2, n, 6, *places, generator=torch.Generator().manual_seed(0))
    out = layer(x)
    for replica in range(2):
        plain = nn.BatchNorm2d(6, momentum=0.3) if places else nn.BatchNorm1d(6, momentum=0.3)
        expected = torch.cat([plain(part) for part in x[replica].split(parts)])
        assert torch.allclose(out[replica], expected, atol=1e-5)
        assert plain.running_mean is not None
        assert plain.running_var is not None
        assert torch.allclose(layer.running_mean[replica], plain.running_mean, atol=1e-6)
        assert torch.allclose(layer.running_var[replica], plain.running_var, atol=1e-6)
        plain.eval()
        assert torch.allclose(layer.eval()(x)[replica], plain(x[replica]), atol=1e-5)
        layer.train()


@pytest.mark.parametrize("n", range(2, 40))
@pytest.mark.parametrize("size", [4, 5, 8])
def test_no_part_is_of_one_image(n: int, size: int) -> None:
    layer = GhostBatchNorm(1, 1, 0.1, size, CPU)
    layer(torch.randn(1, n, 1))  # which torch refuses of one image
