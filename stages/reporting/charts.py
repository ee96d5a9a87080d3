"""The charts, as Vega-Lite specifications without their data.

Each is a row of panels that the page's script lays out in as many columns as fit. Colors are those of `colors.py`,
whose dark counterparts CSS puts in their place, in pages and in SVG files alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from stages.config import BASELINE, DEFAULT, TUNED
from stages.reporting.colors import BLUE, GREEN, GREY, GRID, INK, MUTED, PAPER, PURPLE, VERMILION

Spec = dict[str, Any]

FONT = "Helvetica, Arial, sans-serif"
PANEL = {"width": 262, "height": 190}
"""Pixels of a panel in the SVG files."""

CONFIG: Spec = {
    "aria": False,  # a chart is one picture with one description, not a list of marks
    "background": PAPER,
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "domainColor": MUTED,
        "gridColor": GRID,
        "labelColor": MUTED,
        "labelFontSize": 12,
        "tickColor": MUTED,
        "tickSize": 4,
        "titleColor": INK,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "header": {
        "labelAnchor": "start",
        "labelColor": INK,
        "labelFontSize": 13,
        "labelFontWeight": "bold",
        "labelPadding": 6,
        "title": None,
    },
    "legend": {
        "labelColor": INK,
        "labelFontSize": 12,
        "labelLimit": 320,
        "orient": "top",
        "symbolSize": 90,
        "symbolStrokeWidth": 2,
        "title": None,
    },
}

OWN_SCALES: Spec = {"resolve": {"scale": {"y": "independent"}}}
"""What a chart is merged with whose panels have vertical scales of their own."""
SPACING = 28
"""Pixels between panels; the page's script reads it from the chart."""


DIRECTIONS = {
    "better": (BLUE, "triangle-right"),
    "worse": (VERMILION, "triangle-left"),
    "negligible": (GREEN, "square"),
    "undecided": (GREY, "circle"),
}
"""Color and shape of a difference of test accuracy by its verdict."""


@cache
def differences(
    variants: tuple[str, ...], panels: tuple[str, ...], smallest: float, domain: tuple[float, float]
) -> Spec:
    """Two dots with intervals for each variant, as written and tuned, over the band of negligible differences.

    Data: `panel, variant, track, difference, low, high, verdict, unfinished` with a verdict of `DIRECTIONS` and a count
    of networks.
    """
    verdicts = alt.Scale(domain=list(DIRECTIONS), range=[color for color, _ in DIRECTIONS.values()])
    shapes = alt.Scale(domain=verdicts.domain, range=[shape for _, shape in DIRECTIONS.values()])
    scale = alt.Scale(domain=list(domain), clamp=True, nice=False)
    band = once().mark_rect(color=GRID).encode(x=alt.datum(-smallest), x2=alt.datum(smallest))
    base = alt.Chart().encode(
        y=rows_of("variant", variants),
        yOffset=alt.YOffset("track:N").scale(domain=[DEFAULT, TUNED], paddingOuter=0.35),
        color=alt.Color("verdict:N").scale(verdicts),
    )
    zero = once().mark_rule(color=MUTED, strokeDash=[3, 3]).encode(x=alt.datum(0))
    intervals = base.mark_rule(strokeWidth=1.5).encode(
        x=alt.X("low:Q").title("Difference from the tuned reference (points)").scale(scale).axis(tickCount=6),
        x2="high:Q",
    )
    dots = base.encode(
        x="difference:Q",
        shape=alt.Shape("verdict:N").scale(shapes),
        tooltip=tooltip(
            variant="variant:N",
            track="track:N",
            difference="difference:Q",
            low="low:Q",
            high="high:Q",
            verdict="verdict:N",
            unfinished="unfinished:N",
        ),
    )
    full = dots.transform_filter(f"datum.track == '{TUNED}'").mark_point(filled=True, size=70, opacity=1)
    hollow = dots.transform_filter(f"datum.track == '{DEFAULT}'").mark_point(fill=PAPER, size=45, strokeWidth=1.5)
    return in_panels(band + zero + intervals + hollow + full, panels, left=126, height=24 * len(variants))


