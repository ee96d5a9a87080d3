"""The tables of the report: cells as pages show them, and the same numbers as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from stages.config import BASELINE, Task
from stages.metrics import METRICS
from stages.reporting.comparison import Comparison, Estimate
from stages.reporting.results import Results

MEMORY = ("train_accuracy", "accuracy_on_wrong_given", "accuracy_on_wrong_true")


@dataclass(frozen=True)
class Cell:
    text: str
    detail: str = ""
    """Set smaller, after the text: an interval, a count."""
    sort: float | str | None = None
    """What the column is sorted by; None comes last."""
    verdict: str = ""
    link: str = ""
    """Relative to the root of the site."""
    code: bool = False


@dataclass(frozen=True)
class Table:
    name: str
    """The name of its CSV file."""
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    """The first cell of a row is its heading."""
    data: pd.DataFrame
    groups: Sequence[tuple[str, int]] = field(default_factory=tuple)
    """Headings over the columns: text and number of columns."""
    sortable: bool = True
    stacked: bool = False
    """Whether the details stand below the texts, which makes a wide table narrower."""

    @property
    def headings(self) -> list[str]:
        """The columns' headings, each with that of its group."""
        groups = [text for text, span in self.groups for _ in range(span)] or [""] * len(self.columns)
        return [f"{group}: {text.lower()}" if group else text for group, text in zip(groups, self.columns, strict=True)]

    @property
    def csv(self) -> str:
        return self.data.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def headline(comparison: Comparison, tasks: Mapping[str, Task], confidence: float) -> Table:
    """Every variant on every task: test accuracy, and its difference from the reference."""
    noisy = noisy_ones(tasks)
    rows = []
    for variant in comparison.variants:
        row = [variant_cell(variant)]
        for task in tasks:
            estimate = comparison[variant, task, "test_accuracy"]
            row += [mean_cell(estimate, interval=False, marked=False), difference_cell(estimate)]
        row += [
            mean_cell(comparison[variant, task, "accuracy_on_wrong_given"], interval=False, marked=True)
            for task in noisy
        ]
        own = [comparison[variant, task, "test_accuracy"] for task in tasks]
        row.append(number_cell(own[0].replicas, 0))
        row.append(count_cell(sum(estimate.diverged for estimate in own), "diverged"))
        row.append(count_cell(sum(estimate.unfinished for estimate in own), "unfinished"))
        rows.append(row)
    data = comparison.frame(["test_accuracy", "accuracy_on_wrong_given"])
    return Table(
        "headline",
        f"Test accuracy in percent, mean over seeds, and the difference from {BASELINE} in points, seed by seed, with "
        f"its {percent(confidence)} interval. Wrong labels memorized: percentage of the wrongly labeled training "
        "images "
        "for which the network predicts the wrong label. n: seeds per task. Diverged, unfinished: replicas over all "
        "tasks.",
        [
            "Variant",
            *["Accuracy", "Difference"] * len(tasks),
            *(task.heading.removesuffix(" labels") for task in noisy.values()),
            "n",
            "Diverged",
            "Unfinished",
        ],
        rows,
        data,
        [
            ("", 1),
            *((task.heading, 2) for task in tasks.values()),
            *[("Wrong labels memorized", len(noisy))] * bool(noisy),
            ("Replicas", 3),
        ],
    )


def runs(results: Results) -> str:
    """CSV with a row for each variant, task and seed, and every metric as `evaluate` has it, to the last digit."""
    replicas = results.replicas.assign(
        variant=pd.Categorical(results.replicas["variant"], list(results.params.variants)),
        task=pd.Categorical(results.replicas["task"], list(results.params.tasks)),
    )
    known = replicas.dropna(subset="variant").sort_values(["variant", "task", "seed"])
    return known.to_csv(index=False, lineterminator="\n")


