"""What every benchmark uses: the device, generated data of AFHQ's shape, and what the results say of the machine."""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from greenlet import getcurrent, greenlet
from PIL import Image
from torchvision.datasets import ImageFolder

from stages import config
from stages.config import Training
from stages.history import measured_epochs
from stages.regularizers import Regularizer
from stages.training.device import device_name, find_device
from stages.training.examples import Examples, select
from stages.training.loop import Job, train

CLASSES = ("cat", "dog", "wild")
TRAIN, VAL, SIZE = 100, 300, 32
MEASURED = max(n for n in range(1, 100) if measured_epochs(n) == measured_epochs(n, every=True))
"""The most epochs of a training that is measured after each of them."""

Splits = tuple[np.ndarray, np.ndarray]
"""Indices of the training and of the validation images, in the order of ``ImageFolder``."""


@pytest.fixture(scope="session")
def device() -> torch.device:
    torch.set_flush_denormal(True)
    return find_device(config.load().training.device)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JPEG files, a folder for each class: blurred noise around a picture of its own for every class."""
    root = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    means = generator.integers(80, 176, (len(CLASSES), 4, 4, 3))
    for index in range(TRAIN + VAL):
        label = index % len(CLASSES)
        coarse = means[label] + generator.integers(-60, 61, means[label].shape)
        image = Image.fromarray(coarse.astype(np.uint8)).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        (root / CLASSES[label]).mkdir(exist_ok=True)
        image.save(root / CLASSES[label] / f"{index:04}.jpg", quality=90)
    return root


@pytest.fixture(scope="session")
def splits() -> Splits:
    order = np.random.default_rng(1).permutation(TRAIN + VAL)
    return order[:TRAIN], order[TRAIN:]


@pytest.fixture(scope="session")
def examples(folder: Path, splits: Splits, device: torch.device) -> Callable[[int], tuple[Examples, Examples]]:
    """The training and the validation examples of a number of replicas, on the device."""
    pictures = ImageFolder(folder)
    images, labels = np.stack([np.asarray(image) for image, _ in pictures]), np.array(pictures.targets)

    @functools.cache
    def of(replicas: int) -> tuple[Examples, Examples]:
        training, validation = (
            select(images, [labels] * replicas, labels, [chosen] * replicas, device) for chosen in splits
        )
        return training, validation

    return of


@pytest.fixture
def epochs(
    examples: Callable[[int], tuple[Examples, Examples]], device: torch.device
) -> Callable[[Training, Sequence[Regularizer], int], Callable[[], None]]:
    """Start ``train`` for a number of replicas; each call of what is returned takes it one epoch further.

    The training sits in a greenlet and gives way whenever it calls ``on_epoch``, so that what is timed is the
    benchmark's own loop. When a training ends the next begins: its set-up falls into one call of many, which the
    median leaves out. It has as many epochs as are each measured, whatever the method.
    """

    def start(settings: Training, methods: Sequence[Regularizer], replicas: int) -> Callable[[], None]:
        pause = getcurrent().switch
        measured = settings.model_copy(update={"epochs": MEASURED})
        jobs = [Job(measured, tuple(methods), seed) for seed in range(replicas)]

        def begin() -> greenlet:
            run = greenlet(train)
            run.switch(jobs, *examples(replicas), len(CLASSES), pause)
            return run

        run = begin()

        def epoch() -> None:
            nonlocal run
            run.switch()
            if run.dead:
                run = begin()
            if device.type == "cuda":
                torch.cuda.synchronize(device)

        return epoch

    return start


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Keep what explains a time, and nothing that names the machine or its owner."""
    params = config.load()
    kept = {
        "device": device_name(find_device(params.training.device)),
        "cpu": machine_info["cpu"].get("brand_raw", platform.machine()),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "source": params.data.source,
        "train": TRAIN,
        "val": VAL,
        "image_shape": [3, SIZE, SIZE],
        "classes": len(CLASSES),
    }
    machine_info.clear()
    machine_info.update(kept)


def pytest_benchmark_update_commit_info(commit_info: dict[str, Any]) -> None:
    kept = {"id": commit_info["id"], "dirty": commit_info["dirty"]}
    commit_info.clear()
    commit_info.update(kept)


def pytest_benchmark_update_json(output_json: dict[str, Any]) -> None:
    """Keep medians and quartiles, not the thousands of single times behind them."""
    for benchmark in output_json["benchmarks"]:
        del benchmark["stats"]["data"]
