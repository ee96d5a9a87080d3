"""The page of `logistic_decay`: weight decay by the optimizer against a penalty in the loss."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from stages.artefacts import read_parquet
from stages.documents.page import CONFIDENCE, DocumentPage, read_record
from stages.reporting import charts
from stages.reporting.charts import Series, Spec
from stages.reporting.colors import BLUE, GREEN, GREY, INK, MUTED, PAPER, VERMILION
from stages.reporting.figures import Figure
from stages.reporting.tables import Cell, Table, number, number_cell, percent, span
from stages.statistics import Interval, mean_interval, paired_interval

FREE = "lambda_0"
"""The case without decay."""
FRESH = "fresh_"
"""What the cases of the fresh data sets begin with."""
PARAMETERS = {"w1": "First weight", "w2": "Second weight", "b": "Bias"}
SGD_WAYS = {
    "none": Series("no decay", GREY, (2, 2)),
    "penalty": Series("penalty in the loss", VERMILION),
    "weight_decay": Series("weight_decay", BLUE, (4, 8)),
}
"""Lines are drawn in this order, so that the dashes of `weight_decay` lie on the line of the penalty."""
ADAM_WAYS = {
    "adam": Series("no decay", GREY, (2, 2)),
    "adam_penalty": Series("penalty in the loss", VERMILION),
    "adam_weight_decay": Series("weight_decay", BLUE, (4, 8)),
    "adamw": Series("AdamW", GREEN, (8, 3)),
}
GAINS = {
    "shuffles": Series("shuffles of the same points", GREY, (6, 3), band=True),
    "fresh": Series("fresh data sets", BLUE, band=True),
}
LOSSES = {"train_loss": Series("training", BLUE, band=True), "test_loss": Series("test", VERMILION, (6, 3), band=True)}


def page(folder: Path) -> DocumentPage:
    every = read_parquet(folder / "outcomes.parquet")
    of_fresh = every["case"].str.startswith(FRESH)
    outcomes, fresh = every[~of_fresh], every[of_fresh].assign(case=every["case"].str.removeprefix(FRESH))
    epochs = read_parquet(folder / "epochs.parquet")
    parameters = read_record(folder)["parameters"]
    figures = {
        "parameters": by_epoch(
            epochs,
            SGD_WAYS,
            PARAMETERS,
            "logistic_decay-parameters",
            "Weights and bias under SGD",
            "The dashes of weight_decay lie on the line of the penalty: the two ways are equivalent.",
            "Value",
        ),
        "cost": by_epoch(
            epochs[epochs["epoch"] > 0],
            SGD_WAYS,
            {"cost": "Training points"},
            "logistic_decay-cost",
            "Cost under SGD",
            "Mean cross-entropy of the training points after each epoch, without the penalty. Before training it is "
            "log 2 = 0.693.",
            "Cost (nats)",
        ),
        "adam": by_epoch(
            epochs,
            ADAM_WAYS,
            {"norm": "Weights and bias"},
            "logistic_decay-adam",
            "Norm under Adam and AdamW",
            "Square root of the sum of squares of both weights and the bias, after each epoch. The dashes of Adam’s "
            "weight_decay lie on the line of the penalty; AdamW’s weight_decay of the same strength is green.",
            "Norm",
        ),
        "models": models(read_parquet(folder / "points.parquet"), read_parquet(folder / "boundaries.parquet")),
        "strengths": losses(outcomes),
        "gains": gains({"shuffles": outcomes, "fresh": fresh}),
    }
    return DocumentPage(
        "logistic_decay",
        "Weight decay and the penalty in the loss",
        figures,
        {
            "shuffles": by_strength(
                outcomes,
                "shuffles",
                f"Means over {parameters['shuffles']} shuffles of the points",
                "shuffle by shuffle",
            ),
            "fresh": by_strength(
                fresh,
                "fresh",
                f"Means over {parameters['seeds']} fresh data sets, each tested on {parameters['fresh_test']:,} points",
                "data set by data set",
            ),
        },
        facts(outcomes, fresh, epochs, parameters),
    )


def by_epoch(
    epochs: pd.DataFrame,
    ways: dict[str, Series],
    panels: dict[str, str],
    name: str,
    title: str,
    text: str,
    axis: str,
) -> Figure:
    """Columns of the table `epochs`, which become panels, for several ways of training."""
    data = pd.concat(
        pd.DataFrame({"panel": panel, "series": series.name, "epoch": own["epoch"], "mean": own[column]})
        for column, panel in panels.items()
        for way, series in ways.items()
        for own in [epochs[epochs["way"] == way]]
    )
    chart, still = (
        charts.lines(axis, tuple(ways.values()), tuple(panels.values()), hover=hover) for hover in (True, False)
    )
    return Figure(name, title, text, chart, still, data)


def models(points: pd.DataFrame, boundaries: pd.DataFrame) -> Figure:
    """The points, and where models of several strengths are undecided or fairly confident."""
    panels = {strength: f"λ = {strength:g}" for strength in boundaries["strength"].unique()}
    lines = boundaries.assign(
        panel=boundaries["strength"].map(panels),
        kind=np.where(boundaries["probability"] == 0.5, "boundary", "nine to one"),
    )
    named = points.assign(kind=points["part"], label=points["label"].map("class {}".format))
    data = pd.concat([lines, *(named.assign(panel=panel) for panel in panels.values())])
    chart = models_chart(tuple(panels.values()))
    return Figure(
        "logistic_decay-models",
        "What the decay does to a model",
        "Training points are filled, test points hollow; features are standardized. On the solid line, the decision "
        "boundary, the model gives both classes the same probability; on the dashed lines it gives one of them 90 %.",
        chart,
        chart,
        data[["panel", "kind", "label", "probability", "x1", "x2", "x1_end", "x2_end"]],
    )


@cache
def models_chart(panels: tuple[str, ...]) -> Spec:
    """Data: `panel, kind, x1, x2`; of points `label`, of lines `x1_end, x2_end`."""
    x = alt.X("x1:Q").title("First feature").axis(grid=False, tickCount=5)
    y = alt.Y("x2:Q").title("Second feature").axis(grid=False, tickCount=5)
    classes = ["class 0", "class 1"]
    color = alt.Color("label:N").scale(domain=classes, range=[BLUE, VERMILION])
    shape = alt.Shape("label:N").scale(domain=classes, range=["circle", "triangle-up"])
    base = alt.Chart().encode(x=x, y=y)
    training = base.transform_filter("datum.kind == 'training'").mark_point(filled=True, size=40, opacity=1)
    test = base.transform_filter("datum.kind == 'test'").mark_point(fill=PAPER, size=40, opacity=1)
    ends = base.encode(x2="x1_end:Q", y2="x2_end:Q")
    boundary = ends.transform_filter("datum.kind == 'boundary'").mark_rule(color=INK, strokeWidth=1.8)
    sure = ends.transform_filter("datum.kind == 'nine to one'").mark_rule(
        color=MUTED, strokeWidth=1.5, strokeDash=[5, 4]
    )
    layers = [training.encode(color=color, shape=shape), test.encode(color=color, shape=shape), sure, boundary]
    return charts.in_panels(alt.LayerChart(layer=layers), panels, left=66, height=charts.PANEL["width"], square=True)


def losses(outcomes: pd.DataFrame) -> Figure:
    """Cost of training and test points by the strength of the decay."""
    data = pd.DataFrame(
        {
            "panel": "Shuffled points",
            "series": series.name,
            "strength": strength(case),
            "mean": mean.mean,
            "low": mean.low,
            "high": mean.high,
        }
        for metric, series in LOSSES.items()
        for case in outcomes["case"].unique()
        for mean in [mean_interval(of(outcomes, case, metric), CONFIDENCE)]
    )
    chart, still = (
        charts.lines(
            "Cost (nats)", tuple(LOSSES.values()), ("Shuffled points",), hover=hover, x="strength", x_title="λ"
        )
        for hover in (True, False)
    )
    return Figure(
        "logistic_decay-strengths",
        "Cost by strength of the decay",
        "Mean cross-entropy, without the penalty, over shuffles of the points, with the "
        f"{percent(CONFIDENCE)} interval of the mean.",
        chart,
        still,
        data,
    )


def of(outcomes: pd.DataFrame, case: str, metric: str) -> np.ndarray:
    """The values of a metric, shuffle by shuffle."""
    return outcomes[(outcomes["case"] == case) & (outcomes["metric"] == metric)]["value"].to_numpy()


def strength(case: str) -> float:
    return float(case.removeprefix("lambda_"))


def gain_of(outcomes: pd.DataFrame, case: str) -> Interval:
    """Test accuracy minus that without decay."""
    return paired_interval(of(outcomes, case, "test_accuracy"), of(outcomes, FREE, "test_accuracy"), CONFIDENCE)


def gains(parts: dict[str, pd.DataFrame]) -> Figure:
    """Gain in test accuracy by the strength of the decay, over the shuffles and over the fresh data sets."""
    data = pd.DataFrame(
        {
            "panel": "Test points",
            "series": series.name,
            "strength": strength(case),
            "mean": 100 * gain.mean,
            "low": 100 * gain.low,
            "high": 100 * gain.high,
        }
        for part, series in GAINS.items()
        for case in parts[part]["case"].unique()
        if case != FREE
        for gain in [gain_of(parts[part], case)]
    )
    chart, still = (
        charts.lines("Gain (points)", tuple(GAINS.values()), ("Test points",), hover=hover, x="strength", x_title="λ")
        for hover in (True, False)
    )
    return Figure(
        "logistic_decay-gains",
        "Gain in test accuracy by strength of the decay",
        "Test accuracy minus that without decay, in the mean over shuffles of the same points and over fresh data "
        f"sets, with its {percent(CONFIDENCE)} interval. That of the shuffles says how the gain depends on the "
        "division of the points, that of the fresh data sets how it depends on the points.",
        chart,
        still,
        data,
    )


def by_strength(outcomes: pd.DataFrame, name: str, means_over: str, paired: str) -> Table:
    """Each strength: means over seeds, and the difference in test accuracy from no decay."""
    rows, data = [], []
    for case in outcomes["case"].unique():
        gain = gain_of(outcomes, case)
        means = {metric: float(of(outcomes, case, metric).mean()) for metric in outcomes["metric"].unique()}
        difference = Cell("–")
        if case != FREE:
            interval = span(100 * gain.low, 100 * gain.high, 2)
            difference = Cell(number(100 * gain.mean, 2, signed=True), interval, 100 * gain.mean)
        rows.append(
            [
                Cell(f"λ = {strength(case):g}", sort=strength(case)),
                number_cell(100 * means["train_accuracy"], 1),
                number_cell(100 * means["test_accuracy"], 1),
                difference,
                number_cell(means["train_loss"], 3),
                number_cell(means["test_loss"], 3),
                number_cell(means["norm"], 2),
            ]
        )
        data.append({"strength": strength(case), **means, "gain": gain.mean, "low": gain.low, "high": gain.high})
    return Table(
        f"logistic_decay-{name}",
        f"{means_over}; accuracies in percent, cost in nats. "
        f"Difference: test accuracy minus that without decay, {paired}, in points, with its "
        f"{percent(CONFIDENCE)} interval. "
        "Norm: square root of the sum of squares of weights and bias.",
        ["Strength", "Training accuracy", "Test accuracy", "Difference", "Training cost", "Test cost", "Norm"],
        rows,
        pd.DataFrame(data),
    )


def facts(
    outcomes: pd.DataFrame, fresh: pd.DataFrame, epochs: pd.DataFrame, parameters: dict[str, Any]
) -> dict[str, Any]:
    """The numbers in the prose."""
    decayed = f"lambda_{parameters['decay']:g}"
    gain, fresh_gain = gain_of(outcomes, decayed), gain_of(fresh, decayed)
    last = epochs.groupby("way").last()
    costs = epochs[epochs["way"] == "weight_decay"].set_index("epoch")["cost"]
    return {
        "parameters": parameters,
        "per_row": number(parameters["decay"] / parameters["train"], 3),
        "lr_of_mean": number(parameters["lr"] * parameters["train"], 1),
        "first_cost": number(costs[1], 3),
        "last_cost": number(costs.iloc[-1], 3),
        "free_cost": number(last.loc["none", "cost"], 3),
        "norms": {way: number(norm, 2) for way, norm in last["norm"].items()},
        "step_share": number(100 * parameters["adam_lr"] * parameters["decay"], 0),
        "gain": number(100 * gain.mean, 1, signed=True),
        "points": parameters["train"] + parameters["test"],
        "changed": number(max(1, abs(gain.mean) * (parameters["train"] + parameters["test"])), 0),
        "gain_span": span(100 * gain.low, 100 * gain.high, 1),
        "test_costs": [number(of(outcomes, case, "test_loss").mean(), 3) for case in (FREE, decayed)],
        "fresh_gain": number(100 * fresh_gain.mean, 2, signed=True),
        "fresh_span": span(100 * fresh_gain.low, 100 * fresh_gain.high, 2),
        "fresh_costs": [number(of(fresh, case, "test_loss").mean(), 3) for case in (FREE, decayed)],
        "one_point": number(100 / parameters["test"], 0),
    }
