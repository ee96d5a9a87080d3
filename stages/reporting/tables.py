"""The tables of the report: cells as pages show them, and the same numbers as CSV."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from stages import files
from stages.config import BASELINE, DEFAULT, TRACKS, TUNED, TUNED_CLEAN, Task, Variant
from stages.metrics import METRICS
from stages.networks import NETWORKS
from stages.regularizers import Regularizer
from stages.reporting.comparison import Comparison, Estimate
from stages.reporting.results import Results
from stages.statistics import Interval, mean_interval

TRACK_TITLES = {DEFAULT: "Default", TUNED: "Tuned", TUNED_CLEAN: "Tuned by clean labels"}
"""How the tables name the ways of choosing a variant's settings."""
NOT_APPLICABLE = "not applicable"
KINDS = {"mlp": "Fully connected", "cnn": "Convolutional", "resnet": "Residual"}
"""How tables name the kinds of networks."""
COMPONENTS = ("search", "split", "weights", "images")
IMAGES_OF_DIFFERENCE = "images_of_difference"
CROSSED_COMPONENTS = (
    *("split", "draws", "split:draws"),
    *("images", "split:images", "draws:images", "split:draws:images"),
)


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
        return files.csv(self.data, "%.6g")


def headline(results: Results, comparison: Comparison) -> Table:
    """Every variant on every task: its test accuracy as written and tuned, and how the latter compares.

    Models that are no networks have rows of their own at the end.
    """
    tasks, confidence = results.params.tasks, results.params.evaluation.confidence
    rows = []
    for variant in comparison.variants:
        row = [variant_cell(variant)]
        for task in tasks:
            written, tuned = (comparison.get(variant, task, "test_accuracy", track) for track in (DEFAULT, TUNED))
            needless = results.params.variants[variant].needless(tasks[task])
            difference = Cell(NOT_APPLICABLE) if needless else difference_cell(tuned)
            row += [mean_cell(written, interval=False), mean_cell(tuned, interval=False), difference]
            row += [improvement_cell(tuned), rank_cell(tuned)]
        rows.append(row)
    classical = results.classical[results.classical["task"].isin(list(tasks))]
    means = 100 * classical.groupby(["method", "task"], sort=False)["test_accuracy"].mean()
    for method in dict.fromkeys(classical["method"]):
        name = method.replace("_", " ")
        row = [Cell(name, sort=name)]
        for task in tasks:
            known = means.get((method, task), np.nan)
            row += [number_cell(known, METRICS["test_accuracy"].decimals), *[Cell("–")] * 4]
        rows.append(row)
    added = means.rename("mean").reset_index().rename(columns={"method": "variant"}).assign(metric="test_accuracy")
    added["n"] = classical.groupby(["method", "task"], sort=False).size().to_numpy()
    table = comparison.frame(["test_accuracy", "accuracy_on_wrong_given"])
    return Table(
        "headline",
        "Test accuracy in percent, mean over seeds: with the strengths of params.yaml, and tuned. Difference: that of "
        f"the tuned variant from tuned {BASELINE} in points, seed by seed, with {percent(confidence)} intervals that "
        "hold for all variants of a task at once. Better: the probability, in percent, that it beats the "
        "reference on a new seed, with its interval. Rank: every rank that the tuned variant may have among all of "
        "them. At the end, models that are no networks.",
        ["Variant", *["Default", "Tuned", "Difference", "Better (%)", "Rank"] * len(tasks)],
        rows,
        pd.concat([table, added]).reindex(columns=table.columns),
        [("", 1), *((task.heading, 5) for task in tasks.values())],
        stacked=True,
    )


def methods(results: Results) -> Table:
    """What each variant does, in a line."""
    rows, data = [], []
    for name, variant in results.params.variants.items():
        titles = ", ".join(type(method).title for method in variant.regularizers) or "No method"
        about = variant.about or (summary_of(variant.regularizers[0]) if variant.regularizers else "")
        if variant.against != BASELINE:
            about += f" Compared with `{variant.against}`."
        rows.append([variant_cell(name), Cell(titles), Cell(about.replace("`", ""))])
        data.append({"variant": name, "methods": titles, "about": about})
    columns = ["Variant", "Methods", "What it does"]
    return Table("methods", "What is compared, a line each.", columns, rows, pd.DataFrame(data), sortable=False)


