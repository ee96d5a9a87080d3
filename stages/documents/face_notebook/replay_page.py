"""The page of the replay: the face notebook's figures drawn anew, and what is wrong with its comparisons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from stages.artefacts import read_json, read_parquet
from stages.documents.page import DocumentPage, read_record
from stages.reporting import charts
from stages.reporting.charts import Series, Spec
from stages.reporting.colors import BLUE, VERMILION
from stages.reporting.figures import LEAST_LOSS, Figure
from stages.reporting.tables import Cell, Table, number, number_cell

TITLE = "The face notebook, draw for draw"
MEASURED = {"train": "Training images", "val": "Validation images"}
SHOWN = (Series("training", BLUE), Series("validation", VERMILION, (6, 3)))
PENALTIES = {
    "unregularized": "No penalty",
    "l1": "L1",
    "l2": "L2",
    "l1_l2": "L1 and L2",
}
DROPOUT = {"big": "BigAnimalNet", "dropout": "AnimalNetDropout"}
AUGMENTATION = {"pure": "images as they are", "augmented": "images flipped at random"}
RATES = {"lr_0.0005": "0.0005", "lr_0.001": "0.001", "lr_0.005": "0.005"}
LABELS = {
    "memorize_clean": "True labels",
    "memorize_partly_random": "Partly random labels",
    "memorize_random": "Random labels",
}


def page(folder: Path) -> DocumentPage:
    record = read_record(folder)
    if not record["parameters"]:
        return DocumentPage("replay", TITLE, {})
    curves = read_parquet(folder / "curves.parquet")
    layers = read_parquet(folder / "layers.parquet")
    long = read_parquet(folder / "outcomes.parquet")
    outcomes = {str(name): dict(zip(own["metric"], own["value"], strict=True)) for name, own in long.groupby("case")}
    splits = read_json(folder / "splits.json")
    images = {name: {part: len(indices) for part, indices in split.items()} for name, split in splits.items()}
    sized = {
        name: f"{text}, {images[record['parameters'][name]['train']]['train']} images"
        for name, text in PENALTIES.items()
    }
    figures = {
        "penalties": each(curves, sized, "replay-penalties", "Accuracy with each penalty"),
        "penalties_joint": joint(curves, sized, "replay-penalties-joint", "All penalties together"),
        "penalties_norm": norms(curves, sized, "replay-penalties-norm", "Parameter norm with each penalty"),
        "penalties_loss": losses(curves, sized, "replay-penalties-loss", "Loss with each penalty"),
        "layers": bars(layers, sized, "replay-layers", "Norm of each layer before and after training"),
        "dropout": joint(curves, DROPOUT, "replay-dropout", "With dropout, and a network without"),
        "dropout_norm": norms(curves, DROPOUT, "replay-dropout-norm", "Parameter norm with dropout and without"),
        "augmentation": joint(curves, AUGMENTATION, "replay-augmentation", "With flips and without"),
        "augmentation_norm": norms(
            curves, AUGMENTATION, "replay-augmentation-norm", "Parameter norm with flips and without"
        ),
        "rates": joint(curves, RATES, "replay-rates", "Three learning rates"),
        "rates_norm": norms(curves, RATES, "replay-rates-norm", "Parameter norm at each learning rate"),
        "labels": each(curves, LABELS, "replay-memorization", "Memorization of true and of wrong labels"),
        "stopping": each(
            curves, {"early_stopping": "Stopped early"}, "replay-early-stopping", "A run that is stopped early"
        ),
    }
    return DocumentPage(
        "replay",
        TITLE,
        figures,
        {"experiments": experiments(curves, outcomes, layers, record["parameters"], images)},
        facts(curves, outcomes, layers, splits, record),
    )


def each(curves: pd.DataFrame, names: Mapping[str, str], name: str, title: str) -> Figure:
    """A panel for each experiment, with its accuracy on both sets of images."""
    shown = {"train_acc": SHOWN[0].name, "val_acc": SHOWN[1].name}
    data = pd.concat(
        curves.assign(panel=curves["experiment"].map(names), series=series, mean=curves[column])
        for column, series in shown.items()
    )
    return _accuracies(data, name, title, SHOWN, tuple(names.values()))


def joint(curves: pd.DataFrame, names: Mapping[str, str], name: str, title: str) -> Figure:
    """The accuracies of several experiments, a panel for each set of images."""
    data = _by_images(curves, names, "acc")
    return _accuracies(data, name, title, charts.several(names.values()), tuple(MEASURED.values()))


def losses(curves: pd.DataFrame, names: Mapping[str, str], name: str, title: str) -> Figure:
    """The losses of several experiments, without their penalties, a panel for each set of images."""
    data = _by_images(curves, names, "loss")
    return _lines(
        data.assign(mean=data["mean"].clip(lower=LEAST_LOSS)),
        name,
        title,
        "Mean negative log-likelihood of the labels, without the penalty, which the notebook computes but does not "
        f"show. The axis is logarithmic and ends at {LEAST_LOSS:g} nats, where smaller losses are drawn.",
        "Loss (nats)",
        charts.several(names.values()),
        tuple(MEASURED.values()),
        log=True,
    )


def norms(curves: pd.DataFrame, names: Mapping[str, str], name: str, title: str) -> Figure:
    data = curves.assign(panel="All parameters", series=curves["experiment"].map(names), mean=curves["param_norm"])
    return _lines(
        data,
        name,
        title,
        "Square root of the sum of squares over all weights and biases, after each epoch.",
        "Norm",
        charts.several(names.values()),
        ("All parameters",),
    )


def bars(layers: pd.DataFrame, names: Mapping[str, str], name: str, title: str) -> Figure:
    own = layers.assign(panel=layers["experiment"].map(names), row=layers["layer"].str.replace(".", " "))
    data = own.dropna(subset="panel").melt(["panel", "row"], ["before", "after"], "series", "norm")
    chart = norm_bars(tuple(dict.fromkeys(data["row"])), tuple(names.values()))
    return Figure(
        name,
        title,
        "Frobenius norm, the square root of the sum of squares, of the weights and of the biases of each layer; fc1 is "
        "next to the image, fc3 gives the outputs.",
        chart,
        chart,
        data,
    )


@cache
def norm_bars(rows: tuple[str, ...], panels: tuple[str, ...]) -> Spec:
    """Two bars for each row. Data: `panel, row, series, norm` with series `before` and `after`."""
    series = alt.Scale(domain=["before", "after"], range=[VERMILION, BLUE])
    drawn = (
        alt.Chart()
        .mark_bar()
        .encode(
            y=alt.Y("row:N").sort(list(rows)).title(None).axis(ticks=False, domain=False),
            yOffset=alt.YOffset("series:N").scale(domain=series.domain, paddingInner=0.1),
            x=alt.X("norm:Q").title("Norm").axis(tickCount=5),
            color=alt.Color("series:N").scale(series),
            tooltip=charts.tooltip(layer="row:N", when="series:N", norm="norm:Q"),
        )
    )
    return charts.in_panels(alt.LayerChart(layer=[drawn]), panels, left=86, height=26 * len(rows))


def _by_images(curves: pd.DataFrame, names: Mapping[str, str], metric: str) -> pd.DataFrame:
    return pd.concat(
        curves.assign(panel=panel, series=curves["experiment"].map(names), mean=curves[f"{images}_{metric}"])
        for images, panel in MEASURED.items()
    )


def _accuracies(
    data: pd.DataFrame, name: str, title: str, series: tuple[Series, ...], panels: tuple[str, ...]
) -> Figure:
    text = "Accuracy after each epoch."
    return _lines(data, name, title, text, "Accuracy (%)", series, panels, domain=(0, 100))


def _lines(
    data: pd.DataFrame,
    name: str,
    title: str,
    text: str,
    axis: str,
    series: tuple[Series, ...],
    panels: tuple[str, ...],
    **scale: Any,
) -> Figure:
    """Those of the data's rows that have a panel and a series."""
    chart, still = (charts.lines(axis, series, panels, hover=hover, **scale) for hover in (True, False))
    drawn = data.dropna(subset=["panel", "series"])[["panel", "series", "epoch", "mean"]]
    return Figure(name, title, text, chart, still, drawn)


