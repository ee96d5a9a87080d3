"""The page of `linear_decay`: weight decay with more inputs than rows."""

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
from stages.reporting.colors import BLUE
from stages.reporting.figures import Figure
from stages.reporting.tables import Cell, Table, number, span
from stages.statistics import mean_interval, paired_interval, ratio_interval

WAYS = {
    "book": "N(0, 1)",
    "keras": "Keras’s start, full penalty",
    "zero": "start at zero",
    "ridge": "ridge, trained to the end",
}
"""The ways of training, by their names in the figures."""
LEAST_LOSS = 1e-8
"""Below it the figures' logarithmic axes show no training loss."""
VERSIONS = {"scratch": "scratch", "concise": "concise, as it runs", "concise_as_meant": "concise, as meant"}
L1 = {"proximal": "soft-thresholding", "subgradient": "subgradient", "subtracted": "subtracted by mistake"}
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def page(folder: Path) -> DocumentPage:
    names = ("sweep", "reader", "norms", "small", "l1", "choice", "outcomes")
    sweep, reader, norms, small, l1, choice, outcomes = (read_parquet(folder / f"{name}.parquet") for name in names)
    parameters = read_record(folder)["parameters"]
    figures = {
        "sweep": losses(sweep),
        "norms": chapter(norms, parameters["chapter_norms"]),
        "small": small_inputs(small),
        "l1": l1_ways(l1),
        "choice": chosen(choice),
        "priors": priors(),
    }
    side_by_side = beside_reader(sweep, reader)
    facts = {
        "seeds": parameters["seeds"],
        **reader_facts(sweep, reader),
        **choice_facts(choice),
        **norm_facts(norms),
        **small_facts(small),
        **l1_facts(l1, outcomes),
        "matched": f"{parameters['noise'] ** 2 / (parameters['rows'] * parameters['true_weight'] ** 2):g}",
    }
    tables = {"reader": side_by_side, "choice": costs(choice)}
    return DocumentPage("linear_decay", "Weight decay with more inputs than rows", figures, tables, facts)


def over_strengths(table: pd.DataFrame, panels: dict[str, str], by: str, titles: dict[str, str]) -> pd.DataFrame:
    """`panel, series, lambda, mean, low, high`: means over seeds with their intervals."""
    rows = []
    for (key, strength), group in table.groupby([by, "lambda"], sort=False):
        for metric, panel in panels.items():
            mean = mean_interval(group[metric].to_numpy(), CONFIDENCE)
            values = {"mean": mean.mean, "low": mean.low, "high": mean.high}
            rows.append({"panel": panel, "series": titles[str(key)], "lambda": strength, **values})
    return pd.DataFrame(rows)


def losses(sweep: pd.DataFrame) -> Figure:
    panels = {"test_loss": "Test rows", "train_loss": "Training rows"}
    data = over_strengths(sweep, panels, "way", WAYS)
    data = data[data["mean"] >= LEAST_LOSS]
    series = charts.several(WAYS.values())
    ticks = charts.log_ticks(data["mean"])
    still, chart = (
        charts.lines(
            "Mean squared error",
            series,
            tuple(panels.values()),
            hover=hover,
            x="lambda",
            x_title="Strength",
            log=True,
            ticks=ticks,
        )
        for hover in (False, True)
    )
    return Figure(
        "linear_decay-sweep",
        "Loss and the strength of the decay",
        "Means over seeds. Three lines are models after the same 400 steps, named for where their weights start; the "
        "fourth is where all of them would end at any strength above 0. Training losses below 1e\u22128, all at "
        "strength 0, are left out.",
        chart,
        still,
        data,
    )


