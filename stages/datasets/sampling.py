"""Stratified draws: the test set of sources without one, and the splits of every seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from stages import rng
from stages.errors import UserError
from stages.tasks import Labels, Split

EPSILON = 1e-9
"""Rounding of a number of images."""


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


def in_turns(labels: Labels, start: Labels, population: Labels, size: int) -> Labels:
    """`size` positions in `labels` (N,), class by class in turns, the images of a class in the order of `labels`.

    Put after a draw with `start` images of each class (K,), every prefix is stratified: each class has its share of
    `population` (K,), to less than one image if `start` has it. Largest remainders would not do, for with them a class
    may lose an image when one more is drawn. Balinski and Young, "The Quota Method of Apportionment", 1975.
    """
    counts, members = start.tolist(), [np.flatnonzero(labels == k).tolist() for k in range(len(population))]
    shares = (population / population.sum()).tolist()
    chosen = []
    for drawn in range(sum(counts) + 1, sum(counts) + size + 1):
        left = [k for k, share in enumerate(shares) if members[k] and share]
        due = [k for k in left if counts[k] < drawn * shares[k] - EPSILON] or left
        turn = min(due, key=lambda k: (counts[k] + 1) / shares[k])
        counts[turn] += 1
        chosen.append(members[turn].pop(0))
    return np.array(chosen, np.int64)


def draw_splits(
    labels: Labels, classes: tuple[str, ...], seeds: Iterable[int], train: int, val: int, tasks: Mapping[str, int | str]
) -> dict[str, dict[int, Split]]:
    """For each task, which trains on so many images (or `all`), and each seed two disjoint stratified draws from
    the pool with the true labels `labels` (N,).

    A seed draws `train` and then `val` images. A task of another size has a subset of the former, or additional ones;
    so the training images of any two tasks are nested, and the validation images the same. A seed's split of a task
    depends neither on other seeds nor on other tasks, nor its training examples on the size of the validation
    set, except those beyond `train`. Raises `UserError` if the pool is too small, or a class too rare to be in both
    parts.
    """
    left = len(labels) - val
    wanted = {name: left if isinstance(size, str) else size for name, size in tasks.items()}
    sizes = {"splits.train": train} | {f"tasks.{name}.train": size for name, size in wanted.items() if size != train}
    for key, size in sizes.items():
        if size + val > len(labels):
            raise UserError(
                f"{key} + splits.val require {size} + {val} images, "
                f"but there are {len(labels)} outside the test set; lower them or add images"
            )
    counts = np.bincount(labels, minlength=len(classes))
    drawn = allocate(train, counts)
    for key, size, shares in (
        ("splits.train", train, drawn),
        ("splits.val", val, allocate(val, counts - drawn)),
        *((key, size, _turns(size, drawn)) for key, size in sizes.items() if size < train),
    ):
        if absent := [f"{classes[k]} ({counts[k]} of {len(labels)} images)" for k in np.flatnonzero(shares == 0)]:
            raise UserError(
                f"{key} = {size} leaves no image for {', '.join(absent)}; "
                f"every class needs one: raise {key} or add images of that class"
            )
    found: dict[str, dict[int, Split]] = {name: {} for name in tasks}
    for seed in seeds:
        base = _split(labels, train, val, rng.generator(seed, "splits"))
        for name, size in wanted.items():
            found[name][seed] = Split(_resized(base, labels, size, seed), base.val)
    return found


def _split(labels: Labels, train: int, val: int, generator: np.random.Generator) -> Split:
    first = draw(labels, train, generator)
    rest = np.setdiff1d(np.arange(len(labels)), first)
    return Split(first, rest[draw(labels[rest], val, generator)])


def _resized(base: Split, labels: Labels, size: int, seed: int) -> Labels:
    """The training images of a seed for a task with fewer or more than its split has."""
    own, none = np.bincount(labels[base.train], minlength=labels.max() + 1), np.zeros(labels.max() + 1, np.int64)
    if size == len(base.train):
        return base.train
    if size < len(base.train):
        return base.train[in_turns(labels[base.train], none, own, size)]
    rest = np.setdiff1d(np.arange(len(labels)), np.concatenate([base.train, base.val]))
    rest = rng.generator(seed, "splits.more").permutation(rest)
    more = in_turns(labels[rest], own, np.bincount(labels), size - len(base.train))
    return np.concatenate([base.train, rest[more]])


def _turns(size: int, counts: Labels) -> Labels:
    """How many images of each class (K,) the first `size` turns have, of a draw with `counts` (K,)."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.bincount(labels[in_turns(labels, np.zeros_like(counts), counts, size)], minlength=len(counts))