def experiments(
    curves: pd.DataFrame,
    outcomes: Mapping[str, Mapping[str, float]],
    layers: pd.DataFrame,
    parameters: Mapping[str, Mapping[str, Any]],
    images: Mapping[str, Mapping[str, int]],
) -> Table:
    """Every experiment: what it trains, on what, and what came out."""
    initial, epochs = initial_norms(layers), curves.groupby("experiment")["epoch"].max()
    rows, data = [], []
    for name, own in parameters.items():
        found = outcomes[name]
        train, val = images[own["train"]]["train"], images[own["val"]]["val"]
        fitted = found.get("first_epoch_fitted", math.nan)
        rows.append(
            [
                Cell(name, sort=name, code=True),
                Cell(own["network"], method(own)),
                Cell(f"{train} / {val}", own["train"], train),
                Cell(number(epochs[name], 0), f"of {own['epochs']}" * bool(epochs[name] < own["epochs"]), epochs[name]),
                Cell(f"{own['lr']:g}", f"{own['momentum']:g}", own["lr"]),
                number_cell(100 * found["max_val_acc"], 1),
                number_cell(100 * found["final_val_acc"], 1),
                number_cell(100 * found["final_train_acc"], 1),
                number_cell(fitted, 0),
                Cell(number(found["final_param_norm"], 2), f"from {number(initial[name], 2)}"),
            ]
        )
        data.append({"experiment": name, **own, "train_images": train, "val_images": val, **found})
    return Table(
        "replay-experiments",
        "Every experiment. Images: trained on / validated on, and the split. Epochs: trained for, and of how many if "
        "it was stopped. Rate: learning rate, momentum. Accuracies in percent: the largest over all epochs, and that "
        "of the last one. Fitted: the first epoch after which every training image is classified according to its "
        "label.",
        ["Experiment", "Network", "Images", "Epochs", "Rate", "Largest", "Last", "Last", "Fitted", "Norm"],
        rows,
        pd.DataFrame(data),
        [("", 5), ("Validation", 2), ("Training", 1), ("", 2)],
        stacked=True,
    )


