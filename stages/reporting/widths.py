"""The width sweep: error by the number of parameters, without a regularizer and with one, on the page of the tasks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, cycle

import numpy as np
import pandas as pd

from stages.config import BASELINE, TUNED, Params
from stages.reporting import charts, overviews
from stages.reporting.charts import Series
from stages.reporting.colors import BLUE, GREY, VERMILION
from stages.reporting.comparison import Comparison, Estimate
from stages.reporting.figures import Figure
from stages.reporting.results import Results
from stages.reporting.summary import joined
from stages.reporting.tables import Cell, Table, number, number_cell, percent, span, variant_cell, with_interval
from stages.statistics import Interval, as_independent, search_correlation, simultaneous_intervals

Pair = tuple[str, str]
ERRORS = {"test": "test_accuracy", "training": "train_accuracy"}
SHAPES = ("diamond", "triangle-up", "cross")


def sweeps(params: Params) -> dict[str, list[str]]:
    """Variants that differ from the shared training in their width alone, from narrow to wide, by the first of those
    with the same regularizers: those without any, and those with one that was tried at several widths.

    Empty where fewer than two widths have no regularizer.
    """
    shared = params.training.model_dump()
    groups: dict[str, list[str]] = {}
    for name, variant in params.variants.items():
        if variant.training.model_dump() | {"width": shared["width"]} == shared:
            methods = {method.key: method.model_dump() for method in variant.regularizers}
            groups.setdefault(json.dumps(methods), []).append(name)
    if len(groups.get("{}", ())) < 2:
        return {}
    kept = {names[0]: sorted(names, key=lambda name: width(params, name)) for names in groups.values() if names[1:]}
    return {BASELINE: kept.pop(BASELINE), **kept}


def width(params: Params, variant: str) -> float:
    return params.variants[variant].training.width


def errors(results: Results, comparison: Comparison, groups: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """`panel, series, variant, width, parameters, mean, low, high, unfinished` of tuned networks, in percent.

    The error on training images is shown without a regularizer only: it says from which size on labels are fitted.
    Where every seed has all or none, no interval says more.
    """
    rows = []
    for name, task in results.params.tasks.items():
        for group, variants in groups.items():
            for kind in ERRORS if group == BASELINE else ("test",):
                for variant in variants:
                    estimate = comparison.get(variant, name, ERRORS[kind], TUNED)
                    if estimate is None:
                        continue
                    value = estimate.value
                    ends = (100 - value.high, 100 - value.low) if 0 < value.mean < 100 else (np.nan, np.nan)
                    rows.append(
                        {
                            "panel": task.heading,
                            "series": f"{group}, {kind}",
                            "variant": variant,
                            "width": width(results.params, variant),
                            "parameters": results.runs[variant].size,
                            "mean": 100 - value.mean,
                            "low": max(ends[0], 0),
                            "high": min(ends[1], 100),
                            "unfinished": estimate.unfinished,
                        }
                    )
    return pd.DataFrame(rows)


def figure(results: Results, comparison: Comparison, groups: Mapping[str, Sequence[str]]) -> Figure:
    """Error by the number of parameters, a panel for each main task."""
    data = errors(results, comparison, groups)
    others = [f"{group}, test" for group in groups if group != BASELINE]
    lines = (Series(f"{BASELINE}, test", BLUE), Series(f"{BASELINE}, training", GREY, (4, 3), shape="square"))
    marks = tuple(Series(name, VERMILION, shape=shape) for name, shape in zip(others, cycle(SHAPES), strict=False))
    chart = overviews.sizes(
        (*lines, *marks),
        tuple(each.name for each in lines),
        tuple(dict.fromkeys(data["panel"])),
        charts.log_ticks(data["parameters"]),
    )
    return Figure(
        "grid-widths",
        "Error and the number of parameters",
        f"Share of images classified wrongly, of tuned networks that differ in width: {BASELINE} has no regularizer, "
        "and its dashed line is the error on the training labels, which are fitted where it reaches zero. Means over "
        f"seeds with the {percent(results.params.evaluation.confidence)} interval of the mean. Hollow: some networks "
        "were still learning.",
        chart,
        chart,
        data,
    )


def table(results: Results, comparison: Comparison, groups: Mapping[str, Sequence[str]]) -> Table:
    """The same in numbers, with the training error of every variant."""
    tasks = results.params.tasks
    rows, data = [], []
    for variant in (variant for variants in groups.values() for variant in variants):
        size, factor = results.runs[variant].size, width(results.params, variant)
        row = [variant_cell(variant), Cell(f"{factor:g}", sort=factor), number_cell(size, 0)]
        record = {"variant": variant, "width": factor, "parameters": size}
        for name in tasks:
            for kind, metric in ERRORS.items():
                estimate = comparison.get(variant, name, metric, TUNED)
                row.append(error_cell(estimate))
                record[f"{name}, {kind}"] = 100 - estimate.value.mean if estimate else float("nan")
        rows.append(row)
        data.append(record)
    return Table(
        "grid-widths",
        "Width as a factor on the hidden units, parameters of one network, and errors in percent, tuned: means over "
        f"seeds with their {percent(results.params.evaluation.confidence)} intervals; where every seed has all or "
        "none, their number. “…”: some networks were still learning.",
        ["Variant", "Width", "Parameters", *["Test", "Training"] * len(tasks)],
        rows,
        pd.DataFrame(data),
        [("", 3), *((task.heading, 2) for task in tasks.values())],
        stacked=True,
    )


def error_cell(estimate: Estimate | None) -> Cell:
    if estimate is None:
        return Cell("–")
    value = estimate.value
    error = 100 - value.mean
    detail = (
        span(100 - value.high, 100 - value.low, 1) if 0 < error < 100 else f"{value.n if error else 0} of {value.n}"
    )
    return Cell(number(error, 1), detail, error, "unfinished" if estimate.unfinished else "")


# What the sweep says.


def sentences(results: Results, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """On each main task: from which size on labels are fitted, whether test error rises with width, and what a
    regularizer does at the largest width that it was tried at."""
    found = []
    for name, task in results.params.tasks.items():
        runs = results.replicas[(results.replicas["task"] == name) & (results.replicas["track"] == TUNED)]
        have = {group: [v for v in variants if v in set(runs["variant"])] for group, variants in groups.items()}
        sizes = {variant: results.runs[variant].size for variants in have.values() for variant in variants}
        plain = have.pop(BASELINE)
        wide = {width(results.params, variant): variant for variant in plain}
        helped = [
            (variants[-1], wide[at])
            for variants in have.values()
            if variants and (at := width(results.params, variants[-1])) in wide
        ]
        pairs = [*((high, low) for low, high in combinations(plain, 2)), *helped]
        if not pairs:
            continue
        apart = differences(runs, pairs, results.params)
        told = [
            *fitted(runs, plain, sizes),
            *unfinished(runs, plain),
            *descent(plain, apart, sizes),
            *regularized(helped, apart, sizes),
        ]
        found.append(f"On {task.title}: {' '.join(told)}")
    return found


def differences(runs: pd.DataFrame, pairs: Sequence[Pair], params: Params) -> dict[Pair, Interval]:
    """Test error of the first of each pair minus that of the second, in points, paired by seed; the intervals hold for
    all pairs at once, the luck of the searches included."""
    errors = 100 - 100 * runs.groupby(["variant", "seed"])["test_accuracy"].mean().unstack("seed")
    apart = errors.loc[[a for a, _ in pairs]].to_numpy() - errors.loc[[b for _, b in pairs]].to_numpy()
    searches = np.array([params.search(seed) for seed in errors.columns.to_numpy(int)])
    spread = as_independent(apart, searches, search_correlation(apart, searches))
    return dict(zip(pairs, simultaneous_intervals(spread, params.evaluation.confidence), strict=True))


def fitted(runs: pd.DataFrame, plain: Sequence[str], sizes: Mapping[str, int]) -> list[str]:
    """The size from which on every network fits its training labels."""
    least = runs.groupby("variant")["train_accuracy"].min()
    missing = [place for place, variant in enumerate(plain) if least[variant] < 1]
    first = missing[-1] + 1 if missing else 0
    if first == len(plain):
        return ["not even the largest network without a regularizer fits all training labels on every seed."]
    if first == 0:
        return ["without a regularizer, networks of every size fit all training labels."]
    return [f"without a regularizer, all training labels are fitted from {count(sizes[plain[first]])} on."]


def unfinished(runs: pd.DataFrame, plain: Sequence[str]) -> list[str]:
    learning = set(runs.loc[runs["unfinished"].astype(bool), "variant"])
    names = [f"`{variant}`" for variant in plain if variant in learning]
    return [f"Networks of {joined(names)} were still learning, so this may change with more epochs."] if names else []


def descent(plain: Sequence[str], apart: Mapping[Pair, Interval], sizes: Mapping[str, int]) -> list[str]:
    """Whether test error rises with width anywhere, and whether it falls again."""
    rises = [(low, high) for low, high in combinations(plain, 2) if apart[high, low].above_zero]
    peaks = [
        (low, high, after)
        for low, high in rises
        for after in plain[plain.index(high) + 1 :]
        if apart[after, high].below_zero
    ]
    if peaks:
        low, high, after = max(peaks, key=lambda peak: apart[peak[1], peak[0]].mean - apart[peak[2], peak[1]].mean)
        return [
            f"Double descent shows: test error rises from {count(sizes[low])} to {count(sizes[high])} by "
            f"{gap(apart[high, low])} points, and falls again by {gap(negative(apart[after, high]))} points to "
            f"{count(sizes[after])}."
        ]
    if rises:
        low, high = max(rises, key=lambda pair: apart[pair[1], pair[0]].mean)
        return [
            f"Test error rises from {count(sizes[low])} to {count(sizes[high])} by {gap(apart[high, low])} points, and "
            "does not surely fall again with more: overfitting shows, double descent does not."
        ]
    return ["Test error rises nowhere with width beyond what chance explains, so no double descent shows."]


def regularized(helped: Iterable[Pair], apart: Mapping[Pair, Interval], sizes: Mapping[str, int]) -> list[str]:
    """What regularizers do to a large network."""
    clauses = []
    for variant, plain in helped:
        found = apart[variant, plain]
        if found.below_zero:
            does = f"lowers it by {gap(negative(found))} points"
        elif found.above_zero:
            does = f"raises it by {gap(found)} points"
        else:
            does = f"makes no certain difference ({with_interval(found)} points)"
        clauses.append(f"`{variant}`, compared with `{plain}`, both with {count(sizes[variant])}, {does}")
    return [f"Large and regularized: {joined(clauses)}."] if clauses else []


def negative(found: Interval) -> Interval:
    return Interval(-found.mean, -found.high, -found.low, found.n)


def gap(found: Interval) -> str:
    return with_interval(found, signed=False)


def count(size: int) -> str:
    return f"{number(size, 0)} parameters"
