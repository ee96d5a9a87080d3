"""The pages on all variants together, from the results to the content of every file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.config import BASELINE, TRACKS, TUNED, Task
from stages.metrics import METRICS
from stages.reporting import figures, images, site, summary, tables
from stages.reporting.comparison import Comparison, Estimate
from stages.reporting.results import Results
from stages.reporting.summary import points
from stages.statistics import MEANINGFUL
from stages.verification import rule
from stages.verification.records import Record


@dataclass(frozen=True)
class Finding:
    """How the tuned variants compare with the tuned reference on one task."""

    task: Task
    better: list[tuple[str, Estimate]]
    worse: list[tuple[str, Estimate]]
    negligible: list[tuple[str, Estimate]]
    undecided: list[tuple[str, Estimate]]

    @property
    def total(self) -> int:
        return sum(map(len, (self.better, self.worse, self.negligible, self.undecided)))


def build(
    results: Results,
    comparison: Comparison,
    verdicts: Mapping[str, int],
    verified: Sequence[Record],
    drawing: figures.Drawing,
) -> dict[str, str | bytes]:
    """The pages on all variants together, with their tables and the sample images, by path; their figures are drawn.

    `verdicts` says how many claims got each verdict, `verified` on which machines these results were found again.
    """
    tasks = results.params.tasks
    noisy = tables.noisy_ones(tasks)
    # A variant that leaves a method out is compared with the whole, on the page of that.
    whole = tuple(name for name in comparison.variants if not results.params.variants[name].without)
    differences = figures.differences(comparison, tasks, whole)
    few = {name: figures.told_of(comparison, name) for name in noisy}
    memories = {
        name: (
            figures.wrong_labels(few[name], name, task, results.runs),
            figures.memorized(comparison, name, task),
        )
        for name, task in noisy.items()
    }
    stopped = {name: tables.stopped(few[name], name, task, results) for name, task in noisy.items()}
    drawing.add([differences, *(figure for pair in memories.values() for figure in pair)])
    headline, named = tables.headline(results, comparison), tables.methods(results)
    memory = tables.memorization(comparison, tasks, results.params.evaluation.confidence) if noisy else None
    counts, listed = tables.class_counts(results), tables.tasks(results)
    variance, crossed, applicable = tables.variance(results), tables.crossed(results), tables.applicable(results)
    sheets = {name: images.sheet(results.material, name) for name in tasks}
    against = {name for name, variant in results.params.variants.items() if variant.against == BASELINE}
    context = shared_context(results) | {
        "sentences": summary.sentences(comparison, results.params),
        "findings": [finding(comparison, name, task, against) for name, task in tasks.items()],
        "diverged": {
            (variant, task, track): f"{estimate.diverged} of {estimate.replicas}"
            for variant in comparison.variants
            for task in tasks
            for track in TRACKS
            if (estimate := comparison.get(variant, task, "test_accuracy", track)) and estimate.diverged
        },
        "headline": headline,
        "named": named,
        "memory": memory,
        "differences": differences,
        "memories": memories,
        "stopped": stopped,
        "variance": variance,
        "crossed": crossed,
        "applicable": applicable,
        "verdicts": verdicts,
        "verified": verified,
        "rule": rule,
        "counts": counts,
        "listed": listed,
        "sheets": sheets,
        "METRICS": METRICS,
    }
    others = (counts, listed, variance, crossed, applicable)
    shown = [table for table in (headline, named, memory, *stopped.values(), *others) if table]
    return {
        "index.html": site.render("index.html", 0, page="index", **context),
        "data.html": site.render("data.html", 0, page="data", **context),
        "methods.html": site.render("methods.html", 0, page="methods", **context),
        "README.md": site.render("README.md", 0, **context),
        ".nojekyll": "\n",
        **{f"figures/{sheet.name}": sheet.png for sheet in sheets.values()},
        **{f"tables/{table.name}.csv": table.csv for table in shown},
        "tables/runs.csv": tables.runs(results),
    }


def shared_context(results: Results) -> dict[str, Any]:
    return {
        "card": results.card,
        "params": results.params,
        "setting": setting(results),
        "tasks": results.params.tasks,
        "BASELINE": BASELINE,
        "number": tables.number,
        "percent": tables.percent,
        "meaningful": MEANINGFUL,
        "TRACK_TITLES": tables.TRACK_TITLES,
        "smallest": points(results.params.claims.points),
        "difference": lambda estimate: tables.difference_cell(estimate).text,
    }


def setting(results: Results) -> dict[str, str]:
    """What was run, as pairs of a name and a text."""
    run, params = results.runs[BASELINE], results.params
    image, test = results.card["image"], sum(results.card["counts"]["test"].values())
    matrices = [shape for shape in run.shapes.values() if len(shape) == 2]
    units = " – ".join(map(str, [matrices[0][1], *(outputs for outputs, _ in matrices)]))
    devices = dict.fromkeys(run.device for run in results.runs.values())
    versions = dict.fromkeys(run.versions["torch"] for run in results.runs.values())
    epochs = dict.fromkeys(str(variant.training.epochs) for variant in params.variants.values())
    return {
        "Data": f"{results.card['title']}, {image['width']}×{image['height']} pixels, {len(results.classes)} classes",
        "Network": f"{params.training.network} ({units}), {tables.number(run.size, 0)} parameters",
        "Images": f"{params.splits.train} for training, {params.splits.val} for validation, {test} for testing",
        "Seeds": f"{params.splits.seeds} per variant, {params.splits.first} and up, paired; fewer on some tasks"
        if any(task.seeds != params.splits.seeds for task in params.tasks.values())
        else f"{params.splits.seeds} per variant and task, {params.splits.first} and up, paired",
        "Tuning": f"{params.tune.trials} trials in each of {params.tune.searches} searches, for every variant alike",
        "Epochs": f"at most {', '.join(epochs)}",
        "Device": ", ".join(devices),
        "PyTorch": ", ".join(versions),
    }


def finding(comparison: Comparison, name: str, task: Task, against: Collection[str]) -> Finding:
    """The tuned variants, of those `against` the tuned reference, by verdict, sorted by the size of the difference."""
    found: dict[str, list[tuple[str, Estimate]]] = {kind: [] for kind in ("better", "worse", "negligible", "undecided")}
    for variant in comparison.variants:
        estimate = comparison.get(variant, name, "test_accuracy", TUNED)
        if estimate and estimate.verdict and variant in against:
            found[estimate.verdict].append((variant, estimate))
    for group in found.values():
        group.sort(key=lambda pair: -abs(pair[1].difference.mean) if pair[1].difference else 0)
    return Finding(task, **found)
