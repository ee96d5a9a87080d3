"""Figures: a chart with its data, drawn in the page, as an SVG file, and as the CSV file of the numbers drawn."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.config import BASELINE, Task
from stages.reporting import charts, svg
from stages.reporting.charts import Spec
from stages.reporting.comparison import Comparison
from stages.reporting.results import Results

RANGE = ["mean", "low", "high"]
POINTS = 101
"""Epochs drawn of a learning curve, at most."""
LEAST_LOSS = 1e-4
"""The lower end of the logarithmic axis of the loss, in nats."""


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
    def csv(self) -> str:
        return self.data.to_csv(index=False, float_format="%.5g", lineterminator="\n")

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
        return {"data": {"values": self.csv, "format": {"type": "csv"}}, "description": self.title}


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


def differences(comparison: Comparison, tasks: Mapping[str, Task]) -> Figure:
    """How far the test accuracy of each variant is from that of the reference."""
    names = tuple(variant for variant in comparison.variants if variant != BASELINE)
    table = comparison.frame(["test_accuracy"]).query("variant != @BASELINE")
    data = pd.DataFrame(
        {
            "panel": table["task"].map(lambda task: tasks[task].heading),
            "variant": table["variant"],
            "difference": table["difference"],
            "low": table["difference_low"],
            "high": table["difference_high"],
            "verdict": table["verdict"],
        }
    )
    chart = charts.differences(names, panels(tasks), float(table["smallest"].iloc[0]))
    return Figure(
        "differences",
        f"Test accuracy relative to {BASELINE}",
        "Difference in points, mean over paired seeds, with its interval. The band holds what is negligible. "
        "A triangle points to the side of the band on which the whole interval lies. Unfinished: a network was still "
        "learning when its epochs were used up.",
        chart,
        chart,
        data,
    )


def memories(comparison: Comparison, name: str, task: Task) -> Figure:
    """Which of a task's wrong labels the networks memorized."""
    metrics = {
        "test_accuracy": "Test accuracy",
        "accuracy_on_wrong_given": "Wrong labels memorized",
        "accuracy_on_wrong_true": "Wrong labels, true class predicted",
    }
    table = comparison.frame(metrics).query("task == @name")
    names = {v: f"{v} …" if comparison[v, name, "test_accuracy"].unfinished else v for v in comparison.variants}
    data = table.assign(panel=table["metric"].map(metrics), row=table["variant"].map(names), value=table["mean"])
    chart = charts.dots(tuple(names.values()), tuple(metrics.values()), "Share (%)", domain=(0, 100))
    return Figure(
        f"memorization-{name}",
        f"Memorization of {task.title}",
        "First: accuracy on the test set. Second: the share of wrongly labeled training images for which the network "
        "predicts the wrong label it was shown. Third: the share for which it predicts the true label, which it was "
        "never "
        "shown. Means over seeds with their intervals. “…”: unfinished, some networks were still learning.",
        chart,
        chart,
        data[["panel", "row", "value", "low", "high"]],
    )


def of_variant(name: str, results: Results) -> list[Figure]:
    """Learning curves of accuracy, loss and parameter norm, and the confusion of classes."""
    tasks = results.params.tasks
    own, reference = results.runs[name].history, results.runs[BASELINE].history
    differs = name != BASELINE
    epochs = drawn_epochs(own["epoch"].to_numpy(), reference["epoch"].to_numpy())

    def curves(kind: str, title: str, unit: str, text: str, series: dict[str, pd.DataFrame], log: bool) -> Figure:
        data = pd.concat(table.assign(series=label) for label, table in series.items())
        data = data[["panel", "series", "epoch", *RANGE]]
        axis = f"{title} ({unit})" if unit else title
        looks = tuple(charts.LOOKS[label] for label in series)
        chart, still = (charts.lines(axis, looks, panels(tasks), hover=hover, log=log) for hover in (True, False))
        text = f"Mean over seeds; the bands reach from the lowest to the highest seed.{text}"
        return Figure(f"{name}-{kind}", title, text, chart, still, data)

    def learning(metric: str, scale: float = 1) -> dict[str, pd.DataFrame]:
        series = {
            "training": spread(own, f"train_{metric}", tasks, epochs, scale),
            "validation": spread(own, f"val_{metric}", tasks, epochs, scale),
        }
        if differs:
            series[f"validation, {BASELINE}"] = spread(reference, f"val_{metric}", tasks, epochs, scale)
        return series

    losses = {label: table.assign(**table[RANGE].clip(lower=LEAST_LOSS)) for label, table in learning("loss").items()}
    norms = {"this variant": spread(own, "param_norm", tasks, epochs)}
    if differs:
        norms[BASELINE] = spread(reference, "param_norm", tasks, epochs)
    counts = results.confusion[results.confusion["variant"] == name]
    matrix = charts.confusion(results.classes, panels(tasks))
    logarithmic = f" The axis is logarithmic and ends at {LEAST_LOSS:g} nats, where smaller losses are drawn."
    return [
        curves("accuracy", "Accuracy", "%", "", learning("accuracy", 100), log=False),
        curves("loss", "Loss", "nats", logarithmic, losses, log=True),
        curves("norm", "Parameter norm", "", "", norms, log=False),
        Figure(
            f"{name}-confusion",
            "Confusion on the test set",
            "Percentage of the images of each true class predicted as each class, over all seeds.",
            matrix,
            matrix,
            confusion(counts, results.classes, tasks),
        ),
    ]


def panels(tasks: Mapping[str, Task]) -> tuple[str, ...]:
    return tuple(task.heading for task in tasks.values())


def drawn_epochs(own: NDArray[np.int64], reference: NDArray[np.int64]) -> NDArray[np.int64]:
    """The epochs of a figure: those after which both were measured, and the last of all; at most some `POINTS`."""
    shared = np.union1d(np.intersect1d(own, reference), max(own.max(), reference.max()))
    return shared[np.unique(np.linspace(0, len(shared) - 1, min(len(shared), POINTS)).round().astype(int))]


def spread(
    history: pd.DataFrame, metric: str, tasks: Mapping[str, Task], epochs: NDArray[np.int64], scale: float = 1
) -> pd.DataFrame:
    """`panel, epoch, mean, low, high` over the seeds. A replica that has stopped keeps its last finite value."""
    parts = []
    for name, task in tasks.items():
        own = history[history["task"] == name]
        values = np.full((epochs[-1] + 1, own["seed"].max() + 1), np.nan)
        values[own["epoch"], own["seed"]] = own[metric].where(np.isfinite(own[metric]))
        seeds = scale * pd.DataFrame(values).ffill().to_numpy()[epochs]
        bands = {"mean": seeds.mean(1), "low": seeds.min(1), "high": seeds.max(1)}
        parts.append(pd.DataFrame({"panel": task.heading, "epoch": epochs, **bands}))
    return pd.concat(parts, ignore_index=True)


def confusion(counts: pd.DataFrame, classes: Sequence[str], tasks: Mapping[str, Task]) -> pd.DataFrame:
    """`panel, true, predicted, count, share` summed over the seeds; the share is percent of the true class."""
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
