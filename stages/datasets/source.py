"""What a source of images has to offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stages.config import Data
from stages.datasets.arrays import Images, Labels


@dataclass(frozen=True)
class LabelSet:
    """Labels of the pool, and where they come from."""

    labels: Labels
    origin: str
    """In words."""
    nominal_rate: float
    """The share of labels said to be drawn anew; one of them may have drawn its true class."""


@dataclass(frozen=True)
class Decoded:
    """All images of a source."""

    images: Images
    labels: Mapping[str, LabelSet]
    """`clean`, and `partly_random` and `random` if the source has its own."""
    test_images: Images
    test_labels: Labels
    test_origin: str
    """How the test set was chosen, in words."""
    classes: tuple[str, ...]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Files left out, and why."""


@dataclass(frozen=True)
class Listing:
    """The training images of a label set in the order of torchvision's `ImageFolder`: by class, then by file name."""

    labels: Labels
    classes: tuple[str, ...]
    image_shape: tuple[int, ...]
    """(H, W, C)"""
    read: Callable[[Labels], Images]
    """The images at positions (M,) of the listing: (M, H, W, C)."""


@dataclass(frozen=True)
class Source:
    title: str
    description: str
    """One sentence."""
    url: str | None
    licence: str | None
    licence_url: str | None
    citation: str | None
    fetch: Callable[[Data, Path], None]
    """Put the source's files and their manifest into a folder; what is there and whole is not fetched again."""
    decode: Callable[[Data, Path], Decoded]
    """Read what `fetch` left in the folder."""
    listings: Callable[[Data, Path], Mapping[str, Listing]] | None = None
    """The training images of each label set, if they can be listed without decoding them all."""