@cache
def scatter(panels: tuple[str, ...], x_title: str, y_title: str) -> Spec:
    """A dot for each variant, that of the reference with its name.

    Data: `panel, variant, x, y, unfinished`, the last a count of replicas; dots are hollow where there are any.
    """
    base = alt.Chart().encode(
        x=alt.X("x:Q").title(x_title).scale(zero=False).axis(tickCount=5),
        y=alt.Y("y:Q").title(y_title).scale(zero=False).axis(tickCount=5),
    )
    is_reference = f"datum.variant == '{BASELINE}'"
    own = alt.condition(is_reference, alt.value(VERMILION), alt.value(BLUE))
    dots = base.mark_point(size=45, strokeWidth=1.5).encode(
        stroke=own,
        fill=alt.condition("datum.unfinished > 0", alt.value(PAPER), alt.value(BLUE)),
        tooltip=[
            *tooltip(variant="variant:N", unfinished="unfinished:N"),
            alt.Tooltip("x:Q", title=x_title, format=".1f"),
            alt.Tooltip("y:Q", title=y_title, format=".1f"),
        ],
    )
    name = base.transform_filter(is_reference).mark_text(align="left", dx=7, dy=-7, color=INK, fontSize=12)
    return in_panels(dots + name.encode(text="variant:N"), panels, left=66)


@dataclass(frozen=True)
class Series:
    """One of several things drawn in a panel: its name in the data and the legend, and how it looks."""

    name: str
    color: str
    dashes: tuple[int, int] = (1, 0)
    """Its line: pixels drawn and left out."""
    band: bool = False
    """Whether a band from `low` to `high` is drawn around its line."""
    shape: str = "circle"
    """The shape of its dots, by Vega's names."""


LOOKS = {
    "training": Series("training", BLUE, band=True),
    "validation": Series("validation", VERMILION, (6, 3), band=True),
    "validation, default": Series("validation, default", VERMILION, (1, 3)),
    f"validation, {BASELINE}": Series(f"validation, {BASELINE}", GREY, (2, 2)),
    "tuned": Series("tuned", BLUE, band=True),
    "default": Series("default", BLUE, (1, 3)),
    BASELINE: Series(BASELINE, GREY, (2, 2)),
    "wrong label": Series("wrong label", VERMILION, band=True),
    "true label": Series("true label", BLUE, (6, 3), band=True),
    "wrong label, default": Series("wrong label, default", VERMILION, (1, 3)),
    "true label, default": Series("true label, default", BLUE, (2, 3)),
}
"""The series of learning curves: of a variant as tuned unless they say otherwise; gray of the tuned reference."""


def several(names: Iterable[str], band: bool = False) -> tuple[Series, ...]:
    """Series for up to five things that are told apart by color, dashes and shape."""
    looks = (
        (BLUE, (1, 0), "circle"),
        (VERMILION, (6, 3), "square"),
        (GREEN, (2, 2), "triangle-up"),
        (PURPLE, (8, 3), "diamond"),
        (GREY, (4, 4), "cross"),
    )
    return tuple(Series(name, c, dashes, band, shape) for name, (c, dashes, shape) in zip(names, looks, strict=False))


@cache
def dots(
    rows: tuple[str, ...],
    panels: tuple[str, ...],
    title: str,
    *,
    left: int = 126,
    series: tuple[Series, ...] = (),
    mark: float | None = None,
    domain: tuple[float, float] | None = None,
    zero: bool = False,
    log: bool = False,
) -> Spec:
    """A row for each thing that is compared: dots with intervals, and a dashed line at `mark`.

    Data: `panel, row, value, low, high`, and `series` if several series share a row. An interval without a finite end
    has no length, and so is not visible.
    """
    scale = alt.Scale(type="log") if log else alt.Scale(zero=zero)
    if domain:
        scale = alt.Scale(domain=list(domain), clamp=True)
    base = alt.Chart().encode(y=rows_of("row", rows))
    look: dict[str, Any] = {} if series else {"color": BLUE}
    names = [each.name for each in series]
    if series:
        base = base.encode(
            color=alt.Color("series:N").scale(domain=names, range=[each.color for each in series]),
            yOffset=alt.YOffset("series:N").scale(domain=names, paddingOuter=0.35),
        )
    # If intervals without finite ends were dropped, an axis with no others would have no extent.
    finite = "isValid(toNumber(datum.low)) && isValid(toNumber(datum.high)) ? {} : {}".format
    intervals = (
        base.transform_calculate(
            start=finite("toNumber(datum.low)", "datum.value"), end=finite("toNumber(datum.high)", "datum.value")
        )
        .mark_rule(strokeWidth=1.5, **look)
        .encode(x=alt.X("start:Q").title(title).scale(scale).axis(tickCount=5), x2="end:Q")
    )
    points = (
        base.transform_calculate(
            interval=finite("format(datum.low, '.3~g') + ' to ' + format(datum.high, '.3~g')", "'none'")
        )
        .mark_point(filled=True, size=60, opacity=1, **look)
        .encode(
            x=alt.X("value:Q").title(title).scale(scale),
            tooltip=[
                *tooltip(name="row:N", **({"series": "series:N"} if series else {})),
                alt.Tooltip("value:Q", format=".3~g"),
                alt.Tooltip("interval:N"),
            ],
        )
    )
    if series:
        points = points.encode(shape=alt.Shape("series:N").scale(domain=names, range=[each.shape for each in series]))
    layers = intervals + points
    if mark is not None:
        layers = once().mark_rule(color=MUTED, strokeDash=[3, 3]).encode(x=alt.datum(mark)) + layers
    height = max(20, 11 * len(series)) * len(rows)
    return in_panels(layers, panels, left=left, height=height)


