"""The page on tuning: what more trials and more epochs bring, what was chosen, and what to be wary of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stages import files, search
from stages.config import BASELINE, DEFAULT, TUNED, TUNED_CLEAN, Params, Task, Variant
from stages.regularizers.base import Search
from stages.reporting import charts, overviews, pages, site
from stages.reporting.comparison import Comparison
from stages.reporting.figures import Drawing, Figure
from stages.reporting.results import Results
from stages.reporting.summary import points
from stages.reporting.tables import Cell, Table, number, number_cell, percent, span, variant_cell
from stages.statistics import as_independent, expected_of_best, mean_interval, search_correlation

EDGE = 0.1
"""The share of a range, at each end, that counts as its edge."""
DIVERGED = 0.25
"""The share of trials from which on many diverged."""
FAR = 5.0
"""The factor from which on a tuned learning rate is far from the reference's."""
GAINED = ("val_accuracy", "test_accuracy")
"""The metrics of which the gain by tuning is shown."""
BUDGETS = (10, 20, 50, 100, 150, 200, 300, 500, 1000, 1500, 2000, 3000)
"""Epochs at which variants are ranked, as far as they were trained for so long."""


@dataclass(frozen=True)
class Rung:
    """A row of a ladder."""

    variant: str
    ranks: Sequence[int]
    """At each step."""
    cells: Sequence[Sequence[str]]
    """The texts of each further cell, at each step."""


@dataclass(frozen=True)
class Ladder:
    """A table whose rows are ordered anew at each step of a slider; without a script it shows the last step."""

    name: str
    """The name of its CSV file."""
    task: str
    caption: str
    choice: str
    """The name of the slider."""
    columns: Sequence[str]
    """After those of variant and rank."""
    rows: Sequence[Rung]
    """In the order of the last step."""
    data: pd.DataFrame

    @property
    def csv(self) -> str:
        return files.csv(self.data, "%.6g")


def build(results: Results, comparison: Comparison, drawing: Drawing) -> dict[str, str | bytes]:
    """The page with its tables, by path; its figures are drawn."""
    params, tasks = results.params, tuned_tasks(results.params)
    curve, ends, gained = curves(results.trials), budgets(results, tasks), gains(results)
    figures = [curve_figure(curve, tasks), rate_figure(results, tasks)]
    chosen = {name: selections(results, name) for name, task in tasks.items() if TUNED_CLEAN in task.tracks(name)}
    sides = [selection_figure(own, name, tasks[name]) for name, own in chosen.items()]
    drawing.add([*figures, *sides])
    trials = {name: trial_ladder(curve, name, task) for name, task in tasks.items()}
    epochs = {name: epoch_ladder(ends, name, task) for name, task in tasks.items()}
    gain_tables = {name: gain_table(gained, name, task) for name, task in tasks.items()}
    confidence = params.evaluation.confidence
    chosen_tables = {name: selection_table(own, name, tasks[name], confidence) for name, own in chosen.items()}
    warned = warning_table(results)
    shown: list[Table | Ladder] = [
        *trials.values(),
        *epochs.values(),
        *gain_tables.values(),
        *chosen_tables.values(),
        *([warned] if warned else []),
    ]
    return {
        "tuning.html": site.render(
            "tuning.html",
            0,
            page="tuning",
            **pages.shared_context(results),
            tuned=tasks,
            headings=[(name, task.heading) for name, task in tasks.items()],
            summary=summary(gained, tasks, params),
            curves=figures[0],
            rates=figures[1],
            sides=sides,
            trials=trials,
            epochs=epochs,
            gains=gain_tables,
            selections=chosen_tables,
            warned=warned,
            thresholds=thresholds(params),
            trial_steps=[str(n) for n in sorted(curve["trials"].unique())],
            epoch_steps=[str(n) for n in sorted(ends["epochs"].unique())],
        ),
        **{f"tables/{table.name}.csv": table.csv for table in shown},
        "tables/trials.csv": files.csv(results.trials),
    }


