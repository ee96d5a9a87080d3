"""The pages of the benchmark, from the results to the content of every file."""

from __future__ import annotations

import inspect
import math
import re
import sys
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from stages.config import BASELINE, Task
from stages.metrics import METRICS
from stages.regularizers.base import Regularizer
from stages.reporting import figures, images, site, tables
from stages.reporting.comparison import Comparison, Estimate
from stages.reporting.figures import Figure
from stages.reporting.results import Results


@dataclass(frozen=True)
class Method:
    """What the page of a variant says about one of its regularizers."""

    title: str
    paragraphs: list[str]
    paper: str
    file: str
    """The path in the project."""
    code: str


@dataclass(frozen=True)
class Finding:
    """How the variants compare with the reference on one task."""

    task: Task
    better: list[tuple[str, Estimate]]
    worse: list[tuple[str, Estimate]]
    negligible: list[tuple[str, Estimate]]
    undecided: list[tuple[str, Estimate]]
    unfinished: list[tuple[str, Estimate]]

    @property
    def total(self) -> int:
        return sum(map(len, (self.better, self.worse, self.negligible, self.undecided, self.unfinished)))


def build(results: Results, verdicts: Mapping[str, int], drawing: figures.Drawing) -> dict[str, str | bytes]:
    """The pages of the benchmark with their tables, by path; their figures are drawn.

    `verdicts` says how many claims got each verdict.
    """
    tasks = results.params.tasks
    comparison = Comparison(results.comparisons, tuple(results.params.variants), tuple(tasks))
    overview = [
        figures.differences(comparison, tasks),
        *(figures.memories(comparison, name, task) for name, task in tables.noisy_ones(tasks).items()),
    ]
    own = {name: figures.of_variant(name, results) for name in results.params.variants}
    drawing.add([*overview, *(figure for group in own.values() for figure in group)])
    return {
        **shared_pages(results, comparison, overview, verdicts),
        **variant_pages(results, comparison, own),
    }


def shared_pages(
    results: Results, comparison: Comparison, overview: Sequence[Figure], verdicts: Mapping[str, int]
) -> dict[str, str | bytes]:
    """The pages on all variants together, with their tables and the sample images."""
    confidence = results.params.evaluation.confidence
    tasks = results.params.tasks
    headline = tables.headline(comparison, tasks, confidence)
    memory = tables.memorization(comparison, tasks, confidence) if tables.noisy_ones(tasks) else None
    counts, listed = tables.class_counts(results), tables.tasks(results)
    sheets = {name: images.sheet(results.material, name) for name in tasks}
    context = shared_context(results) | {
        "findings": [finding(comparison, name, task) for name, task in tasks.items()],
        "by_chance": (len(comparison.variants) - 1) * (1 - confidence),
        "diverged": {
            (variant, task): count
            for variant in comparison.variants
            for task in tasks
            if (count := comparison[variant, task, "test_accuracy"].diverged)
        },
        "headline": headline,
        "memory": memory,
        "figures": overview,
        "verdicts": verdicts,
        "counts": counts,
        "listed": listed,
        "sheets": sheets,
        "METRICS": METRICS,
    }
    return {
        "index.html": site.render("index.html", 0, page="index", **context),
        "data.html": site.render("data.html", 0, page="data", **context),
        "methods.html": site.render("methods.html", 0, page="methods", **context),
        "README.md": site.render("README.md", 0, **context),
        ".nojekyll": "\n",
        **{f"figures/{sheet.name}": sheet.png for sheet in sheets.values()},
        **{f"tables/{table.name}.csv": table.csv for table in (headline, memory, counts, listed) if table},
        "tables/runs.csv": tables.runs(results),
    }


