"""Label noise has the share that was asked for, is uniform over the classes and knows nothing of other streams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from stages.config import TaskNoise
from stages.datasets.noise import KINDS, ORIGINS, class_dependent, instance_dependent, label_set, uniform

LABELS = np.arange(12_000) % 4
BLANK = np.zeros((len(LABELS), 1, 1, 1), np.uint8)
TRUE = np.arange(600) % 3
HARD = np.arange(600) % 5 == 0


def pictures() -> np.ndarray:
    """One bright pixel for the class; hard ones are nearly as bright at that of the next class."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 20, (600, 1, 3, 1), dtype=np.uint8)
    everyone = np.arange(600)
    images[everyone, 0, TRUE, 0] += 200
    images[everyone[HARD], 0, (TRUE[HARD] + 1) % 3, 0] += 190
    return images


PICTURES = pictures()


@given(st.integers(0, 300), st.floats(0, 1), st.integers(2, 10), st.integers(0, 2**32 - 1))
def test_no_more_labels_change_than_were_drawn(size, share, classes, seed):
    labels = np.arange(size) % classes
    before = labels.copy()
    noisy = uniform(labels, labels, classes, share, np.random.default_rng(seed))
    assert (noisy != labels).sum() <= round(share * size)
    assert ((noisy >= 0) & (noisy < classes)).all()
    assert (labels == before).all()


@given(st.integers(2, 10), st.integers(0, 2**32 - 1))
def test_a_share_of_zero_changes_nothing(classes, seed):
    labels = np.arange(100) % classes
    assert (uniform(labels, labels, classes, 0.0, np.random.default_rng(seed)) == labels).all()


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_the_wrong_share_is_the_one_expected(share):
    """Of the n labels drawn anew, binomially many differ from the true one of 4: n * 3/4, with variance n * 3/16."""
    noisy = uniform(BLANK, LABELS, 4, share, np.random.default_rng(0))
    drawn = share * len(LABELS)
    assert abs((noisy != LABELS).sum() - drawn * 3 / 4) < 4 * np.sqrt(drawn * 3 / 16)


def test_drawn_labels_are_uniform_and_independent_of_the_true_ones():
    noisy = uniform(BLANK, LABELS, 4, 1.0, np.random.default_rng(0))
    assert chisquare(np.bincount(noisy, minlength=4)).pvalue > 1e-3
    table = np.histogram2d(LABELS, noisy, bins=4)[0]
    assert chi2_contingency(table).pvalue > 1e-3


def test_a_wrong_label_is_any_of_the_other_classes_alike():
    noisy = uniform(BLANK, LABELS, 4, 0.3, np.random.default_rng(0))
    offsets = (noisy - LABELS)[noisy != LABELS] % 4
    assert chisquare(np.bincount(offsets, minlength=4)[1:]).pvalue > 1e-3


def tasks(seed: int = 1, **rates: float) -> dict[str, np.ndarray]:
    """The labels of tasks with uniform noise, by name."""
    return {name: label_set(name, "uniform", rate, seed, BLANK, LABELS, 4).labels for name, rate in rates.items()}


def test_one_rate_does_not_move_the_other_task():
    base, same = tasks(partly=0.1, random=1.0), tasks(partly=0.4, random=1.0)
    assert (base["random"] == same["random"]).all()
    assert (tasks(partly=0.4)["partly"] == same["partly"]).all()
    assert (tasks(random=0.9)["random"] != base["random"]).any()


def test_two_tasks_draw_independently():
    """With the same rate they would be equal if they shared a stream; apart, 1 in 4 labels agrees by chance."""
    found = tasks(one=1.0, other=1.0)
    agreeing = (found["one"] == found["other"]).sum()
    assert abs(agreeing - len(LABELS) / 4) < 4 * np.sqrt(len(LABELS) * 3 / 16)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides(kind):
    first, again, other = (label_set("noisy", kind, 0.1, seed, PICTURES, TRUE, 3).labels for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@given(st.lists(st.integers(0, 60), min_size=2, max_size=6).filter(any), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_class_dependent_noise_confuses_each_class_with_the_next_and_no_other(counts, rate, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    noisy = class_dependent(labels, labels, len(counts), rate, np.random.default_rng(seed))
    table = np.zeros((len(counts), len(counts)), int)
    np.add.at(table, (labels, noisy), 1)
    expected = np.zeros_like(table)
    for label, count in enumerate(counts):
        moved = round(rate * count)
        expected[label, label] += count - moved
        expected[label, (label + 1) % len(counts)] += moved
    assert (table == expected).all()


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
def test_instance_dependent_noise_takes_exactly_its_share(rate):
    noisy = instance_dependent(PICTURES, TRUE, 3, rate, np.random.default_rng(0))
    assert (noisy != TRUE).sum() == round(rate * len(TRUE))


def test_instance_dependent_noise_takes_the_images_between_two_classes():
    """Pictures that are a little more like their own class than like one other get the label of that other."""
    noisy = instance_dependent(PICTURES, TRUE, 3, HARD.mean(), np.random.default_rng(0))
    assert ((noisy != TRUE) == HARD).mean() > 0.95
    assert (noisy[HARD] == (TRUE[HARD] + 1) % 3).mean() > 0.9


def test_a_larger_rate_keeps_the_wrong_labels_of_a_smaller_one():
    few, many = (instance_dependent(PICTURES, TRUE, 3, rate, np.random.default_rng(0)) for rate in (0.1, 0.3))
    assert (many[few != TRUE] == few[few != TRUE]).all()


def test_a_class_of_one_image_is_no_obstacle():
    labels = np.array([*TRUE[:50], 3])
    noisy = instance_dependent(PICTURES[:51], labels, 4, 0.2, np.random.default_rng(0))
    assert (noisy != labels).sum() == 10


def test_kinds_are_those_that_the_parameters_may_name():
    assert set(KINDS) == set(ORIGINS) == set(TaskNoise.model_fields["kind"].annotation.__args__)