def tuned_tasks(params: Params) -> dict[str, Task]:
    """The main tasks that have searches of their own."""
    return {name: task for name, task in params.tasks.items() if task.tune == name}


# What the searches found.


def position(value: float, within: Search) -> float:
    """Where a value lies in a range, on its scale: 0 at the lower end or below it, 1 at the upper or above it."""
    ends = np.array([value, within.low, within.high], dtype=float)
    if within.scale == "log":
        with np.errstate(divide="ignore"):  # a value of zero is below every end
            ends = np.log(ends)
    place = (ends[0] - ends[1]) / (ends[2] - ends[1]) if ends[2] > ends[1] else 0.5
    return float(np.clip(place, 0, 1))


def written(variant: Variant, key: str) -> float:
    """A parameter of a variant as in ``params.yaml``, by its key, as ``training.lr``."""
    section, _, field = key.partition(".")
    value: float = variant.parameters()[section][field]
    return value


def value_of(variant: Variant, parameters: Mapping[str, Any], key: str) -> float:
    """A parameter of a trial, which names only those that it changes."""
    value: float = parameters[key] if key in parameters else written(variant, key)
    return value


def choices(results: Results, variant: str, task: str, track: str = TUNED) -> list[dict[str, Any]]:
    """What each search chose: `search, trial, parameters`; nothing where it was not tuned."""
    return [dict(entry) for entry in results.chosen.get(variant, {}).get(task, {}).get(track, ())]


def typical(chosen: Sequence[Mapping[str, Any]], variant: Variant, params: Params) -> dict[str, Any]:
    """The parameters, among those that searches chose, that are closest to all of the others'.

    Distance is Euclidean over the places in the ranges, so that of a single parameter it is a median, on a logarithmic
    scale where the range has one, and a choice made by most searches wins. Of several, the first.
    """
    space = search.space(variant, params.tune)
    places = np.array(
        [[position(value_of(variant, one["parameters"], key), space[key]) for key in space] for one in chosen]
    )
    apart = np.linalg.norm(places[:, None] - places[None], axis=2).sum(1)
    return dict(chosen[int(np.argmin(apart.round(9)))]["parameters"])


def curves(trials: pd.DataFrame) -> pd.DataFrame:
    """`variant, task, trials, score, clean`: what the best of so many trials is expected to have, in percent.

    The score is validation accuracy by the labels at hand, by which a search chooses, and `clean` that by clean labels
    of what is chosen. Each search gives an estimate, and theirs are averaged. Trials that diverged come last.
    """
    rows = []
    for (variant, task), group in trials.groupby(["variant", "task"], sort=False):
        found = [_curve(one) for _, one in group.groupby("search")]
        least = min(len(scores) for scores, _ in found)
        means = 100 * np.mean([[scores[:least], clean[:least]] for scores, clean in found], axis=0)
        rows += [
            {"variant": variant, "task": task, "trials": n + 1, "score": means[0, n], "clean": means[1, n]}
            for n in range(least)
        ]
    return pd.DataFrame(rows, columns=["variant", "task", "trials", "score", "clean"])


