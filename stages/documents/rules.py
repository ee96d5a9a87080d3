"""The rules by which results are judged, frozen before any run of the benchmark on the seeds that decide.

A rule that changes after that date gets an entry in `changes.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from stages.config import DEFAULT, TUNED
from stages.statistics import MEANINGFUL

FROZEN = "2026-11-26"
"""When they were written; the benchmark had not run on the seeds 300, 301, ... then."""
RUNS = 10
"""How many runs must agree where they are counted. Then their share, 10 of 10, is above 69 % with 95 % confidence."""

TRACKS: Mapping[str, str] = {
    "penalties-shrink-weights": DEFAULT,
    "penalties-help": TUNED,
    "networks-memorise": DEFAULT,
    "regularizers-resist-memorising": DEFAULT,
    "noise-can-help": TUNED,
    "early-stopping-helps": TUNED,
    "dropout-helps": TUNED,
    "augmentation-helps": TUNED,
    "lr-regularizes": DEFAULT,
    "big-regularized-beats-small": TUNED,
    "cocktail-helps": TUNED,
    "max-over-epochs-flatters": DEFAULT,
    "regularized-is-robust": TUNED,
}
"""The track of the benchmark that each claim on it is judged on."""


class Rule(NamedTuple):
    name: str
    text: str


RULES = (
    Rule(
        "Seeds",
        "In the benchmark the seeds from `splits.first` on decide, 300 and up, on which nothing had been run. Settings "
        "are chosen on the seeds of `tune.first`, which decide nothing. The documents’ own experiments keep their "
        "seeds.",
    ),
    Rule(
        "Headline",
        "Does a variant, tuned, beat `none`, tuned with as many trials (or the plain network that it names with "
        "`against`)? It is better or worse only if its whole simultaneous 95 % interval of the difference in test "
        "accuracy, paired by seed, lies beyond the smallest effect that matters. Simultaneous: all intervals of a task "
        "and track hold together with 95 %, by the largest of the t statistics (max-t). Values are averaged over the "
        "networks of a seed first, and the luck of the search is in the interval.",
    ),
    Rule(
        "Smallest effect that matters",
        "`claims` in `params.yaml`: 1 point of accuracy, 5 % of a loss or norm. Smaller effects are negligible.",
    ),
    Rule(
        "Probability of improvement",
        f"A variant beats `none` on most seeds if the interval of that probability lies above {100 * MEANINGFUL:g} %.",
    ),
    Rule(
        "Unfinished runs",
        "A replica is unfinished if it still misses training labels when its epochs are used up and its training loss "
        "is still falling, by more than `evaluation.unfinished_percent` over the last tenth of the epochs. It is "
        "marked wherever it appears. A claim that rests on one is undecided. In the tables of results no verdict on "
        "what was memorized rests on one, while accuracies are compared at the epochs that all had.",
    ),
    Rule(
        "Shares near 0 or 1",
        "Whether runs fit all their training labels is counted, “k of n”, with Clopper and Pearson’s interval; a seed "
        f"counts if all its networks do. That every run does holds if all of at least {RUNS} do, and fails if a "
        "finished one does not. An effect that is the same in every seed has no interval, and is judged by counting, "
        f"too: the verdict is that of its value if there are at least {RUNS} seeds; with fewer the claim is undecided.",
    ),
    Rule(
        "Track",
        "That one method does better than another on unseen data is judged tuned against tuned. Claims on norms, on "
        "fitting and memorizing labels, and on a learning rate or an epoch as such are judged at the strengths and "
        "rates of `params.yaml`, track `default`: tuning would take away what they are about.",
    ),
    Rule(
        "Intervals of claims",
        "A claim names its comparisons, so each is judged by an interval of its own, of 95 %, paired by seed. Between "
        "tuned variants it has the luck of the search in it, estimated from all variants of the same task. Intervals "
        "are not corrected for the number of claims or cases, as the headline is for the number of variants; so a "
        "claim may hold where the headline leaves the same difference undecided.",
    ),
)
