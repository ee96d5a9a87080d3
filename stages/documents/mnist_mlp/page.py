"""The page of `mnist_mlp`: networks whose outputs pass through a ReLU, and the same without it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from stages.artefacts import read_parquet
from stages.documents.page import CONFIDENCE, DocumentPage, read_record
from stages.reporting import charts
from stages.reporting.charts import Spec
from stages.reporting.colors import BLUE, MUTED, PAPER, VERMILION
from stages.reporting.figures import LEAST_LOSS, POINTS, Figure
from stages.reporting.tables import Cell, Table, number, percent, span
from stages.statistics import mean_interval, paired_interval

CLASSES = 10
METHODS = {
    "none": "none",
    "decay_1e-15": "decay 1e\u221215",
    "penalty": "L2 in the loss",
    "adam_decay": "Adam’s decay",
    "adamw": "AdamW’s decay",
    "dropout": "dropout",
    "batch_norm": "batch norm, rate 0.1",
    "batch_norm_small_lr": "batch norm, rate 0.01",
}
OUTPUTS = {"relu": "With the ReLU on the outputs", "logits": "Without that ReLU"}
DECAYS = ("none", "decay_1e-15", "penalty", "adam_decay", "adamw")
CURVES = ("none", "penalty", "adamw", "dropout", "batch_norm")
LAYERS = {1: "First hidden layer", 2: "Second hidden layer", 3: "Outputs"}
BIN = 0.25
"""Width of a bar of the histogram of scales."""

Cases = Mapping[str, pd.DataFrame]
"""By case: a row for each seed, a column for each metric."""


def page(folder: Path) -> DocumentPage:
    outcomes = read_parquet(folder / "outcomes.parquet")
    cases = {
        str(case): own.pivot(index="seed", columns="metric", values="value") for case, own in outcomes.groupby("case")
    }
    curves = read_parquet(folder / "curves.parquet")
    scales = read_parquet(folder / "scales.parquet")
    figures = {
        "accuracy": by_seed(
            cases,
            "val_accuracy",
            tuple(METHODS),
            "mnist_mlp-accuracy",
            "Validation accuracy",
            "Validation accuracy (%)",
            100,
            (0, 100),
        ),
        "dead": dead(cases),
        "loss": losses(curves),
        "norm": by_seed(cases, "norm", DECAYS, "mnist_mlp-norm", "Parameter norm", "Norm of all parameters"),
        "scales": histogram(scales),
    }
    return DocumentPage(
        "mnist_mlp",
        "A ReLU on the outputs",
        figures,
        {"results": results(cases)},
        facts(cases, read_record(folder)),
    )


def by_seed(
    cases: Cases,
    metric: str,
    methods: tuple[str, ...],
    name: str,
    title: str,
    axis: str,
    scale: float = 1,
    domain: tuple[float, float] | None = None,
) -> Figure:
    """A metric of each method: every seed, and the mean with its interval."""
    rows = []
    for outputs, panel in OUTPUTS.items():
        for method in methods:
            values = scale * cases[f"{method}/{outputs}"][metric].to_numpy()
            mean = mean_interval(values, CONFIDENCE)
            common = {"panel": panel, "row": METHODS[method]}
            rows += [common | {"series": "each seed", "value": value} for value in values]
            rows.append(common | {"series": "mean", "value": mean.mean, "low": mean.low, "high": mean.high})
    looks = (charts.Series("each seed", VERMILION), charts.Series("mean", BLUE, shape="diamond"))
    names = tuple(METHODS[method] for method in methods)
    chart = charts.dots(names, tuple(OUTPUTS.values()), axis, left=150, series=looks, domain=domain)
    text = f"Each seed, and the mean over seeds with its {percent(CONFIDENCE)} interval."
    return Figure(name, title, text, chart, chart, pd.DataFrame(rows))


def dead(cases: Cases) -> Figure:
    """Accuracy against the number of classes that a network has lost."""
    data = pd.concat(
        pd.DataFrame(
            {
                "panel": panel,
                "method": label,
                "seed": own.index,
                "dead": own["dead_classes"],
                "accuracy": 100 * own["val_accuracy"],
            }
        )
        for outputs, panel in OUTPUTS.items()
        for method, label in METHODS.items()
        for own in [cases[f"{method}/{outputs}"]]
    )
    chart = dead_chart(tuple(OUTPUTS.values()))
    return Figure(
        "mnist_mlp-dead",
        "Dead classes and accuracy",
        "One circle for each network. A class is dead if its output is the single largest for none of the "
        "training images. The dashed line is the accuracy if all images of dead classes are misclassified and all "
        "others "
        "recognized.",
        chart,
        chart,
        data,
    )


@cache
def dead_chart(panels: tuple[str, ...]) -> Spec:
    """Data: `panel, method, seed, dead, accuracy`."""
    ends = alt.InlineData([{"dead": 0, "accuracy": 100}, {"dead": CLASSES, "accuracy": 0}])
    x = alt.X("dead:Q").title("Dead classes").scale(domain=[0, CLASSES]).axis(grid=False, tickCount=CLASSES)
    y = alt.Y("accuracy:Q").title("Validation accuracy (%)").scale(domain=[0, 100]).axis(tickCount=5)
    bound = alt.Chart(ends).mark_line(color=MUTED, strokeDash=[3, 3]).encode(x=x, y=y)
    named = charts.tooltip(method="method:N", seed="seed:N", dead="dead:Q", accuracy="accuracy:Q")
    networks = alt.Chart().mark_point(color=BLUE, fill=PAPER, size=60, opacity=1).encode(x=x, y=y, tooltip=named)
    return charts.in_panels(bound + networks, panels, left=66)


def losses(curves: pd.DataFrame) -> Figure:
    """Each method's training loss, step by step."""
    steps = np.unique(np.linspace(0, curves["step"].max(), POINTS).round().astype(int))
    kept = curves[curves["step"].isin(steps)]
    means = kept.groupby(["case", "step"])["loss"].mean().clip(lower=LEAST_LOSS)
    data = pd.concat(
        pd.DataFrame({"panel": panel, "series": METHODS[method], "step": mean.index, "mean": mean.to_numpy()})
        for outputs, panel in OUTPUTS.items()
        for method in CURVES
        for mean in [means[f"{method}/{outputs}"]]
    )
    series = charts.several(METHODS[method] for method in CURVES)
    panels = tuple(OUTPUTS.values())
    chart, still = (
        charts.lines("Training loss (nats)", series, panels, hover=hover, x="step", x_title="Step", log=True)
        for hover in (True, False)
    )
    return Figure(
        "mnist_mlp-loss",
        "Training loss",
        "Mean over seeds of the loss that is trained on, without the penalty and, where there is dropout, with it. The "
        f"axis is logarithmic and ends at {LEAST_LOSS:g} nats, where smaller losses are drawn.",
        chart,
        still,
        data,
    )


