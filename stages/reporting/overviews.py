"""Charts of many variants at once, as Vega-Lite specifications without their data, like those of `charts.py`."""

from __future__ import annotations

from functools import cache
from typing import Any

import altair as alt
import pandas as pd

from stages.config import BASELINE
from stages.reporting.charts import Series, Spec, in_panels, once, rows_of, several, tooltip
from stages.reporting.colors import BLUE, GREY, GRID, INK, MUTED, PAPER, VERMILION

OTHERS = "other variants"
HIGHLIGHTED = 4
"""How many lines besides the reference's have a color of their own."""


def told_apart(names: tuple[str, ...]) -> tuple[Series, ...]:
    """Series for the reference, the first few variants and, if there are more, the others, which share a look."""
    own = [name for name in names if name != BASELINE]
    others = (Series(OTHERS, GREY),) if len(own) > HIGHLIGHTED else ()
    return Series(BASELINE, INK, (2, 2)), *several(own[:HIGHLIGHTED]), *others


def series_of(variants: pd.Series, series: tuple[Series, ...]) -> pd.Series:
    """The name of the series that each variant is drawn in."""
    return variants.where(variants.isin([each.name for each in series]), OTHERS)


@cache
def many_lines(
    title: str,
    series: tuple[Series, ...],
    panels: tuple[str, ...],
    *,
    x_title: str,
    steps: bool = False,
    mark: float | None = None,
    domain: tuple[float, float] | None = None,
) -> Spec:
    """A line for each variant, most of them thin and gray; with `steps` it is a staircase, and `mark` a vertical line.

    Data: `panel, variant, series, x, value` with the name of a series.
    """
    names = [each.name for each in series]
    legend = alt.Legend(symbolType="stroke", symbolOpacity=1, symbolSize=300)
    scale = alt.Scale(domain=list(domain)) if domain else alt.Scale(zero=False)
    chart = alt.LayerChart(
        layer=[
            alt.Chart()
            .transform_filter(f"(datum.series == '{OTHERS}') == {str(others).lower()}")
            .mark_line(
                strokeWidth=1 if others else 2,
                opacity=0.35 if others else 1,
                interpolate="step-after" if steps else "linear",
            )
            .encode(
                x=alt.X("x:Q")
                .title(x_title)
                .scale(zero=False, nice=False)
                .axis(grid=False, tickCount=6, tickMinStep=1),
                y=alt.Y("value:Q").title(title).scale(scale).axis(tickCount=5),
                detail="variant:N",
                color=alt.Color("series:N").scale(domain=names, range=[each.color for each in series]).legend(legend),
                strokeDash=alt.StrokeDash("series:N")
                .scale(domain=names, range=[list(each.dashes) for each in series])
                .legend(legend),
                tooltip=tooltip(variant="variant:N"),
            )
            for others in ([True, False] if OTHERS in names else [False])  # no empty layers, of which Vega complains
        ]
    )
    if mark is not None:
        chart = once().mark_rule(color=MUTED, strokeDash=[3, 3]).encode(x=alt.datum(mark)) + chart
    return in_panels(chart, panels, left=66, height=260)


@cache
def sizes(
    series: tuple[Series, ...], lines: tuple[str, ...], panels: tuple[str, ...], ticks: tuple[float, ...]
) -> Spec:
    """Dots with intervals over a logarithmic axis of sizes; those of the series `lines` are joined.

    Data: `panel, series, variant, parameters, mean, low, high, unfinished`, the last a count of networks; dots are
    hollow where there are any.
    """
    names = [each.name for each in series]
    looks: dict[str, Any] = {
        "color": alt.Color("series:N").scale(domain=names, range=[each.color for each in series]),
        "strokeDash": alt.StrokeDash("series:N").scale(domain=names, range=[list(each.dashes) for each in series]),
        "shape": alt.Shape("series:N").scale(domain=names, range=[each.shape for each in series]),
    }
    base = alt.Chart().encode(
        x=alt.X("parameters:Q").title("Parameters").scale(type="log").axis(values=list(ticks), format="~s"),
        color=looks["color"],
    )
    error = alt.Y("mean:Q").title("Error (%)").scale(zero=False).axis(tickCount=5)
    joined = base.transform_filter(alt.FieldOneOfPredicate("series", list(lines))).mark_line(strokeWidth=1.8)
    intervals = base.transform_filter("isValid(datum.low) && isValid(datum.high)").mark_rule(strokeWidth=1.5)
    dots = base.mark_point(size=55, strokeWidth=1.5, opacity=1).encode(
        y=error,
        shape=looks["shape"],
        fill=alt.condition("datum.unfinished > 0", alt.value(PAPER), looks["color"]),
        tooltip=[
            *tooltip(variant="variant:N", shown="series:N"),
            alt.Tooltip("parameters:Q", format=","),
            *(alt.Tooltip(f"{field}:Q", title=title, format=".1f") for title, field in ENDS.items()),
            *tooltip(unfinished="unfinished:N"),
        ],
    )
    layers = (
        joined.encode(y=error, strokeDash=looks["strokeDash"])
        + intervals.encode(y=alt.Y("low:Q").title("Error (%)"), y2="high:Q")
        + dots
    )
    return in_panels(layers, panels, left=66, height=240)


