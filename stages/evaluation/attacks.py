"""Attacks on a stack of R networks: pixels moved against the true class. Images are (R, N, C, H, W) in [-1, 1]."""

from __future__ import annotations

import torch
from torch import Tensor

from stages.networks.network import Network


def fast_gradient_sign(network: Network, images: Tensor, labels: Tensor, size: float) -> Tensor:
    """Each pixel moved by ``size`` in the direction in which the loss of the true class (R, N) grows.

    It stays in [-1, 1], and where it is if it has no influence.
    Goodfellow, Shlens, Szegedy 2015, https://arxiv.org/abs/1412.6572.
    """
    return (images + size * direction(network, images, labels)).clamp(-1, 1)


def projected_gradient(network: Network, images: Tensor, labels: Tensor, size: float, steps: int) -> Tensor:
    """The same in so many smaller steps, each in the direction of its own place, and no pixel further than ``size``.

    A step has 2.5 / steps of the size, as in Madry et al. 2018, https://arxiv.org/abs/1706.06083. The first begins at
    the image itself and not at a random place near it, so that nothing differs between networks but the networks.
    """
    low, high = (images - size).clamp(min=-1), (images + size).clamp(max=1)
    moved = images
    for _ in range(steps):
        moved = (moved + 2.5 / steps * size * direction(network, moved, labels)).clamp(low, high)
    return moved


def direction(network: Network, images: Tensor, labels: Tensor) -> Tensor:
    """The sign of the gradient of the true class's loss in each pixel: 1, 0 or -1."""
    images = images.detach().requires_grad_()
    logits = network(images)
    true = labels[..., None]
    others = logits.scatter(-1, true, -torch.inf).logsumexp(-1)
    # The loss is log(1 + exp(excess)). Its gradient has the sign of that of the excess, which a network that is sure
    # of itself does not round to zero.
    excess = others - logits.gather(-1, true)[..., 0]
    (gradient,) = torch.autograd.grad(excess.sum(), images)
    return gradient.sign()
