"""The face notebook (document 001) as it is written there: image files, data loaders, torch's global generator.

The yardstick for the replay's figures and for the time that training takes here. Its names are the notebook's, but for
`measure`, which is `test` there.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, random_split
from torchvision import transforms
from torchvision.datasets import ImageFolder

SEED = 2021
BATCH_SIZE = 128

Item = tuple[Tensor, Tensor]
Loader = DataLoader[Item]


class Net(nn.Module):
    def __init__(
        self,
        inputs: int,
        hidden: tuple[int, int],
        classes: int,
        activation: Callable[[Tensor], Tensor],
        dropout: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, hidden[0])
        self.fc2 = nn.Linear(hidden[0], hidden[1])
        self.fc3 = nn.Linear(hidden[1], classes)
        self.dropout1, self.dropout2 = map(nn.Dropout, dropout) if dropout else (nn.Identity(), nn.Identity())
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        x = x.view(x.shape[0], -1)
        x = self.activation(self.dropout1(self.fc1(x)))
        x = self.activation(self.dropout2(self.fc2(x)))
        return F.log_softmax(self.fc3(x), dim=1)


def animal_net(inputs: int = 3 * 32 * 32, classes: int = 3) -> Net:
    return Net(inputs, (128, 32), classes, F.relu)


def big_animal_net(inputs: int, classes: int) -> Net:
    return Net(inputs, (124, 64), classes, F.leaky_relu)


def animal_net_dropout(inputs: int, classes: int) -> Net:
    return Net(inputs, (248, 210), classes, F.leaky_relu, (0.5, 0.3))


def set_seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def seed_worker(worker_id: int) -> None:
    worker_seed = torch.initial_seed() % 2**32
    np.random.seed(worker_seed)
    random.seed(worker_seed)


def pictures(folder: Path, *flips: Callable[[object], object]) -> ImageFolder:
    normalize = transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    return ImageFolder(folder, transforms.Compose([*flips, transforms.ToTensor(), normalize]))


def make_loader(dataset: Dataset[Item], batch_size: int, workers: int, generator: torch.Generator) -> Loader:
    return DataLoader(
        dataset, batch_size=batch_size, num_workers=workers, worker_init_fn=seed_worker, generator=generator
    )


def split(data: ImageFolder, train: int, workers: int) -> tuple[Loader, Loader]:
    """Loaders of the first images of a random split, and of the 100 that follow."""
    chosen, val, _ = random_split(data, [train, 100, len(data) - train - 100])
    generator = torch.Generator()
    generator.manual_seed(SEED)
    return make_loader(chosen, BATCH_SIZE, workers, generator), make_loader(val, 1000, workers, generator)


def l1_reg(model: nn.Module) -> Tensor | float:
    l1: Tensor | float = 0.0
    for param in model.parameters():
        l1 += torch.sum(torch.abs(param))
    return l1


def l2_reg(model: nn.Module) -> Tensor | float:
    l2: Tensor | float = 0.0
    for param in model.parameters():
        l2 += torch.sum(torch.abs(param) ** 2)
    return l2


def train(
    model: nn.Module,
    train_loader: Loader,
    optimizer: torch.optim.Optimizer,
    lambda1: float | None = None,
    lambda2: float | None = None,
    device: torch.device | str = "cpu",
) -> None:
    model.train()
    for batch, labels in train_loader:
        data, target = batch.to(device), labels.to(device)
        optimizer.zero_grad()
        output = model(data)
        if lambda1 is None and lambda2 is None:
            loss = F.nll_loss(output, target)
        elif lambda2 is None:
            loss = F.nll_loss(output, target) + lambda1 * l1_reg(model)
        elif lambda1 is None:
            loss = F.nll_loss(output, target) + lambda2 * l2_reg(model)
        else:
            loss = F.nll_loss(output, target) + lambda1 * l1_reg(model) + lambda2 * l2_reg(model)
        loss.backward()
        optimizer.step()


def measure(model: nn.Module, loader: Loader, device: torch.device | str = "cpu") -> tuple[float, float]:
    """Accuracy in percent, and the mean loss, which the notebook computes and does not return."""
    model.eval()
    loss, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for batch, labels in loader:
            data, target = batch.to(device), labels.to(device)
            output = model(data)
            loss += F.nll_loss(output, target, reduction="sum").item()
            pred = output.argmax(dim=1, keepdim=True)
            correct += int(pred.eq(target.view_as(pred)).sum().item())
            count += len(target)
    return 100.0 * correct / count, loss / count


def calculate_frobenius_norm(model: nn.Module) -> float:
    norm: Tensor | float = 0.0
    for param in model.parameters():
        norm += torch.norm(param).data ** 2
    return float(norm**0.5)


@dataclass(frozen=True)
class Experiment:
    """A section's call of the notebook's `main`."""

    name: str
    model: nn.Module
    train_loader: Loader
    val_loader: Loader
    epochs: int
    lr: float
    momentum: float
    lambda1: float | None = None
    lambda2: float | None = None
    patience: int | None = None


def experiments(folders: Mapping[str, Path], workers: int) -> Iterator[Experiment]:
    """The notebook's experiments, then those of its first part, in order.

    Each must be run to its end before the next is asked for, since all draw from the global generator. `folders` are
    those that `ImageFolder` reads, by label set.
    """
    clean = pictures(folders["clean"])
    inputs, classes = clean[0][0].numel(), len(clean.classes)

    def seeded(network: Callable[[int, int], Net]) -> Net:
        set_seed(SEED)
        return network(inputs, classes)

    set_seed(SEED)
    base = split(clean, 100, workers)
    rand = split(pictures(folders["random"]), 100, workers)
    partial = split(pictures(folders["partly_random"]), 100, workers)
    reg = split(clean, 30, workers)

    yield Experiment("unregularized", seeded(animal_net), *reg, 150, 5e-3, 0.99)
    yield Experiment("l1", seeded(animal_net), *reg, 150, 5e-3, 0.99, lambda1=0.001)
    yield Experiment("l2", seeded(animal_net), *base, 150, 5e-3, 0.99, lambda2=0.001)
    yield Experiment("l1_l2", seeded(animal_net), *base, 150, 5e-3, 0.99, lambda1=0.001, lambda2=0.001)

    yield Experiment("dropout", seeded(animal_net_dropout), *base, 200, 5e-3, 0.9)
    yield Experiment("big", seeded(big_animal_net), *base, 200, 5e-3, 0.9)

    pure = split(clean, 250, workers)
    flips = transforms.RandomHorizontalFlip(p=0.1), transforms.RandomVerticalFlip(p=0.1)
    aug, _ = split(pictures(folders["clean"], *flips), 250, workers=0)
    yield Experiment("augmented", seeded(animal_net), aug, pure[1], 250, 1e-3, 0.99)
    yield Experiment("pure", seeded(animal_net), *pure, 250, 1e-3, 0.99)

    for lr in (5e-4, 1e-3, 5e-3):
        yield Experiment(f"lr_{lr}", seeded(animal_net), *pure, 20, lr, 0.99)

    for name, loaders in (("clean", base), ("partly_random", partial), ("random", rand)):
        yield Experiment(f"memorize_{name}", seeded(big_animal_net), *loaders, 200, 5e-3, 0.9)
    yield Experiment("early_stopping", seeded(animal_net), *base, 200, 5e-4, 0.99, patience=20)


def main(experiment: Experiment, at_most: int) -> Iterator[tuple[float, float, float]]:
    """Train accuracy, validation accuracy and parameter norm after each epoch; no more than `at_most` of them."""
    model, loaders = experiment.model, (experiment.train_loader, experiment.val_loader)
    optimizer = torch.optim.SGD(model.parameters(), lr=experiment.lr, momentum=experiment.momentum)
    best_acc, wait = 0.0, 0
    for _ in range(min(experiment.epochs, at_most)):
        train(model, experiment.train_loader, optimizer, experiment.lambda1, experiment.lambda2)
        train_acc, val_acc = (measure(model, loader)[0] for loader in loaders)
        if experiment.patience is not None:
            if val_acc > best_acc:
                best_acc, wait = val_acc, 0
            else:
                wait += 1
            if wait > experiment.patience:
                break
        yield train_acc, val_acc, calculate_frobenius_norm(model)
