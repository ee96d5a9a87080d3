"""Dropout on a noisy line: the notebook's draws and its first steps, and what its plots show."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stages.documents.face_notebook import ToyDropoutSettings, toy_dropout
from stages.documents.face_notebook.toy_dropout import DROPOUT, Draws, ToyNetwork, train
from stages.documents.outcome import ExperimentOutcome
from tests.documents.conftest import NOWHERE


def notebook(case: str, steps: int) -> tuple[float, float]:
    """Training loss, without dropped units, and norm after some steps of the notebook's own way, in plain PyTorch."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2021)
        x = torch.rand(10, 1)
        y = 2 * x + 2 * torch.empty(10, 1).normal_(mean=0, std=1)
        x, y = x[:, None], y[:, None]
        if case == "NetDropout":
            torch.manual_seed(2021)
        layers = [nn.Linear(1, 300), nn.Linear(300, 500), nn.Linear(500, 1)]
        parameters = [p for layer in layers for p in layer.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=1e-4)

        def outputs(training: bool) -> torch.Tensor:
            values = x
            for layer, p in zip(layers[:-1], DROPOUT[case] or (0.0, 0.0), strict=True):
                values = layer(values)
                if training and p:
                    values = values * (torch.rand(values.shape, dtype=torch.float64) < 1 - p) / (1 - p)
                values = F.leaky_relu(values.float())
            return layers[-1](values)

        for _ in range(steps):
            optimizer.zero_grad()
            F.mse_loss(outputs(True), y).backward()
            optimizer.step()
        norm = sum(float(p.detach().square().sum()) for p in parameters) ** 0.5
        return F.mse_loss(outputs(False), y).item(), norm


@pytest.mark.parametrize("case", DROPOUT)
def test_the_notebook_s_first_steps_are_replayed(case: str) -> None:
    curves, _ = train((case, [2021]), 100)
    loss, norm = notebook(case, 100)
    assert curves[-1]["train_loss"] == pytest.approx(loss, rel=1e-3)
    assert curves[-1]["norm"] == pytest.approx(norm, rel=1e-4)


def test_masks_are_those_of_torch_s_dropout() -> None:
    draws = Draws([2021])
    generator = torch.Generator().manual_seed(2021)
    uniform = torch.rand(10, 300, dtype=torch.float64, generator=generator)
    masks = draws.masks(1, 0.4)
    assert torch.equal(masks[0] > 0, uniform < 0.6)
    assert masks.unique().tolist() == pytest.approx([0, 1 / 0.6])


def test_the_gradient_is_that_of_autograd() -> None:
    draws = Draws([2021, 3])
    x, y = draws.points()
    network = ToyNetwork(draws)
    masks = [draws.masks(1, 0.4), draws.masks(2, 0.2)]
    network.differentiate(x, y, masks)
    weights = [weight.double().requires_grad_() for weight in network.weights]
    biases = [bias.double().requires_grad_() for bias in network.biases]
    values = x.double()
    for layer, mask in enumerate(masks):
        values = F.leaky_relu((values @ weights[layer] + biases[layer]) * mask)
    (values @ weights[2] + biases[2] - y).square().mean((1, 2)).sum().backward()
    gradients = [*network.weight_gradients, *network.bias_gradients]
    assert network.parameters.grad is not None
    assert network.parameters.grad.numel() == sum(gradient.numel() for gradient in gradients)
    for own, reference in zip(gradients, [*weights, *biases], strict=True):
        assert reference.grad is not None
        assert torch.allclose(own.double(), reference.grad, rtol=1e-4, atol=1e-6 * float(reference.grad.abs().max()))


def test_further_seeds_share_points_and_start_between_the_networks() -> None:
    starts = [pd.DataFrame(train((case, [4, 5]), 0)[0]).drop(columns="case") for case in DROPOUT]
    pd.testing.assert_frame_equal(*starts)


def test_a_replica_does_not_depend_on_its_stack() -> None:
    together, _ = train(("NetDropout", [2021, 7]), 100)
    alone, _ = train(("NetDropout", [7]), 100)
    assert together[-1]["seed"] == alone[-1]["seed"] == 7
    assert together[-1]["norm"] == pytest.approx(alone[-1]["norm"], rel=1e-4)


@pytest.fixture(scope="module")
def outcome() -> ExperimentOutcome:
    return toy_dropout.run(ToyDropoutSettings(seeds=2, steps=500), NOWHERE)


def test_the_norms_at_the_start_are_those_of_the_plots(outcome: ExperimentOutcome) -> None:
    starts = [number for number in outcome.printed if "start" in number.what]
    assert len(starts) == 2
    assert all(number.same for number in starts)


def test_what_comes_after_training_is_not_compared_however_it_comes_out(outcome: ExperimentOutcome) -> None:
    full = toy_dropout.printed(outcome.tables["curves"].replace({"step": 500}, 10_000), 10_000)
    for number in (*outcome.printed, *full):
        assert number.note.startswith("read off a plot")
        assert number.comparable == ("start" in number.what)


def test_the_tables_hold_every_seed_and_step(outcome: ExperimentOutcome) -> None:
    assert len(outcome.outcomes) == 2 * 3 * 3
    assert not outcome.outcomes.duplicated(["case", "seed", "metric"]).any()
    assert len(outcome.tables["curves"]) == 2 * 3 * 6
    assert len(outcome.tables["predictions"]) == 2 * 3 * 2 * 40
    assert len(outcome.tables["points"]) == 3 * 10
