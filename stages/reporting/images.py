"""Sample images: for each task one picture with a row per class."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.tasks import Material

EDGE = 56
"""About how large a sample is shown, in pixels."""
PER_CLASS = 5
MOST = 240
"""The most samples in one picture."""


@dataclass(frozen=True)
class Sample:
    column: int
    row: int
    label: str
    true: str

    @property
    def wrong(self) -> bool:
        return self.label != self.true


@dataclass(frozen=True)
class Sheet:
    """Samples of a task, in rows by the class of their label."""

    name: str
    rows: list[list[Sample]]
    edge: int
    """Width and height of a sample, in pixels."""
    png: bytes


def sheet(material: Material, name: str) -> Sheet:
    """Images that some seed trains on, spread evenly over each class as this task labels it."""
    classes, task = material.classes, material.tasks[name]
    count = max(1, min(PER_CLASS, MOST // len(classes)))
    labels, true = task.labels, material.true
    training = np.unique(np.concatenate([split.train for split in task.splits.values()]))
    height = material.images.shape[1]
    edge = height * max(1, round(EDGE / height)) if height <= 2 * EDGE else EDGE
    canvas = Image.new("RGB", (count * edge, len(classes) * edge), "white")
    rows = []
    for row, label in enumerate(classes):
        members = training[labels[training] == row]
        chosen = members[np.linspace(0, len(members) - 1, min(count, len(members))).round().astype(int)]
        for column, index in enumerate(chosen):
            canvas.paste(_enlarged(material.images[index], edge), (column * edge, row * edge))
        rows.append([Sample(column, row, label, classes[true[index]]) for column, index in enumerate(chosen)])
    file = io.BytesIO()
    canvas.save(file, "PNG", optimize=True)
    return Sheet(f"samples-{name}.png", rows, edge, file.getvalue())


def _enlarged(image: NDArray[np.uint8], edge: int) -> Image.Image:
    """An image (height, width, channels) as a square picture; small ones keep their pixels visible."""
    picture = Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image)
    return picture.resize((edge, edge), Image.Resampling.NEAREST if picture.width <= edge else Image.Resampling.BOX)
