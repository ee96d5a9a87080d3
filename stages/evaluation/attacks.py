"""Attacks on a stack of R networks: pixels moved against the true class. Images are (R, N, C, H, W) in [-1, 1]."""

from __future__ import annotations

import torch
from torch import Tensor

from stages.networks.network import Network


def fast_gradient_sign(images: Tensor, first: Tensor, size: float) -> Tensor:
    """Each pixel moved by ``size`` in the direction in which the loss of the true class grows, but not out of [-1, 1].

    ``first`` is that direction at the images; a pixel without influence has none and stays where it is.
    Goodfellow, Shlens, Szegedy 2015, https://arxiv.org/abs/1412.6572.
    """
    return (images + size * first).clamp(-1, 1)


def projected_gradient(
    network: Network, images: Tensor, labels: Tensor, first: Tensor, size: float, steps: int
) -> Tensor:
    """The same in so many smaller steps, each in the direction of its own place, and no pixel further than ``size``.

    A step has 2.5 / steps of the size, as in Madry et al. 2018, https://arxiv.org/abs/1706.06083. The first begins at
    the images themselves and not at random places near them, so that nothing differs between networks but the networks.
    """
    low, high = (images - size).clamp(min=-1), (images + size).clamp(max=1)
    moved = images
    for number in range(steps):
        along = first if number == 0 else direction(network, moved, labels)
        moved = (moved + 2.5 / steps * size * along).clamp(low, high)
    return moved


def direction(network: Network, images: Tensor, labels: Tensor) -> Tensor:
    """The sign of the gradient of the loss of the true class (R, N) in each pixel: 1, 0 or -1."""
    images = images.detach().requires_grad_()
    logits = network(images)
    true = labels[..., None]
    others = logits.scatter(-1, true, -torch.inf).logsumexp(-1)
    # The loss is log(1 + exp(excess)). Its gradient has the sign of that of the excess, which a network that is sure
    # of itself does not round to zero.
    excess = others - logits.gather(-1, true)[..., 0]
    (gradient,) = torch.autograd.grad(excess.sum(), images)
    return gradient.sign()
