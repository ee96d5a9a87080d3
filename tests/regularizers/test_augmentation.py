"""Data augmentation."""

from __future__ import annotations

import pytest
import torch

from stages.regularizers.base import Step
from tests.regularizers.common import step, work
from tests.training.conftest import Settings, every_kind, run, same


def augmented(x: torch.Tensor, *values: dict[str, float]) -> Step:
    now = step(x, torch.zeros(len(x), x.shape[1], 2))
    work("augmentation", *values).batch(now)
    return now


@pytest.mark.parametrize("shift", [0, 1, 3])
def test_it_moves_whole_images(shift: int) -> None:
    x = torch.zeros(1, 50, 1, 9, 9)
    x[:, :, :, 4, 4] = 1
    spots = augmented(x, {"horizontal_flip": 0.0, "shift": shift}).x[0, :, 0].flatten(1)
    assert torch.equal(spots.sum(1), torch.ones(50))
    where = spots.argmax(1)
    offsets = {(int(i) // 9 - 4, int(i) % 9 - 4) for i in where}
    span = range(-shift, shift + 1)
    assert offsets <= {(a, b) for a in span for b in span}
    assert {a for a, _ in offsets} == {b for _, b in offsets} == set(span)


def test_it_repeats_the_edge_and_mirrors() -> None:
    column = torch.arange(4.0).expand(1, 200, 1, 4, 4)
    shifted = augmented(column, {"horizontal_flip": 0.0, "shift": 1}).x
    rows = {tuple(row.tolist()) for row in shifted[0, :, 0, 0]}
    assert rows == {(0, 1, 2, 3), (0, 0, 1, 2), (1, 2, 3, 3)}
    mirrored = augmented(column, {"horizontal_flip": 0.25, "shift": 0}).x
    flips = (mirrored[0, :, 0, 0, 0] == 3).double().mean().item()
    assert flips == pytest.approx(0.25, abs=0.08)
    assert {tuple(row.tolist()) for row in mirrored[0, :, 0, 0]} == {(0, 1, 2, 3), (3, 2, 1, 0)}


def test_all_channels_of_an_image_move_together_and_images_apart() -> None:
    x = torch.rand(2, 40, 1, 6, 6).expand(2, 40, 3, 6, 6)
    moved = augmented(x, *[{"horizontal_flip": 0.5, "shift": 2}] * 2).x
    assert torch.equal(moved[:, :, 0], moved[:, :, 1])
    assert torch.equal(moved[:, :, 0], moved[:, :, 2])
    assert not torch.equal(moved[0], x[0])
    same_images = x[:1].expand(2, 40, 3, 6, 6)
    first, second = augmented(same_images, *[{"horizontal_flip": 0.5, "shift": 2}] * 2).x
    assert not torch.equal(first, second)  # of two seeds


def test_each_replica_mirrors_with_its_own_probability() -> None:
    column = torch.arange(4.0).expand(3, 400, 1, 4, 4)
    mirrored = augmented(column, *[{"horizontal_flip": p, "shift": 0} for p in (0.0, 1.0, 0.5)]).x
    flips = (mirrored[:, :, 0, 0, 0] == 3).double().mean(1).tolist()
    assert flips[:2] == [0.0, 1.0]
    assert flips[2] == pytest.approx(0.5, abs=0.1)


def test_it_leaves_the_images_it_was_given() -> None:
    x = torch.rand(1, 20, 1, 5, 5)
    before = x.clone()
    assert not torch.equal(augmented(x, {"horizontal_flip": 0.5, "shift": 2}).x, before)
    assert torch.equal(x, before)


@every_kind
def test_one_that_does_nothing_changes_nothing(settings: Settings, network: str) -> None:
    chosen = settings(network=network, epochs=3, batch_size=7)
    assert same(run(chosen, augmentation={"horizontal_flip": 0.0, "shift": 0}), run(chosen))
