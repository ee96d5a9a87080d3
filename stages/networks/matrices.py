"""Weights of a stack as matrices (R, outputs, inputs), a convolution's kernels as (outputs, inputs * height * width).

Roots and decompositions of torch round by the processor. So roots are drawn in float64 and rounded to float32, and
singular values come from products, in a fixed number of them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from stages.networks.products import product

TO_POLAR = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
    (1.891301407787398, -1.2679958271945868, 0.37680408948524835),
    (1.8750014808534479, -1.2500016453999487, 0.3750001645474248),
    (1.875, -1.25, 0.375),
)
"""Coefficients of s, s^3 and s^5 that lead singular values s from 0.001 to 1 to one, step by step, the fastest way:
Amsel et al., "The Polar Express", 2025, https://arxiv.org/abs/2505.16932."""


def norms(weight: Tensor) -> Tensor:
    """The norm of each unit's weights, those that lead to one output: (R, outputs).

    Its gradient at zero is zero.
    """
    return root(weight.double().square().flatten(2).sum(-1))


def root(squares: Tensor) -> Tensor:
    """Square roots of float64, right to the precision of float32, with the gradient zero at zero."""
    positive = squares > 0
    return squares.where(positive, 1.0).sqrt().float().double().where(positive, 0.0)


def normalized(vectors: Tensor) -> Tensor:
    """Vectors (R, n) in float64, each over its length; zeros stay zeros."""
    lengths = root(vectors.square().sum(-1, keepdim=True))
    return vectors / lengths.where(lengths > 0, 1.0)


@torch.no_grad()
def singular_vectors(weight: Tensor, start: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """Vectors u (R, outputs) and v (R, inputs) of the largest singular value, in float64.

    Power iterations lead there from u = start (R, outputs); v is the best one for that u, so that u'Wv = |W'u|.
    """
    matrices = weight.flatten(2).double()
    u = normalized(start.double())
    for _ in range(iterations):
        u = normalized(times(matrices, times(matrices.mT, u)))
    return u, normalized(times(matrices.mT, u))


def times(matrices: Tensor, vectors: Tensor) -> Tensor:
    """Matrices (R, m, n) times vectors (R, n): (R, m)."""
    return product(matrices, vectors[..., None])[..., 0]


def singular_value(weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """u'Wv (R,) in float64, whose gradient is u v'."""
    return (weight.flatten(2).double() * u[:, :, None] * v[:, None]).flatten(1).sum(1)


@torch.no_grad()
def polar(weight: Tensor) -> Tensor:
    """U V' of the singular value decomposition U S V', shaped as the weight, in float64.

    By the inverse root of W W' (of W'W where that is smaller), in the steps of `TO_POLAR`. Singular values below some
    1e-4 of the root of all their squares count less.
    """
    matrices = weight.flatten(2).double()
    outputs, inputs = matrices.shape[1:]
    wide = matrices if outputs <= inputs else matrices.mT
    length = root(wide.square().flatten(1).sum(1))[:, None, None]
    wide = wide / length.where(length > 0, 1.0)
    y, eye = product(wide, wide.mT), torch.eye(wide.shape[1], dtype=wide.dtype, device=wide.device)
    z = eye.expand_as(y).contiguous()
    for a, b, c in TO_POLAR:
        square = product(z, y)
        step = a * eye + b * square + c * product(square, square)
        y, z = product(y, step), product(step, z)
    result = product(z, wide)
    return (result if outputs <= inputs else result.mT).reshape(weight.shape)


def gram(weight: Tensor) -> Tensor:
    """W W', or W'W where that is smaller: (R, n, n)."""
    matrices = weight.flatten(2)
    outputs, inputs = matrices.shape[1:]
    return product(matrices, matrices.mT) if outputs <= inputs else product(matrices.mT, matrices)
