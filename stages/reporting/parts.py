"""What each method of a cocktail contributes: the cocktail without it, with the settings chosen for all of it."""

from __future__ import annotations

from stages.config import TUNED, Params
from stages.reporting.comparison import Comparison, Estimate
from stages.reporting.summary import joined, signed
from stages.reporting.tables import Cell, Table, difference_cell, percent

SHOWN = {"test_accuracy": "Accuracy", "test_loss": "Loss"}
OF = "test_accuracy", TUNED
"""What the sentences are about."""
CLAUSES = {
    "worse": "`{whole}` is worse without {methods}",
    "better": "`{whole}` is better without {methods}",
    "negligible": "it makes a negligible difference to leave out {methods}",
    "undecided": "it is undecided what it does to leave out {methods}",
}
"""By the verdict on the variants without these methods."""


def without(params: Params, whole: str) -> dict[str, str]:
    """The variants that leave out a method of the variant `whole`, by that method; empty for most."""
    return {own.without: name for name, own in params.variants.items() if own.without and own.against == whole}


def sentences(comparison: Comparison, params: Params, whole: str) -> list[str]:
    """Which methods the test accuracy needs, in a sentence of plain text with `code` for each task."""
    found = []
    for task, settings in params.tasks.items():
        groups: dict[str, list[tuple[str, Estimate]]] = {verdict: [] for verdict in CLAUSES}
        for method, variant in without(params, whole).items():
            estimate = comparison.get(variant, task, *OF)
            if estimate and estimate.verdict:
                groups[estimate.verdict].append((method, estimate))
        clauses = [
            CLAUSES[verdict].format(whole=whole, methods=joined([f"`{m}` ({signed(e)})" for m, e in group]))
            for verdict, group in groups.items()
            if group
        ]
        names = [whole, *without(params, whole).values()]
        learning = sum(bool((one := comparison.get(name, task, *OF)) and one.unfinished) for name in names)
        if clauses and learning:
            clauses.append(f"this is not final, as networks of {learning} of these {len(names)} were still learning")
        if clauses:
            found.append(f"On {settings.title}, {'; '.join(clauses)}.")
    return found


def table(comparison: Comparison, params: Params, whole: str) -> Table:
    """The differences that leaving out a method makes to the tuned variant `whole`."""
    names, tasks = without(params, whole), params.tasks
    rows = [
        [
            Cell(method, sort=method, link=f"variants/{variant}.html", code=True),
            *(difference_cell(comparison.get(variant, task, metric, TUNED)) for task in tasks for metric in SHOWN),
        ]
        for method, variant in names.items()
    ]
    data = comparison.frame(SHOWN)
    return Table(
        f"{whole}-parts",
        "Without each method minus with all of them: test accuracy in points and test loss in nats, seed by seed, with "
        f"{percent(params.evaluation.confidence)} intervals; ▲ better and ▼ worse without it. Those of accuracy hold "
        "for all variants of a task at once, those of loss each for itself.",
        ["Without", *list(SHOWN.values()) * len(tasks)],
        rows,
        data[data["variant"].isin(list(names.values())) & (data["track"] == TUNED)],
        [("", 1), *((task.heading, len(SHOWN)) for task in tasks.values())],
        stacked=True,
    )
