"""What a source of images has to offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from stages.tasks import Images, Labels


@dataclass(frozen=True)
class LabelSet:
    """Labels of the pool, and where they come from."""

    labels: Labels
    origin: str
    """In words."""
    rate: float
    """The share of labels subject to noise. Some of them may keep their value."""


@dataclass(frozen=True)
class Decoded:
    """All images of a source."""

    images: Images
    clean: LabelSet
    """The true labels."""
    test_images: Images
    test_labels: Labels
    test_origin: str
    """How the test set was chosen, in words."""
    classes: tuple[str, ...]
    noisy: Mapping[str, LabelSet] = field(default_factory=dict)
    """Wrong labels that the source brings, by the name of the task that has them."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Files left out, and why."""


@dataclass(frozen=True)
class Listing:
    """The training images with one set of labels, in the order of torchvision's `ImageFolder`: by class, then by file
    name."""

    labels: Labels
    classes: tuple[str, ...]
    image_shape: tuple[int, ...]
    """(H, W, C)"""
    read: Callable[[Labels], Images]
    """The images at positions (M,) of the listing: (M, H, W, C)."""


class Source(BaseModel):
    """Where images come from: its parameters, the section of its name under `data` in `params.yaml`, are the fields.

    Its name there is that of its file in `stages/datasets/sources/`. Modules of this folder do not import torch:
    `params.yaml` is checked without it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    title: ClassVar[str]
    description: ClassVar[str]
    """One sentence."""
    url: ClassVar[str | None] = None
    licence: ClassVar[str | None] = None
    licence_url: ClassVar[str | None] = None
    citation: ClassVar[str | None] = None
    hashed: ClassVar[bool] = False
    """Whether files are checked against hashes known beforehand, so that a file from a mirror must be the
    publisher's."""
    augmentation: ClassVar[Mapping[str, float]]
    """The augmentations that preserve an image's class: the parameters of the regularizer, unless a variant gives
    others."""

    @property
    def name(self) -> str:
        return type(self).__module__.rpartition(".")[2]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of its images."""
        raise NotImplementedError

    @property
    def reads(self) -> Path | None:
        """The user's own folder that it reads; None if there is none."""
        return None

    def check(self) -> None:
        """Raise `UserError` if that folder holds what must not be opened. DVC opens all that lies there, so this comes
        before it."""

    def fetch(self, raw: Path) -> None:
        """Put the files and their manifest into a folder; what is already there and complete is not downloaded again.

        Raises `UserError` if a file cannot be had, or is not the right one.
        """
        raise NotImplementedError

    def decode(self, raw: Path) -> Decoded:
        """Read what `fetch` left in the folder. Raises `UserError` if it is not what it was."""
        raise NotImplementedError

    def listings(self, raw: Path) -> Mapping[str, Listing] | None:
        """The training images with each set of labels, if they can be listed without decoding them all."""
        return None
