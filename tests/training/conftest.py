"""Small experiments on generated images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from stages import config
from stages.config import Training
from stages.regularizers import REGULARIZERS, Regularizer
from stages.training.examples import Examples
from stages.training.loop import Job, Trained, train

CLASSES = 3
SHAPE = (1, 4, 4)

Settings = Callable[..., Training]
Methods = dict[str, dict[str, Any]]
METHODS: list[Methods] = [
    {},
    {"l1": {"strength": 0.01}},
    {"weight_decay": {"strength": 0.1}},
    {"dropout": {"p": 0.5}},
    {"batch_norm": {"momentum": 0.1}},
    {"augmentation": {"horizontal_flip": 0.5, "shift": 1}},
    {"label_smoothing": {"epsilon": 0.1}},
    {"early_stopping": {"patience": 2}},
    {"augmentation": {"horizontal_flip": 0.5, "shift": 1}, "dropout": {"p": 0.2}, "early_stopping": {"patience": 3}},
]


@pytest.fixture(autouse=True)
def _as_the_stage_sets_up_torch() -> None:
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("error")


@pytest.fixture
def settings() -> Settings:
    def make(**changes: Any) -> Training:
        return config.load().training.model_copy(update={"epochs": 12, "lr": 0.1, "device": "cpu"} | changes)

    return make


def examples(seed: int, n: int) -> Examples:
    """Images of one replica whose brightness tells their class, but for noise: (1, n, 1, 4, 4)."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (1, n), generator=generator)
    noise = torch.randn(1, n, *SHAPE, generator=generator)
    return Examples(0.3 * noise + (labels.view(1, n, 1, 1, 1) - 1) * 0.4, labels)


def stacked(parts: Sequence[Examples]) -> Examples:
    return Examples(torch.cat([p.images for p in parts]), torch.cat([p.labels for p in parts]))


def regularizers(**parameters: dict[str, Any]) -> list[Regularizer]:
    return [REGULARIZERS[name](**values) for name, values in parameters.items()]


def run(settings: Training, seeds: Sequence[int] = (0,), n: int = 24, **methods: dict[str, Any]) -> Trained:
    """Train a stack, replica s on images of its own."""
    training = stacked([examples(seed, n) for seed in seeds])
    validation = stacked([examples(1000 + seed, 30) for seed in seeds])
    specs = tuple(regularizers(**methods))
    return train([Job(settings, specs, seed) for seed in seeds], training, validation, CLASSES)
