"""The page that says what helps on this data: by how much, how surely, at what cost, and how to use it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from stages import search
from stages.config import BASELINE, DEFAULT, TUNED, Params, Task, Variant
from stages.reporting import pages, site, tuning
from stages.reporting.comparison import Comparison, Estimate
from stages.reporting.figures import Drawing
from stages.reporting.results import Results
from stages.reporting.summary import joined, points
from stages.reporting.tables import (
    Cell,
    Table,
    difference_cell,
    improvement_cell,
    number,
    number_cell,
    percent,
    span,
    variant_cell,
    with_interval,
)

CLOSEST = 5
"""How many variants are shown where none helps."""

Found = Sequence[tuple[str, Estimate]]
"""Variants with their difference from the tuned reference."""


@dataclass(frozen=True)
class Advice:
    """What the page says about one task."""

    name: str
    task: Task
    headline: str
    """In one sentence."""
    sentences: Sequence[str]
    """The rest, plain text with `code`."""
    table: Table | None
    """The variants that help, or come closest; None if there is nothing to compare."""
    variant: str
    """The one that the fragment is of: the surest, or the reference."""
    fragment: str
    """To be put under ``variants:`` in ``params.yaml``; empty where nothing was tuned."""


def build(results: Results, comparison: Comparison, drawing: Drawing) -> dict[str, str | bytes]:
    """The page with its tables, by path; it has no figures."""
    costs = {name: epochs_of(results, name) for name in results.params.variants}
    advice = [
        advise(results, comparison, name, task, costs) for name, task in tuning.tuned_tasks(results.params).items()
    ]
    return {
        "recommendation.html": site.render(
            "recommendation.html",
            0,
            page="recommendation",
            **pages.shared_context(results),
            advice=advice,
        ),
        **{f"tables/{one.table.name}.csv": one.table.csv for one in advice if one.table},
    }


# What it costs.


def epochs_of(results: Results, variant: str) -> float:
    """How many times as many epochs as the reference a variant was trained for; NaN if it has no runs.

    What a step costs in time is on the page on timing: it differs between machines, and this page must not.
    """
    runs = results.replicas[(results.replicas["track"] == TUNED) & results.replicas["task"].isin(results.params.tasks)]
    epochs = runs.groupby("variant")["epochs"].mean()
    return float(epochs.get(variant, float("nan"))) / float(epochs.get(BASELINE, float("nan")))


# What helps.


def advise(results: Results, comparison: Comparison, name: str, task: Task, costs: Mapping[str, float]) -> Advice:
    """What to do on one task, from the comparison of tuned variants with the tuned reference."""
    params = results.params
    compared, more_labels, elsewhere = rivals(comparison, name, params)
    better = by_certainty([each for each in compared if each[1].verdict == "better"])
    above = by_certainty(
        [(v, e) for v, e in compared if e.verdict != "better" and surely_above_zero(e) and e.verdict != "unfinished"]
    )
    shown = better or above or sorted(compared, key=lambda pair: -_mean(pair[1]))[:CLOSEST]
    chosen = better[0][0] if better else BASELINE
    return Advice(
        name,
        task,
        headline(task, compared, better, params),
        [
            *(details(better[0][1], costs[better[0][0]]) if better else ()),
            *(slighter(above, params) if above else ()),
            *(closest(compared, params) if compared and not better and not above else ()),
            *tuned_reference(comparison, name, task),
            *rest(compared),
            *(labels_help(more_labels) if more_labels else ()),
            *other_networks(elsewhere, params),
            *(f"A warning about `{chosen}`: {text}" for text in tuning.warnings(results, chosen) if task.title in text),
        ],
        helpers(results, comparison, name, task, shown, costs, bool(better or above)) if shown else None,
        chosen,
        fragment(results, chosen, name),
    )


def rivals(comparison: Comparison, task: str, params: Params) -> tuple[Found, Found, Found]:
    """The tuned variants with a difference: from the reference of all with its labels, with more labels than it, and
    from another reference, because their network is another."""
    groups: tuple[list[tuple[str, Estimate]], ...] = ([], [], [])
    for variant in comparison.variants:
        own, estimate = params.variants[variant], comparison.get(variant, task, "test_accuracy", TUNED)
        if variant == BASELINE or own.without or estimate is None or estimate.simultaneous is None:
            continue
        place = 2 if own.against != BASELINE else 1 if own.training.images == "train_and_val" else 0
        groups[place].append((variant, estimate))
    return groups[0], groups[1], groups[2]


def by_certainty(found: Found) -> Found:
    """First the one whose gain is largest at the lower end of its interval: what one may count on."""
    return sorted(found, key=lambda pair: -pair[1].simultaneous.low if pair[1].simultaneous else 0)


def surely_above_zero(estimate: Estimate) -> bool:
    wide = estimate.simultaneous
    return wide is not None and wide.above_zero


def headline(task: Task, compared: Found, better: Found, params: Params) -> str:
    """The answer in one sentence."""
    least = points(params.claims.points)
    if not compared:
        return f"On {task.title}, there is nothing to compare."
    methods = f"{len(compared)} variant{'s' * (len(compared) != 1)}"
    if all(estimate.verdict == "unfinished" for _, estimate in compared):
        return f"On {task.title}, nothing can be said: networks were still learning when their epochs were used up."
    if not better:
        return (
            f"On {task.title}, nothing here helps beyond noise: of {methods}, none is sure to gain {least} or more "
            f"over `{BASELINE}` with a tuned learning rate."
        )
    surest, estimate = better[0]
    verb = "helps" if len(better) == 1 else "help"
    return (
        f"On {task.title}, {len(better)} of {methods} {verb} beyond noise, the surest being `{surest}`: "
        f"{_with_interval(estimate)} points of test accuracy over tuned `{BASELINE}`."
    )


def details(estimate: Estimate, spent: float) -> list[str]:
    """How sure the best one is, and what it costs."""
    sentences = []
    if chance := estimate.improvement:
        low, high = 100 * chance.low, 100 * chance.high
        sentences.append(
            f"On a fresh split it is the better one with a probability of {number(100 * chance.mean, 0)} % "
            f"[{number(low, 0)}, {number(high, 0)}]."
        )
    if rank := estimate.rank:
        if rank.low == rank.high:
            sentences.append(f"Its rank is {number(rank.low, 0)}.")
        else:
            sentences.append(f"Its rank lies between {number(rank.low, 0)} and {number(rank.high, 0)}.")
    if spent == spent and number(spent, 1) != number(1, 1):
        sentences.append(f"It trains for {number(spent, 1)} times as many epochs as `{BASELINE}`.")
    return [" ".join(sentences)] if sentences else []


def slighter(above: Found, params: Params) -> list[str]:
    """Variants that gain something, perhaps too little to matter."""
    names = joined([f"`{name}` ({_with_interval(estimate)})" for name, estimate in above])
    return [f"Sure to gain something, but perhaps less than {points(params.claims.points)}: {names}."]


def closest(compared: Found, params: Params) -> list[str]:
    """The largest difference, where none is sure."""
    finished = [pair for pair in compared if pair[1].verdict != "unfinished"]
    if not finished:
        return []
    name, estimate = max(finished, key=lambda pair: _mean(pair[1]))
    return [f"The largest difference is that of `{name}`, {_with_interval(estimate)} points."]


def tuned_reference(comparison: Comparison, name: str, task: Task) -> list[str]:
    """What tuning the learning rate of the reference was worth."""
    written = comparison.get(BASELINE, name, "test_accuracy", DEFAULT)
    if written is None or written.simultaneous is None:
        return []
    lost = written.simultaneous
    gain = f"{number(-lost.mean, 1, signed=True)} points {span(-lost.high, -lost.low, 1)}".rstrip()
    if written.verdict == "worse":
        return [f"Tuning the learning rate of `{BASELINE}` itself is worth {gain}: do that first."]
    if written.verdict == "better":
        return [
            f"Tuning the learning rate of `{BASELINE}` itself made it worse, {gain}: the one as written was better."
        ]
    if written.verdict == "negligible":
        return [f"Tuning the learning rate of `{BASELINE}` itself changes next to nothing, {gain}."]
    if written.verdict == "unfinished":
        return [f"As written, `{BASELINE}` was still learning when its epochs were used up."]
    return [f"Whether tuning the learning rate of `{BASELINE}` itself helps is undecided, {gain}."]


def rest(compared: Found) -> list[str]:
    """The other verdicts, counted."""
    words = {
        "worse": ("is worse", "are worse"),
        "negligible": ("makes no difference that matters", "make no difference that matters"),
        "undecided": ("is undecided", "are undecided"),
        "unfinished": ("was still learning", "were still learning"),
    }
    counts = {kind: sum(estimate.verdict == kind for _, estimate in compared) for kind in words}
    told = [f"{count} {words[kind][count != 1]}" for kind, count in counts.items() if count]
    return [f"By the same intervals, {joined(told)}."] if told else []


def labels_help(found: Found) -> list[str]:
    """What more labels are worth, from controls that had them."""
    names = joined([f"`{name}`, {_with_interval(estimate)} points" for name, estimate in found])
    return [f"For comparison, what training on the validation images, too, gives: {names}. This is no method."]


def other_networks(found: Found, params: Params) -> list[str]:
    """What helps with another network; whether that network is better is another question."""
    names = [
        f"`{name}` over `{params.variants[name].against}`, {_with_interval(estimate)} points"
        for name, estimate in by_certainty(found)
        if estimate.verdict == "better"
    ]
    return [f"With another network, compared with the plain one: {joined(names)}."] if names else []


def helpers(
    results: Results,
    comparison: Comparison,
    name: str,
    task: Task,
    shown: Found,
    costs: Mapping[str, float],
    helpful: bool,
) -> Table:
    """The variants that help, or come closest, with how surely, as tuned and as written, and at what cost."""
    rows, data = [], []
    for variant, estimate in shown:
        wide, chance, rank = estimate.simultaneous, estimate.improvement, estimate.rank
        written = comparison.get(variant, name, "test_accuracy", DEFAULT)
        own, spent = results.params.variants[variant], costs[variant]
        chosen = tuning.choices(results, variant, name)
        parameters = tuning.typical(chosen, own, results.params) if chosen else {}
        settings = ", ".join(
            f"{key} {tuning.value_of(own, parameters, key):.3g}" for key in search.space(own, results.params.tune)
        )
        rows.append(
            [
                variant_cell(variant),
                difference_cell(estimate),
                improvement_cell(estimate),
                Cell(number(rank.mean, 0), span(rank.low, rank.high, 0), rank.mean) if rank else Cell("–"),
                difference_cell(written),
                number_cell(spent, 1),
                Cell(settings, code=True),
            ]
        )
        data.append(
            {
                "variant": variant,
                "difference": wide.mean if wide else None,
                "low": wide.low if wide else None,
                "high": wide.high if wide else None,
                "verdict": estimate.verdict,
                "improvement": chance.mean if chance else None,
                "improvement_low": chance.low if chance else None,
                "improvement_high": chance.high if chance else None,
                "rank": rank.mean if rank else None,
                "rank_low": rank.low if rank else None,
                "rank_high": rank.high if rank else None,
                "as_written": written.difference.mean if written and written.difference else None,
                "epochs": spent,
                **{f"chosen {key}": value for key, value in parameters.items()},
            }
        )
    return Table(
        f"recommendation-{name}",
        ("What helps" if helpful else "What comes closest")
        + f" on {task.title}: difference of test accuracy from tuned {BASELINE} in points, with its simultaneous "
        f"{percent(results.params.evaluation.confidence)} interval; the probability, in percent, of being better on a "
        "fresh split; the rank among all variants; the difference with the settings as written; epochs trained as a "
        f"factor on those of {BASELINE}; and the settings chosen, by the rule below.",
        ["Variant", "Difference", "Better (%)", "Rank", "As written", "Epochs", "Settings"],
        rows,
        pd.DataFrame(data),
        stacked=True,
    )


# How to use it.


def fragment(results: Results, variant: str, task: str) -> str:
    """A variant with the settings that its searches chose, as lines to be put under ``variants:`` in ``params.yaml``.

    Empty where it was not tuned.
    """
    own, params = results.params.variants[variant], results.params
    chosen = tuning.choices(results, own.tuned_as, task)
    if not chosen:
        return ""
    found = own.with_parameters(tuning.typical(chosen, own, params))
    title = params.tasks[task].title
    name = f"{variant}_for_{task}"
    about = f"{variant} as tuned on {title}."
    text = io.StringIO()
    editor = YAML()
    editor.width = 4096
    editor.indent(mapping=2)
    editor.dump({name: written(found, about, params)}, text)
    return "".join(f"  {line}\n" for line in text.getvalue().splitlines())


def written(variant: Variant, about: str, params: Params) -> dict[str, Any]:
    """A variant as ``params.yaml`` has it: what differs from the shared settings, and its methods."""
    shared = params.training.model_dump()
    training = {key: value for key, value in variant.training.model_dump().items() if value != shared[key]}
    sections = {"training": training} if training else {}
    sections |= {method.key: method.model_dump() for method in variant.regularizers}
    return {"about": about, **{key: _in_one_line(values) for key, values in sections.items()}}


def _in_one_line(values: Mapping[str, Any]) -> CommentedMap:
    line = CommentedMap(values)
    line.fa.set_flow_style()
    return line


def _mean(estimate: Estimate) -> float:
    return estimate.simultaneous.mean if estimate.simultaneous else float("-inf")


def _with_interval(estimate: Estimate) -> str:
    wide = estimate.simultaneous
    if wide is None:
        return "–"
    return with_interval(wide)
