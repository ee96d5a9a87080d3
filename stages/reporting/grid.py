"""The page that shows how differences depend on the number of training images and the noise of their labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from stages.config import BASELINE, DEFAULT, TUNED, Params, Task
from stages.reporting import overviews, pages, site, widths
from stages.reporting.comparison import Comparison
from stages.reporting.figures import Drawing, Figure
from stages.reporting.results import Results
from stages.reporting.summary import points
from stages.reporting.tables import (
    Cell,
    Table,
    difference_cell,
    improvement_cell,
    number,
    number_cell,
    percent,
    variant_cell,
)

MARKS = {"better": "▲", "worse": "▼", "negligible": "≈", "unfinished": "…"}
STRONGEST = 5.0
"""Points of a difference from which on a cell has its full color."""
POINTS = 10.0
"""The end of the axis of a performance profile."""
TRACKS = {TUNED: "As tuned", DEFAULT: "As written"}


def build(results: Results, comparison: Comparison, drawing: Drawing) -> dict[str, str | bytes]:
    """The page with its tables, by path; its figures are drawn."""
    params = results.params
    whole = Comparison(results.comparisons, comparison.variants, tuple(params.all_tasks))
    pairs = paired(results)
    cells = {name: task for name, task in params.all_tasks.items() if name in set(pairs["task"])}
    scores = profile_scores(results)
    profile = profiles(scores)
    figures = {"tasks": tasks_figure(whole, params)}
    if any(name in params.grid for name in cells):
        figures["grid"] = grid_figure(whole, params)
    if not profile.empty:
        figures["profile"] = profile_figure(profile, len(scores.columns), params)
    sweeps = widths.sweeps(params)
    if sweeps:
        figures["widths"] = widths.figure(results, comparison, sweeps)
    drawing.add(figures.values())
    details = {name: pairs_table(whole, pairs, name, task, params) for name, task in cells.items()}
    ranking = profile_table(scores, params) if not profile.empty else None
    errors = widths.table(results, comparison, sweeps) if sweeps else None
    shown = [table for table in (*details.values(), ranking, errors) if table]
    return {
        "grid.html": site.render(
            "grid.html",
            0,
            page="grid",
            **pages.shared_context(results),
            figures=figures,
            details=details,
            headings={name: task.heading for name, task in cells.items()},
            ranking=ranking,
            errors=errors,
            sizes=widths.sentences(results, sweeps) if sweeps else (),
            strongest=STRONGEST,
        ),
        **{f"tables/{table.name}.csv": table.csv for table in shown},
    }


# Differences, seed by seed.


def paired(results: Results) -> pd.DataFrame:
    """`variant, task, seed, difference`: test accuracy of the tuned variant minus the tuned reference’s, in points.

    Of every task, in the order of the parameters; the networks of a seed are averaged.
    """
    runs = results.replicas[results.replicas["track"] == TUNED]
    means = 100 * runs.groupby(["task", "seed", "variant"])["test_accuracy"].mean().unstack("variant")
    against = {name: variant.against for name, variant in results.params.variants.items() if name != BASELINE}
    variants = [name for name in against if name in means and against[name] in means]
    differences = means[variants] - means[[against[name] for name in variants]].to_numpy()
    long = differences.reset_index().melt(["task", "seed"], var_name="variant", value_name="difference").dropna()
    order = {
        "variant": {name: place for place, name in enumerate(variants)},
        "task": {name: place for place, name in enumerate(results.params.all_tasks)},
    }
    long = long[long["task"].isin(list(order["task"]))]
    long = long.sort_values(["task", "variant"], key=lambda names: names.map(order[str(names.name)]), kind="stable")
    return long[["variant", "task", "seed", "difference"]].reset_index(drop=True)


def pairs_table(comparison: Comparison, pairs: pd.DataFrame, name: str, task: Task, params: Params) -> Table:
    """The paired differences on one task."""
    own = pairs[pairs["task"] == name]
    rows = []
    for variant, group in own.groupby("variant", sort=False):
        estimate = comparison.get(str(variant), name, "test_accuracy", TUNED)
        values = group["difference"].to_numpy()
        row = [variant_cell(str(variant)), difference_cell(estimate), improvement_cell(estimate)]
        row.append(Cell(f"{(values > 0).sum()} of {len(values)}", sort=float((values > 0).mean())))
        row += [number_cell(value, 1) for value in (values.min(), float(np.median(values)), values.max())]
        rows.append(row)
    return Table(
        f"pairs-{name}",
        f"Test accuracy on {task.title} against that of the tuned reference, seed by seed, in points: the mean with "
        f"its simultaneous {percent(params.evaluation.confidence)} interval; the probability, in percent, of being "
        "better on a seed, with its interval; the seeds on which it is; the extremes and the median. The CSV file has "
        "each pair.",
        ["Variant", "Difference", "Better (%)", "Seeds", "Lowest", "Median", "Highest"],
        rows,
        own.drop(columns="task"),
    )


# Heat maps.


def cells_of(comparison: Comparison, tasks: Mapping[str, str], track: str = TUNED) -> pd.DataFrame:
    """`row, task, column, difference, low, high, verdict, text, link` of every variant on tasks, by their column."""
    rows = []
    for variant in comparison.variants:
        for task, column in tasks.items():
            estimate = comparison.get(variant, task, "test_accuracy", track)
            if estimate is None or estimate.simultaneous is None:
                continue
            wide = estimate.simultaneous
            rows.append(
                {
                    "row": variant,
                    "task": task,
                    "column": column,
                    "difference": wide.mean,
                    "low": wide.low,
                    "high": wide.high,
                    "verdict": estimate.verdict,
                    "text": number(wide.mean, 1, signed=True) + MARKS.get(estimate.verdict, ""),
                    "link": f"#pairs-{task}",
                }
            )
    names = ["row", "task", "column", "difference", "low", "high", "verdict", "text", "link"]
    return pd.DataFrame(rows, columns=names)


def tasks_figure(comparison: Comparison, params: Params) -> Figure:
    """Variants by main tasks, as tuned and as written."""
    columns = {name: task.heading for name, task in params.tasks.items()}
    parts = [cells_of(comparison, columns, track).assign(panel=text) for track, text in TRACKS.items()]
    data = pd.concat(parts, ignore_index=True)
    data = data[[not params.variants[name].without for name in data["row"]]]
    rows = tuple(name for name in comparison.variants if name in set(data["row"]))
    panels = tuple(dict.fromkeys(data["panel"]))
    chart = overviews.heat(rows, tuple(columns.values()), panels, "", STRONGEST)
    return Figure(
        "grid-tasks",
        "Variants by tasks",
        f"Difference of test accuracy from the tuned reference in points, of settings as tuned and as written in "
        f"params.yaml. {LEGEND}",
        chart,
        chart,
        data,
    )


LEGEND = (
    "Blue is better, red is worse. ▲ better, ▼ worse by more than what matters, ≈ negligible, by the simultaneous "
    "interval; … still learning; no mark: undecided. A cell leads to its differences, seed by seed."
)


def places(params: Params) -> dict[str, list[tuple[str, str]]]:
    """The panels and columns that each task of the grid has its cells in: one for each kind of noise, and true labels,
    which are those of every kind, in the first column of all."""
    noises = [task.noise for task in params.grid.values() if task.noise]
    kinds = list(dict.fromkeys(noise.kind for noise in noises)) or ["uniform"]
    found: dict[str, list[tuple[str, str]]] = {}
    for name, task in params.grid.items():
        images = "All images" if task.train == "all" else f"{task.train} images"
        rate = percent(task.noise.rate if task.noise else 0)
        of_kinds = [task.noise.kind] if task.noise else kinds
        found[name] = [
            (images if len(kinds) == 1 else f"{images}, {kind.replace('_', ' ')} noise", rate) for kind in of_kinds
        ]
    return found


def grid_figure(comparison: Comparison, params: Params) -> Figure:
    """Variants by share of wrong labels, a panel for each number of training images and kind of noise."""
    where = places(params)
    flat = cells_of(comparison, dict.fromkeys(where, "")).drop(columns="column")
    spread = [
        flat[flat["task"] == name].assign(panel=panel, column=column)
        for name, shown in where.items()
        for panel, column in shown
    ]
    data = pd.concat(spread, ignore_index=True)
    panels = tuple(dict.fromkeys(data["panel"]))
    rates = sorted({column for shown in where.values() for _, column in shown}, key=lambda text: float(text[:-2]))
    rows = tuple(name for name in comparison.variants if name in set(data["row"]))
    chart = overviews.heat(rows, tuple(rates), panels, "Label noise", STRONGEST)
    return Figure(
        "grid-cells",
        "Training size and label noise",
        f"Difference of test accuracy from the reference, both as tuned, in points. {LEGEND}",
        chart,
        chart,
        data,
    )


# Performance profiles.


def profile_scores(results: Results) -> pd.DataFrame:
    """Mean test accuracy in percent, tuned: a row for each variant, a column for each task that leaves something to
    learn; only variants that were trained on all of them."""
    runs = results.replicas[results.replicas["track"] == TUNED]
    means = 100 * runs.groupby(["variant", "task"])["test_accuracy"].mean().unstack("task")
    tasks = [
        name
        for name, task in results.params.all_tasks.items()
        if name in means and not (task.noise and task.noise.rate == 1)
    ]
    variants = [name for name in results.params.variants if name in means.index]
    return means.loc[variants, tasks].dropna()


def profiles(scores: pd.DataFrame) -> pd.DataFrame:
    """`variant, tau, share`: the percentage of tasks on which a variant is at most tau points behind the best.

    Dolan and Moré 2002, https://doi.org/10.1007/s101070100263, with differences in place of ratios. Empty for fewer
    than two variants or tasks.
    """
    if min(scores.shape) < 2:
        return pd.DataFrame(columns=["variant", "tau", "share"])
    behind = behind_best(scores)
    taus = np.linspace(0, POINTS, 101).round(9)
    shares = 100 * (behind[:, :, None] <= taus + 1e-9).mean(1)
    table = pd.DataFrame(shares, index=scores.index, columns=taus)
    return table.rename_axis("variant").reset_index().melt("variant", var_name="tau", value_name="share")


def behind_best(scores: pd.DataFrame) -> np.ndarray:
    """By how many points each variant is behind the best on each task: (variants, tasks)."""
    values = scores.to_numpy()
    behind: np.ndarray = values.max(0) - values
    return behind


def profile_figure(profile: pd.DataFrame, tasks: int, params: Params) -> Figure:
    """The performance profile of every variant."""
    areas = profile.groupby("variant")["share"].mean().sort_values(ascending=False)
    series = overviews.told_apart(tuple(areas.index))
    data = profile.rename(columns={"tau": "x", "share": "value"}).assign(panel=f"{tasks} tasks")
    data["series"] = overviews.series_of(data["variant"], series)
    chart = overviews.many_lines(
        "Share of tasks (%)",
        series,
        (f"{tasks} tasks",),
        x_title="Points behind the best, at most",
        steps=True,
        mark=params.claims.points,
        domain=(0, 100),
    )
    return Figure(
        "grid-profile",
        "Performance profile",
        "The share of tasks on which a variant is at most so many points of test accuracy behind the best variant of "
        "that task. A curve that starts high belongs to a variant that is often the best; one that soon is at 100 % to "
        f"one never far behind. Dashed: {points(params.claims.points)}, the smallest difference that matters.",
        chart,
        chart,
        data[["panel", "variant", "series", "x", "value"]],
    )


def profile_table(scores: pd.DataFrame, params: Params) -> Table:
    """The profiles in numbers."""
    behind, smallest = behind_best(scores), params.claims.points
    data = pd.DataFrame(
        {
            "variant": scores.index,
            "best": 100 * (behind <= 1e-9).mean(1),
            "close": 100 * (behind <= smallest + 1e-9).mean(1),
            "mean_behind": behind.mean(1),
            "most_behind": behind.max(1),
            "most_on": scores.columns[behind.argmax(1)],
        }
    ).sort_values("mean_behind", kind="stable")
    records: list[dict[Any, Any]] = data.to_dict("records")
    rows = [
        [
            variant_cell(row["variant"]),
            number_cell(row["best"], 0),
            number_cell(row["close"], 0),
            number_cell(row["mean_behind"], 1),
            Cell(number(row["most_behind"], 1), "on " + params.all_tasks[row["most_on"]].title, row["most_behind"]),
        ]
        for row in records
    ]
    return Table(
        "grid-profile-summary",
        "Percentage of tasks on which a variant is the best, and is at most "
        f"{points(smallest)} behind the best; and the points that it is behind, on average and at most.",
        ["Variant", "Best (%)", "Close (%)", "Behind", "At most"],
        rows,
        data,
    )