LOG_TICKS = tuple(step * 10.0**power for power in range(-15, 7) for step in (1, 3))
"""The ticks of a logarithmic axis over a few powers of ten."""
MOST_TICKS = 7


def log_ticks(values: Iterable[float]) -> tuple[float, ...]:
    """Ticks of a logarithmic axis over these positive values: whole powers of ten where there are many."""
    powers = np.log10([value for value in values if value > 0])
    low, high = int(np.floor(powers.min())), int(np.ceil(powers.max()))
    if 2 * (high - low) <= MOST_TICKS:
        return LOG_TICKS
    every = -(-(high - low) // MOST_TICKS)
    return tuple(10.0**power for power in range(-every * (-low // every), high + 1, every))


@cache
def lines(
    title: str,
    series: tuple[Series, ...],
    panels: tuple[str, ...],
    *,
    hover: bool,
    x: str = "epoch",
    x_title: str = "Epoch",
    log: bool = False,
    log_x: bool = False,
    ticks: tuple[float, ...] = LOG_TICKS,
    domain: tuple[float, float] | None = None,
) -> Spec:
    """Lines, some with a band around them.

    Data as `wide` makes it. With `hover` the pointer shows the values at the nearest x. The vertical axis has `ticks`
    if it is logarithmic, and otherwise reaches over `domain`, if given.
    """
    names = [each.name for each in series]
    colors = alt.Scale(domain=names, range=[each.color for each in series])
    dashes = alt.Scale(domain=names, range=[list(each.dashes) for each in series])
    legend = alt.Legend(symbolType="stroke", symbolOpacity=1, symbolSize=300)
    across = alt.X(f"{x}:Q").title(x_title).axis(grid=False, tickCount=5)
    base = alt.Chart().encode(
        x=across.scale(type="log") if log_x else across,
        color=alt.Color("series:N").scale(colors).legend(legend),
    )
    scale = alt.Scale(domain=list(domain)) if domain else alt.Scale(zero=False)
    axis = alt.Axis(tickCount=5)
    if log:
        scale = alt.Scale(type="log", nice=False)
        axis = alt.Axis(format="~g", values=list(ticks))
    drawn = base.mark_line(strokeWidth=1.8).encode(
        y=alt.Y("mean:Q").title(title).scale(scale).axis(axis),
        strokeDash=alt.StrokeDash("series:N").scale(dashes).legend(legend),
    )
    chart = alt.LayerChart(layer=[drawn])
    if banded := [each.name for each in series if each.band]:
        bands = base.transform_filter(alt.FieldOneOfPredicate("series", banded)).mark_area(opacity=0.18)
        chart = bands.encode(y=alt.Y("low:Q").title(title).scale(scale).axis(axis), y2="high:Q") + drawn
    columns = {
        column: f"[{', '.join(f'toNumber(datum[{json.dumps(name + ending)}])' for name in names)}]"
        for column, ending in ENDINGS.items()
    }
    chart = (
        chart.transform_calculate(series=json.dumps(names), **columns)
        .transform_flatten(["series", *columns])
        .transform_filter("isValid(datum.mean)")
    )
    if hover:
        nearest = alt.selection_point(on="pointermove", nearest=True, fields=[x], empty=False, name="under")
        chart += (
            alt.Chart()
            .transform_pivot("series", value="mean", groupby=["panel", x])
            .mark_rule(color=MUTED)
            .encode(
                x=f"{x}:Q",
                opacity=alt.condition(nearest, alt.value(1), alt.value(0)),
                tooltip=[
                    alt.Tooltip(f"{x}:Q", title=x_title),
                    *(alt.Tooltip(f"{literal(name)}:Q", title=name, format=".4~g") for name in names),
                ],
            )
            .add_params(nearest)
        )
    spec = in_panels(chart, panels, left=66)
    return spec | {"usermeta": spec["usermeta"] | {"x": x}}


ENDINGS = {"mean": "", "low": ", lowest", "high": ", highest"}
"""How the columns of one line are told apart in `wide`."""


def wide(data: pd.DataFrame, x: str) -> pd.DataFrame:
    """The data of a chart of lines with columns for each series, a third as long as `panel, series, <x>, mean, low,
    high`: a row for each panel and x."""
    values = [column for column in ENDINGS if column in data]
    rows = data.pivot(index=["panel", x], columns="series", values=values).sort_index(level=x)
    order = [(value, name) for name in data["series"].unique() for value in values if rows[value, name].notna().any()]
    table = rows[order].set_axis([name + ENDINGS[value] for value, name in order], axis=1).reset_index()
    panels = {panel: place for place, panel in enumerate(data["panel"].unique())}
    return table.sort_values("panel", key=lambda panel: panel.map(panels), kind="stable", ignore_index=True)


def literal(name: str) -> str:
    """A field's name as Vega takes it, in which dots and brackets would lead into the field."""
    return re.sub(r"([.\[\]:])", r"\\\1", name)


@cache
def confusion(classes: tuple[str, ...], panels: tuple[str, ...]) -> Spec:
    """Heat maps of the share of each true class predicted as each class.

    Data: `panel, true, predicted, share`, without the pairs that never came about.
    """
    scale = alt.Scale(domain=list(classes))
    base = alt.Chart().encode(
        x=alt.X("predicted:N").scale(scale).title("Predicted class").axis(labelAngle=0, ticks=False),
        y=alt.Y("true:N").scale(scale).title("True class").axis(ticks=False),
    )
    cells = base.mark_rect(color=BLUE, stroke=PAPER).encode(
        fillOpacity=alt.FillOpacity("share:Q").scale(domain=[0, 100], range=[0.04, 1]).legend(None),
        tooltip=[
            alt.Tooltip("true:N", title="True class"),
            alt.Tooltip("predicted:N", title="Predicted class"),
            alt.Tooltip("share:Q", title="Share of the true class (%)", format=".1f"),
        ],
    )
    numbers = (
        base.transform_filter("datum.share >= 0.5")
        .mark_text(fontSize=10)
        .encode(
            text=alt.Text("share:Q", format=".0f"),
            color=alt.condition("datum.share > 55", alt.value(PAPER), alt.value(INK)),
        )
    )
    written = len(classes) <= 12  # more numbers would not be readable
    return in_panels(cells + numbers if written else cells, panels, left=66, height=PANEL["width"], square=True)


def once() -> alt.Chart:
    """A layer that is drawn once in each panel, not once for each row of the data."""
    return alt.Chart().transform_aggregate(rows="count()", groupby=["panel"])


def rows_of(field: str, names: Iterable[str]) -> alt.Y:
    return alt.Y(f"{field}:N").sort(list(names)).title(None).axis(grid=True, ticks=False, domain=False)


def tooltip(**fields: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip(field, title=title, format=".2f") if field.endswith(":Q") else alt.Tooltip(field, title=title)
        for title, field in fields.items()
    ]


def in_panels(
    chart: alt.LayerChart, panels: tuple[str, ...], left: int, height: int = PANEL["height"], square: bool = False
) -> Spec:
    """The chart once per panel; `left` is the room in pixels that labels take beside the first column."""
    faceted = chart.properties(width=PANEL["width"], height=height).facet(
        facet=alt.Facet("panel:N").sort(list(panels)),
        columns=len(panels),
        data=alt.InlineData(values="", format=alt.CsvDataFormat(type="csv")),
        spacing=SPACING,
        usermeta={"left": left, "square": square},
    )
    # Altair's check against the schema of Vega-Lite takes as long as everything else; a test makes it for every chart.
    return faceted.to_dict(validate=False) | {"config": CONFIG}
