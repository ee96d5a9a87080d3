"""Figures: a chart with its data, drawn in the page, as an SVG file, and as the CSV file of the numbers drawn."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property, reduce
from multiprocessing import get_context
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages import files
from stages.config import BASELINE, DEFAULT, TUNED, Task
from stages.reporting import charts, svg
from stages.reporting.charts import Spec
from stages.reporting.comparison import Comparison
from stages.reporting.results import Results, Run
from stages.reporting.tables import TRACK_TITLES, noisy_ones

RANGE = ["mean", "low", "high"]
POINTS = 101
"""Epochs drawn of a learning curve, at most."""
FEWER = 31
"""The same on the pages of variants, of which there are many."""
OUTLYING = 0.05
"""The share of intervals that may reach beyond the axis of differences, to the left."""
LEAST_LOSS = 1e-4
"""The lower end of the logarithmic axis of the loss, in nats."""


FOUR_DIGITS = "%.4g"


@dataclass(frozen=True)
class Figure:
    name: str
    """The name of its files."""
    title: str
    text: str
    """What is drawn and how to read it: caption and alternative text."""
    chart: Spec
    still: Spec
    """The chart for the SVG file, without interactive parts."""
    data: pd.DataFrame

    @cached_property
    def table(self) -> pd.DataFrame:
        """The data; of lines with columns for each."""
        x = self.chart["usermeta"].get("x")
        return charts.wide(self.data, x) if x else self.data

    @property
    def csv(self) -> str:
        """The data to four digits, more than a picture shows."""
        return files.csv(self.table, FOUR_DIGITS)

    @property
    def interactive_spec(self) -> Spec:
        return self.chart | self._content

    @property
    def still_spec(self) -> Spec:
        return self.still | self._content

    def files(self, drawing: str) -> dict[str, str | bytes]:
        """The numbers, and the drawing of `still_spec`, by path in the site."""
        return {f"figures/{self.name}.csv": self.csv, f"figures/{self.name}.svg": drawing}

    @property
    def _content(self) -> Spec:
        values = self.table.to_csv(index=False, float_format=FOUR_DIGITS, lineterminator="\n")
        return {"data": {"values": values, "format": {"type": "csv"}}, "description": self.title}


class Drawing:
    """Makes the files of figures, in other processes while this one goes on: each process draws one chart at a time."""

    def __init__(self) -> None:
        self._workers = ProcessPoolExecutor(min(4, os.cpu_count() or 1), get_context("spawn"))
        self._drawn: list[tuple[Figure, Future[str]]] = []

    def __enter__(self) -> Drawing:
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.shutdown(cancel_futures=True)

    def add(self, figures: Iterable[Figure]) -> None:
        """Start to draw figures."""
        self._drawn += [(figure, self._workers.submit(svg.draw, figure.still_spec)) for figure in figures]

    def files(self) -> dict[str, str | bytes]:
        """The numbers and the drawing of every figure added, by path in the site; waits until all are drawn."""
        return {path: file for figure, drawing in self._drawn for path, file in figure.files(drawing.result()).items()}


def differences(comparison: Comparison, tasks: Mapping[str, Task], variants: tuple[str, ...]) -> Figure:
    """How far the test accuracy of some variants, as written and tuned, is from that of the tuned reference."""
    table = comparison.frame(["test_accuracy"])
    table = table[table["track"].isin([DEFAULT, TUNED]) & table["variant"].isin(variants) & (table["pairs"] > 0)]
    data = pd.DataFrame(
        {
            "panel": table["task"].map(lambda task: tasks[task].heading),
            "variant": table["variant"],
            "track": table["track"],
            "difference": table["difference"],
            "low": table["simultaneous_low"],
            "high": table["simultaneous_high"],
            "verdict": table["verdict"],
            "unfinished": table["unfinished"],
        }
    )
    # A few variants that fail would leave no room for the differences of all others.
    domain = float(np.floor(data["low"].quantile(OUTLYING))), float(np.ceil(data["high"].max()))
    chart = charts.differences(variants, panels(tasks), float(table["smallest"].iloc[0]), domain)
    return Figure(
        "differences",
        f"Test accuracy relative to tuned {BASELINE}",
        "Difference in points, mean over paired seeds. Hollow: with the strengths of params.yaml; full: tuned. The "
        "intervals hold for all variants of a panel at once. The band holds what is negligible. A triangle points to "
        "the side of the band on which the whole interval lies. What lies beyond the left end of the axis is drawn "
        "there.",
        chart,
        chart,
        data,
    )


def memorized(comparison: Comparison, name: str, task: Task) -> Figure:
    """The share of a task's wrong labels that each variant memorized, and its test accuracy."""
    metrics = {"accuracy_on_wrong_given": "x", "test_accuracy": "y"}
    table = comparison.frame(metrics).query("task == @name")
    headings = {track: TRACK_TITLES[track] for track in task.tracks(name)}
    means = table.assign(axis=table["metric"].map(metrics)).pivot(
        index=["track", "variant", "unfinished"], columns="axis", values="mean"
    )
    data = means.dropna().reset_index()
    data["panel"] = data["track"].map(headings)
    chart = charts.scatter(tuple(headings.values()), "Wrong labels memorized (%)", "Test accuracy (%)")
    return Figure(
        f"memorization-{name}",
        f"Memorization and test accuracy, {task.title}",
        "A dot for each variant. Across: the share of the wrongly labeled training images for which the network "
        "predicts the wrong label it was shown. Up: accuracy on the test set. Means over seeds. Hollow: unfinished, "
        "some networks were still learning.",
        chart,
        chart,
        data[["panel", "variant", "x", "y", "unfinished"]],
    )


