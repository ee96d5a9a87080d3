"""Splits are exact, disjoint, stratified, and each seed's own affair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config import Splits
from stages.datasets.sampling import allocate, draw, draw_splits
from stages.errors import UserError

class_counts = st.lists(st.integers(1, 60), min_size=1, max_size=8)


@given(class_counts, st.data())
def test_allocation_is_exact_and_proportional(counts, data):
    size = data.draw(st.integers(0, sum(counts)))
    shares = allocate(size, np.array(counts))
    assert shares.sum() == size
    assert (shares <= counts).all()
    assert (np.abs(shares - size * np.array(counts) / sum(counts)) < 1).all()


@given(class_counts, st.data(), st.integers(0, 2**32 - 1))
def test_a_draw_is_a_stratified_set_of_indices(counts, data, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    size = data.draw(st.integers(0, len(labels)))
    drawn = draw(labels, size, np.random.default_rng(seed))
    assert len(set(drawn.tolist())) == size
    assert np.bincount(labels[drawn], minlength=len(counts)).tolist() == allocate(size, np.array(counts)).tolist()


@st.composite
def feasible(draw):
    """Labels in random order, with a training and a validation size that leave every class an image in both."""
    counts = draw(st.lists(st.integers(12, 60), min_size=2, max_size=5))
    labels = draw(st.permutations(np.repeat(np.arange(len(counts)), counts).tolist()))
    largest = len(labels) // 2
    smallest = largest // 2  # of 12 of at most 252 images, a quarter is 3
    return np.array(labels), draw(st.integers(smallest, largest)), draw(st.integers(smallest, largest))


@given(feasible(), st.integers(2, 4))
def test_splits_are_disjoint_exact_and_stratified(case, seeds):
    labels, train, val = case
    splits = draw_splits(labels, tuple("abcde"[: labels.max() + 1]), Splits(seeds=seeds, train=train, val=val))
    assert list(splits) == list(range(seeds))
    for split in splits.values():
        assert (len(split.train), len(split.val)) == (train, val)
        assert len(set(split.train.tolist()) | set(split.val.tolist())) == train + val
        share = np.bincount(labels) / len(labels)
        assert (np.abs(np.bincount(labels[split.train]) - train * share) < 1).all()
        assert (np.abs(np.bincount(labels[split.val]) - val * share) < 2).all()


def _splits(seeds: int = 3, train: int = 20, val: int = 30) -> dict:
    return draw_splits(np.arange(200) % 4, tuple("abcd"), Splits(seeds=seeds, train=train, val=val))


def test_more_seeds_leave_the_others_as_they_are():
    few, many = _splits(seeds=3), _splits(seeds=9)
    for seed in few:
        assert few[seed].train.tolist() == many[seed].train.tolist()
        assert few[seed].val.tolist() == many[seed].val.tolist()


def test_a_larger_validation_set_leaves_the_training_examples_as_they_are():
    small, large = _splits(val=30), _splits(val=100)
    assert all(small[seed].train.tolist() == large[seed].train.tolist() for seed in small)


def test_seeds_differ():
    trains = [tuple(split.train.tolist()) for split in _splits(seeds=9).values()]
    assert len(set(trains)) == 9


@pytest.mark.parametrize(
    ("counts", "train", "val", "said"),
    [
        ([30, 30], 31, 30, ["splits.train", "splits.val", "31 + 30", "60"]),
        ([100, 3], 10, 50, ["splits.train = 10", "b (3 of 103 images)"]),
        ([100, 3], 60, 2, ["splits.val = 2", "b (3 of 103 images)"]),
        ([50, 0], 10, 10, ["splits.train = 10", "b (0 of 50 images)"]),
    ],
)
def test_too_few_images_name_the_key(counts, train, val, said):
    labels = np.repeat(np.arange(2), counts)
    with pytest.raises(UserError) as error:
        draw_splits(labels, ("a", "b"), Splits(seeds=2, train=train, val=val))
    assert all(text in str(error.value) for text in said)