def memorization(comparison: Comparison, tasks: Mapping[str, Task], confidence: float) -> Table:
    """Which of the wrong labels they were trained on the networks memorized."""
    noisy = noisy_ones(tasks)
    rows = []
    for variant in comparison.variants:
        row = [variant_cell(variant)]
        for task in noisy:
            row += [mean_cell(comparison[variant, task, key], interval=True, marked=True) for key in MEMORY]
            row.append(epochs_cell(comparison[variant, task, "epochs_to_fit"]))
        rows.append(row)
    data = comparison.frame([*MEMORY, "epochs_to_fit"])
    return Table(
        "memorization",
        "Means over seeds on the training images, in percent, with the "
        f"{percent(confidence)} interval of the mean. Memorized: wrongly labeled images "
        "predicted as their wrong label. True class: those predicted as their true class. Epochs to fit: until every "
        "training label is fitted, for the replicas that get there. “…”: unfinished, some replicas were still "
        "learning.",
        ["Variant", *["Training accuracy", "Memorized", "True class", "Epochs to fit"] * len(noisy)],
        rows,
        data[data["task"].isin(noisy)],
        [("", 1), *((task.heading, len(MEMORY) + 1) for task in noisy.values())],
        stacked=True,
    )


def metrics(variant: str, comparison: Comparison, tasks: Mapping[str, Task], confidence: float) -> Table:
    """Every metric of one variant."""
    rows = []
    for key, metric in METRICS.items():
        row = [Cell(metric.heading, link=f"methods.html#metric-{key}")]
        for task in tasks:
            estimate = comparison[variant, task, key]
            if key == "epochs_to_fit":
                row.append(epochs_cell(estimate))
            else:
                row.append(mean_cell(estimate, interval=True, marked=False))
            if variant != BASELINE:
                row.append(difference_cell(estimate))
        rows.append(row)
    differs = variant != BASELINE
    return Table(
        f"{variant}-metrics",
        f"Means over seeds with their {percent(confidence)} intervals"
        + (f", and differences from {BASELINE}, seed by seed, with theirs." if differs else "."),
        ["Metric", *(["Mean", "Difference"] if differs else ["Mean"]) * len(tasks)],
        rows,
        comparison.frame(METRICS).query("variant == @variant"),
        [("", 1), *((task.heading, 2 if differs else 1) for task in tasks.values())],
        sortable=False,
        stacked=True,
    )


def layers(variant: str, results: Results) -> Table:
    """Norms of each layer before and after training, and the reference's."""
    tasks, measured = results.params.tasks, ["initial_norm", "norm", "near_zero"]
    means: dict[Any, dict[Any, float]] = (
        results.layers.groupby(["variant", "task", "layer"])[measured].mean().to_dict("index")
    )
    names = dict.fromkeys(results.layers.loc[results.layers["variant"] == variant, "layer"])
    differs = variant != BASELINE
    rows, data = [], []
    for layer in names:
        row = [Cell(layer, code=True)]
        for task in tasks:
            own = means[variant, task, layer]
            # A method may add layers that the reference lacks.
            reference = means.get((BASELINE, task, layer), {}).get("norm", np.nan)
            row += [number_cell(own["initial_norm"], 2), number_cell(own["norm"], 2)]
            row += [number_cell(reference, 2)] * differs
            row.append(number_cell(100 * own["near_zero"], 1))
            data.append({"layer": layer, "task": task, **own, f"norm_of_{BASELINE}": reference})
        rows.append(row)
    columns = ["Before", "After", *[f"After, {BASELINE}"] * differs, "Near zero (%)"]
    return Table(
        f"{variant}-layers",
        "Square root of the sum of squares over a layer's parameters, mean over seeds, before and after training; and "
        f"the share of its parameters smaller than {results.params.evaluation.near_zero:g} in magnitude after it.",
        ["Layer", *columns * len(tasks)],
        rows,
        pd.DataFrame(data),
        [("", 1), *((task.heading, len(columns)) for task in tasks.values())],
        sortable=False,
    )


def parameters(variant: str, results: Results) -> Table:
    """Everything that determined the outcome, and what this variant does not share with the others."""
    shared = results.params.training.model_dump()
    rows, data = [], []
    for section, values in results.runs[variant].parameters.items():
        for key, value in values.items():
            kind = "shared"
            if section != "training":
                kind = "its own"
            elif value != shared.get(key):
                kind = f"its own (shared: {shared.get(key)})"
            rows.append([Cell(f"{section}.{key}", code=True), Cell(str(value), code=True), Cell(kind)])
            data.append({"key": f"{section}.{key}", "value": value, "kind": kind})
    return Table(
        f"{variant}-parameters",
        "The parameters this variant was trained with.",
        ["Key", "Value", "Whose"],
        rows,
        pd.DataFrame(data),
        sortable=False,
    )


