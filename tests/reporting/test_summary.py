"""What the front page says to take home, for any outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from stages import config
from stages.config import Task
from stages.metrics import METRICS
from stages.reporting import summary
from stages.reporting.comparison import Estimate
from stages.statistics import Interval

ACCURACY, MEMORY = METRICS["test_accuracy"], METRICS["accuracy_on_wrong_given"]
TASKS = {name: task for name, task in config.load().tasks.items() if task.tune == name}
CLEAN, NOISY = ({name: TASKS[name]} for name in ("clean", "partly_random"))
OTHERS = ("a", "b", "c")


def estimate(verdict: str, difference: float = 0, **changes: Any) -> Estimate:
    interval = Interval(difference, difference - 1, difference + 1, 20)
    plain = Estimate(ACCURACY, Interval(80, 79, 81, 20), interval, interval, None, None, verdict, 20, 0, 0)
    return replace(plain, **changes)


class Found:
    """A comparison with given estimates, by variant, task, metric and track."""

    def __init__(self, estimates: Mapping[tuple[str, str, str, str], Estimate]) -> None:
        self.estimates = estimates
        self.variants = ("none", *OTHERS)

    def __getitem__(self, key: tuple[str, str, str, str]) -> Estimate:
        return self.estimates[key]

    def get(self, *key: str) -> Estimate | None:
        return self.estimates.get((key[0], key[1], key[2], key[3]))


REFERENCE = estimate("", difference=0)


def alone(tasks: Mapping[str, Task] = CLEAN, unfinished: int = 0, **default: Any) -> str:
    found: Any = Found(
        {("none", task, "test_accuracy", "default"): estimate(**default) for task in tasks}
        | {("none", task, "test_accuracy", "tuned"): replace(REFERENCE, unfinished=unfinished) for task in tasks}
    )
    return summary.tuning_alone(found, tasks, 8)


@pytest.mark.parametrize(
    ("verdict", "difference", "words"),
    [
        ("worse", -2.7, "gains 2.7 points [1.7, 3.7] on clean labels"),
        ("better", 2.7, "loses 2.7 points [1.7, 3.7] on clean labels"),
        ("negligible", -0.1, "changes next to nothing on clean labels (+0.1 points [−0.9, 1.1])"),
        ("undecided", -1.5, "gains 1.5 points [0.5, 2.5] on clean labels, perhaps less than matters"),
        ("undecided", 1.5, "loses 1.5 points [0.5, 2.5] on clean labels, perhaps less than matters"),
        ("undecided", -0.8, "makes no certain difference on clean labels (+0.8 points [−0.2, 1.8])"),
    ],
)
def test_what_tuning_alone_brings(verdict: str, difference: float, words: str) -> None:
    text = alone(verdict=verdict, difference=difference)
    assert words in text
    assert "still learning" not in text
    assert "still learning" in alone(verdict=verdict, difference=difference, unfinished=1)


def test_each_task_has_its_clause() -> None:
    assert " on clean labels and gains " in alone(TASKS, verdict="worse", difference=-2)


def against(verdicts: Mapping[str, tuple[str, float]], reference: int = 0, unfinished: int = 0) -> str:
    found: Any = Found(
        {
            (name, "clean", "test_accuracy", "tuned"): estimate(verdict, difference, unfinished=unfinished)
            for name, (verdict, difference) in verdicts.items()
        }
        | {("none", "clean", "test_accuracy", "tuned"): replace(REFERENCE, verdict="", unfinished=reference)}
    )
    return summary.methods(found, CLEAN, OTHERS, "1 point")


def test_which_methods_are_better() -> None:
    two = against({"a": ("better", 2), "b": ("better", 4), "c": ("worse", -3)})
    assert "on clean labels 2 of 3 are better, most `b` (+4.0 [3.0, 5.0]), and 1 of 3 is worse." in two
    one = against({"a": ("better", 2), "b": ("worse", -4), "c": ("worse", -3)})
    assert "1 of 3 is better, namely `a` (+2.0 [1.0, 3.0]), and 2 of 3 are worse." in one
    none = against(dict.fromkeys(OTHERS, ("undecided", 0)))
    assert "on clean labels none are better, and none are worse." in none


def test_what_is_not_final_is_said() -> None:
    same = dict.fromkeys(OTHERS, ("undecided", 0.0))
    assert "not final: networks of `none` were still learning" in against(same, reference=1)
    assert "not final for 3 of them" in against(same, unfinished=1)
    assert "not final" not in against(same)


def test_variants_that_are_compared_with_others_do_not_count() -> None:
    found: Any = Found({(name, "clean", "test_accuracy", "tuned"): estimate("better", 2) for name in ("none", *OTHERS)})
    assert "2 of 2 are better" in summary.methods(found, CLEAN, ("a", "b"), "1 point")


def labels(
    shares: Mapping[str, tuple[str, float]], own: float = 93, unfinished: int = 0, verdict: str = "better"
) -> str:
    key = "partly_random", "accuracy_on_wrong_given", "tuned"
    found: dict[Any, Estimate] = {
        ("none", *key): replace(REFERENCE, metric=MEMORY, value=Interval(own, own, own, 20), unfinished=unfinished)
    }
    for name, (judged, share) in shares.items():
        found[name, *key] = estimate(judged, share - own, metric=MEMORY, value=Interval(share, share, share, 20))
        found[name, "partly_random", "test_accuracy", "tuned"] = estimate(verdict, 2)
    comparison: Any = Found(found)
    return summary.wrong_labels(comparison, NOISY, OTHERS)


def test_what_becomes_of_wrong_labels() -> None:
    some = labels({"a": ("lower", 4), "b": ("lower", 40), "c": ("undecided", 90)})
    assert "Tuned `none` memorizes 93\u00a0% of the wrong labels among partly random labels" in some
    assert "2 of 3 of the variants compared with it memorize fewer (fewest: `a`, 4\u00a0%)" in some
    assert "and 2 of 2 of these are better on the test set, too." in some
    worse = labels({"a": ("lower", 4)}, verdict="worse")
    assert "1 of 1 of the variants compared with it memorizes fewer" in worse
    assert "and none of these are better on the test set, too." in worse
    assert "none of the variants compared with it memorize fewer." in labels({"a": ("undecided", 90)}, own=90)
    assert "memorizes all of the wrong labels" in labels({"a": ("lower", 4)}, own=100)
    assert "memorizes none of the wrong labels" in labels({"a": ("higher", 4)}, own=0)


def test_memorizing_is_not_judged_before_training_has_ended() -> None:
    assert "cannot be said" in labels({"a": ("unfinished", 4)}, unfinished=1)
    some = labels({"a": ("lower", 4), "b": ("unfinished", 1)})
    assert "(fewest: `a`, 4\u00a0%)" in some
    assert some.endswith("; 1 cannot be judged, as their networks were still learning.")


def test_without_noise_there_is_nothing_to_memorize() -> None:
    comparison: Any = Found({})
    assert "No task here has wrong labels" in summary.wrong_labels(comparison, {}, OTHERS)
