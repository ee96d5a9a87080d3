"""Lookahead."""

from __future__ import annotations

import torch

from tests.regularizers.watching import watched
from tests.training.conftest import Settings, every_kind, run, same, weights


def test_every_k_steps_it_goes_back_from_the_first_on(settings: Settings) -> None:
    """By the distance from the weights k steps ago, at first the initial ones."""
    plain, ours = watched(settings(epochs=7))[1], watched(settings(epochs=7), lookahead={"k": 3, "alpha": 0.3})[1]
    for name, initial in plain[0].items():
        assert all(torch.equal(ours[t][name], plain[t][name]) for t in range(3))
        back = initial + 0.3 * (plain[3][name] - initial)
        assert torch.allclose(ours[3][name], back, atol=1e-6)


@every_kind
def test_with_plain_sgd_and_k_one_it_is_a_smaller_learning_rate(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=6, momentum=0.0, lr=0.1)
    ours = run(chosen, lookahead={"k": 1, "alpha": 0.5})
    assert torch.allclose(
        weights(ours.network), weights(run(chosen.model_copy(update={"lr": 0.05})).network), atol=1e-5
    )


@every_kind
def test_alpha_one_changes_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3, batch_size=8)
    assert same(run(chosen, lookahead={"k": 2, "alpha": 1.0}), run(chosen))
    assert not same(run(chosen, lookahead={"k": 2, "alpha": 0.5}), run(chosen))
