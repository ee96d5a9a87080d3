"""The pages of the report, from the results to the content of every file."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stages.config import BASELINE
from stages.reporting import charts, figures, images, site, tables
from stages.reporting.comparison import METRICS, Comparison, Estimate, compare
from stages.reporting.figures import Figure
from stages.reporting.results import LABEL_SETS, Results

OWNED = ("index.html", "data.html", "methods.html", "README.md", ".nojekyll", "assets", "figures", "tables", "variants")
"""What the report stage writes in `reports/`, and nothing else does."""
POINTS = 101
"""Epochs drawn of a learning curve, at most."""
PANELS = tuple(title.capitalize() for title in LABEL_SETS.values())


@dataclass(frozen=True)
class Method:
    """What the page of a variant says about one of its regularizers."""

    title: str
    paragraphs: list[str]
    paper: str
    source: str
    """Path of its file in the project."""


@dataclass(frozen=True)
class Finding:
    """How the variants compare with the reference on one label set."""

    labels: str
    better: list[tuple[str, Estimate]]
    worse: list[tuple[str, Estimate]]
    unclear: int

    @property
    def total(self) -> int:
        return len(self.better) + len(self.worse) + self.unclear


def build(results: Results) -> dict[str, str | bytes]:
    """All files of the site, by path."""
    comparison = compare(results.replicas, results.params.variants, results.params.evaluation.confidence)
    overview = [differences(comparison), memories(comparison)]
    by_variant = {name: of_variant(name, results) for name in results.params.variants}
    drawn = [*overview, *(figure for group in by_variant.values() for figure in group)]
    sheets = {labels: images.sheet(results, labels) for labels in LABEL_SETS}
    headline, memory = tables.headline(results, comparison), tables.memorization(results, comparison)
    counts, sets = tables.class_counts(results), tables.label_sets(results)
    written = [headline, memory, counts, sets]
    common = {"card": results.card, "params": results.params, "LABEL_SETS": LABEL_SETS, "BASELINE": BASELINE}
    common |= {"setting": setting(results), "percent": tables.percent, "number": tables.number}
    common["difference"] = lambda estimate: tables.difference_cell(estimate).text
    findings = [finding(comparison, labels) for labels in LABEL_SETS]
    by_chance = (len(comparison.variants) - 1) * (1 - results.params.evaluation.confidence)
    summary = {"findings": findings, "by_chance": by_chance, "headline": headline}
    diverged = {key: count for key, count in comparison.diverged.items() if count}

    pages: dict[str, str | bytes] = {
        "index.html": site.render(
            "index.html", 0, page="index", figures=overview, memory=memory, diverged=diverged, **summary, **common
        ),
        "data.html": site.render("data.html", 0, page="data", counts=counts, sets=sets, sheets=sheets, **common),
        "methods.html": site.render("methods.html", 0, page="methods", METRICS=METRICS, **common),
        "README.md": site.render("README.md", 0, **summary, **common),
        ".nojekyll": "",
    }
    names = list(results.params.variants)
    for place, name in enumerate(names):
        variant = results.params.variants[name]
        own = {
            "metrics": tables.metrics(name, results, comparison),
            "layers": tables.layers(name, results),
            "parameters": tables.parameters(name, results),
        }
        written += own.values()
        pages[f"variants/{name}.html"] = site.render(
            "variant.html",
            1,
            page="variant",
            variant=variant,
            run=results.runs[name],
            methods=[method(r) for r in variant.regularizers],
            source_link=source_link(results.repository),
            figures=by_variant[name],
            diverged=divergences(results.replicas, name),
            previous=names[place - 1] if place else None,
            following=names[place + 1] if place + 1 < len(names) else None,
            **own,
            **common,
        )
    for figure, svg in zip(drawn, figures.draw(drawn), strict=True):
        pages[f"figures/{figure.name}.svg"] = svg
        pages[f"figures/{figure.name}.csv"] = figure.csv
    pages |= {f"figures/{sheet.name}": sheet.png for sheet in sheets.values()}
    pages |= {f"tables/{table.name}.csv": table.csv for table in written}
    return pages | site.assets()


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
        "Images": f"{params.splits.train} to train, {params.splits.val} to validate, {test} to test",
        "Seeds": f"{params.splits.seeds} per variant and label set, paired",
        "Epochs": f"up to {', '.join(epochs)}",
        "Device": ", ".join(devices),
        "PyTorch": ", ".join(versions),
    }


def finding(comparison: Comparison, labels: str) -> Finding:
    """Sorted by the size of the difference."""
    found: dict[str, list[tuple[str, Estimate]]] = {"better": [], "worse": [], "unclear": []}
    for variant in comparison.variants:
        estimate = comparison[variant, labels, "test_accuracy"]
        if variant != BASELINE:
            found[estimate.verdict].append((variant, estimate))
    for group in found.values():
        group.sort(key=lambda pair: -abs(pair[1].difference.mean) if pair[1].difference else 0.0)
    return Finding(labels, found["better"], found["worse"], len(found["unclear"]))


def differences(comparison: Comparison) -> Figure:
    names = tuple(variant for variant in comparison.variants if variant != BASELINE)
    table = comparison.frame(["test_accuracy"]).query("variant != @BASELINE")
    data = pd.DataFrame(
        {
            "panel": table["labels"].map(lambda labels: LABEL_SETS[labels].capitalize()),
            "variant": table["variant"],
            "difference": table["difference"],
            "low": table["difference_low"],
            "high": table["difference_high"],
            "verdict": table["verdict"].map({"better": "higher", "worse": "lower", "unclear": "includes zero"}),
        }
    )
    chart = charts.differences(names, PANELS)
    return Figure(
        "differences",
        f"Test accuracy against {BASELINE}",
        "Difference in points, mean over paired seeds, with its interval. A triangle points to the side on which the whole "
        "interval lies; a circle says that the interval includes zero.",
        chart,
        chart,
        data,
    )


def memories(comparison: Comparison) -> Figure:
    metrics = {
        "test_accuracy": "Test accuracy",
        "accuracy_on_wrong_given": "Wrong labels learnt",
        "accuracy_on_wrong_true": "Wrong labels seen through",
    }
    table = comparison.frame(metrics).query("labels == 'partly_random'")
    data = table.assign(panel=table["metric"].map(metrics))[["panel", "variant", "mean", "low", "high"]]
    chart = charts.shares(comparison.variants, tuple(metrics.values()))
    return Figure(
        "memorization",
        f"Memorization of {LABEL_SETS['partly_random']}",
        "Left: accuracy on the test set. Middle: the share of wrongly labelled training images for which the network gives "
        "the wrong label it was shown. Right: the share for which it gives the true label, which it was never shown. Means "
        "over seeds with their intervals.",
        chart,
        chart,
        data,
    )


def of_variant(name: str, results: Results) -> list[Figure]:
    """Learning curves, norms and confusion of one variant."""
    own, reference = results.runs[name].history, results.runs[BASELINE].history
    differs = name != BASELINE
    last = int(max(own["epoch"].max(), reference["epoch"].max() if differs else 0))
    epochs = np.unique(np.linspace(0, last, min(last + 1, POINTS)).round().astype(int))

    def curves(kind: str, title: str, text: str, axis: str, series: Mapping[str, tuple[Any, str]], scale: float = 1, log: bool = False) -> Figure:
        data = pd.concat(
            [spread(history, metric, epochs, scale).assign(series=label) for label, (history, metric) in series.items()]
        )[["panel", "series", "epoch", "mean", "low", "high"]]
        if log:
            data[["mean", "low", "high"]] = data[["mean", "low", "high"]].clip(lower=LEAST_LOSS)
        chart, still = (charts.curves(axis, tuple(series), PANELS, hover, log) for hover in (True, False))
        return Figure(f"{name}-{kind}", title, text, chart, still, data)

    measured = "Mean over seeds; the bands reach from the lowest to the highest seed."
    sides = {"training": "train", "validation": "val"}

    def both(metric: str) -> dict[str, tuple[pd.DataFrame, str]]:
        series = {side: (own, f"{prefix}_{metric}") for side, prefix in sides.items()}
        return series | ({f"validation, {BASELINE}": (reference, f"val_{metric}")} if differs else {})

    norms = {"this variant": (own, "param_norm")} | ({BASELINE: (reference, "param_norm")} if differs else {})
    counts = results.confusion[results.confusion["variant"] == name]
    matrix = charts.confusion(results.classes, PANELS)
    return [
        curves("accuracy", "Accuracy", measured, "Accuracy (%)", both("accuracy"), scale=100),
        curves(
            "loss",
            "Loss",
            f"{measured} The axis is logarithmic; losses below {LEAST_LOSS:g} nats are drawn there.",
            "Loss (nats)",
            both("loss"),
            log=True,
        ),
        curves("norm", "Parameter norm", measured, "Parameter norm", norms),
        Figure(
            f"{name}-confusion",
            "Confusion on the test set",
            "Per cent of the images of each true class that were given each answer, over all seeds.",
            matrix,
            matrix,
            confusion(counts, results.classes),
        ),
    ]


LEAST_LOSS = 1e-4
"""Where the logarithmic axis of the loss ends."""


def spread(history: pd.DataFrame, metric: str, epochs: np.ndarray, scale: float) -> pd.DataFrame:
    """`panel, epoch, mean, low, high` over the seeds. A replica that has stopped keeps its last finite value."""
    parts = []
    for labels, title in LABEL_SETS.items():
        table = history[history["labels"] == labels].pivot(index="epoch", columns="seed", values=metric)
        table = table.astype(float).replace([np.inf, -np.inf], np.nan)
        table = scale * table.reindex(range(int(epochs[-1]) + 1)).ffill().loc[epochs]
        parts.append(
            pd.DataFrame(
                {
                    "panel": title.capitalize(),
                    "epoch": epochs,
                    "mean": table.mean(axis=1).to_numpy(),
                    "low": table.min(axis=1).to_numpy(),
                    "high": table.max(axis=1).to_numpy(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def confusion(counts: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """`panel, true, predicted, count, share` summed over the seeds; the share is per cent of the true class."""
    table = counts.groupby(["labels", "true", "predicted"], as_index=False)["count"].sum()
    table["share"] = 100 * table["count"] / table.groupby(["labels", "true"])["count"].transform("sum")
    return pd.DataFrame(
        {
            "panel": table["labels"].map(lambda labels: LABEL_SETS[labels].capitalize()),
            "true": table["true"].map(lambda index: classes[index]),
            "predicted": table["predicted"].map(lambda index: classes[index]),
            "count": table["count"],
            "share": table["share"],
        }
    )


def method(regularizer: Any) -> Method:
    kind = type(regularizer)
    text = inspect.getdoc(kind) or ""
    source = kind.__module__.replace(".", "/") + ".py"
    return Method(kind.title, re.split(r"\n\s*\n", text), kind.paper, source)


def source_link(repository: str) -> str:
    """What comes before a project path in a link from a variant's page: the web address if known, else two folders up."""
    return f"{repository.rstrip('/')}/blob/main/" if repository else "../../"


def divergences(replicas: pd.DataFrame, variant: str) -> list[dict[str, Any]]:
    """The replicas of a variant whose loss was no longer finite."""
    rows = replicas[(replicas["variant"] == variant) & replicas["diverged"]]
    return rows[["labels", "seed", "epochs"]].to_dict("records")
