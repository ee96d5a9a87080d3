"""Splits are exact, disjoint, stratified, and each seed's own affair."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stages.datasets.sampling import allocate, draw, draw_splits, in_turns
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


@given(class_counts)
def test_every_prefix_of_turns_is_stratified(counts):
    population = np.array(counts)
    labels = np.repeat(np.arange(len(counts)), counts)
    order = in_turns(labels, np.zeros_like(population), population, len(labels))
    assert sorted(order.tolist()) == list(range(len(labels)))
    hits = np.cumsum(labels[order][:, None] == np.arange(len(counts)), axis=0)
    shares = np.arange(1, len(labels) + 1)[:, None] * population / len(labels)
    assert (np.abs(hits - shares) < 1 + 1e-9).all()


@given(feasible(), st.lists(st.integers(0, 100), min_size=1, max_size=4), st.integers(2, 3))
def test_training_sets_of_a_seed_are_nested_and_stratified(case, per_cent, seeds):
    labels, train, val = case
    classes = tuple("abcde"[: labels.max() + 1])
    least, most = -(-len(labels) // np.bincount(labels).min()) + 1, len(labels) - val
    assume(least <= train)
    sizes = {str(n): least + (most - least) * share // 100 for n, share in enumerate(per_cent)}
    found = draw_splits(labels, classes, range(seeds), train, val, {"base": train, **sizes})
    alone = draw_splits(labels, classes, range(seeds), train, val, {"base": train})["base"]
    share = np.bincount(labels) / len(labels)
    for seed in range(seeds):
        own = sorted((found[name][seed] for name in found), key=lambda split: len(split.train))
        for smaller, larger in itertools.pairwise(own):
            assert set(smaller.train.tolist()) <= set(larger.train.tolist())
        for name, size in {"base": train, **sizes}.items():
            split = found[name][seed]
            assert len(set(split.train.tolist())) == size
            assert not set(split.train.tolist()) & set(split.val.tolist())
            assert split.val.tolist() == alone[seed].val.tolist()
            # The rest of the pool is stratified to two images, and with it what is drawn until little is left.
            assert (np.abs(np.bincount(labels[split.train], minlength=len(share)) - size * share) < 3).all()
        assert found["base"][seed].train.tolist() == alone[seed].train.tolist()


def test_a_task_more_leaves_the_training_sets_of_the_others():
    labels = np.arange(200) % 4
    one = draw_splits(labels, tuple("abcd"), range(2), 20, 30, {"few": 9, "many": 50})
    two = draw_splits(labels, tuple("abcd"), range(2), 20, 30, {"fewer": 5, "few": 9, "more": 120, "many": 50})
    for name, seed in itertools.product(one, range(2)):
        assert one[name][seed].train.tolist() == two[name][seed].train.tolist()


@given(feasible(), st.integers(2, 4))
def test_splits_are_disjoint_exact_and_stratified(case, seeds):
    labels, train, val = case
    splits = draw_splits(labels, tuple("abcde"[: labels.max() + 1]), range(seeds), train, val, {"all": train})["all"]
    assert list(splits) == list(range(seeds))
    for split in splits.values():
        assert (len(split.train), len(split.val)) == (train, val)
        assert len(set(split.train.tolist()) | set(split.val.tolist())) == train + val
        share = np.bincount(labels) / len(labels)
        assert (np.abs(np.bincount(labels[split.train]) - train * share) < 1).all()
        assert (np.abs(np.bincount(labels[split.val]) - val * share) < 2).all()


def _splits(seeds: int = 3, train: int = 20, val: int = 30) -> dict:
    return draw_splits(np.arange(200) % 4, tuple("abcd"), range(seeds), train, val, {"all": train})["all"]


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
    ("counts", "train", "val", "few", "said"),
    [
        ([30, 30], 31, 30, 2, ["splits.train", "splits.val", "31 + 30", "60"]),
        ([100, 3], 10, 50, 10, ["splits.train = 10", "b (3 of 103 images)"]),
        ([100, 3], 60, 2, 60, ["splits.val = 2", "b (3 of 103 images)"]),
        ([50, 0], 10, 10, 10, ["splits.train = 10", "b (0 of 50 images)"]),
        ([30, 30], 10, 10, 1, ["tasks.few.train = 1", "b (30 of 60 images)"]),
        ([30, 30], 10, 30, 31, ["tasks.few.train + splits.val", "31 + 30"]),
    ],
)
def test_too_few_images_name_the_key(counts, train, val, few, said):
    labels = np.repeat(np.arange(2), counts)
    with pytest.raises(UserError) as error:
        draw_splits(labels, ("a", "b"), range(2), train, val, {"few": few})
    assert all(text in str(error.value) for text in said)