def beside_reader(sweep: pd.DataFrame, reader: pd.DataFrame) -> Table:
    """The reader's table and ours, trained as Keras does."""
    ours = sweep[sweep["way"] == "keras"]
    rows, data = [], []
    for printed in reader.itertuples():
        strength = printed[1]
        group = ours[ours["lambda"] == strength]
        row = [Cell(str(strength), sort=float(strength))]
        for metric in ("train_loss", "test_loss"):
            value, values = float(getattr(printed, metric)), group[metric]
            mean = mean_interval(values.to_numpy(), CONFIDENCE)
            within = bool(values.min() <= value <= values.max())
            row += [
                Cell(scientific(value), sort=value),
                Cell(
                    scientific(mean.mean), f"[{scientific(values.min())}, {scientific(values.max())}]", sort=mean.mean
                ),
                Cell("yes" if within else "no"),
            ]
            data.append(
                {
                    "lambda": strength,
                    "metric": metric,
                    "reader": value,
                    "mean": mean.mean,
                    "mean_low": mean.low,
                    "mean_high": mean.high,
                    "least": values.min(),
                    "largest": values.max(),
                    "within": within,
                }
            )
        rows.append(row)
    return Table(
        "linear_decay-reader",
        "Mean squared errors that the reader prints, and ours when trained in the way that comes nearest to its test "
        "losses: mean over seeds, in brackets the least and the largest seed. The data are other draws; the "
        "question is whether the reader’s number lies among our seeds.",
        ["Strength", *["Reader", "Here", "Among ours"] * 2],
        rows,
        pd.DataFrame(data),
        [("", 1), ("Training rows", 3), ("Test rows", 3)],
        sortable=False,
        stacked=True,
    )


def scientific(value: float) -> str:
    if value >= 1e-4:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e\u2212{abs(int(exponent))}"


def reader_facts(sweep: pd.DataFrame, reader: pd.DataFrame) -> dict[str, Any]:
    ours = sweep[sweep["way"] == "keras"].groupby("lambda")
    low, high = ours[["train_loss", "test_loss"]].min(), ours[["train_loss", "test_loss"]].max()
    theirs = reader.set_index("lambda")
    within = (theirs >= low.loc[theirs.index]) & (theirs <= high.loc[theirs.index])
    means = sweep.groupby(["way", "lambda"])["test_loss"].mean()
    zero, keras = (sweep[sweep["way"] == way] for way in ("zero", "keras"))
    return {
        "within": {metric: int(within[metric].sum()) for metric in within},
        "strengths": len(theirs),
        "train_ratio": number(float((theirs["train_loss"] / ours["train_loss"].mean()).loc[1:].median()), 1),
        "at": {way: {int(s): f"{means[way, s]:.3g}" for s in (0, 1, 2, 3, 10)} for way in WAYS},
        "zero_to_ten": percent_change(zero, 10, 0),
        "keras_ten_to_two": percent_change(keras, 10, 2),
        "keras_two_to_one": percent_change(keras, 2, 1),
    }


def percent_change(losses: pd.DataFrame, strength: float, reference: float) -> str:
    """By how much the test loss changes from one strength to another, geometric mean over seeds with its interval."""
    table = losses.pivot(index="seed", columns="lambda", values="test_loss")
    change = ratio_interval(table[strength].to_numpy(), table[reference].to_numpy(), CONFIDENCE)
    return f"{number(100 * change.mean, 0, signed=True)} % {span(100 * change.low, 100 * change.high, 0)}"


def chapter(norms: pd.DataFrame, printed: Mapping[str, Mapping[str, str]]) -> Figure:
    """`printed` are the book's numbers, by version and strength."""
    rows = []
    panels = {0.0: "Strength 0", 3.0: "Strength 3"}
    for key, values in norms.groupby(["version", "lambda"], sort=False)["half_squared_norm"]:
        version, strength = str(key[0]), float(str(key[1]))
        common = {"panel": panels[strength], "row": VERSIONS[version]}
        ends = {"low": values.min(), "high": values.max()}
        rows.append(common | {"series": "here", "value": values.mean(), **ends})
        if value := printed.get(version, {}).get(str(strength)):
            rows.append(common | {"series": "printed", "value": float(value)})
    chart = charts.dots(
        tuple(VERSIONS.values()),
        tuple(panels.values()),
        "Half the squared norm of the weights",
        left=150,
        series=charts.several(("here", "printed")),
        log=True,
    )
    return Figure(
        "linear_decay-norms",
        "What the book’s two programs print as the norm",
        "Mean, least and largest of the seeds, and the book’s number. Both programs train for 40 steps at a learning "
        "rate of 0.01.",
        chart,
        chart,
        pd.DataFrame(rows),
    )


def norm_facts(norms: pd.DataFrame) -> dict[str, Any]:
    means: dict[Any, float] = norms.groupby(["version", "lambda"])["half_squared_norm"].mean().to_dict()
    return {
        "norm_ratio": number(means["concise", 3.0] / means["scratch", 3.0], 1),
        "norm_ratio_meant": number(means["concise_as_meant", 3.0] / means["scratch", 3.0], 2),
        "norms": {f"{version}_{strength:g}": f"{value:.3g}" for (version, strength), value in means.items()},
    }


