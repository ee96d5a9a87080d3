"""Stratified draws: the test set of sources without one, and the splits of every seed."""

from __future__ import annotations

import numpy as np

from stages import rng
from stages.config import Splits
from stages.datasets.arrays import Labels, Split
from stages.errors import UserError


def allocate(size: int, counts: Labels) -> Labels:
    """Divide `size` over classes in proportion to their `counts` (K,), by largest remainder.

    The sum is exactly `size`, each entry is less than one away from its exact share and, for a `size` up to the sum of
    `counts`, none exceeds its count. Equal remainders go to the earlier class.
    """
    scaled = size * counts
    shares = scaled // counts.sum()
    remainders = scaled % counts.sum()
    shares[np.argsort(-remainders, kind="stable")[: size - shares.sum()]] += 1
    return shares


def draw(labels: Labels, size: int, generator: np.random.Generator) -> Labels:
    """`size` different indices into `labels` (N,), stratified by class, in random order."""
    shuffled = generator.permutation(len(labels))
    classes, counts = np.unique(labels, return_counts=True)
    shares = allocate(size, counts)
    chosen = [shuffled[labels[shuffled] == label][:share] for label, share in zip(classes, shares, strict=True)]
    return generator.permutation(np.concatenate(chosen))


def draw_splits(labels: Labels, classes: tuple[str, ...], splits: Splits) -> dict[int, Split]:
    """For each seed two disjoint stratified draws from the pool with the true labels `labels` (N,).

    A seed's split does not depend on the number of seeds, nor its training examples on the size of the validation set.
    Raises `UserError` if the pool is too small, or a class too rare to be in both parts.
    """
    if splits.train + splits.val > len(labels):
        raise UserError(
            f"splits.train + splits.val ask for {splits.train} + {splits.val} images, "
            f"but there are {len(labels)} outside the test set; lower them or add images"
        )
    counts = np.bincount(labels, minlength=len(classes))
    train = allocate(splits.train, counts)
    for key, shares in (("train", train), ("val", allocate(splits.val, counts - train))):
        if absent := [f"{classes[k]} ({counts[k]} of {len(labels)} images)" for k in np.flatnonzero(shares == 0)]:
            raise UserError(
                f"splits.{key} = {getattr(splits, key)} leaves no image for {', '.join(absent)}; "
                f"every class needs one: raise splits.{key} or add images of that class"
            )
    return {seed: _split(labels, splits, rng.generator(seed, "splits")) for seed in range(splits.seeds)}


def _split(labels: Labels, splits: Splits, generator: np.random.Generator) -> Split:
    train = draw(labels, splits.train, generator)
    rest = np.setdiff1d(np.arange(len(labels)), train)
    return Split(train, rest[draw(labels[rest], splits.val, generator)])