def method(experiment: Mapping[str, Any]) -> str:
    """What an experiment does against overfitting, in words."""
    penalties = [f"{name.upper()} {experiment[name]:g}" for name in ("l1", "l2") if experiment[name]]
    flips = ["random flips"] if experiment["flips"] else []
    stops = [f"patience {experiment['patience']}"] if experiment["patience"] is not None else []
    return ", ".join(penalties + flips + stops)


def initial_norms(layers: pd.DataFrame) -> Mapping[str, float]:
    """The norm of all initial parameters, by experiment."""
    return {str(name): math.hypot(*own["before"]) for name, own in layers.groupby("experiment")}


def facts(
    curves: pd.DataFrame,
    outcomes: Mapping[str, Mapping[str, float]],
    layers: pd.DataFrame,
    splits: Mapping[str, Mapping[str, list[int]]],
    record: Mapping[str, Any],
) -> dict[str, Any]:
    parameters = record["parameters"]
    share = outcomes["unregularized"]["max_val_acc"]
    val = len(splits["reg"]["val"])
    unregularized = curves[curves["experiment"] == "unregularized"]
    stopped = curves[curves["experiment"] == "early_stopping"].set_index("epoch")["train_acc"]

    def percent(name: str, metric: str) -> str:
        return number(100 * outcomes[name][metric], 0)

    def fitted(name: str) -> str:
        epoch = outcomes[name].get("first_epoch_fitted", math.nan)
        return f"after epoch {epoch:.0f}" if math.isfinite(epoch) else "in no epoch"

    return {
        "images": {name: {part: len(indices) for part, indices in split.items()} for name, split in splits.items()},
        "largest": {name: percent(name, "max_val_acc") for name in outcomes},
        "trained": {name: percent(name, "final_train_acc") for name in outcomes},
        "fitted": {name: fitted(name) for name in outcomes},
        "memorized": "first_epoch_fitted" in outcomes["memorize_random"],
        "norm": {name: number(outcomes[name]["final_param_norm"], 2) for name in outcomes},
        "initial_norm": number(initial_norms(layers)["unregularized"], 4),
        "first_norm": number(unregularized["param_norm"].iloc[0], 4),
        "standard_error": number(100 * math.sqrt(share * (1 - share) / val), 1),
        "both_trained": len({*splits["aug"]["train"]} & {*splits["pure"]["train"]}),
        "seen": len({*splits["aug"]["train"]} & {*splits["pure"]["val"]}),
        "stopping": {
            "best": f"{outcomes['early_stopping']['best_epoch']:.0f}",
            "last": int(stopped.index.max()),
            "trained": [number(accuracy, 0) for accuracy in (stopped.iloc[0], stopped.iloc[-1])],
            "epochs": parameters["early_stopping"]["epochs"],
            "patience": parameters["early_stopping"]["patience"],
        },
    }