def small_inputs(small: pd.DataFrame) -> Figure:
    panels = {"test_loss": "Loss on test rows", "plotted_loss": "What the post plots for training"}
    titles = {"norm": "half the norm", "squared norm": "half its square"}
    data = over_strengths(small, panels, "penalty", titles)
    series = charts.several(titles.values())
    still, chart = (
        charts.lines("Loss", series, tuple(panels.values()), hover=hover, x="lambda", x_title="Strength", log=True)
        for hover in (False, True)
    )
    return Figure(
        "linear_decay-small",
        "Inputs of 0.01",
        "Means over seeds after 400 steps: the mean squared error on test rows, and half of that on training rows plus "
        "the penalty.",
        chart,
        still,
        data,
    )


def small_facts(small: pd.DataFrame) -> dict[str, Any]:
    means = small.groupby(["penalty", "lambda"])[["train_loss", "test_loss", "plotted_loss", "norm"]].mean()
    halves, squares = means.loc["norm"], means.loc["squared norm"]
    none, norm, squared = halves.loc[0.0], halves.loc[3.0], squares.loc[3.0]
    return {
        "small_norms": {
            "none": f"{none['norm']:.3g}",
            "norm": f"{norm['norm']:.3g}",
            "squared": f"{squared['norm']:.2g}",
        },
        "small_tests": {
            "none": f"{none['test_loss']:.2g}",
            "norm": f"{norm['test_loss']:.2g}",
            "squared": f"{squared['test_loss']:.2g}",
        },
        "small_plotted": {"none": f"{none['plotted_loss']:.2g}", "norm": f"{norm['plotted_loss']:.3g}"},
        "small_change": percent_change(small[small["penalty"] == "norm"], 3, 0),
    }


def l1_ways(l1: pd.DataFrame) -> Figure:
    table = l1.assign(zeros=100 * l1["zeros"])
    panels = {
        "l1_norm": "Sum of magnitudes",
        "objective": "What is minimized",
        "zeros": "Weights that are exactly zero (%)",
    }
    means = table.groupby(["way", "epoch"], sort=False)[list(panels)].mean().reset_index()
    data = pd.concat(
        means.assign(panel=panel, series=means["way"].map(L1), mean=means[metric])[["panel", "series", "epoch", "mean"]]
        for metric, panel in panels.items()
    )
    series = charts.several(L1.values())
    still, chart = (
        charts.lines("Value", series, tuple(panels.values()), hover=hover) | charts.OWN_SCALES
        for hover in (False, True)
    )
    return Figure(
        "linear_decay-l1",
        "Three ways with the L1 penalty",
        "Means over seeds, strength 1, weights that start from N(0, 1). What is minimized is the mean squared error "
        "plus the sum of magnitudes, or, by mistake, minus it.",
        chart,
        still,
        data,
    )


def l1_facts(l1: pd.DataFrame, outcomes: pd.DataFrame) -> dict[str, Any]:
    ends = l1[l1["epoch"] == l1["epoch"].max()].groupby("way")[["zeros", "test_loss", "l1_norm"]].mean()
    begins = l1[l1["epoch"] == 0].groupby("way")[["test_loss", "l1_norm"]].mean()
    steep = outcomes.query("case == 'steep'")["value"]
    return {
        "zeros": number(100 * ends.loc["proximal", "zeros"], 0),
        "subgradient_zeros": number(100 * ends.loc["subgradient", "zeros"], 0),
        "l1_norms": [number(begins.loc["subtracted", "l1_norm"], 0), number(ends.loc["subtracted", "l1_norm"], 0)],
        "l1_tests": [number(begins.loc["subtracted", "test_loss"], 0), number(ends.loc["subtracted", "test_loss"], 0)],
        "steep_least": floored(steep.min()),
    }


def floored(value: float) -> str:
    """The leading digit of a positive value and its power of ten, never more than the value."""
    power = math.floor(math.log10(value))
    return f"{math.floor(value / 10.0**power)} × 10{str(power).translate(SUPERSCRIPTS)}"


