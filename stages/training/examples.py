"""Images and labels as the networks take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Examples:
    """Images (R, N, C, H, W) in [-1, 1] and class indices (R, N), for R replicas."""

    images: Tensor
    labels: Tensor
    true: Tensor
    """The true class indices (R, N), of which training sees nothing."""


def select(
    images: np.ndarray,
    labels: Sequence[np.ndarray],
    true: np.ndarray,
    indices: Sequence[np.ndarray],
    device: torch.device,
) -> Examples:
    """The examples of R replicas, from uint8 images (N, H, W, C) and their true class indices (N,), and for each
    replica the class indices (N,) it goes by and the indices of its examples, equally many for all."""
    pixels = torch.from_numpy(images[np.stack(indices)]).to(device)
    scaled = pixels.float().div(127.5).sub(1)
    classes = np.stack([column[chosen] for column, chosen in zip(labels, indices, strict=True)])
    return Examples(
        scaled.movedim(-1, 2).contiguous(),
        torch.from_numpy(classes).long().to(device),
        torch.from_numpy(true[np.stack(indices)]).long().to(device),
    )
