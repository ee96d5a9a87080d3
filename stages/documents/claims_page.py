"""The page of the claims: every claim of the documents, its verdict, and what the verdict rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import pandas as pd

from stages.artefacts import read_json
from stages.documents import DOCUMENTS
from stages.documents.rules import RUNS
from stages.reporting import site
from stages.reporting.charts import Spec, in_panels, once, tooltip
from stages.reporting.colors import BLUE, GREY, GRID, MUTED, VERMILION
from stages.reporting.figures import Figure
from stages.reporting.tables import Cell, Table, number, span

Entry = Mapping[str, Any]
"""A claim as `reports/claims.json` has it."""


class Ledger(NamedTuple):
    """`reports/claims.json`: the claims in their order, and how the rules came about."""

    claims: list[Entry]
    rules: Mapping[str, Any]
    """`date` on which they were frozen, the `rules` and the `tracks` that claims are judged on."""
    changes: list[Mapping[str, str]]


MARKS = {"holds": "✓", "fails": "✗", "undecided": "?", "not tested": "–"}
"""The verdicts and the signs shown beside their names."""
LOOKS = {"holds": (BLUE, "circle"), "fails": (VERMILION, "cross"), "undecided": (GREY, "diamond")}
"""Color and shape of a verdict in the figures."""
UNITS = {"points": ("points", 2), "percent": ("%", 1)}
"""How a unit is written, and with how many decimals."""
SIDES = {
    "greater": "greater",
    "less": "less",
    "negligible": "no effect that matters",
    "not less": "no loss that matters",
    "every": "every run",
    "same": "the same",
    "differs": "not the same",
}
"""What a part claims, in words."""
LEFT = 190
"""Pixels that the names of claims take beside a figure."""
TICKS = [0, *(sign * step * 10**power for power in (0, 1, 2) for step in (1, 2, 5) for sign in (-1, 1))]


def read(path: Path) -> Ledger:
    """Raises `UserError` if it is missing or damaged."""
    return Ledger(**read_json(path))


def counts(entries: Sequence[Entry]) -> dict[str, int]:
    """How many claims got each verdict."""
    return {name: sum(entry["verdict"] == name for entry in entries) for name in MARKS}


def cases(entry: Entry) -> dict[str, list[str]]:
    """The cases of a claim by their verdict; none where there is but one case."""
    by_verdict = {name: [case for case, verdict in entry["cases"].items() if verdict == name] for name in MARKS}
    return {name: found for name, found in by_verdict.items() if found and len(entry["cases"]) > 1}


def by_track(ledger: Ledger) -> dict[str, list[str]]:
    """The claims on the benchmark by the track they are judged on."""
    tracks = ledger.rules["tracks"]
    return {track: [name for name in tracks if tracks[name] == track] for track in dict.fromkeys(tracks.values())}


def by_document(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """The claims that each document makes, by its number."""
    numbers = [document.number for document in DOCUMENTS.values()]
    return {number: [entry for entry in entries if entry["document"] == number] for number in numbers}


def build(ledger: Ledger, drawn: Sequence[Figure], context: Mapping[str, Any]) -> dict[str, str | bytes]:
    """The page and its tables, by path in the site; `drawn` are its `figures`, which the caller draws."""
    entries = ledger.claims
    overview, parts = overview_table(entries), {entry["id"]: parts_table(entry) for entry in entries}
    html = site.render(
        "documents/claims_page.html",
        0,
        **context,
        page="claims",
        entries=entries,
        counts=counts(entries),
        data=list(dict.fromkeys(title for entry in entries for title in entry["data"])),
        documents={document.number: document for document in DOCUMENTS.values()},
        overview=overview,
        parts=parts,
        cases={entry["id"]: cases(entry) for entry in entries},
        figures=drawn,
        rules=ledger.rules,
        tracks=by_track(ledger),
        changes=ledger.changes,
        MARKS=MARKS,
        RUNS=RUNS,
    )
    return {"claims.html": html, **{f"tables/{table.name}.csv": table.csv for table in (overview, *parts.values())}}


def overview_table(entries: Sequence[Entry]) -> Table:
    """A row for each claim."""
    rows = [
        [
            Cell(entry["id"], sort=entry["id"], link=f"claims.html#{entry['id']}"),
            verdict_cell(entry["verdict"]),
            Cell(plain(entry["claim"])),
            summary_cell(entry),
            Cell("; ".join(entry["data"]) or "–"),
            Cell(entry["document"], sort=entry["document"]),
        ]
        for entry in entries
    ]
    data = pd.DataFrame(
        {
            **{key: entry[key] for key in ("id", "claim", "verdict", "document", "section")},
            "data": "; ".join(entry["data"]),
        }
        for entry in entries
    )
    return Table(
        "claims",
        "The claims and their verdicts. An effect is a mean over seeds, with its interval; where a claim has several "
        "cases, how many of them hold. The data are those that the verdict applies to; the document is the one that "
        "makes the claim.",
        ["Claim", "Verdict", "In a sentence", "Effect", "Data", "Document"],
        rows,
        data,
        stacked=True,
    )


def parts_table(entry: Entry) -> Table:
    """A row for each part of a claim. The CSV file holds the value of every seed, or the deviation."""
    rows, data = [], []
    seeded = any(part.get("values") for part in entry["parts"])
    for part in entry["parts"]:
        tested = part["verdict"] != "not tested"
        claimed = part.get("side") or part.get("expected")
        limit = found_cell(part, "smallest" if "side" in part else "tolerance")
        rows.append(
            [
                Cell(part["case"], link=part["figure"] if tested else ""),
                Cell(plain(part["text"]), "" if tested else f"To test it: {plain(part['run'])}."),
                Cell(SIDES[claimed] if claimed else "–"),
                found_cell(part),
                limit,
                verdict_cell(part["verdict"], reason(part)),
            ]
        )
        shared = {key: part.get(key) for key in ("case", "text", "unit", "verdict")}
        values = part.get("values") or {None: part.get("deviation")}
        data += [shared | {"seed": seed, "value": value} for seed, value in values.items()]
    return Table(
        f"claims-{entry['id']}",
        f"Measured, claimed and found.{' The CSV file has the value of every seed.' * seeded}",
        ["Case", "Measured", "Claimed", "Found", "Matters from", "Verdict"],
        rows,
        pd.DataFrame(data, columns=["case", "text", "unit", "verdict", "seed", "value"]),
        sortable=False,
        stacked=True,
    )


def found_cell(part: Entry, key: str = "") -> Cell:
    """The effect of a part with its interval, or the deviation of an identity; or another quantity in its unit."""
    if "deviation" in part:
        return Cell(scientific(part[key or "deviation"]))
    if "unit" not in part:
        return Cell("–")
    if part["unit"] == "runs":
        share = f"{span(part['low'], part['high'], 0)} %"
        return Cell("–") if key else Cell(f"{part['count']} of {part['n']} runs", share, part["effect"])
    unit, decimals = UNITS[part["unit"]]
    if key:
        return Cell(f"{part[key]:g} {unit.removesuffix('s') if part[key] == 1 else unit}")
    if part["effect"] is None:
        return Cell("not finite", f"n = {part['n']}")
    interval = f"{span(part['low'], part['high'], decimals)}, " if part["low"] is not None else ""
    effect = f"{number(part['effect'], decimals, signed=True)} {unit}"
    return Cell(effect, f"{interval}n = {part['n']}", part["effect"])


def summary_cell(entry: Entry) -> Cell:
    """What was found of the only part, or how many cases hold."""
    parts, verdicts = entry["parts"], list(entry["cases"].values())
    if entry["verdict"] == "not tested":
        return Cell("–")
    if len(parts) == 1:
        return found_cell(parts[0])
    return Cell(f"{verdicts.count('holds')} of {len(verdicts)} {'cases hold' if len(verdicts) != 1 else 'case holds'}")


def verdict_cell(verdict: str, reason: str = "") -> Cell:
    return Cell(f"{MARKS[verdict]} {verdict}".replace(" ", "\u00a0"), reason, sort=verdict)


def reason(part: Entry) -> str:
    """What the verdict on a part rests on, if not on the position of its interval."""
    if part.get("unfinished"):
        return f"unfinished: {', '.join(part['unfinished'])}"
    values = list(part.get("values", {}).values())
    if part.get("unit") == "runs" or len(values) < 2 or len(set(values)) > 1:
        return ""
    return f"the same in {len(values)} of {len(values)} seeds"


def plain(text: str) -> str:
    """Without the marks of code, for a table's cell."""
    return text.replace("`", "")


