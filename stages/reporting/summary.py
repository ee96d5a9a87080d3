"""What to take home from the comparison, in three sentences of plain text with `code`, whatever was found."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from stages.config import BASELINE, DEFAULT, TUNED, Params, Task
from stages.reporting.comparison import Comparison, Estimate
from stages.reporting.tables import judged, noisy_ones, number, span, with_interval


def sentences(comparison: Comparison, params: Params) -> list[str]:
    """What tuning alone brings, which methods bring more, and what becomes of wrong labels."""
    tasks = {name: task for name, task in params.tasks.items() if task.tune == name}
    against = {
        name
        for name, variant in params.variants.items()
        if variant.against == BASELINE and variant.training.images != "train_and_val"  # more labels are no method
    }
    return [
        tuning_alone(comparison, tasks, params.tune.trials),
        methods(comparison, tasks, against, points(params.claims.points)),
        wrong_labels(comparison, noisy_ones(tasks) or noisy_ones(params.tasks), against),
    ]


def tuning_alone(comparison: Comparison, tasks: Mapping[str, Task], trials: int) -> str:
    """What the reference gains by a search for its learning rate."""
    clauses = []
    for name, task in tasks.items():
        written = comparison[BASELINE, name, "test_accuracy", DEFAULT]  # compared with the tuned one
        difference = judged(written)
        gain, low, high = -difference.mean, -difference.high, -difference.low
        gains = f"gains {number(gain, 1)} points {span(low, high, 1)} on {task.title}"
        loses = f"loses {number(-gain, 1)} points {span(-high, -low, 1)} on {task.title}"
        clause = {
            "worse": gains,
            "better": loses,
            "negligible": f"changes next to nothing on {task.title} ({number(gain, 1, signed=True)} points "
            f"{span(low, high, 1)})",
            "undecided": f"makes no certain difference on {task.title} ({number(gain, 1, signed=True)} points "
            f"{span(low, high, 1)})",
        }[written.verdict]
        if written.verdict == "undecided" and low * high > 0:
            clause = f"{gains if low > 0 else loses}, perhaps less than matters"
        if written.unfinished or comparison[BASELINE, name, "test_accuracy", TUNED].unfinished:
            clause += ", although networks were still learning"
        clauses.append(clause)
    return (
        f"Choosing nothing but the learning rate of plain training, `{BASELINE}`, with the {trials} trials of a search "
        f"that every variant gets, {joined(clauses)}."
    )


def methods(comparison: Comparison, tasks: Mapping[str, Task], against: Collection[str], smallest: str) -> str:
    """How many of the variants that are compared with the reference beat it by more than the smallest difference that
    matters."""
    clauses = []
    for name, task in tasks.items():
        found = compared(comparison, name, "test_accuracy", against)
        better = {variant: one for variant, one in found.items() if one.verdict == "better"}
        worse = sum(one.verdict == "worse" for one in found.values())
        unfinished = sum(one.unfinished > 0 for one in found.values())
        text = f"on {task.title} {counted(len(better), len(found))} {'is' if len(better) == 1 else 'are'} better"
        if better:
            best = max(better, key=lambda variant: judged(better[variant]).mean)
            most = "most" if len(better) > 1 else "namely"
            text += f", {most} `{best}` ({signed(better[best])})"
        text += f", and {counted(worse, len(found))} {'is' if worse == 1 else 'are'} worse"
        if comparison[BASELINE, name, "test_accuracy", TUNED].unfinished:
            text += f" (not final: networks of `{BASELINE}` were still learning)"
        elif unfinished:
            text += f" (not final for {unfinished} of them, whose networks were still learning)"
        clauses.append(text)
    return (
        f"Of the methods, compared with plain training that is tuned alike, by more than {smallest} and beyond what "
        f"chance explains, {'; '.join(clauses)}."
    )


def wrong_labels(comparison: Comparison, noisy: Mapping[str, Task], against: Collection[str]) -> str:
    """How many wrong labels are memorized on the first noisy task; networks that were still learning do not count."""
    if not noisy:
        return "No task here has wrong labels, so nothing can be said about memorizing them."
    name, task = next(iter(noisy.items()))
    reference = comparison[BASELINE, name, "accuracy_on_wrong_given", TUNED]
    if reference.unfinished:
        return (
            f"How many of the wrong labels among {task.title} are memorized cannot be said: networks of tuned "
            f"`{BASELINE}` were still learning."
        )
    share = reference.value
    amount = {0.0: "none", 100.0: "all"}.get(share.mean, f"{number(share.mean, 0)}\u00a0%")
    text = f"Tuned `{BASELINE}` memorizes {amount} of the wrong labels among {task.title}"
    found = compared(comparison, name, "accuracy_on_wrong_given", against)
    fewer = {variant: one for variant, one in found.items() if one.verdict == "lower"}
    unfinished = sum(one.verdict == "unfinished" for one in found.values())
    memorizes = "memorizes" if len(fewer) == 1 else "memorize"
    text += f"; {counted(len(fewer), len(found))} of the variants compared with it {memorizes} fewer"
    if fewer:
        least = min(fewer, key=lambda variant: fewer[variant].value.mean)
        better = [v for v in fewer if comparison[v, name, "test_accuracy", TUNED].verdict == "better"]
        text += f" (fewest: `{least}`, {number(fewer[least].value.mean, 0)}\u00a0%)"
        text += (
            f", and {counted(len(better), len(fewer))} of these {'is' if len(better) == 1 else 'are'} better on the "
        )
        text += "test set, too"
    if unfinished:
        text += f"; {unfinished} cannot be judged, as their networks were still learning"
    return f"{text}."


def compared(comparison: Comparison, task: str, metric: str, against: Collection[str]) -> dict[str, Estimate]:
    """The tuned variants, of those that are compared with the tuned reference."""
    own = [variant for variant in comparison.variants if variant in against]
    found = {variant: comparison.get(variant, task, metric, TUNED) for variant in own}
    return {variant: one for variant, one in found.items() if one and one.verdict}


def counted(count: int, total: int) -> str:
    return f"{count} of {total}" if count else "none"


def signed(estimate: Estimate) -> str:
    """A difference with its interval."""
    return with_interval(judged(estimate))


def joined(texts: Sequence[str]) -> str:
    return f"{', '.join(texts[:-1])} and {texts[-1]}" if len(texts) > 1 else texts[0]


def points(value: float) -> str:
    return f"{value:g} point{'s' * (value != 1)}"
