"""The page of `toy_dropout`: a noisy line, with dropout and without."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd

from stages.artefacts import read_parquet
from stages.documents.page import CONFIDENCE, DocumentPage, read_record
from stages.reporting import charts
from stages.reporting.charts import Spec
from stages.reporting.colors import BLUE, INK, MUTED
from stages.reporting.figures import Figure
from stages.reporting.tables import number, span
from stages.statistics import ratio_interval

CASES = {"Net": "without dropout", "NetDropout": "with dropout"}
METRICS = {"train_loss": "Loss on the ten points", "test_loss": "Loss on the line", "norm": "Parameter norm"}


def page(folder: Path) -> DocumentPage:
    curves, predictions, points = (
        read_parquet(folder / f"{name}.parquet") for name in ("curves", "predictions", "points")
    )
    last = int(curves["step"].max())
    final = curves[curves["step"] == last].pivot(index="seed", columns="case", values="test_loss")
    relative = ratio_interval(final["NetDropout"].to_numpy(), final["Net"].to_numpy(), CONFIDENCE)
    losses = curves.pivot(index=["seed", "step"], columns="case", values="test_loss")
    starts, least = losses.xs(0, level="step"), losses.groupby("seed").min()
    parameters = read_record(folder)["parameters"]
    seeds, own = parameters["seeds"], parameters["notebook_seed"]
    facts = {
        "steps": number(last, 0),
        "seeds": seeds,
        "all_seeds": seeds + 1,
        "relative": number(100 * relative.mean, 0, signed=True),
        "relative_span": span(100 * relative.low, 100 * relative.high, 0),
        "better": int((final["NetDropout"] < final["Net"]).sum()),
        "worse_than_start": {case: int((final[case] > starts[case]).sum()) for case in CASES},
        "nearer_on_the_way": int((least["Net"] < final["NetDropout"]).sum()),
        "least": {case: number(least[case].median(), 2) for case in CASES},
        "ends": {case: number(final[case].median(), 2) for case in CASES},
    }
    figures = {
        "predictions": fits(predictions[predictions["seed"] == own], points[points["seed"] == own]),
        "notebook": notebook(curves[curves["seed"] == own]),
        "losses": final_losses(final, own),
    }
    return DocumentPage("toy_dropout", "Dropout on a noisy line", figures, {}, facts)


def fits(predictions: pd.DataFrame, points: pd.DataFrame) -> Figure:
    """What both networks of a seed predict, with a slider over the steps."""
    steps = np.unique(predictions["step"])
    last, every = int(steps[-1]), int(np.diff(steps).min())
    ends = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 2.0]})
    data = pd.concat(
        [
            part.assign(panel=panel.capitalize(), series=series)
            for case, panel in CASES.items()
            for series, part in (
                ("prediction", predictions[predictions["case"] == case]),
                ("training points", points),
                ("true line", ends),
            )
        ],
        ignore_index=True,
    )
    return Figure(
        "toy_dropout-predictions",
        "Predictions of the notebook’s two networks",
        f"The ten training points, the line y = 2x they come from, and what each network predicts after {last:,} "
        "steps. Where scripts run, a slider below shows the predictions after fewer.",
        fits_chart(last, every),
        fits_chart(last),
        data[["panel", "series", "step", "x", "y"]],
    )


@cache
def fits_chart(last: int, every: int = 0) -> Spec:
    """The last step, or with `every` a slider over steps so far apart.

    Data: `panel, series, step, x, y`, with `step` in the rows of the series `prediction` only.
    """
    names = ["prediction", "true line", "training points"]
    x = alt.X("x:Q").axis(grid=False, tickCount=5)
    y = alt.Y("y:Q").axis(tickCount=5)
    color = alt.Color("series:N").scale(domain=names, range=[BLUE, MUTED, INK])
    of = "datum.series == '{}'".format
    step = "step" if every else str(last)
    rule = alt.Chart().transform_filter(of("true line")).mark_line(strokeDash=[4, 4])
    prediction = alt.Chart().transform_filter(f"{of('prediction')} && datum.step == {step}").mark_line(strokeWidth=2)
    dots = alt.Chart().transform_filter(of("training points")).mark_point(filled=True, size=45, opacity=1)
    layers = [layer.encode(x=x, y=y, color=color) for layer in (rule, prediction, dots)]
    spec = charts.in_panels(
        alt.LayerChart(layer=layers), tuple(panel.capitalize() for panel in CASES.values()), left=66
    )
    if not every:
        return spec
    bind = {"input": "range", "min": 0, "max": last, "step": every, "name": "Step "}
    return spec | {"params": [{"name": "step", "value": last, "bind": bind}]}


def notebook(curves: pd.DataFrame) -> Figure:
    columns = ["panel", "series", "step", "mean"]
    data = pd.concat(
        curves.assign(panel=panel, series=curves["case"].map(CASES), mean=curves[metric])[columns]
        for metric, panel in METRICS.items()
    )
    series = charts.several(CASES.values())
    still, chart = (
        charts.lines("Value", series, tuple(METRICS.values()), hover=hover, x="step", x_title="Step")
        | charts.OWN_SCALES
        for hover in (False, True)
    )
    return Figure(
        "toy_dropout-notebook",
        "The notebook’s two runs",
        "Mean squared errors, and the square root of the sum of squares of all parameters, every hundred steps; "
        "measured with no units dropped. (The notebook plots the loss on the ten points with units dropped.)",
        chart,
        still,
        data,
    )


def final_losses(final: pd.DataFrame, notebook_seed: int) -> Figure:
    """Loss on the line after the last step, of every seed."""
    titles = {seed: f"{seed} (notebook)" if seed == notebook_seed else str(seed) for seed in final.index}
    data = pd.DataFrame(
        {"panel": "Loss on the line at the end", "row": titles[seed], "series": title, "value": final.loc[seed, case]}
        for seed in final.index
        for case, title in CASES.items()
    ).assign(low=np.nan, high=np.nan)
    chart = charts.dots(
        tuple(titles.values()),
        ("Loss on the line at the end",),
        "Mean squared error",
        series=charts.several(CASES.values()),
        log=True,
    )
    return Figure(
        "toy_dropout-losses",
        "Loss on the line, seed by seed",
        "Mean squared error against y = 2x after the last step. A row is a seed, with points and initial weights of "
        "its own.",
        chart,
        chart,
        data,
    )
