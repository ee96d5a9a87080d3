"""Norms, singular values and products of a replica's weight do not depend on its stack."""

from __future__ import annotations

import pytest
import torch

from stages.networks.matrices import gram, norms, polar, singular_value, singular_vectors


@pytest.mark.parametrize(
    "shape", [(16, 1, 3, 3), (32, 16, 3, 3), (32, 16, 1, 1), (3, 32), (32, 128), (210, 248), (10, 32), (5, 7)]
)
def test_they_are_the_same_alone_and_in_a_stack(shape: tuple[int, ...]) -> None:
    """In all bits, also of float64: rounded to float32 most differences would not show."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        weight, start = (torch.rand(5, *sizes, generator=generator) - 0.5 for sizes in (shape, shape[:1]))
        u, v = singular_vectors(weight, start, 3)
        whole = [norms(weight), gram(weight), polar(weight), u, v, singular_value(weight, u, v)]
        for few in ([3], [2, 3], [4, 0]):
            u, v = singular_vectors(weight[few], start[few], 3)
            part = [norms(weight[few]), gram(weight[few]), polar(weight[few]), u, v, singular_value(weight[few], u, v)]
            for name, a, b in zip(("norms", "gram", "polar", "u", "v", "value"), whole, part, strict=True):
                assert torch.equal(a[few], b), name
