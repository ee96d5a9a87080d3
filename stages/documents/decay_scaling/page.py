"""The page of `decay_scaling`: is the decay divided by the batch size?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.artefacts import read_parquet
from stages.documents.page import CONFIDENCE, DocumentPage, read_record
from stages.reporting import charts
from stages.reporting.charts import Series
from stages.reporting.colors import BLUE, GREEN, PURPLE, VERMILION
from stages.reporting.figures import POINTS, Figure
from stages.reporting.tables import Cell, Table, number, number_cell, percent
from stages.statistics import mean_interval

VERSIONS = {
    "divided": Series("divided", GREEN, (6, 3), shape="square"),
    "bias spared": Series("bias spared", PURPLE, (2, 2)),
    "not divided": Series("not divided", VERMILION),
    "PyTorch": Series("PyTorch", BLUE, (4, 8)),
}
"""Lines are drawn in this order, so that the dashes of PyTorch lie on the line that is not divided."""
BATCHES = {"undivided": VERSIONS["not divided"], "divided": VERSIONS["divided"]}
PARAMETERS = {"bias": "Bias", "w1": "Sepal length", "w2": "Sepal width", "w3": "Petal length", "w4": "Petal width"}


def page(folder: Path) -> DocumentPage:
    outcomes = read_parquet(folder / "outcomes.parquet")
    paths = read_parquet(folder / "paths.parquet")
    shrinkage = read_parquet(folder / "shrinkage.parquet")
    parameters = read_record(folder)["parameters"]
    return DocumentPage(
        "decay_scaling",
        "Is the decay divided by the batch size?",
        {"distance": distances(paths), "paths": followed(paths), "batches": batches(outcomes)},
        {"weights": weights(paths), "shrinkage": kept(shrinkage)},
        facts(outcomes, paths, shrinkage, parameters),
    )


def distances(paths: pd.DataFrame) -> Figure:
    """How far each version by hand is from PyTorch, epoch by epoch."""
    drawn = {version: VERSIONS[version] for version in ("divided", "bias spared", "not divided")}
    own = thinned(paths[paths["version"].isin(drawn) & (paths["distance"] > 0) & (paths["epoch"] > 1)])
    data = pd.DataFrame(
        {
            "panel": "By hand against PyTorch",
            "series": own["version"].map({version: series.name for version, series in drawn.items()}),
            "epoch": own["epoch"],
            "mean": own["distance"],
        }
    )
    ticks = charts.log_ticks(data["mean"])
    chart, still = (
        charts.lines(
            "Distance", tuple(drawn.values()), ("By hand against PyTorch",), hover=hover, log=True, ticks=ticks
        )
        for hover in (True, False)
    )
    return Figure(
        "decay_scaling-distance",
        "Distance to PyTorch",
        "Square root of the sum of squared differences of bias and weights, after each epoch, on a logarithmic axis. "
        "Double precision holds some 16 digits, so what is near 1e\u221216 is rounding. The first step starts at "
        "zero, where there is nothing to decay, and is left out.",
        chart,
        still,
        data,
    )


def followed(paths: pd.DataFrame) -> Figure:
    """Bias and norm of each version, epoch by epoch."""
    panels = {"bias": "Bias", "norm": "Norm of bias and weights"}
    own = thinned(paths)
    data = pd.concat(
        pd.DataFrame({"panel": panel, "series": series.name, "epoch": rows["epoch"], "mean": rows[column]})
        for column, panel in panels.items()
        for version, series in VERSIONS.items()
        for rows in [own[own["version"] == version]]
    )
    chart, still = (
        charts.lines("Value", tuple(VERSIONS.values()), tuple(panels.values()), hover=hover) for hover in (True, False)
    )
    return Figure(
        "decay_scaling-paths",
        "Bias and norm",
        "The dashes of PyTorch lie on the line of the penalty that is not divided.",
        chart,
        still,
        data,
    )


def thinned(paths: pd.DataFrame) -> pd.DataFrame:
    """The rows of no more epochs than can be told apart in a chart."""
    epochs = np.unique(np.linspace(0, paths["epoch"].max(), POINTS).round())
    return paths[paths["epoch"].isin(epochs)]


def batches(outcomes: pd.DataFrame) -> Figure:
    """The norm after the same number of steps on batches of each size."""
    panel = "Norm of bias and weights"
    data = pd.DataFrame(
        {
            "panel": panel,
            "row": rows_of(case),
            "series": BATCHES[case.partition("/")[2]].name,
            "value": mean.mean,
            "low": mean.low,
            "high": mean.high,
        }
        for case in outcomes["case"].unique()
        for mean in [mean_interval(norms(outcomes, case), CONFIDENCE)]
    )
    chart = charts.dots(tuple(data["row"].unique()), (panel,), "Norm", series=tuple(BATCHES.values()))
    return Figure(
        "decay_scaling-batches",
        "The same strength at every batch size",
        "Norm after the same number of steps on batches in shuffled order, the decay divided by the batch size and "
        f"not. Means over shuffles; their {percent(CONFIDENCE)} intervals are mostly narrower than the marks.",
        chart,
        chart,
        data,
    )


def rows_of(case: str) -> str:
    """The name of a case's row in the figure."""
    return f"{case.partition('/')[0].removeprefix('batch_')} rows"


