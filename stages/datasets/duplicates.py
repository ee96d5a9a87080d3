"""Images that are identical pixel for pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stages.tasks import Images


def among(images: Images, others: Images) -> NDArray[np.bool_]:
    """Which of `images` (N, ...) are also in `others` (M, ...), pixel for pixel."""
    seen = set(_contents(others))
    return np.array([content in seen for content in _contents(images)], dtype=bool)


def repeats(images: Images) -> int:
    """How many images repeat an earlier one."""
    contents = _contents(images)
    return len(contents) - len(set(contents))


def _contents(images: Images) -> list[bytes]:
    return [image.tobytes() for image in images]