def _curve(trials: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    scores = trials["val_accuracy"].fillna(0).to_numpy(float)
    diverged = trials["diverged"].to_numpy(bool)
    if diverged.any() and not diverged.all():
        scores = np.where(diverged, np.minimum(scores, scores[~diverged].min()), scores)
    clean = trials["val_accuracy_true"].fillna(0).to_numpy(float)
    return expected_of_best(scores, scores), expected_of_best(scores, clean)


def gains(results: Results) -> pd.DataFrame:
    """`variant, task, promised, kept, curse, test`, in points: what tuning gained over the variant as written.

    `promised` by the validation images that the search chose by, and `kept` by those of the final seeds, with the same
    kind of labels; `curse` is their difference, by which the search was too optimistic. `test` is the gain on the test
    images. Means over searches and over seeds.
    """
    trials = results.trials.set_index(["variant", "task", "search", "trial"])["val_accuracy"]
    runs = results.replicas.groupby(["variant", "task", "track"])
    means = {
        (metric, track): (100 * runs[metric].mean()).xs(track, level="track").to_dict()
        for metric in GAINED
        for track in (DEFAULT, TUNED)
    }
    rows = []
    for variant in results.params.variants:
        for task in tuned_tasks(results.params):
            chosen = choices(results, variant, task)
            if not chosen or (variant, task) not in means["val_accuracy", TUNED]:
                continue
            values = [
                trials[variant, task, one["search"], one["trial"]] - trials[variant, task, one["search"], 0]
                for one in chosen
            ]
            promised = 100 * float(np.mean(values))
            kept, test = (
                means[metric, TUNED][variant, task] - means[metric, DEFAULT][variant, task] for metric in GAINED
            )
            row = {"variant": variant, "task": task, "promised": promised, "kept": kept}
            rows.append(row | {"curse": promised - kept, "test": test})
    return pd.DataFrame(rows, columns=["variant", "task", "promised", "kept", "curse", "test"])


def budgets(results: Results, tasks: Mapping[str, Task]) -> pd.DataFrame:
    """`variant, task, track, epochs, score`: validation accuracy by the labels at hand after so many epochs (%).

    A replica that has stopped, by itself or as it diverged, keeps its last value. Means over the final seeds.
    """
    longest = max(int(run.history["epoch"].max()) for run in results.runs.values())
    steps = [*(epochs for epochs in BUDGETS if epochs < longest), longest]
    keys = ["task", "track", "seed", "repeat"]
    parts = []
    for variant, run in results.runs.items():
        history = run.history[run.history["task"].isin(list(tasks)) & run.history["track"].isin([DEFAULT, TUNED])]
        own = history.assign(step=np.searchsorted(steps, history["epoch"])).sort_values("epoch", kind="stable")
        table = own.groupby([*keys, "step"])["val_accuracy"].last().unstack("step")
        table = table.reindex(columns=range(len(steps))).ffill(axis=1)
        means = 100 * table.groupby(["task", "track"]).mean()
        means.columns = pd.Index(steps)
        long = means.reset_index().melt(["task", "track"], var_name="epochs", value_name="score").dropna()
        parts.append(long.assign(variant=variant))
    return pd.concat(parts, ignore_index=True)[["variant", "task", "track", "epochs", "score"]]


# Warnings.


def warnings(results: Results, variant: str) -> list[str]:
    """What a reader of a variant's results should be wary of, as sentences of plain text with `code`; mostly none."""
    return [
        sentence
        for task, settings in tuned_tasks(results.params).items()
        for sentence in (
            *_at_the_edge(results, variant, task, settings),
            *_diverged(results, variant, task, settings),
            *_rising(results, variant, task, settings),
            *_far(results, variant, task, settings),
            *_unfinished(results, variant, task, settings),
        )
    ]


def thresholds(params: Params) -> list[str]:
    """When a warning is given, as sentences."""
    smallest = points(params.claims.points)
    return [
        f"More than half of the searches chose a value in the outermost {percent(EDGE)} of the range, at the same end: "
        "a better one may lie beyond it, or, where that end turns the method off, the method is not wanted.",
        f"More than {percent(DIVERGED)} of the trials diverged: the range is too wide, and fewer trials were left.",
        f"Twice as many trials as half of them still gained more than {smallest}: with more trials it might gain more.",
        f"The tuned learning rate (the middle one of the searches) is more than {FAR:g} times that of the "
        "variant it is compared with, or less than one part in as many of it, with the same optimizer: part of the "
        "difference may be the rate’s doing.",
        "Networks of the variant as written were still learning when their epochs were used up.",
    ]


def _at_the_edge(results: Results, variant: str, task: str, settings: Task) -> list[str]:
    own, chosen = results.params.variants[variant], choices(results, variant, task)
    found = []
    for key, within in search.space(own, results.params.tune).items():
        places = np.array([position(value_of(own, one["parameters"], key), within) for one in chosen])
        for end, close in (("lower", places < EDGE), ("upper", places > 1 - EDGE)):
            if 2 * close.sum() > len(places):
                found.append(
                    f"On {settings.title}, {close.sum()} of {len(places)} searches chose `{key}` at the {end} end of "
                    f"its range ({within.low:g} to {within.high:g})."
                )
    return found


def _diverged(results: Results, variant: str, task: str, settings: Task) -> list[str]:
    diverged = _trials(results, variant, task)["diverged"]
    if not len(diverged) or diverged.mean() <= DIVERGED:
        return []
    return [f"On {settings.title}, {int(diverged.sum())} of {len(diverged)} trials diverged."]


def _rising(results: Results, variant: str, task: str, settings: Task) -> list[str]:
    scores = curves(_trials(results, variant, task))["score"].to_numpy()
    half = len(scores) // 2
    if half < 1 or (gain := scores[-1] - scores[half - 1]) <= results.params.claims.points:
        return []
    return [
        f"On {settings.title}, the best of {len(scores)} trials is expected to have {number(gain, 1)} points more "
        f"validation accuracy than the best of {half}, so more trials might gain more."
    ]


def _far(results: Results, variant: str, task: str, settings: Task) -> list[str]:
    own = results.params.variants[variant]
    reference = results.params.variants[own.against]
    if own.training.optimizer != reference.training.optimizer:
        return []
    rates = [middle_rate(results, name, task) for name in (variant, own.against)]
    if not np.isfinite(rates).all() or 1 / FAR <= rates[0] / rates[1] <= FAR:
        return []
    return [
        f"On {settings.title}, its tuned learning rate, {rates[0]:.2g}, is far from that of `{own.against}`, "
        f"{rates[1]:.2g}; part of the difference may be the rate’s doing."
    ]


def _unfinished(results: Results, variant: str, task: str, settings: Task) -> list[str]:
    runs = results.replicas
    own = runs[(runs["variant"] == variant) & (runs["task"] == task) & (runs["track"] == DEFAULT)]["unfinished"]
    if not own.any():
        return []
    return [
        f"On {settings.title}, {int(own.sum())} of {len(own)} networks with the settings as written were still "
        "learning when their epochs were used up."
    ]


def middle_rate(results: Results, variant: str, task: str) -> float:
    """The geometric median of the learning rates that the searches chose; NaN without any."""
    own = results.params.variants[variant]
    rates = [value_of(own, one["parameters"], search.LR) for one in choices(results, variant, task)]
    return float(np.exp(np.median(np.log(rates)))) if rates else np.nan


def _trials(results: Results, variant: str, task: str) -> pd.DataFrame:
    return results.trials_of.get((variant, task), results.trials.iloc[:0])


def _kinds(results: Results, variant: str, task: str) -> list[str]:
    """Of each trial whether it was `chosen` or only `tried`."""
    chosen = {(one["search"], one["trial"]) for one in choices(results, variant, task)}
    pairs = _trials(results, variant, task)[["search", "trial"]].itertuples(index=False, name=None)
    return ["chosen" if pair in chosen else "tried" for pair in pairs]


# Sentences and tables.


def summary(gained: pd.DataFrame, tasks: Mapping[str, Task], params: Params) -> list[str]:
    """What tuning was worth, on each task."""
    sentences = []
    for name, task in tasks.items():
        own = gained[gained["task"] == name].set_index("variant")
        if BASELINE not in own.index:
            continue
        test = own["test"].to_dict()[BASELINE]
        text = (
            f"On {task.title}, tuning `{BASELINE}`, which has nothing but its learning rate to tune, changed its test "
            f"accuracy by {number(test, 1, signed=True)} points."
        )
        if len(own) > 1:
            mean = own.drop(BASELINE)[["promised", "kept", "curse", "test"]].mean()
            text += (
                f" Over the other variants the mean is {number(mean['test'], 1, signed=True)} points. On the "
                f"images that the search chose by, they seemed to gain {number(mean['promised'], 1, signed=True)} "
                f"points, on those of fresh splits {number(mean['kept'], 1, signed=True)}: the winner’s curse is "
                f"{number(mean['curse'], 1, signed=True)}."
            )
        sentences.append(text)
    return sentences


def trial_ladder(curve: pd.DataFrame, name: str, task: Task) -> Ladder:
    """The variants by what the best of n trials is expected to have."""
    own = curve[curve["task"] == name]
    columns = {"score": "Validation accuracy"}
    if task.noise:
        columns["clean"] = "By clean labels"
    return ladder(
        f"tuning-trials-{name}",
        name,
        "Validation accuracy, in percent, that the best of so many trials is expected to have"
        + (", and that of the same trial by clean labels" if task.noise else "")
        + ". All trials: the rank with the whole budget.",
        "trials",
        own,
        columns,
        "All trials",
    )


def epoch_ladder(ends: pd.DataFrame, name: str, task: Task) -> Ladder:
    """The variants by their validation accuracy after so many epochs."""
    own = ends[ends["task"] == name]
    wide = own.pivot(index=["variant", "epochs"], columns="track", values="score").reset_index()
    order = {variant: place for place, variant in enumerate(dict.fromkeys(own["variant"]))}
    wide = wide.sort_values("variant", key=lambda names: names.map(order), kind="stable").dropna(subset=[TUNED])
    return ladder(
        f"tuning-epochs-{name}",
        name,
        "Validation accuracy by the labels at hand, in percent, after so many epochs; mean over the final seeds, "
        "ranked as tuned. All epochs: the rank at the end.",
        "epochs",
        wide,
        {TUNED: "Tuned", DEFAULT: "As written"},
        "All epochs",
    )


def ladder(
    name: str, task: str, caption: str, choice: str, data: pd.DataFrame, columns: Mapping[str, str], last: str
) -> Ladder:
    """From `variant`, the steps of the choice, and a score in each of the columns; ranked by the first of these."""
    score = next(iter(columns))
    steps = sorted(data[choice].unique())
    # Variants with fewer steps than others keep their last value.
    tables = {key: data.pivot(index="variant", columns=choice, values=key)[steps].ffill(axis=1) for key in columns}
    listed = list(dict.fromkeys(data["variant"]))
    ranks = tables[score].loc[listed].round(9).rank(ascending=False, method="first").astype(int)
    rows = [
        Rung(
            variant,
            ranks.loc[variant].tolist(),
            [
                *([number(value, 1) for value in table.loc[variant]] for table in tables.values()),
                [str(ranks.loc[variant].iloc[-1])] * len(steps),
            ],
        )
        for variant in sorted(listed, key=lambda variant: ranks.loc[variant].iloc[-1])
    ]
    ranked = ranks.reset_index().melt("variant", var_name=choice, value_name="rank")
    table = data[["variant", choice, *columns]].merge(ranked, on=["variant", choice])
    return Ladder(name, task, caption, choice, [*columns.values(), last], rows, table)


def gain_table(gained: pd.DataFrame, name: str, task: Task) -> Table:
    """What tuning promised and kept."""
    own = gained[gained["task"] == name]
    rows = [
        [
            variant_cell(str(row["variant"])),
            *(
                Cell(number(row[key], 1, signed=True), sort=float(row[key]))
                for key in ("promised", "kept", "curse", "test")
            ),
        ]
        for _, row in own.iterrows()
    ]
    return Table(
        f"tuning-gains-{name}",
        f"Gain of the settings chosen on {task.title} over those as written, in points. Promised: of validation "
        "accuracy on the images that the search chose by, mean over searches. Kept: on the validation images of "
        "the final seeds, with the same kind of labels. Winner’s curse: promised minus kept. Test: of test accuracy.",
        ["Variant", "Promised", "Kept", "Winner’s curse", "Test"],
        rows,
        own.drop(columns="task"),
    )


def selections(results: Results, name: str) -> pd.DataFrame:
    """`variant, given, clean, difference, low, high`: test accuracy in percent, chosen by the labels at hand and by
    clean ones, and what the latter add in points."""
    runs = results.replicas[results.replicas["task"] == name]
    means = 100 * runs.groupby(["variant", "track", "seed"])["test_accuracy"].mean().unstack("seed")
    given, clean = (means.xs(track, level="track").dropna() for track in (TUNED, TUNED_CLEAN))
    variants = [variant for variant in results.params.variants if variant in given.index.intersection(clean.index)]
    added = (clean.loc[variants] - given.loc[variants]).to_numpy()
    searches = np.array([results.params.search(seed) for seed in means.columns.to_numpy(int)])
    spread = as_independent(added, searches, search_correlation(added, searches))
    intervals = [mean_interval(values, results.params.evaluation.confidence) for values in spread]
    return pd.DataFrame(
        {
            "variant": variants,
            "given": given.loc[variants].to_numpy().mean(1),
            "clean": clean.loc[variants].to_numpy().mean(1),
            "difference": [interval.mean for interval in intervals],
            "low": [interval.low for interval in intervals],
            "high": [interval.high for interval in intervals],
        }
    )


def selection_table(data: pd.DataFrame, name: str, task: Task, confidence: float) -> Table:
    """Choosing by the labels at hand against choosing by clean ones, from what `selections` gives."""
    records: list[dict[Any, Any]] = data.to_dict("records")
    rows = [
        [
            variant_cell(row["variant"]),
            number_cell(row["given"], 1),
            number_cell(row["clean"], 1),
            Cell(number(row["difference"], 1, signed=True), span(row["low"], row["high"], 1), row["difference"]),
        ]
        for row in records
    ]
    return Table(
        f"tuning-selection-{name}",
        f"Test accuracy on {task.title}, in percent, with settings chosen by validation labels that are as noisy as "
        "the training labels, and by clean ones; and what clean ones add, in points, seed by seed, with its "
        f"{percent(confidence)} interval.",
        ["Variant", "By noisy labels", "By clean labels", "Added"],
        rows,
        data,
    )


def warning_table(results: Results) -> Table | None:
    """All warnings; None if there are none."""
    found = {name: warnings(results, name) for name in results.params.variants}
    data = pd.DataFrame(
        [(name, text) for name, texts in found.items() for text in texts], columns=["variant", "warning"]
    )
    if data.empty:
        return None
    rows = [[variant_cell(name), Cell(text.replace("`", ""))] for name, text in data.itertuples(index=False)]
    return Table("tuning-warnings", "Warnings, by these rules.", ["Variant", "Warning"], rows, data, sortable=False)


# Figures.


def curve_figure(curve: pd.DataFrame, tasks: Mapping[str, Task]) -> Figure:
    """What the best of n trials is expected to have."""
    parts = []
    for name, task in tasks.items():
        own = curve[curve["task"] == name]
        parts.append(own.assign(panel=task.heading, value=own["score"]))
        if task.noise:
            parts.append(own.assign(panel=f"{task.heading}, by clean ones", value=own["clean"]))
    data = pd.concat(parts).rename(columns={"trials": "x"})
    last = data[data["x"] == data["x"].max()].groupby("variant")["score"].mean().sort_values(ascending=False)
    series = overviews.told_apart(tuple(last.index))
    data["series"] = overviews.series_of(data["variant"], series)
    chart = overviews.many_lines(
        "Expected accuracy (%)", series, tuple(dict.fromkeys(data["panel"])), x_title="Trials of a search"
    )
    return Figure(
        "tuning-curves",
        "What more trials bring",
        "Validation accuracy that the best of so many trials is expected to have, mean over the searches. Where labels "
        "are noisy, a second panel shows the accuracy of the same trials by clean labels: a search that is misled by "
        "noise rises in the first and not in the second. The reference and the variants with the highest ends have "
        "lines of their own.",
        chart,
        chart,
        data[["panel", "variant", "series", "x", "value"]],
    )


def rate_figure(results: Results, tasks: Mapping[str, Task]) -> Figure:
    """The learning rates that were tried and chosen."""
    parts = []
    for name, own in results.params.variants.items():
        within = search.space(own, results.params.tune)[search.LR]
        for task, settings in tasks.items():
            trials = _trials(results, name, task)
            parts.append(
                pd.DataFrame(
                    {
                        "panel": settings.heading,
                        "row": name,
                        "value": trials["lr"],
                        "low": within.low,
                        "high": within.high,
                        "kind": _kinds(results, name, task),
                        "score": 100 * trials["val_accuracy"],
                    }
                )
            )
    # The chosen ones are drawn last, above the others.
    data = pd.concat(parts).sort_values("kind", ascending=False, kind="stable")
    chart = overviews.strips(
        tuple(results.params.variants), tuple(task.heading for task in tasks.values()), "Learning rate"
    )
    return Figure(
        "tuning-rates",
        "Learning rates",
        "The band is the range that was searched. A diamond at its end warns that a better rate may lie beyond it; "
        f"one far from those of {BASELINE}, that a difference may be the rate’s doing.",
        chart,
        chart,
        data,
    )


def selection_figure(data: pd.DataFrame, name: str, task: Task) -> Figure:
    """Test accuracy by the labels that chose the settings, from what `selections` gives."""
    kinds = {"given": "chosen by noisy labels", "clean": "chosen by clean labels"}
    long = pd.concat(
        [
            pd.DataFrame({"panel": task.heading, "row": data["variant"], "series": text, "value": data[key]})
            for key, text in kinds.items()
        ]
    ).assign(low=np.nan, high=np.nan)
    chart = charts.dots(
        tuple(data["variant"]), (task.heading,), "Test accuracy (%)", series=charts.several(kinds.values())
    )
    return Figure(
        f"tuning-selection-{name}",
        f"Which labels choose, on {task.title}",
        "Test accuracy with the settings that a search chose by validation labels as noisy as the training labels, "
        "and by clean ones. Mean over seeds.",
        chart,
        chart,
        long,
    )


def axes_figure(results: Results, variant: str) -> Figure:
    """A variant's trials against their score, for its page: a panel for each hyperparameter."""
    own, tasks = results.params.variants[variant], tuned_tasks(results.params)
    parts = []
    for key, within in search.space(own, results.params.tune).items():
        scale = ", logarithmic" if within.scale == "log" else ""
        for task, settings in tasks.items():
            trials = _trials(results, variant, task).to_dict("records")
            for trial, kind in zip(trials, _kinds(results, variant, task), strict=True):
                value = value_of(own, json.loads(trial["parameters"]), key)
                parts.append(
                    {
                        "panel": f"{key}, {within.low:g} to {within.high:g}{scale}",
                        "series": settings.heading,
                        "position": position(value, within),
                        "value": value,
                        "score": 100 * trial["val_accuracy"],
                        "kind": kind,
                    }
                )
    data = pd.DataFrame(parts).sort_values("kind", ascending=False, kind="stable")
    headings = [task.heading for task in tasks.values()]
    chart = overviews.axes(tuple(dict.fromkeys(each["panel"] for each in parts)), charts.several(headings))
    return Figure(
        f"{variant}-axes",
        "Trials",
        "Every trial of the searches against its validation accuracy, a panel for each parameter that was tuned, from "
        "one end of its range to the other. The large, full marks were chosen.",
        chart,
        chart,
        data,
    )