def histogram(scales: pd.DataFrame) -> Figure:
    """How the learned scales of batch normalization are spread, layer by layer."""
    own = scales[scales["case"] == "batch_norm/relu"]
    edges = BIN * np.arange(np.floor(own["scale"].min() / BIN), np.floor(own["scale"].max() / BIN) + 2)
    data = pd.concat(
        pd.DataFrame({"panel": panel, "low": edges[:-1], "high": edges[1:], "share": 100 * counts / counts.sum()})
        for layer, panel in LAYERS.items()
        for counts in [np.histogram(own[own["layer"] == layer]["scale"], edges)[0]]
    )
    chart = histogram_chart(tuple(LAYERS.values()))
    return Figure(
        "mnist_mlp-scales",
        "Scales of batch normalization",
        "Distribution of the learned scales (gamma) over the units of a layer, over all seeds, at rate 0.1 and with "
        "the ReLU on "
        "the outputs. All scales start at 1.",
        chart,
        chart,
        data,
    )


@cache
def histogram_chart(panels: tuple[str, ...]) -> Spec:
    """Data: `panel, low, high, share`."""
    bars = (
        alt.Chart()
        .mark_rect(fill=BLUE, stroke=PAPER)
        .encode(
            x=alt.X("low:Q").title("Scale").axis(grid=False, tickCount=5),
            x2="high:Q",
            y=alt.Y("share:Q").title("Units of the layer (%)").axis(tickCount=5),
            y2=alt.datum(0),
            tooltip=charts.tooltip(**{"from": "low:Q", "to": "high:Q", "units (%)": "share:Q"}),
        )
    )
    start = charts.once().mark_rule(color=MUTED, strokeDash=[3, 3]).encode(x=alt.datum(1))
    return charts.in_panels(bars + start, panels, left=66)


