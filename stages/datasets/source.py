"""What a source of images has to offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stages.config import Data
from stages.datasets.arrays import Images, Labels


@dataclass(frozen=True)
class LabelSet:
    """Noisy labels that a source brings along."""

    labels: Labels
    origin: str
    """Where they come from, in words."""
    nominal_rate: float
    """The share of labels drawn anew, by the publisher's account."""


@dataclass(frozen=True)
class Decoded:
    """All images of a source with their true labels."""

    images: Images
    labels: Labels
    test_images: Images
    test_labels: Labels
    classes: tuple[str, ...]
    label_sets: Mapping[str, LabelSet] = field(default_factory=dict)
    """`partly_random` and `random`, if the source has its own."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Files left out, and why."""


@dataclass(frozen=True)
class Source:
    title: str
    description: str
    """One sentence."""
    licence: str | None
    licence_url: str | None
    citation: str | None
    url: str | None
    fetch: Callable[[Data, Path], None]
    """Put the source's files and their manifest into a folder; what is there and whole is not fetched again."""
    decode: Callable[[Data, Path], Decoded]
    """Read what `fetch` left in the folder."""
