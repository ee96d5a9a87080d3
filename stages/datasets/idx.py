"""Files in the format of MNIST, compressed: a header, and one byte for each pixel or label."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.errors import UserError
from stages.tasks import Images, Labels

SIDE = 28
"""Pixels of an image, in height and width."""


@dataclass(frozen=True)
class Content:
    """The content of a file when unpacked."""

    rows: int
    header: int
    """In bytes."""
    row: int
    """In bytes."""
    md5: str
    packed: bool = False
    """Whether the hash is that of the file as served, not of its unpacked content."""

    @property
    def size(self) -> int:
        return self.header + self.rows * self.row


def contents(names: Mapping[str, str], packed: bool = False) -> dict[str, Content]:
    """The four files of a data set of MNIST's size, from the md5 of each by name, in this order: training images,
    their labels, test images, their labels."""
    shapes = [(60_000, 16, SIDE * SIDE), (60_000, 8, 1), (10_000, 16, SIDE * SIDE), (10_000, 8, 1)]
    return {name: Content(*shape, md5, packed) for (name, md5), shape in zip(names.items(), shapes, strict=True)}


def unpack(path: Path, content: Content, title: str) -> NDArray[np.uint8]:
    """Bytes (rows, row) of a file, without its header; never more is unpacked than the file should hold.

    Raises `UserError` if it is not the file of the data set `title` that it should be.
    """
    try:
        with gzip.open(path) as stream:
            unpacked = stream.read(content.size + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path.name} is not a complete gzip file: {error}") from None
    hashed = path.read_bytes() if content.packed else unpacked
    found = hashlib.md5(hashed, usedforsecurity=False).hexdigest()
    if found != content.md5 or len(unpacked) != content.size:
        raise UserError(
            f"{path.name} is not {title}'s: expected {content.size:,} bytes when unpacked and the md5 {content.md5} "
            f"{'as served' if content.packed else 'of them'}, "
            f"found {'more' if len(unpacked) > content.size else f'{len(unpacked):,}'} with {found}"
        )
    return np.frombuffer(unpacked, np.uint8, offset=content.header).reshape(content.rows, content.row)


def read(raw: Path, files: Mapping[str, Content], title: str) -> tuple[Images, Labels, Images, Labels]:
    """Training images (N, side, side, 1) and labels (N,), then those of the test set, from the four `files` in
    `raw`."""
    parts = [unpack(raw / name, content, title) for name, content in files.items()]
    side = round(parts[0].shape[1] ** 0.5)
    train, test = (parts[place].reshape(-1, side, side, 1) for place in (0, 2))
    return train, parts[1][:, 0].astype(np.int64), test, parts[3][:, 0].astype(np.int64)
