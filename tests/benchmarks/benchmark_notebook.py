"""The yardstick: an epoch as the seed notebook does it, which decodes an image again whenever it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from stages import config
from stages.config import Training
from stages.models import NETWORKS
from stages.regularizers import Regularizer
from stages.training.examples import Examples
from stages.training.history import METRICS
from stages.training.loop import train
from stages.training.streams import Streams

SETTINGS = config.load().training.model_copy(
    update={"network": "AnimalNet", "batch_size": 128, "optimizer": "sgd", "lr": 5e-3, "momentum": 0.9}
)
"""As in the notebook."""


class AnimalNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(3 * 32 * 32, 128)
        self.fc2 = nn.Linear(128, 32)
        self.fc3 = nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.fc1(x.flatten(1)))
        x = F.relu(self.fc2(x))
        return F.log_softmax(self.fc3(x), dim=1)


class Notebook:
    """Training over image files, batch by batch from data loaders."""

    def __init__(self, folder: Path, splits: tuple[np.ndarray, np.ndarray], workers: int, device: torch.device):
        normalize = transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        pictures = ImageFolder(folder, transforms.Compose([transforms.ToTensor(), normalize]))
        self.train, self.val = (
            DataLoader(Subset(pictures, chosen.tolist()), batch_size, num_workers=workers)
            for chosen, batch_size in zip(splits, (SETTINGS.batch_size, 1000), strict=True)
        )
        self.device, self.model = device, AnimalNet().to(device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=SETTINGS.lr, momentum=SETTINGS.momentum)

    def epoch(self) -> tuple[float, ...]:
        """Train on every batch, then measure what ``METRICS`` names."""
        self.model.train()
        for images, labels in self.train:
            images, labels = images.to(self.device), labels.to(self.device)
            self.optimizer.zero_grad()
            F.nll_loss(self.model(images), labels).backward()
            self.optimizer.step()
        train_figures, val_figures = self.measure(self.train), self.measure(self.val)
        norm = sum(parameter.detach().norm() ** 2 for parameter in self.model.parameters()) ** 0.5
        return *train_figures, *val_figures, float(norm)

    @torch.no_grad()
    def measure(self, loader: DataLoader[tuple[Tensor, Tensor]]) -> tuple[float, float]:
        """Mean loss and accuracy."""
        self.model.eval()
        loss, correct, count = 0.0, 0, 0
        for images, labels in loader:
            images, labels = images.to(self.device), labels.to(self.device)
            outputs = self.model(images)
            loss += F.nll_loss(outputs, labels, reduction="sum").item()
            correct += int(outputs.argmax(dim=1).eq(labels).sum().item())
            count += len(labels)
        return loss / count, correct / count


@pytest.mark.benchmark(group="notebook")
@pytest.mark.parametrize("workers", [2, 0])
def test_notebook_epoch(
    benchmark: BenchmarkFixture,
    folder: Path,
    splits: tuple[np.ndarray, np.ndarray],
    examples: Callable[[int], tuple[Examples, Examples]],
    device: torch.device,
    workers: int,
) -> None:
    """An epoch of the notebook's loop; from the same initial weights it ends where the benchmark's own does."""
    notebook = Notebook(folder, splits, workers, device)
    network = NETWORKS[SETTINGS.network].stack(1, (3, 32, 32), 3, device)
    network.draw(Streams([0], device))
    notebook.model.load_state_dict({name: value[0] for name, value in network.state_dict().items()})
    own = train(SETTINGS.model_copy(update={"epochs": 1}), (), *examples(1), 3, [0]).history.values[1, :, 0].tolist()
    first = notebook.epoch()
    assert dict(zip(METRICS, first, strict=True)) == pytest.approx(dict(zip(METRICS, own, strict=True)), rel=1e-3)
    benchmark(notebook.epoch)


@pytest.mark.benchmark(group="same work")
@pytest.mark.parametrize("replicas", [1, 5])
def test_same_work(
    benchmark: BenchmarkFixture,
    epochs: Callable[[Training, Sequence[Regularizer], int], Callable[[], None]],
    replicas: int,
) -> None:
    """The notebook's epoch in the benchmark's own loop."""
    epoch = epochs(SETTINGS, (), replicas)
    epoch()
    benchmark(epoch)