def norms(outcomes: pd.DataFrame, case: str) -> np.ndarray:
    """Shuffle by shuffle."""
    return outcomes[(outcomes["case"] == case) & (outcomes["metric"] == "norm")]["value"].to_numpy()


def weights(paths: pd.DataFrame) -> Table:
    """What each version has learned."""
    last = paths.groupby("version", sort=False).tail(1).set_index("version")
    rows = [
        [Cell(str(version)), *(number_cell(values[column], 4) for column in (*PARAMETERS, "norm"))]
        for version, values in last.iterrows()
    ]
    return Table(
        "decay_scaling-weights",
        "Bias and weights after the last epoch, and the square root of their sum of squares. The first three rows are "
        "by hand; the last one is PyTorch with the bias in a parameter group without decay.",
        ["Version", *PARAMETERS.values(), "Norm"],
        rows,
        last[[*PARAMETERS, "norm", "distance"]].reset_index(),
        sortable=False,
    )


def kept(shrinkage: pd.DataFrame) -> Table:
    """What the decay alone leaves of a weight."""
    rows = [
        [
            Cell(f"{size:.0f} rows"),
            number_cell(steps, 0),
            *(number_cell(100 * share, 3) for share in shares),
        ]
        for size, steps, *shares in shrinkage.to_numpy()
    ]
    return Table(
        "decay_scaling-shrinkage",
        "Percentage of a weight that the decay alone would leave.",
        ["Batch", "Steps per epoch", "After a step", "After an epoch", "After an epoch, if divided by the batch size"],
        rows,
        shrinkage,
        sortable=False,
    )


def facts(
    outcomes: pd.DataFrame, paths: pd.DataFrame, shrinkage: pd.DataFrame, parameters: dict[str, Any]
) -> dict[str, Any]:
    """The numbers in the prose."""
    last = paths.groupby("version").last()
    by_version: dict[str, list[float]] = {version: [] for version in BATCHES}
    for case in outcomes["case"].unique():
        by_version[case.partition("/")[2]] += norms(outcomes, case).tolist()
    return {
        "parameters": parameters,
        "divided_decay": f"{parameters['decay'] / parameters['rows']:g}",
        "norms": {version: number(norm, 2) for version, norm in last["norm"].items()},
        "biases": {version: number(bias, 2) for version, bias in last["bias"].items()},
        "ranges": {version: [number(end, 2) for end in (min(n), max(n))] for version, n in by_version.items()},
        "lost_per_step": number(100 * (1 - shrinkage["step"].iloc[0]), 1),
        "smallest": int(shrinkage["batch_size"].min()),
        "most_steps": int(shrinkage["steps"].max()),
        "lost_per_epoch": number(100 * (1 - shrinkage["epoch"].min()), 1),
    }
