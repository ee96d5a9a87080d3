"""The test set, apart from the other arrays: only `prepare`, which writes it, and `evaluate` may import this module."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stages.artefacts import checked
from stages.tasks import Images, Labels, load_arrays, save_arrays

TEST = Path("data/test.npz")


@dataclass(frozen=True)
class HeldOut:
    """Images used for no training, validation or choice, with their true labels."""

    images: Images
    labels: Labels


def read_test() -> HeldOut:
    arrays = load_arrays(checked(TEST))
    return HeldOut(arrays["images"], arrays["labels"])


def write_test(test: HeldOut) -> None:
    save_arrays(TEST, images=test.images, labels=test.labels)
