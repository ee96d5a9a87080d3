"""Random streams named by (seed, purpose), so that a new method never shifts another's draws."""

from __future__ import annotations

import zlib

import numpy as np


def sequence(seed: int, purpose: str) -> np.random.SeedSequence:
    """The seed sequence of a purpose: the same on every machine, unrelated to every other (seed, purpose)."""
    return np.random.SeedSequence([seed, zlib.crc32(purpose.encode())])


def generator(seed: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng(sequence(seed, purpose))
