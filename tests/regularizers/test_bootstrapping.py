"""Bootstrapping."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tests.regularizers.steps import ce, loss, slope, some_logits
from tests.training.conftest import Settings, every_kind, run, same


def test_it_is_the_cross_entropy_of_mixed_targets() -> None:
    logits, y = some_logits(2, 50, 4)
    beta = torch.tensor([0.95, 0.5])
    own = {"soft": logits.softmax(-1), "hard": F.one_hot(logits.argmax(-1), 4).float()}
    for kind, p in own.items():
        values = [{"beta": b, "hard": kind == "hard"} for b in (0.95, 0.5)]
        target = beta[:, None, None] * y + (1 - beta)[:, None, None] * p
        found = loss("bootstrapping", logits, y, *values)
        assert torch.allclose(found, ce(logits, target), atol=1e-5)
        # The gradient goes through p as well.
        assert torch.allclose(slope(found, logits), slope(ce(logits, target), logits), atol=1e-6)


@pytest.mark.parametrize("hard", [False, True])
@every_kind
def test_beta_one_changes_nothing(settings: Settings, network: str, hard: bool) -> None:
    chosen = settings(network=network, epochs=3)
    assert same(run(chosen, bootstrapping={"beta": 1.0, "hard": hard}), run(chosen))
    assert not same(run(chosen, bootstrapping={"beta": 0.8, "hard": hard}), run(chosen))