def variant_pages(
    results: Results, comparison: Comparison, drawn: Mapping[str, Sequence[Figure]]
) -> dict[str, str | bytes]:
    """A page for each variant, with its tables."""
    context = shared_context(results) | {"repository": results.repository}
    names = list(results.params.variants)
    files: dict[str, str | bytes] = {}
    for place, name in enumerate(names):
        variant = results.params.variants[name]
        own = {
            "metrics": tables.metrics(name, comparison, results.params.tasks, results.params.evaluation.confidence),
            "layers": tables.layers(name, results),
            "parameters": tables.parameters(name, results),
        }
        accuracy, loss, norm, confused = drawn[name]
        files |= {f"tables/{table.name}.csv": table.csv for table in own.values()}
        files[f"variants/{name}.html"] = site.render(
            "variant.html",
            1,
            variant=variant,
            run=results.runs[name],
            methods=[method(regularizer) for regularizer in variant.regularizers],
            learning=(accuracy, loss),
            norm=norm,
            confused=confused,
            diverged=divergences(results.replicas, name),
            unfinished={
                task: count
                for task in results.params.tasks
                if (count := comparison[name, task, "test_accuracy"].unfinished)
            },
            previous=names[place - 1] if place else None,
            following=names[place + 1] if place + 1 < len(names) else None,
            **own,
            **context,
        )
    return files


def shared_context(results: Results) -> dict[str, Any]:
    return {
        "card": results.card,
        "params": results.params,
        "setting": setting(results),
        "tasks": results.params.tasks,
        "BASELINE": BASELINE,
        "number": tables.number,
        "percent": tables.percent,
        "smallest": points(results.params.claims.points),
        "difference": lambda estimate: tables.difference_cell(estimate).text,
    }


def setting(results: Results) -> dict[str, str]:
    """What was run, as pairs of a name and a text."""
    run, params = results.runs[BASELINE], results.params
    image, test = results.card["image"], sum(results.card["counts"]["test"].values())
    matrices = [shape for shape in run.shapes.values() if len(shape) == 2]
    units = " – ".join(map(str, [matrices[0][1], *(outputs for outputs, _ in matrices)]))
    size = sum(math.prod(shape) for shape in run.shapes.values())
    devices = dict.fromkeys(run.device for run in results.runs.values())
    versions = dict.fromkeys(run.versions["torch"] for run in results.runs.values())
    epochs = dict.fromkeys(str(variant.training.epochs) for variant in params.variants.values())
    return {
        "Data": f"{results.card['title']}, {image['width']}×{image['height']} pixels, {len(results.classes)} classes",
        "Network": f"{params.training.network} ({units}), {tables.number(size, 0)} parameters",
        "Images": f"{params.splits.train} for training, {params.splits.val} for validation, {test} for testing",
        "Seeds": f"{params.splits.seeds} per variant and task, paired",
        "Epochs": f"at most {', '.join(epochs)}",
        "Device": ", ".join(devices),
        "PyTorch": ", ".join(versions),
    }


def finding(comparison: Comparison, name: str, task: Task) -> Finding:
    """The variants by verdict, sorted by the size of the difference."""
    found: dict[str, list[tuple[str, Estimate]]] = {
        kind: [] for kind in ("better", "worse", "negligible", "undecided", "unfinished")
    }
    for variant in comparison.variants:
        estimate = comparison[variant, name, "test_accuracy"]
        if estimate.verdict:
            found[estimate.verdict].append((variant, estimate))
    for group in found.values():
        group.sort(key=lambda pair: -abs(pair[1].difference.mean) if pair[1].difference else 0)
    return Finding(task, **found)


def method(regularizer: Regularizer) -> Method:
    """What the regularizer's own file says about it."""
    kind = type(regularizer)
    text = inspect.getdoc(kind) or ""
    file = kind.__module__.replace(".", "/") + ".py"
    code = inspect.getsource(sys.modules[kind.__module__])
    return Method(kind.title, re.split(r"\n\s*\n", text), kind.paper, file, code)


def points(value: float) -> str:
    return f"{value:g} point{'s' * (value != 1)}"


def divergences(replicas: pd.DataFrame, variant: str) -> list[dict[Hashable, Any]]:
    """The replicas of a variant whose loss was no longer finite."""
    rows = replicas[(replicas["variant"] == variant) & replicas["diverged"]]
    return rows[["task", "seed", "epochs"]].to_dict("records")