def results(cases: Cases) -> Table:
    """Every case: means over seeds, and what the seeds span."""
    columns = {
        "Validation (%)": ("val_accuracy", 100, 1),
        "Test (%)": ("test_accuracy", 100, 1),
        "Training loss": ("train_loss", 1, 4),
        "Dead classes": ("dead_classes", 1, 1),
        "Norm": ("norm", 1, 1),
    }
    rows, data = [], []
    for method, label in METHODS.items():
        row = [Cell(label)]
        for outputs in OUTPUTS:
            own = cases[f"{method}/{outputs}"]
            for metric, scale, decimals in columns.values():
                values = scale * own[metric].to_numpy()
                row.append(
                    Cell(
                        number(values.mean(), decimals),
                        span(values.min(), values.max(), decimals),
                        float(values.mean()),
                    )
                )
                data.append(
                    {"method": method, "outputs": outputs, "metric": metric, "mean": own[metric].mean()}
                    | {"low": own[metric].min(), "high": own[metric].max()}
                )
        rows.append(row)
    return Table(
        "mnist_mlp-results",
        "Mean over seeds; in brackets the lowest and the highest seed. The training loss is measured after the last "
        "step, without dropout, in nats. Norm: square root of the sum of squares over all parameters.",
        ["Method", *columns, *columns],
        rows,
        pd.DataFrame(data),
        [("", 1), *((panel, len(columns)) for panel in OUTPUTS.values())],
        stacked=True,
    )


def facts(cases: Cases, record: dict[str, Any]) -> dict[str, Any]:
    """The numbers in the prose."""

    def accuracy(case: str) -> np.ndarray:
        return 100 * cases[case]["val_accuracy"].to_numpy()

    def gain(method: str, outputs: str) -> dict[str, str]:
        gained = paired_interval(accuracy(f"{method}/{outputs}"), accuracy(f"none/{outputs}"), CONFIDENCE)
        return {"mean": number(gained.mean, 1, signed=True), "span": span(gained.low, gained.high, 1)}

    none = accuracy("none/relu")
    cost = math.log(CLASSES) / CLASSES
    parameters = record["parameters"]
    printed = parameters["printed_losses"]
    left = (1 - parameters["lr"] * parameters["weight_decay"]) ** parameters["epochs"]
    return {
        "parameters": parameters,
        "spread": {"low": number(none.min(), 1), "high": number(none.max(), 1)},
        "cost": number(cost, 3),
        "log_classes": number(math.log(CLASSES), 3),
        "printed_losses": printed,
        "dropped": number(parameters["dropout"] * math.log(CLASSES), 3),
        "printed_dead": [number(loss / cost, 2) for loss in (printed["none"], printed["decay_1e-15"])],
        "gains": {
            outputs: {method: gain(method, outputs) for method in ("dropout", "batch_norm", "batch_norm_small_lr")}
            for outputs in OUTPUTS
        },
        "unchanged": all(
            np.array_equal(accuracy(f"decay_1e-15/{outputs}"), accuracy(f"none/{outputs}")) for outputs in OUTPUTS
        ),
        "shrunk": number(100 * (1 - left), 1),
    }
