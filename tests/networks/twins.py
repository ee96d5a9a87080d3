"""The same networks one at a time, written out in plain PyTorch."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.networks.layers import BatchNorm
from stages.networks.network import Network

MLP = {
    "AnimalNet": (128, 32),
    "WideAnimalNet": (256, 64),
    "BigAnimalNet": (124, 64),
    "AnimalNetDropout": (248, 210),
}
LEAKY = ("BigAnimalNet", "AnimalNetDropout")


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, norm: bool):
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.norm1 = nn.BatchNorm2d(outputs) if norm else nn.Identity()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.norm2 = nn.BatchNorm2d(outputs) if norm else nn.Identity()
        self.shortcut = nn.Sequential()
        if inputs != outputs:
            self.shortcut.append(nn.Conv2d(inputs, outputs, 1, stride))
            self.shortcut.append(nn.BatchNorm2d(outputs) if norm else nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


def twin(name: str, shape: tuple[int, int, int], classes: int, norm: bool = False) -> nn.Sequential:
    """A network without dropout for images of a shape (C, H, W), drawn from torch's global generator."""
    channels, height, width = shape
    layers: list[nn.Module] = []
    if name in MLP:
        sizes = (channels * height * width, *MLP[name])
        layers.append(nn.Flatten())
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), *[nn.BatchNorm1d(outputs)] * norm]
            layers.append(nn.LeakyReLU() if name in LEAKY else nn.ReLU())
        layers.append(nn.Linear(sizes[-1], classes))
    elif name == "SmallConvNet":
        for inputs, outputs in pairwise((channels, 16, 32)):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), *[nn.BatchNorm2d(outputs)] * norm]
            layers += [nn.ReLU(), nn.MaxPool2d(2)]
        layers += [nn.Flatten(), nn.Linear(32 * (height // 4) * (width // 4), classes)]
    else:
        assert name == "SmallResNet"
        layers += [nn.Conv2d(channels, 16, 3, padding=1), *[nn.BatchNorm2d(16)] * norm, nn.ReLU()]
        layers += [Block(16, 16, norm), Block(16, 32, norm)]
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, classes)]
    return nn.Sequential(*layers)


@torch.no_grad()
def copy(network: Network, replica: int, target: nn.Module) -> None:
    """Give a twin the weights of one replica, layer by layer."""
    own = [module for module in target.modules() if list(module.parameters(recurse=False))]
    for theirs, module in zip(network.layers().values(), own, strict=True):
        for value, parameter in zip(theirs, module.parameters(recurse=False), strict=True):
            assert value.shape[1:] == parameter.shape
            parameter.copy_(value[replica])
    norms = [module for module in target.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    for stack, norm in zip((m for m in network.modules() if isinstance(m, BatchNorm)), norms, strict=True):
        norm.running_mean.copy_(stack.running_mean[replica])  # type: ignore[union-attr, operator]
        norm.running_var.copy_(stack.running_var[replica])  # type: ignore[union-attr, operator]


def size(network: nn.Module) -> int:
    return sum(math.prod(p.shape) for p in network.parameters())