def applicable(results: Results) -> Table:
    """On which kinds of networks and which tasks each method makes sense, and why not on the others; those that have
    others first."""
    kinds = list(dict.fromkeys(network.kind for network in NETWORKS.values()))
    tasks = results.params.tasks
    own = {method.key: method for variant in results.params.variants.values() for method in variant.regularizers}
    found = []
    for method in own.values():
        reasons = [obstacles(method, kind) for kind in kinds]
        reasons += [why and f"it {why}" for task in tasks.values() for why in [method.needless(task.given)]]
        found.append((method, reasons))
    found.sort(key=lambda pair: (not any(pair[1]), type(pair[0]).title))
    return Table(
        "applicable",
        "Where each method makes sense, with the parameters of params.yaml. A variant with a network that its method "
        "cannot act on is refused before anything runs. Where none of a variant’s methods makes sense on a task, its "
        "networks are trained, but not compared.",
        ["Method", *(KINDS.get(kind, kind) for kind in kinds), *(task.heading for task in tasks.values())],
        [
            [Cell(type(method).title), *(Cell(f"{NOT_APPLICABLE}: {why}" if why else "yes") for why in reasons)]
            for method, reasons in found
        ],
        pd.DataFrame([[m.key, *reasons] for m, reasons in found], columns=["method", *kinds, *tasks]),
        [("", 1), ("Networks", len(kinds)), ("Tasks", len(tasks))],
        sortable=False,
    )


def obstacles(method: Regularizer, kind: str) -> str:
    """Why a method cannot act on the networks of a kind, or on some of them; empty if it can on all."""
    reasons = {name: method.obstacle(network) for name, network in NETWORKS.items() if network.kind == kind}
    if len(set(reasons.values())) == 1:
        return "".join(f"the network {why}" for why in set(reasons.values()) if why)
    return "; ".join(f"{name} {why}" for name, why in reasons.items() if why)


def summary_of(regularizer: Regularizer) -> str:
    """The first sentence of a method's description."""
    text = " ".join((inspect.getdoc(type(regularizer)) or "").split("\n\n")[0].split())
    return re.split(r"(?<=[.:]) ", text.replace("``", "`"))[0]


def runs(results: Results) -> str:
    """CSV with a row for each replica on the main tasks, and every metric as `evaluate` has it, to the last digit."""
    orders = {"variant": results.params.variants, "task": results.params.tasks, "track": TRACKS}
    replicas = results.replicas.assign(
        **{key: pd.Categorical(results.replicas[key], list(order)) for key, order in orders.items()}
    )
    known = replicas.dropna(subset=list(orders)).sort_values([*orders, "seed", "repeat"])
    return files.csv(known)


def memorization(comparison: Comparison, tasks: Mapping[str, Task], confidence: float) -> Table:
    """Which of the wrong labels they were trained on the networks memorized, on every track."""
    noisy = noisy_ones(tasks)
    rows = []
    for variant in comparison.variants:
        row = [variant_cell(variant)]
        for name, task in noisy.items():
            own = {
                track: comparison.get(variant, name, "accuracy_on_wrong_given", track) for track in task.tracks(name)
            }
            row += [share_cell(estimate) for estimate in own.values()]
            row.append(share_cell(comparison.get(variant, name, "accuracy_on_wrong_true", TUNED)))
            row.append(epochs_cell(comparison.get(variant, name, "epochs_to_fit", TUNED)))
        rows.append(row)
    columns = {name: [TRACK_TITLES[track] for track in task.tracks(name)] for name, task in noisy.items()}
    data = comparison.frame(["accuracy_on_wrong_given", "accuracy_on_wrong_true", "epochs_to_fit"])
    return Table(
        "memorization",
        "Memorized: percentage of the wrongly labeled training images for which the network predicts the wrong label, "
        "for each way of choosing the settings. True class: percentage for which the tuned network predicts the true "
        f"class. Means over seeds with the {percent(confidence)} interval of the mean; where every seed has all or "
        "none, their number. Epochs to fit: until the tuned network fits every training label, for the replicas that "
        "get there. “…”: unfinished, some replicas were still learning, and what they memorized is not known.",
        ["Variant", *(text for own in columns.values() for text in (*own, "True class", "Epochs to fit"))],
        rows,
        data[data["task"].isin(noisy)],
        [("", 1), *((f"{task.heading}: memorized", len(columns[name]) + 2) for name, task in noisy.items())],
        stacked=True,
    )