ENDS = {"error (%)": "mean", "low": "low", "high": "high"}


@cache
def strips(rows: tuple[str, ...], panels: tuple[str, ...], title: str) -> Spec:
    """A row of dots for each variant over a logarithmic axis: faint where tried, bold where chosen, on a line over the
    range that was searched.

    Data: `panel, row, value, low, high, kind, score` with the kinds `tried` and `chosen`.
    """
    kinds = {"tried": (GREY, "circle"), "chosen": (VERMILION, "diamond")}
    scale = alt.Scale(type="log", nice=False)
    base = alt.Chart().encode(y=rows_of("row", rows))
    ranges = (
        base.transform_aggregate(low="min(low)", high="max(high)", groupby=["panel", "row"])
        .mark_rule(color=GRID, strokeWidth=6, strokeCap="round")
        .encode(x=alt.X("low:Q").title(title).scale(scale).axis(tickCount=5, format="~g"), x2="high:Q")
    )
    dots = base.mark_point(filled=True).encode(
        x=alt.X("value:Q").title(title).scale(scale),
        color=alt.Color("kind:N").scale(domain=list(kinds), range=[color for color, _ in kinds.values()]),
        shape=alt.Shape("kind:N").scale(domain=list(kinds), range=[shape for _, shape in kinds.values()]),
        opacity=alt.condition("datum.kind == 'chosen'", alt.value(1), alt.value(0.45)),
        size=alt.condition("datum.kind == 'chosen'", alt.value(70), alt.value(26)),
        tooltip=[
            *tooltip(variant="row:N"),
            alt.Tooltip("value:Q", title=title, format=".3~g"),
            alt.Tooltip("score:Q", title="Validation accuracy (%)", format=".1f"),
            *tooltip(trial="kind:N"),
        ],
    )
    return in_panels(ranges + dots, panels, left=126, height=20 * len(rows))


@cache
def axes(panels: tuple[str, ...], series: tuple[Series, ...]) -> Spec:
    """A variant's trials against their score, a panel for each hyperparameter from one end of its range to the other.

    Data: `panel, series, position, value, score, kind` with the kinds `tried` and `chosen`; the position is 0 at the
    lower end of the range and 1 at the upper.
    """
    names = [each.name for each in series]
    ends = "datum.value == 0 ? 'lowest' : datum.value == 1 ? 'highest' : ''"
    dots = (
        alt.Chart()
        .mark_point(filled=True)
        .encode(
            x=alt.X("position:Q")
            .title("Place in the range searched")
            .scale(domain=[0, 1])
            .axis(values=[0, 0.25, 0.5, 0.75, 1], labelExpr=ends, labelFlush=True),
            y=alt.Y("score:Q").title("Validation accuracy (%)").scale(zero=False).axis(tickCount=5),
            color=alt.Color("series:N").scale(domain=names, range=[each.color for each in series]),
            shape=alt.Shape("series:N").scale(domain=names, range=[each.shape for each in series]),
            opacity=alt.condition("datum.kind == 'chosen'", alt.value(1), alt.value(0.4)),
            size=alt.condition("datum.kind == 'chosen'", alt.value(110), alt.value(36)),
            tooltip=[
                *tooltip(task="series:N"),
                alt.Tooltip("value:Q", title="Value", format=".3~g"),
                alt.Tooltip("score:Q", title="Validation accuracy (%)", format=".1f"),
                *tooltip(trial="kind:N"),
            ],
        )
    )
    return in_panels(alt.LayerChart(layer=[dots]), panels, left=66)


@cache
def heat(
    rows: tuple[str, ...], columns: tuple[str, ...], panels: tuple[str, ...], title: str, strongest: float
) -> Spec:
    """Heat maps of differences in points, blue above zero and red below it, full at `strongest` and beyond.

    Data: `panel, row, column, difference, low, high, verdict, text, link`; a cell leads to its link.
    """
    strength = f"min(1, abs(datum.difference) / {strongest:g})"
    base = (
        alt.Chart()
        .transform_calculate(strength=strength)
        .encode(
            x=alt.X("column:N")
            .sort(list(columns))
            .title(title)
            .axis(labelAngle=0, labelExpr="split(datum.label, ' ')", ticks=False, domain=False),
            y=alt.Y("row:N").sort(list(rows)).title(None).axis(ticks=False, domain=False),
            href="link:N",
            tooltip=[
                *tooltip(variant="row:N", task="column:N"),
                alt.Tooltip("difference:Q", format="+.2f"),
                *tooltip(low="low:Q", high="high:Q", verdict="verdict:N"),
            ],
        )
    )
    cells = base.mark_rect(stroke=PAPER).encode(
        color=alt.condition("datum.difference < 0", alt.value(VERMILION), alt.value(BLUE)),
        fillOpacity=alt.FillOpacity("strength:Q").scale(domain=[0, 1], range=[0.04, 1]).legend(None),
    )
    numbers = base.mark_text(fontSize=11).encode(
        text="text:N", color=alt.condition("datum.strength > 0.8", alt.value(PAPER), alt.value(INK))
    )
    return in_panels(cells + numbers, panels, left=126, height=22 * len(rows))
