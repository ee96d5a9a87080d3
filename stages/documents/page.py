"""What a page on a document's experiment consists of, and how it becomes files of the site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from stages.artefacts import read_json
from stages.reporting import site
from stages.reporting.figures import Figure
from stages.reporting.tables import Cell, Table

CONFIDENCE = 0.95
"""The confidence of the intervals on these pages, whose prose speaks of it."""


@dataclass(frozen=True)
class DocumentPage:
    """The content of `documents/<name>.html`."""

    name: str
    title: str
    figures: Mapping[str, Figure]
    """By the names that the template uses."""
    tables: Mapping[str, Table] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Further values for the template."""


def read_record(folder: Path) -> dict[str, Any]:
    """`record.json` of an experiment: data, parameters, identities, printed numbers."""
    record: dict[str, Any] = read_json(folder / "record.json")
    return record


def render(page: DocumentPage, template: str, folder: Path, **context: Any) -> dict[str, str | bytes]:
    """The page, and the tables in it as CSV, by path in the site; `folder` holds the experiment's record."""
    record = read_record(folder)
    shared = {"printed": printed(page.name, record["printed"]), "identities": identities(page.name, record)}
    tables = {**page.tables, **{key: table for key, table in shared.items() if table.rows}}
    html = site.render(
        f"documents/{template}",
        1,
        page="documents",
        title=page.title,
        name=page.name,
        figures=page.figures,
        tables=tables,
        record=record,
        **page.facts,
        **context,
    )
    return {f"documents/{page.name}.html": html, **{f"tables/{table.name}.csv": table.csv for table in tables.values()}}


def printed(name: str, numbers: Sequence[Mapping[str, Any]]) -> Table:
    """The numbers that the document prints, beside ours."""
    rows = [
        [
            Cell(number["what"]),
            Cell(minus(number["printed"]), sort=float(number["printed"])),
            Cell(minus(number["text"]), sort=number["ours"]),
            Cell({True: "the same digits", False: "differs", None: "not comparable"}[number["same"]], number["note"]),
        ]
        for number in numbers
    ]
    columns = ["what", "printed", "ours", "comparable", "same", "note"]
    return Table(
        f"{name}-printed",
        "What the document prints, or shows in a plot where noted, and our result, to as many digits.",
        ["Number", "Printed", "Here", ""],
        rows,
        pd.DataFrame(numbers, columns=columns),
        sortable=False,
    )


def identities(name: str, record: Mapping[str, Any]) -> Table:
    """What must be the same, and the deviation found."""
    rows = [
        [
            Cell(identity["text"].replace("`", "")),
            Cell("not finite" if identity["deviation"] is None else minus(f"{identity['deviation']:.1e}")),
        ]
        for identity in record["identities"].values()
    ]
    data = pd.DataFrame([{"identity": key} | value for key, value in record["identities"].items()])
    return Table(
        f"{name}-identities",
        "Two computations side by side: their largest difference, relative to the largest magnitude compared. Rounding "
        "leaves some 1e\u22127 in single and 1e\u221216 in double precision, more after many steps.",
        ["Compared", "Relative difference"],
        rows,
        data,
        sortable=False,
    )


def minus(text: str) -> str:
    """With a true minus sign."""
    return text.replace("-", "\u2212")
