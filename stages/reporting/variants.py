"""A page for each variant, from the results to the content of every file."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from stages.config import TRACKS
from stages.regularizers.base import Regularizer
from stages.reporting import figures, pages, parts, site, tables, tuning
from stages.reporting.comparison import Comparison
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


def build(results: Results, comparison: Comparison, drawing: figures.Drawing) -> dict[str, str | bytes]:
    """The pages of the variants with their tables, by path; their figures are drawn."""
    context = pages.shared_context(results) | {"repository": results.repository}
    names = list(results.params.variants)
    files: dict[str, str | bytes] = {}
    for place, name in enumerate(names):
        variant = results.params.variants[name]
        own = {
            "metrics": tables.metrics(variant, comparison, results.params.tasks, results.params.evaluation.confidence),
            "layers": tables.layers(name, results),
            "parameters": tables.parameters(name, results),
        }
        if parts.without(results.params, name):
            own["parts"] = parts.table(comparison, results.params, name)
        accuracy, loss, norm, *wrong, confused = figures.of_variant(name, results)
        axes = tuning.axes_figure(results, name) if variant.tuned_as == name else None
        drawing.add([accuracy, loss, norm, *wrong, confused, *([axes] if axes else [])])
        files |= {f"tables/{table.name}.csv": table.csv for table in own.values()}
        files[f"variants/{name}.html"] = site.render(
            "variant.html",
            1,
            variant=variant,
            run=results.runs[name],
            methods=[method(regularizer) for regularizer in variant.regularizers],
            warnings=tuning.warnings(results, name),
            contributions=parts.sentences(comparison, results.params, name),
            learning=(accuracy, loss, *wrong),
            norm=norm,
            confused=confused,
            axes=axes,
            replicas=len(main_replicas(results, name)),
            diverged=divergences(results, name),
            unfinished=[
                (task, track, f"{estimate.unfinished} of {estimate.replicas}")
                for task in results.params.tasks
                for track in TRACKS
                if (estimate := comparison.get(name, task, "test_accuracy", track)) and estimate.unfinished
            ],
            previous=names[place - 1] if place else None,
            following=names[place + 1] if place + 1 < len(names) else None,
            **own,
            **context,
        )
    return files


def method(regularizer: Regularizer) -> Method:
    """What the regularizer's own file says about it."""
    kind = type(regularizer)
    text = inspect.getdoc(kind) or ""
    file = kind.__module__.replace(".", "/") + ".py"
    code = inspect.getsource(sys.modules[kind.__module__])
    return Method(kind.title, re.split(r"\n\s*\n", text), kind.paper, file, code)


def main_replicas(results: Results, variant: str) -> pd.DataFrame:
    """The replicas of a variant on the main tasks."""
    table = results.replicas
    return table[(table["variant"] == variant) & table["task"].isin(list(results.params.tasks))]


def divergences(results: Results, variant: str) -> list[dict[Hashable, Any]]:
    """The replicas of a variant whose loss was no longer finite."""
    own = main_replicas(results, variant)
    return own.loc[own["diverged"].astype(bool), ["task", "track", "seed", "epochs"]].to_dict("records")
