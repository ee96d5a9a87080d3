"""Generated pictures in the layout of the AFHQ archives, unpacked and packed."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("cat", "dog", "wild")
FOLDERS = {
    "clean": Path("afhq"),
    "partly_random": Path("afhq_10_32x32/afhq_10"),
    "random": Path("afhq_random_32x32/afhq_random"),
}
"""What each archive holds."""


def write(root: Path, count: int, height: int = 32, width: int = 32) -> dict[str, Path]:
    """Write `count` training images a label set, and three to test with; the folders for `ImageFolder` by label set.

    Each image is blurred noise around a picture of its class. The order of the names is not that of the classes.
    """
    generator = np.random.default_rng(0)
    means = generator.integers(80, 176, (len(CLASSES), 4, 4, 3))
    for index in range(count + len(CLASSES)):
        part = "train" if index < count else "val"
        true = index % len(CLASSES)
        coarse = means[true] + generator.integers(-60, 61, means[true].shape)
        picture = Image.fromarray(coarse.astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
        labels = {"clean": true}
        if part == "train":
            labels["random"] = int(generator.integers(len(CLASSES)))
            labels["partly_random"] = labels["random"] if generator.random() < 0.1 else true
        first, *others = (root / FOLDERS[name] / part / CLASSES[label] for name, label in labels.items())
        for folder in (first, *others):
            folder.mkdir(parents=True, exist_ok=True)
        picture.save(first / f"{index * 7919 % 10_007:05}.jpg", quality=90)
        for folder in others:
            shutil.copy(first / f"{index * 7919 % 10_007:05}.jpg", folder)
    return {name: root / folder / "train" for name, folder in FOLDERS.items()}


def pack(root: Path, target: Path) -> None:
    """Make the archives `<name>.zip` of what `write` wrote, their files in no particular order."""
    target.mkdir(parents=True, exist_ok=True)
    for folder in FOLDERS.values():
        with zipfile.ZipFile(target / f"{folder.parts[0]}.zip", "w") as archive:
            for path in sorted((root / folder).rglob("*.jpg"), key=lambda path: path.name[::-1]):
                archive.write(path, path.relative_to(root))
