"""Batch normalization."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stages.networks.layers import BatchNorm
from tests.regularizers.common import flat, plain_end
from tests.training.conftest import SHAPE, Settings, curve, every_kind, examples, run, weights


@every_kind
def test_training_with_it_is_pytorchs_with_its_layers(settings: Settings, network: str) -> None:
    """Also in the running statistics, by which the network predicts."""
    chosen = settings(network=network, epochs=4, lr=0.02)
    trained = run(chosen, batch_norm={"momentum": 0.1})
    model = plain_end(chosen, norm=True)
    assert torch.allclose(weights(trained.network)[0], flat(model), atol=1e-4)
    ours = [module for module in trained.network.modules() if isinstance(module, BatchNorm)]
    theirs = [module for module in model.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    for own, other in zip(ours, theirs, strict=True):
        assert other.running_mean is not None
        assert other.running_var is not None
        assert torch.allclose(own.running_mean[0], other.running_mean, atol=1e-4)
        assert torch.allclose(own.running_var[0], other.running_var, rtol=1e-3, atol=1e-4)
    x = examples(0, 24)
    with torch.no_grad():
        loss = nn.functional.cross_entropy(model.eval()(x.images[0]), x.labels[0])
    assert curve(trained.history, "train_loss")[-1, 0].item() == pytest.approx(loss.item(), abs=1e-4)


@every_kind
def test_the_scale_of_a_layers_weights_does_not_matter(settings: Settings, network: str) -> None:
    trained = run(settings(network=network, epochs=1), batch_norm={"momentum": 0.5}).network.train()
    x = torch.randn(1, 50, *SHAPE)
    before = trained(x)
    with torch.no_grad():
        for layer in trained.weighted[:-1]:
            layer.weight *= 8
            layer.bias *= 8
    assert torch.allclose(trained(x), before, atol=1e-3)