def stopped(variants: Sequence[str], name: str, task: Task, results: Results) -> Table:
    """What tuned networks predict for wrongly labeled images at the epoch that validation would choose, and the last.

    That is the first with the highest accuracy on the validation images, whose labels are those of the task. Variants
    that train on these images are left out.
    """
    confidence = results.params.evaluation.confidence
    rows, data = [], []
    for variant in variants:
        if results.params.variants[variant].training.images == "train_and_val":
            continue
        curves = results.runs[variant].curves[name, TUNED]
        ordered = curves.sort_values("epoch", kind="stable")
        best = ordered.loc[ordered.groupby("replica")["val_accuracy"].idxmax()]
        last = ordered.groupby("replica").tail(1)
        row = [variant_cell(variant)]
        record: dict[str, Any] = {"variant": variant}
        for place, table in (("chosen", best), ("last", last)):
            seeds = table.groupby("seed")[["epoch", "wrong_given", "wrong_true"]].mean()
            row.append(number_cell(seeds["epoch"].mean(), 0))
            record[f"{place}, epoch"] = seeds["epoch"].mean()
            for column in ("wrong_given", "wrong_true"):
                mean = mean_interval(100 * seeds[column].to_numpy(), confidence)
                row.append(Cell(number(mean.mean, 0), extent(mean, 0), mean.mean))
                record |= {f"{place}, {column}": mean.mean, f"{place}, {column}, low": mean.low}
                record[f"{place}, {column}, high"] = mean.high
        rows.append(row)
        data.append(record)
    columns = ["Epoch", "Wrong label", "True label"]
    return Table(
        f"memorization-stopped-{name}",
        f"The same networks on {task.title}, but those trained on the validation images, at two moments: where "
        "validation accuracy is highest, which early stopping would choose, and at the last epoch. Percentage of the "
        "wrongly labeled training images for which they predict the wrong label, and the true one; means over seeds "
        f"with their {percent(confidence)} intervals.",
        ["Variant", *columns * 2],
        rows,
        pd.DataFrame(data),
        [("", 1), ("Highest validation accuracy", 3), ("Last epoch", 3)],
        sortable=False,
        stacked=True,
    )


def metrics(variant: Variant, comparison: Comparison, tasks: Mapping[str, Task], confidence: float) -> Table:
    """Every metric of one variant as written and tuned, and the tuned one's difference from the tuned reference."""
    name, differs = variant.name, variant.name != BASELINE
    rows = []
    for key, metric in METRICS.items():
        row = [Cell(metric.heading, link=f"methods.html#metric-{key}")]
        for task in tasks:
            written, tuned = (comparison.get(name, task, key, track) for track in (DEFAULT, TUNED))
            if key == "epochs_to_fit":
                row += [epochs_cell(written), epochs_cell(tuned)]
            else:
                row += [share_cell(written), share_cell(tuned)]
            row += [difference_cell(tuned)] * differs
        rows.append(row)
    compared = (
        f", and differences of the tuned variant from tuned {variant.against}, seed by seed. The interval of the "
        "difference in test accuracy holds for all variants at once, the others each for itself."
    )
    columns = ["Default", "Tuned", "Difference"][: 2 + differs]
    return Table(
        f"{name}-metrics",
        f"Means over seeds with their {percent(confidence)} intervals" + (compared if differs else "."),
        ["Metric", *columns * len(tasks)],
        rows,
        comparison.frame(METRICS).query("variant == @name"),
        [("", 1), *((task.heading, len(columns)) for task in tasks.values())],
        sortable=False,
        stacked=True,
    )


def layers(variant: str, results: Results) -> Table:
    """Norms of each layer of the tuned networks before and after training, and the reference's."""
    tasks = {name: task for name, task in results.params.tasks.items() if task.has(variant)}
    measured = ["initial_norm", "norm", "near_zero"]
    tuned = results.layers[results.layers["track"] == TUNED]
    means: dict[Any, dict[Any, float]] = tuned.groupby(["variant", "task", "layer"])[measured].mean().to_dict("index")
    names = dict.fromkeys(tuned.loc[tuned["variant"] == variant, "layer"])
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
    columns = ["Initial", "Final", *[f"Final, {BASELINE}"] * differs, "Near zero (%)"]
    return Table(
        f"{variant}-layers",
        "Norm of each layer’s weights and biases before and after training, and the share of them near zero, of the "
        "tuned networks; means over seeds. Of normalization they are the scales and shifts.",
        ["Layer", *columns * len(tasks)],
        rows,
        pd.DataFrame(data),
        [("", 1), *((task.heading, len(columns)) for task in tasks.values())],
        sortable=False,
    )


