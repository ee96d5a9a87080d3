"""The search of a variant's settings: its space, the points that are tried, and the choice among them.

Point i of search k is a function of the space, k and i alone, so that more trials or searches leave those that exist as
they are, and all variants with equally many parameters are tried at the same places of their ranges.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from stages import rng
from stages.config import Tune, Variant
from stages.regularizers.base import Search

LR = "training.lr"


def space(variant: Variant, tune: Tune) -> dict[str, Search]:
    """The range of each parameter of a variant that is tuned: the learning rate, and those that its methods name."""
    low, high = (variant.training.lr * factor for factor in tune.lr)
    return {
        LR: Search(low, high, "log"),
        **{f"{m.key}.{field}": search for m in variant.regularizers for field, search in m.search.items()},
    }


def points(variant: Variant, tune: Tune, search: int) -> list[dict[str, Any]]:
    """The parameters (by key, as in ``training.lr``) that each trial of a search changes; none in the first.

    The others are a scrambled Sobol sequence, its scrambling drawn for each search.
    """
    from scipy.stats import qmc  # a second, so only where it is needed

    ranges = space(variant, tune)
    sequence = qmc.Sobol(len(ranges), scramble=True, rng=rng.generator(search, "search.points"))
    # A power of two keeps the sequence balanced; its first points do not depend on how many are drawn.
    drawn = sequence.random_base2(math.ceil(math.log2(max(2, tune.trials))))[: tune.trials - 1]
    integers = {f"{m.key}.{name}" for m in variant.regularizers for name in m.search if _whole(m, name)}
    return [
        {},
        *(
            {key: value_at(ranges[key], float(u), key in integers) for key, u in zip(ranges, point, strict=True)}
            for point in drawn
        ),
    ]


def value_at(search: Search, u: float, whole: bool) -> float | int:
    """The value at a share u in [0, 1) of the way through a range, to four digits; rounded if it is a whole number."""
    if search.scale == "log":
        value = search.low * (search.high / search.low) ** u
    else:
        value = search.low + u * (search.high - search.low)
    return round(value) if whole else float(f"{value:.4g}")


def best(trials: Sequence[Mapping[str, Any]], labels: str = "") -> int:
    """The position of the trial with the best validation accuracy; of several, the one with the lowest loss.

    `labels` is `_true` for the accuracy by clean labels. A trial that diverged is chosen only if all have; one that was
    still learning when its epochs were used up, only if no other has finished: stopping early is a method of its own,
    and a search that picks slow learning rates would bring it in unnamed.
    """

    def rank(place: int) -> tuple[bool, bool, float, float, int]:
        trial = trials[place]
        loss = trial[f"val_loss{labels}"]
        return (
            trial["diverged"],
            trial["unfinished"],
            -trial[f"val_accuracy{labels}"],
            loss if math.isfinite(loss) else math.inf,
            place,
        )

    return min(range(len(trials)), key=rank)


def _whole(method: Any, field: str) -> bool:
    return type(method).model_fields[field].annotation is int
