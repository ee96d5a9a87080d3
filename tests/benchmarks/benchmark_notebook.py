"""The yardstick: an epoch as the course notebook does it, which decodes an image again whenever it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch.utils.data import Subset

from stages import config
from stages.config import Training
from stages.history import METRICS
from stages.networks import NETWORKS
from stages.regularizers import Regularizer
from stages.streams import Streams
from stages.training.examples import Examples
from stages.training.loop import Job, train
from tests import notebook

SETTINGS = config.load().training.model_copy(
    update={"network": "AnimalNet", "batch_size": 128, "optimizer": "sgd", "lr": 5e-3, "momentum": 0.9}
)
"""As in the notebook."""
MEASURED = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "param_norm")
"""What an epoch of the notebook gives, in its order."""


class Notebook:
    """Training over image files, batch by batch from data loaders."""

    def __init__(self, folder: Path, splits: tuple[np.ndarray, np.ndarray], workers: int, device: torch.device):
        pictures = notebook.pictures(folder)
        self.train, self.val = (
            notebook.make_loader(Subset(pictures, chosen.tolist()), batch_size, workers, torch.Generator())
            for chosen, batch_size in zip(splits, (SETTINGS.batch_size, 1000), strict=True)
        )
        self.device, self.model = device, notebook.animal_net().to(device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=SETTINGS.lr, momentum=SETTINGS.momentum)

    def epoch(self) -> tuple[float, ...]:
        """Train on every batch, then measure what ``METRICS`` names."""
        notebook.train(self.model, self.train, self.optimizer, device=self.device)
        measured = [notebook.measure(self.model, loader, self.device) for loader in (self.train, self.val)]
        figures = (figure for accuracy, loss in measured for figure in (loss, accuracy / 100))
        return *figures, notebook.calculate_frobenius_norm(self.model)


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
    loop = Notebook(folder, splits, workers, device)
    network = NETWORKS[SETTINGS.network].stack(1, (3, 32, 32), 3, device)
    network.draw(Streams([0], device))
    loop.model.load_state_dict({name: value[0] for name, value in network.state_dict().items()})
    job = Job(SETTINGS.model_copy(update={"epochs": 1}), (), seed=0)
    own = train([job], *examples(1), 3).history.values[1, :, 0].tolist()
    measured = dict(zip(METRICS, own, strict=True))
    first = dict(zip(MEASURED, loop.epoch(), strict=True))
    assert first == pytest.approx({name: measured[name] for name in MEASURED}, rel=1e-3)
    benchmark(loop.epoch)


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