def parameters(variant: str, results: Results) -> Table:
    """What one variant was trained with: as written, and what each search chose in its place."""
    shared = results.params.training.model_dump()
    chosen = {
        (name, track): [dict(one["parameters"]) for one in entries]
        for name, tracks in results.chosen.get(results.params.variants[variant].tuned_as, {}).items()
        for track, entries in tracks.items()
        if name in results.params.tasks
    }
    rows, data = [], []
    for section, values in results.runs[variant].parameters.items():
        for name, value in values.items():
            key = f"{section}.{name}"
            kind = "shared"
            if section != "training":
                kind = "its own"
            elif value != shared.get(name):
                kind = f"its own (shared: {shared.get(name)})"
            row = [Cell(key, code=True), Cell(str(value), code=True), Cell(kind)]
            record = {"key": key, "value": value, "kind": kind}
            for (task, track), searches in chosen.items():
                found = [search.get(key, value) for search in searches]
                varies = any(key in search for search in searches)
                shown = ", ".join(f"{each:.3g}" if isinstance(each, float) else str(each) for each in found)
                row.append(Cell(shown, code=True) if varies else Cell("as written"))
                record[f"{task}, {track}"] = shown
            rows.append(row)
            data.append(record)
    headings = [f"{TRACK_TITLES[track]} on {results.params.tasks[name].title}" for name, track in chosen]
    return Table(
        f"{variant}-parameters",
        "The parameters as written in params.yaml, which the default has, and those that each search chose, in the "
        "order of the searches.",
        ["Key", "As written", "Whose", *headings],
        rows,
        pd.DataFrame(data),
        sortable=False,
    )


def variance(results: Results) -> Table:
    """Where the variance of the test accuracy comes from, for the variants with several networks for each split."""
    own = results.variance[results.variance["task"].isin(list(results.params.tasks))]
    wide = own.pivot(index=["task", "variant", "track"], columns="component", values="value")
    drawn = wide.get(IMAGES_OF_DIFFERENCE, pd.Series(np.nan, wide.index)).groupby(["task", "track"]).median()
    effects = (
        results.comparisons.query("metric == 'test_accuracy'").groupby(["task", "track"])["design_effect"].median()
    )
    tasks = results.params.tasks
    rows, data = [], []
    told_apart = wide.reindex(columns=COMPONENTS).dropna(subset="split").reset_index().to_dict("records")
    for parts in told_apart:
        task, variant, track = parts["task"], parts["variant"], parts["track"]
        values = {name: float(parts[name]) for name in COMPONENTS}
        values[IMAGES_OF_DIFFERENCE] = float(drawn.get((task, track), np.nan))
        effect = float(effects.get((task, track), np.nan))
        spreads = [number_cell(np.sqrt(value), 2) for value in values.values()]
        key = Cell(tasks[task].heading), variant_cell(variant), Cell(TRACK_TITLES[track])
        rows.append([*key, *spreads, number_cell(effect, 2)])
        data.append({"task": task, "variant": variant, "track": track, **values, "design_effect": effect})
    return Table(
        "variance",
        "Standard deviation of the test accuracy of one network, in points, that each source alone would give it: the "
        "luck of the search; the split of the images; initial weights and other draws; and the choice of the test "
        "images, which all networks share. Then what that choice adds to a difference of two variants (median over the "
        "variants), which no interval here covers. Design effect: the factor by which sharing searches widens the "
        "variance of a mean difference. The CSV file has variances in squared points.",
        [
            *("Task", "Variant", "Track", "Search", "Split", "Weights", "Test images", "Test images, difference"),
            "Design effect",
        ],
        rows,
        pd.DataFrame(data, columns=["task", "variant", "track", *COMPONENTS, IMAGES_OF_DIFFERENCE, "design_effect"]),
        sortable=False,
    )


