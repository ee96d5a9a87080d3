"""The charts, as Vega-Lite specifications without their data.

Each is a row of panels that the page's script lays out in as many columns as fit. Colours are those of `colors.py`,
whose dark counterparts CSS puts in their place, in pages and in SVG files alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import altair as alt

from stages.config import BASELINE
from stages.reporting.colors import BLUE, GREY, GRID, INK, MUTED, PAPER, VERMILION

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

SPACING = 28
"""Pixels between panels; the page's script reads it from the chart."""


@cache
def differences(variants: tuple[str, ...], panels: tuple[str, ...]) -> Spec:
    """Dots with intervals of the difference to the reference.

    Data: `panel, variant, difference, low, high, verdict` with verdict `higher`, `lower` or `includes zero`.
    """
    verdicts = alt.Scale(
        domain=["higher", "lower", "includes zero"],
        range=[BLUE, VERMILION, GREY],
    )
    shapes = alt.Scale(domain=verdicts.domain, range=["triangle-right", "triangle-left", "circle"])
    base = alt.Chart().encode(y=rows_of(variants))
    zero = alt.Chart().mark_rule(color=MUTED, strokeDash=[3, 3]).encode(x=alt.datum(0))
    intervals = base.mark_rule(strokeWidth=1.5).encode(
        x=alt.X("low:Q").title(f"Difference to {BASELINE} (points)").axis(tickCount=6),
        x2="high:Q",
        color=alt.Color("verdict:N").scale(verdicts),
    )
    dots = base.mark_point(filled=True, size=75, opacity=1).encode(
        x="difference:Q",
        color=alt.Color("verdict:N").scale(verdicts),
        shape=alt.Shape("verdict:N").scale(shapes),
        tooltip=tooltip(variant="variant:N", difference="difference:Q", low="low:Q", high="high:Q"),
    )
    return in_panels(zero + intervals + dots, panels, left=126, height=20 * len(variants))


@cache
def shares(variants: tuple[str, ...], panels: tuple[str, ...]) -> Spec:
    """Dots with intervals of shares in per cent. Data: `panel, variant, mean, low, high`."""
    base = alt.Chart().encode(y=rows_of(variants))
    intervals = base.mark_rule(strokeWidth=1.5, color=BLUE).encode(
        x=alt.X("low:Q").title("Share (%)").scale(domain=[0, 100], clamp=True).axis(tickCount=5), x2="high:Q"
    )
    dots = base.mark_point(filled=True, size=60, opacity=1, color=BLUE).encode(
        x="mean:Q", tooltip=tooltip(variant="variant:N", mean="mean:Q", low="low:Q", high="high:Q")
    )
    return in_panels(intervals + dots, panels, left=126, height=20 * len(variants))


SERIES = {
    "training": (BLUE, [1, 0]),
    "validation": (VERMILION, [6, 3]),
    "this variant": (BLUE, [1, 0]),
    f"validation, {BASELINE}": (GREY, [2, 2]),
    BASELINE: (GREY, [2, 2]),
}
"""Colour and dashes of a curve; those of the reference are grey."""


@cache
def curves(title: str, series: tuple[str, ...], panels: tuple[str, ...], hover: bool, log: bool = False) -> Spec:
    """Means over the seeds against the epoch; around all but the reference a band shows the spread of the seeds.

    Data: `panel, series, epoch, mean, low, high`. With `hover` the pointer shows the values of an epoch.
    """
    colors = alt.Scale(domain=list(series), range=[SERIES[name][0] for name in series])
    dashes = alt.Scale(domain=list(series), range=[SERIES[name][1] for name in series])
    legend = alt.Legend(symbolType="stroke", symbolOpacity=1, symbolSize=300)
    base = alt.Chart().encode(
        x=alt.X("epoch:Q").title("Epoch").axis(grid=False, tickCount=5),
        color=alt.Color("series:N").scale(colors).legend(legend),
    )
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False)
    axis = alt.Axis(tickCount=5)
    if log:
        axis = alt.Axis(format="~g", values=[step * 10**power for power in range(-4, 5) for step in (1, 3)])
    bands = (
        base.transform_filter(alt.FieldOneOfPredicate("series", [name for name in series if SERIES[name][0] != GREY]))
        .mark_area(opacity=0.18)
        .encode(y=alt.Y("low:Q").title(title).scale(scale).axis(axis), y2="high:Q")
    )
    lines = base.mark_line(strokeWidth=1.8).encode(
        y="mean:Q", strokeDash=alt.StrokeDash("series:N").scale(dashes).legend(legend)
    )
    chart = bands + lines
    if hover:
        nearest = alt.selection_point(on="pointermove", nearest=True, fields=["epoch"], empty=False, name="epoch_under")
        chart += (
            alt.Chart()
            .transform_pivot("series", value="mean", groupby=["panel", "epoch"])
            .mark_rule(color=MUTED)
            .encode(
                x="epoch:Q",
                opacity=alt.condition(nearest, alt.value(1), alt.value(0)),
                tooltip=[
                    alt.Tooltip("epoch:Q", title="Epoch"),
                    *(alt.Tooltip(f"{name}:Q", title=name, format=".4~g") for name in series),
                ],
            )
            .add_params(nearest)
        )
    return in_panels(chart, panels, left=66)


@cache
def confusion(classes: tuple[str, ...], panels: tuple[str, ...]) -> Spec:
    """Heat maps of the share of each true class that was given each answer. Data: `panel, true, predicted, share`."""
    base = alt.Chart().encode(
        x=alt.X("predicted:N").sort(list(classes)).title("Predicted class").axis(labelAngle=0, ticks=False),
        y=alt.Y("true:N").sort(list(classes)).title("True class").axis(ticks=False),
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
    written = len(classes) <= 12  # more numbers than that would not be readable
    return in_panels(cells + numbers if written else cells, panels, left=66, height=PANEL["width"], square=True)


def rows_of(variants: Iterable[str]) -> alt.Y:
    return alt.Y("variant:N").sort(list(variants)).title(None).axis(grid=True, ticks=False, domain=False)


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
    return faceted.to_dict() | {"config": CONFIG}