def chosen(choice: pd.DataFrame) -> Figure:
    panels = {"book": "Weights start from N(0, 1)", "keras": "Keras’s start, full penalty"}
    kept = choice[(choice["pick"] == "validated") & choice["way"].isin(panels)]
    counts = kept.groupby(["way", "lambda"]).size().rename("seeds").reset_index()
    data = counts.assign(panel=counts["way"].map(panels))[["panel", "lambda", "seeds"]]
    chart = counts_chart(tuple(panels.values()))
    return Figure(
        "linear_decay-choice",
        "The strength that 20 validation rows pick",
        "Number of seeds for which a strength from 0 to 20 has the lowest loss on 20 additional rows.",
        chart,
        chart,
        data,
    )


@cache
def counts_chart(panels: tuple[str, ...]) -> Spec:
    """Data: `panel, lambda, seeds`."""
    bars = (
        alt.Chart()
        .mark_bar(color=BLUE, width=7)
        .encode(
            x=alt.X("lambda:Q").title("Strength").scale(domain=[0, 20]).axis(grid=False, tickCount=5),
            y=alt.Y("seeds:Q").title("Seeds").axis(tickCount=5),
            tooltip=charts.tooltip(strength="lambda:N", seeds="seeds:N"),
        )
    )
    return charts.in_panels(alt.LayerChart(layer=[bars]), panels, left=66)


def picked(choice: pd.DataFrame, way: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The strengths picked by validation and by the test rows, each `lambda, test_loss` by seed."""
    own = choice[choice["way"] == way].set_index("seed")
    return own[own["pick"] == "validated"], own[own["pick"] == "best"]


def costs(choice: pd.DataFrame) -> Table:
    """What picking by validation costs."""
    rows, data = [], []
    for way, title in WAYS.items():
        validated, best = picked(choice, way)
        cost = paired_interval(validated["test_loss"].to_numpy(), best["test_loss"].to_numpy(), CONFIDENCE)
        strengths = validated["lambda"]
        rows.append(
            [
                Cell(title),
                Cell(f"{strengths.median():g}", f"[{strengths.min():g}, {strengths.max():g}]", sort=strengths.median()),
                Cell(number(best["test_loss"].mean(), 4), sort=best["test_loss"].mean()),
                Cell(number(cost.mean, 4, signed=True), span(cost.low, cost.high, 4), sort=cost.mean),
            ]
        )
        data.append(
            {
                "way": way,
                "median": strengths.median(),
                "least": strengths.min(),
                "largest": strengths.max(),
                "best_test_loss": best["test_loss"].mean(),
                "cost": cost.mean,
                "cost_low": cost.low,
                "cost_high": cost.high,
            }
        )
    return Table(
        "linear_decay-costs",
        "The strength that 20 validation rows pick: median over seeds, least and largest. Its cost: test loss with "
        "that strength minus the least test loss of any strength, mean over paired seeds with its 95 % interval. No "
        "cost is below 0, whatever the interval of a mean over few seeds says.",
        ["Trained from", "Strength picked", "Least test loss", "Cost"],
        rows,
        pd.DataFrame(data),
        sortable=False,
    )


def choice_facts(choice: pd.DataFrame) -> dict[str, Any]:
    book, _ = picked(choice, "book")
    return {"book_choice": f"{book['lambda'].median():g}"}


def priors() -> Figure:
    """Both priors with the same standard deviation."""
    w = np.linspace(-4, 4, 161)
    densities = {
        "Gaussian (L2)": np.exp(-(w**2) / 2) / np.sqrt(2 * np.pi),
        "Laplace (L1)": np.exp(-np.sqrt(2) * np.abs(w)) / np.sqrt(2),
    }
    data = pd.concat(
        pd.DataFrame({"panel": panel, "series": name, "weight": w, "mean": values})
        for name, density in densities.items()
        for panel, values in (("Density", density), ("Penalty", np.log(density.max()) - np.log(density)))
    )
    series = charts.several(densities)
    still, chart = (
        charts.lines("Value", series, ("Density", "Penalty"), hover=hover, x="weight", x_title="Weight")
        | charts.OWN_SCALES
        for hover in (False, True)
    )
    return Figure(
        "linear_decay-priors",
        "Two priors and the penalties they stand for",
        "Densities of a weight in units of its standard deviation; the penalty is minus the logarithm of the density, "
        "zero at the top.",
        chart,
        still,
        data,
    )