def crossed(results: Results) -> Table:
    """Where the variance of the test accuracy, and of its difference, comes from by the crossed design."""
    design, variants = results.params.crossed, results.params.variants
    rows, data = [], []
    for (variant, quantity), own in results.crossed.groupby(["variant", "quantity"], sort=False):
        values = dict(zip(own["component"], own["value"], strict=True))
        values["sum"] = own["value"].sum()
        what = "Accuracy" if quantity == "accuracy" else f"Difference from {variants[str(variant)].against}"
        spreads = [number_cell(np.sqrt(max(0.0, values[part])), 2) for part in (*CROSSED_COMPONENTS, "sum")]
        rows.append([variant_cell(str(variant)), Cell(what), *spreads])
        data.append({"task": design.task, "variant": variant, "quantity": quantity, **values})
    return Table(
        "variance-crossed",
        "Standard deviation, in points, that each source alone would give to the test accuracy of one network, and to "
        "the difference of two with the same split and draws. Estimates of a variance below 0 count as 0 here; the "
        "CSV file has them as they came out, in squared points, and their sum, of which the last column is the root.",
        ["Variant", "Of", "Split", "Draws", "Both", "Alone", "With split", "With draws", "With both", "All"],
        rows,
        pd.DataFrame(data),
        [("", 2), ("Split and draws", 3), ("Test images", 4), ("", 1)],
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
            Cell("all that are not for validation") if isinstance(task.train, str) else number_cell(task.train, 0),
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


def mean_cell(estimate: Estimate | None, interval: bool) -> Cell:
    """The mean, if asked for with its interval, and marked if a replica was still learning."""
    if estimate is None or not estimate.value.n:
        return Cell("–")
    mean, decimals = estimate.value, estimate.metric.decimals
    detail = extent(mean, decimals) if interval else ""
    return Cell(number(mean.mean, decimals), detail, mean.mean, "unfinished" if estimate.unfinished else "")


def share_cell(estimate: Estimate | None) -> Cell:
    """The mean with its interval; of a share that is 0 or 1 on every seed, on how many, as no interval says more."""
    cell = mean_cell(estimate, interval=True)
    if estimate and estimate.metric.unit == "%" and estimate.value.mean in (0, 100):
        n = estimate.value.n
        return replace(cell, detail=f"{n if estimate.value.mean else 0} of {n}")
    return cell


def difference_cell(estimate: Estimate | None) -> Cell:
    """The difference with the interval that its verdict follows from."""
    if estimate is None or estimate.difference is None:
        return Cell("–")
    difference, decimals = judged(estimate), estimate.metric.decimals
    return Cell(
        number(difference.mean, decimals, signed=True),
        extent(difference, decimals),
        difference.mean,
        estimate.verdict,
    )


def judged(estimate: Estimate) -> Interval:
    """The difference with the interval that its verdict follows from."""
    interval = estimate.simultaneous if estimate.metric.key == "test_accuracy" else estimate.difference
    assert interval is not None
    return interval


def improvement_cell(estimate: Estimate | None) -> Cell:
    """The probability, in percent, of being better than the reference on a seed."""
    if estimate is None or estimate.improvement is None:
        return Cell("–")
    found = estimate.improvement
    return Cell(number(100 * found.mean, 0), span(100 * found.low, 100 * found.high, 0), found.mean)


def rank_cell(estimate: Estimate | None) -> Cell:
    if estimate is None or estimate.rank is None:
        return Cell("–")
    low, high = (f"{end:.0f}" for end in (estimate.rank.low, estimate.rank.high))
    return Cell(low if low == high else f"{low}–{high}", sort=estimate.rank.mean)


def epochs_cell(estimate: Estimate | None) -> Cell:
    if estimate is None:
        return Cell("–")
    fitted = estimate.value
    if not fitted.n:
        return Cell("never", f"0 of {estimate.replicas}")
    return Cell(number(fitted.mean, 0), f"{fitted.n} of {estimate.replicas}", fitted.mean)


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


def with_interval(found: Interval, signed: bool = True) -> str:
    """A mean, by default of differences, with its interval."""
    return f"{number(found.mean, 1, signed=signed)} {span(found.low, found.high, 1)}".strip()


def extent(interval: Interval, decimals: int) -> str:
    """An interval; in words where it has no width because all values are the same: others may be likely, too."""
    alike = interval.n > 1 and np.isfinite(interval.low) and not interval.has_width
    return f"all {interval.n} alike" if alike else span(interval.low, interval.high, decimals)


def percent(share: float) -> str:
    return f"{100 * share:g}\u00a0%"