def scientific(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.1e}".replace("-", "\u2212")


def figures(entries: Sequence[Entry]) -> list[Figure]:
    """All effects, by unit: those that are claimed, and those that are claimed not to be."""
    drawn = []
    for unit in UNITS:
        for kind, sides in (("", ("greater", "less")), ("-none", ("negligible", "not less"))):
            data = effects(entries, unit, sides)
            if len(data):
                drawn.append(_figure(data, unit, kind))
    return drawn


def _figure(data: pd.DataFrame, unit: str, kind: str) -> Figure:
    smallest, written = float(data["smallest"].max()), "points" if unit == "points" else "percent"
    reading = (
        "The band holds what is negligible. A claim of no effect holds where the whole interval lies in it; "
        "a claim of no loss, where it lies in it or to its right."
        if kind
        else "To the right is the side that the claim names; an effect claimed to be less has its sign turned. "
        "The band holds what is negligible. A claim holds where the whole interval lies to the right of the "
        "band, and fails where it lies in the band or to the left of zero."
    )
    chart = _chart(data, f"Effect ({written})" if kind else f"Effect in the claimed direction ({written})", smallest)
    return Figure(
        f"claims-{unit}{kind}",
        f"Effects claimed {'not to matter' if kind else 'to matter'}, in {written}",
        f"Means over seeds with their intervals, by claim and case. {reading} The axis is nearly linear inside the "
        "band and logarithmic outside it.",
        chart,
        chart,
        data,
    )


