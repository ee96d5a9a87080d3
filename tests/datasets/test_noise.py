"""Label noise has the share that was asked for, is uniform over the classes and knows nothing of other streams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from stages.config import LabelNoise
from stages.datasets.noise import derive, redraw

LABELS = np.arange(12_000) % 4


@given(st.integers(0, 300), st.floats(0, 1), st.integers(2, 10), st.integers(0, 2**32 - 1))
def test_no_more_labels_change_than_were_drawn(size, share, classes, seed):
    labels = np.arange(size) % classes
    before = labels.copy()
    noisy = redraw(labels, share, classes, np.random.default_rng(seed))
    assert (noisy != labels).sum() <= round(share * size)
    assert ((noisy >= 0) & (noisy < classes)).all()
    assert (labels == before).all()


@given(st.integers(2, 10), st.integers(0, 2**32 - 1))
def test_a_share_of_zero_changes_nothing(classes, seed):
    labels = np.arange(100) % classes
    assert (redraw(labels, 0.0, classes, np.random.default_rng(seed)) == labels).all()


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_the_wrong_share_is_the_one_expected(share):
    """Of the n labels drawn anew, binomially many differ from the true one of 4: n * 3/4, with variance n * 3/16."""
    noisy = redraw(LABELS, share, 4, np.random.default_rng(0))
    drawn = share * len(LABELS)
    assert abs((noisy != LABELS).sum() - drawn * 3 / 4) < 4 * np.sqrt(drawn * 3 / 16)


def test_drawn_labels_are_uniform_and_independent_of_the_true_ones():
    noisy = redraw(LABELS, 1.0, 4, np.random.default_rng(0))
    assert chisquare(np.bincount(noisy, minlength=4)).pvalue > 1e-3
    table = np.histogram2d(LABELS, noisy, bins=4)[0]
    assert chi2_contingency(table).pvalue > 1e-3


def test_a_wrong_label_is_any_of_the_other_classes_alike():
    noisy = redraw(LABELS, 0.3, 4, np.random.default_rng(0))
    offsets = (noisy - LABELS)[noisy != LABELS] % 4
    assert chisquare(np.bincount(offsets, minlength=4)[1:]).pvalue > 1e-3


def test_one_rate_does_not_move_the_other_label_set():
    base = derive(LABELS, 4, LabelNoise(seed=1, partly_random=0.1, random=1.0))
    other = derive(LABELS, 4, LabelNoise(seed=1, partly_random=0.4, random=0.9))
    same = derive(LABELS, 4, LabelNoise(seed=1, partly_random=0.4, random=1.0))
    assert (base["random"].labels == same["random"].labels).all()
    assert (other["partly_random"].labels == same["partly_random"].labels).all()
    assert (other["random"].labels != base["random"].labels).any()


def test_the_two_label_sets_draw_independently():
    """With the same rate they would be equal if they shared a stream; apart, 1 in 4 labels agrees by chance."""
    sets = derive(LABELS, 4, LabelNoise(seed=1, partly_random=1.0, random=1.0))
    agreeing = (sets["partly_random"].labels == sets["random"].labels).sum()
    assert abs(agreeing - len(LABELS) / 4) < 4 * np.sqrt(len(LABELS) * 3 / 16)


def test_the_seed_decides():
    first, again, other = (
        derive(LABELS, 4, LabelNoise(seed=seed, partly_random=0.1, random=1.0))["partly_random"].labels
        for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()