def told_of(comparison: Comparison, name: str) -> tuple[str, ...]:
    """Whose learning of wrong labels is shown: the reference, the variant with the highest test accuracy, that which
    memorizes least, and that which memorizes most, all tuned, as far as they differ."""
    means = {
        metric: {v: e.value.mean for v in comparison.variants if (e := comparison.get(v, name, metric, TUNED))}
        for metric in ("test_accuracy", "accuracy_on_wrong_given")
    }
    best = max(means["test_accuracy"], key=means["test_accuracy"].__getitem__)
    memory = sorted(means["accuracy_on_wrong_given"], key=means["accuracy_on_wrong_given"].__getitem__)
    return tuple(dict.fromkeys([BASELINE, best, memory[0], memory[-1]]))


def wrong_labels(few: tuple[str, ...], name: str, task: Task, runs: Mapping[str, Run]) -> Figure:
    """Accuracy on wrongly labeled images while a few tuned networks learn."""
    parts = []
    for variant in few:
        shown = {name: task}
        curves = of_track(runs[variant], TUNED, shown)
        epochs = drawn_epochs(curves)
        for series, column in WRONG.items():
            curve = spread(curves, column, shown, epochs, 100)
            parts.append(curve.assign(panel=variant, series=series))
    data = pd.concat(parts)[["panel", "series", "epoch", *RANGE]]
    looks = tuple(charts.LOOKS[series] for series in WRONG)
    chart, still = (
        charts.lines("Predicted for wrong labels (%)", looks, few, hover=hover, domain=(0, 100))
        for hover in (True, False)
    )
    return Figure(
        f"wrong-{name}",
        f"How wrong labels are learned, {task.title}",
        "For the wrongly labeled training images: the share for which the network predicts the wrong label it is "
        "shown, and the share for which it predicts the true one, which it is never shown. Tuned networks, mean over "
        f"seeds; the bands reach from the lowest to the highest. First {BASELINE}, then the most accurate variant on "
        "the test set, that which memorizes least, and that which memorizes most, as far as they differ.",
        chart,
        still,
        data,
    )


WRONG = {"wrong label": "wrong_given", "true label": "wrong_true"}
"""The columns of a history that say what is predicted for wrongly labeled images."""