def effects(entries: Sequence[Entry], unit: str, sides: Sequence[str]) -> pd.DataFrame:
    """`panel, row, value, low, high, smallest, side, verdict`, in the order of the claims.

    A claim with several parts has a row with its name alone above theirs, which are named `<claim>: <case>`. The sign
    of numbers is such that the claimed side is positive.
    """
    rows: list[dict[str, Any]] = []
    for entry in entries:
        parts = [part for part in entry["parts"] if part.get("unit") == unit and part["side"] in sides]
        several = len(entry["parts"]) > 1
        if parts and several:
            rows.append({"row": entry["id"]})
        for part in parts:
            found = pd.Series([part["effect"], part["low"], part["high"]], dtype=float)
            value, low, high = -found.iloc[[0, 2, 1]] if part["side"] == "less" else found
            rows.append(
                {
                    "row": f"{entry['id']}: {part['case']}" if several else entry["id"],
                    "value": value,
                    "low": low,
                    "high": high,
                    **{key: part[key] for key in ("smallest", "side", "verdict")},
                }
            )
    data = pd.DataFrame(rows, columns=["row", "value", "low", "high", "smallest", "side", "verdict"])
    data.insert(0, "panel", "Points" if unit == "points" else "Percent")
    return data


def _chart(data: pd.DataFrame, title: str, smallest: float) -> Spec:
    """Dots with intervals over the band of effects that do not matter. Data as `effects` makes it."""
    ends = data[["value", "low", "high"]].to_numpy(float)
    domain = [1.3 * np.nanmin([-2 * smallest, np.nanmin(ends)]), 1.3 * np.nanmax([2 * smallest, np.nanmax(ends)])]
    bold: Any = {"condition": {"test": "indexof(datum.value, ': ') < 0", "value": "bold"}, "value": "normal"}
    axis = alt.Axis(
        labelExpr="peek(split(datum.value, ': '))",
        labelFontWeight=bold,
        labelLimit=LEFT,
        ticks=False,
        domain=False,
        grid=True,
    )
    base = alt.Chart().encode(y=alt.Y("row:N").title(None).scale(domain=data["row"].tolist()).axis(axis))
    ticks = [tick for tick in TICKS if domain[0] <= tick <= domain[1]]
    scale = alt.Scale(type="symlog", constant=smallest, domain=domain, nice=False)
    low_end, middle = (
        alt.X(field).title(title).scale(scale).axis(values=ticks, format="~r", labelOverlap=True)
        for field in ("low:Q", "value:Q")
    )
    verdicts = alt.Color("verdict:N").scale(domain=list(LOOKS), range=[color for color, _ in LOOKS.values()])
    shapes = alt.Shape("verdict:N").scale(domain=list(LOOKS), range=[shape for _, shape in LOOKS.values()])
    band = once().mark_rect(color=GRID).encode(x=alt.datum(-smallest), x2=alt.datum(smallest))
    zero = once().mark_rule(color=MUTED, strokeDash=[3, 3]).encode(x=alt.datum(0))
    intervals = (
        base.transform_filter("isValid(datum.low) && isValid(datum.high)")
        .mark_rule(strokeWidth=1.5)
        .encode(x=low_end, x2="high:Q", color=verdicts)
    )
    dots = (
        base.transform_filter("isValid(datum.value)")
        .mark_point(filled=True, size=65, opacity=1)
        .encode(
            x=middle,
            color=verdicts,
            shape=shapes,
            tooltip=tooltip(claim="row:N", effect="value:Q", low="low:Q", high="high:Q", verdict="verdict:N"),
        )
    )
    return in_panels(band + zero + intervals + dots, tuple(data["panel"].unique()), LEFT, 18 * len(data))