def class_counts(results: Results) -> Table:
    """Images per class in the pool, by task, and in the test set."""
    card, noisy = results.card, noisy_ones(results.params.tasks)
    counts = {
        "Test set": card["counts"]["test"],
        "Pool, true labels": card["counts"]["pool"],
        **{f"Pool, {task.title}": card["tasks"][name]["counts"] for name, task in noisy.items()},
    }
    rows = [[Cell(name), *(number_cell(column[name], 0) for column in counts.values())] for name in results.classes]
    rows.append([Cell("All"), *(number_cell(sum(column.values()), 0) for column in counts.values())])
    data = pd.DataFrame({"class": results.classes, **{k: [v[c] for c in results.classes] for k, v in counts.items()}})
    return Table("classes", "Images per class.", ["Class", *counts], rows, data, sortable=False)


def tasks(results: Results) -> Table:
    """Where the labels of each task come from, how many are wrong, and from how many images it is learned."""
    card, named = results.card["tasks"], results.params.tasks
    rows = [
        [
            Cell(task.heading),
            Cell(card[name]["origin"]),
            number_cell(100 * card[name]["rate"], 1),
            number_cell(100 * card[name]["wrong_share"], 1),
            number_cell(task.train, 0),
        ]
        for name, task in named.items()
    ]
    data = pd.DataFrame(
        {"task": name, **{key: card[name][key] for key in ("origin", "rate", "wrong_share")}, "train": task.train}
        for name, task in named.items()
    )
    columns = ["Task", "Labels", "Noise (%)", "Wrong, measured (%)", "Training images"]
    return Table("tasks", "The tasks, which share their images.", columns, rows, data, sortable=False)


def noisy_ones(tasks: Mapping[str, Task]) -> dict[str, Task]:
    """The tasks with label noise."""
    return {name: task for name, task in tasks.items() if task.noise}


def variant_cell(variant: str) -> Cell:
    return Cell(variant, sort=variant, link=f"variants/{variant}.html", code=True)


def mean_cell(estimate: Estimate, interval: bool, marked: bool) -> Cell:
    """The mean, if asked for with its interval, and marked if a replica was still learning."""
    mean, decimals = estimate.value, estimate.metric.decimals
    if not mean.n:
        return Cell("–")
    detail = span(mean.low, mean.high, decimals) if interval else ""
    return Cell(number(mean.mean, decimals), detail, mean.mean, "unfinished" if marked and estimate.unfinished else "")


def difference_cell(estimate: Estimate) -> Cell:
    difference, decimals = estimate.difference, estimate.metric.decimals
    if difference is None:
        return Cell("–")
    return Cell(
        number(difference.mean, decimals, signed=True),
        span(difference.low, difference.high, decimals),
        difference.mean,
        estimate.verdict,
    )


def epochs_cell(estimate: Estimate) -> Cell:
    fitted = estimate.value
    if not fitted.n:
        return Cell("never", f"0 of {estimate.replicas}")
    return Cell(number(fitted.mean, 0), f"{fitted.n} of {estimate.replicas}", fitted.mean)


def count_cell(count: int, kind: str) -> Cell:
    return Cell(str(count), sort=count, verdict=kind if count else "")


def number_cell(value: float, decimals: int) -> Cell:
    return Cell(number(value, decimals), sort=None if np.isnan(value) else float(value))


def number(value: Any, decimals: int, signed: bool = False) -> str:
    """With a true minus sign, groups of thousands, and a dash for what is not defined."""
    if not np.isfinite(value):
        return "–"
    rounded = round(float(value), decimals) or 0.0
    text = f"{rounded:+,.{decimals}f}" if signed and rounded else f"{rounded:,.{decimals}f}"
    return text.replace("-", "\u2212")


def span(low: float, high: float, decimals: int) -> str:
    return f"[{number(low, decimals)}, {number(high, decimals)}]" if np.isfinite(low) else ""


def percent(share: float) -> str:
    return f"{100 * share:g}\u00a0%"