def of_variant(name: str, results: Results) -> list[Figure]:
    """Learning curves: accuracy, loss, parameter norm and, where there are, wrong labels; and the confusion of classes.

    They show the tuned variant, its validation as written, and the tuned reference.
    """
    tasks = {key: task for key, task in results.params.tasks.items() if task.has(name)}
    own, written = (of_track(results.runs[name], track, tasks) for track in (TUNED, DEFAULT))
    reference = of_track(results.runs[BASELINE], TUNED, tasks)
    differs = name != BASELINE
    epochs = drawn_epochs(own, written, reference, most=FEWER)

    def curves(
        kind: str,
        title: str,
        unit: str,
        text: str,
        series: Mapping[str, pd.DataFrame],
        shown: Mapping[str, Task] = tasks,
        **axes: Any,
    ) -> Figure:
        data = pd.concat(table.assign(series=label) for label, table in series.items())
        data = data[["panel", "series", "epoch", *RANGE]]
        banded = [label for label in series if charts.LOOKS[label].band]
        data.loc[~data["series"].isin(banded), ["low", "high"]] = np.nan
        axis = f"{title} ({unit})" if unit else title
        looks = tuple(charts.LOOKS[label] for label in series)
        chart, still = (charts.lines(axis, looks, panels(shown), hover=hover, **axes) for hover in (True, False))
        text = f"Tuned, if not said otherwise. Mean over seeds; the bands reach from the lowest to the highest.{text}"
        return Figure(f"{name}-{kind}", title, text, chart, still, data)

    def learning(metric: str, scale: float = 1) -> dict[str, pd.DataFrame]:
        series = {
            "training": spread(own, f"train_{metric}", tasks, epochs, scale),
            "validation": spread(own, f"val_{metric}", tasks, epochs, scale),
            "validation, default": spread(written, f"val_{metric}", tasks, epochs, scale),
        }
        if differs:
            series[f"validation, {BASELINE}"] = spread(reference, f"val_{metric}", tasks, epochs, scale)
        return series

    losses = {label: table.assign(**table[RANGE].clip(lower=LEAST_LOSS)) for label, table in learning("loss").items()}
    norms = {
        "tuned": spread(own, "param_norm", tasks, epochs),
        "default": spread(written, "param_norm", tasks, epochs),
    }
    if differs:
        norms[BASELINE] = spread(reference, "param_norm", tasks, epochs)
    noisy = noisy_ones(tasks)
    wrong = {
        f"{series}{suffix}": spread(history, column, noisy, epochs, 100)
        for history, suffix in ((own, ""), (written, ", default"))
        for series, column in WRONG.items()
        if noisy
    }
    counts = results.confusion
    counts = counts[(counts["variant"] == name) & (counts["track"] == TUNED) & (counts["count"] > 0)]
    matrix = charts.confusion(results.classes, panels(tasks))
    logarithmic = f" The axis is logarithmic and ends at {LEAST_LOSS:g} nats, where smaller losses are drawn."
    about = (
        " For the wrongly labeled training images: how often the wrong label is predicted, and how often the true one."
    )
    return [
        curves("accuracy", "Accuracy", "%", "", learning("accuracy", 100)),
        curves("loss", "Loss", "nats", logarithmic, losses, log=True),
        curves("norm", "Parameter norm", "", "", norms),
        *([curves("wrong", "Predicted for wrong labels", "%", about, wrong, noisy, domain=(0, 100))] if noisy else []),
        Figure(
            f"{name}-confusion",
            "Confusion on the test set",
            "Percentage of the images of each true class that the tuned networks predict as each class, over all "
            "seeds.",
            matrix,
            matrix,
            confusion(counts, results.classes, tasks),
        ),
    ]


def of_track(run: Run, track: str, tasks: Iterable[str]) -> dict[str, pd.DataFrame]:
    """The curves of a track, by task."""
    return {task: run.curves[task, track] for task in tasks}


def panels(tasks: Mapping[str, Task]) -> tuple[str, ...]:
    return tuple(task.heading for task in tasks.values())


def drawn_epochs(*tracks: Mapping[str, pd.DataFrame], most: int = POINTS) -> NDArray[np.int64]:
    """The epochs of a figure: those after which all tracks were measured, and the last of all; at most so many."""
    measured = [np.unique(np.concatenate([curves["epoch"] for curves in track.values()])) for track in tracks]
    last = max(epochs[-1] for epochs in measured)
    shared = np.union1d(reduce(np.intersect1d, measured), last)
    return shared[np.unique(np.linspace(0, len(shared) - 1, min(len(shared), most)).round().astype(int))]


def spread(
    curves: Mapping[str, pd.DataFrame],
    metric: str,
    tasks: Mapping[str, Task],
    epochs: NDArray[np.int64],
    scale: float = 1,
) -> pd.DataFrame:
    """`panel, epoch, mean, low, high` over the replicas of a track. One that stopped keeps its last finite value."""
    parts = []
    for name, task in tasks.items():
        own = curves[name]
        values = np.full((epochs[-1] + 1, own["replica"].max() + 1), np.nan)
        values[own["epoch"], own["replica"]] = own[metric].where(np.isfinite(own[metric]))
        replicas = scale * pd.DataFrame(values).ffill().to_numpy()[epochs]
        bands = {"mean": replicas.mean(1), "low": replicas.min(1), "high": replicas.max(1)}
        parts.append(pd.DataFrame({"panel": task.heading, "epoch": epochs, **bands}))
    return pd.concat(parts, ignore_index=True)


def confusion(counts: pd.DataFrame, classes: Sequence[str], tasks: Mapping[str, Task]) -> pd.DataFrame:
    """`panel, true, predicted, count, share` summed over the seeds; the share is percent of the true class."""
    counts = counts[counts["task"].isin(list(tasks))]
    table = counts.groupby(["task", "true", "predicted"], as_index=False)["count"].sum()
    table["share"] = 100 * table["count"] / table.groupby(["task", "true"])["count"].transform("sum")
    return pd.DataFrame(
        {
            "panel": table["task"].map(lambda task: tasks[task].heading),
            "true": table["true"].map(lambda index: classes[index]),
            "predicted": table["predicted"].map(lambda index: classes[index]),
            "count": table["count"],
            "share": table["share"],
        }
    )
