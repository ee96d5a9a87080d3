"""Data of charts of lines, and SVG files that are smaller than Vega's and look the same."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pandas as pd
import pytest

from stages.reporting import charts, svg
from stages.reporting.charts import Series

NAMES = ("training", "0.1 [a]: b, c")
"""The second name has what would be markup of Vega's."""
DATA = pd.DataFrame(
    [("P", NAMES[0], x, 10.0 * x, 9.0 * x, 11.0 * x) for x in (0, 1, 5)]
    + [("P", NAMES[1], x, x / 2, None, None) for x in (0, 1, 5)]
    + [("A", NAMES[0], x, 1.0, 0.0, 2.0) for x in (1, 5)],
    columns=["panel", "series", "epoch", "mean", "low", "high"],
)


def drawn(hover: bool) -> str:
    series = (Series(NAMES[0], "#0072b2", band=True), Series(NAMES[1], "#c24e00"))
    spec = charts.lines("Title", series, ("P", "A"), hover=hover)
    values = charts.wide(DATA, "epoch").to_csv(index=False)
    return svg.draw(spec | {"data": {"values": values, "format": {"type": "csv"}}})


def test_lines_have_a_column_each_and_keep_the_order_of_panels() -> None:
    table = charts.wide(DATA, "epoch")
    assert list(table) == ["panel", "epoch", "training", "training, lowest", "training, highest", NAMES[1]]
    assert table["panel"].tolist() == [*"PPPAA"]
    assert table["epoch"].tolist() == [0, 1, 5, 1, 5]
    assert table["training"].tolist() == [0, 10, 50, 1, 1]
    assert table[NAMES[1]].isna().tolist() == [False] * 3 + [True] * 2


@pytest.mark.parametrize("hover", [False, True])
def test_all_lines_are_drawn_to_their_last_point(hover: bool) -> None:
    root = ElementTree.fromstring(drawn(hover))
    paths = [path.get("d", "") for path in root.iter(svg.PATH)]
    lines = [
        path for path in paths if "L" in path and "Z" not in path and not path.startswith("M-")
    ]  # those are legends
    assert sorted(path.count("L") for path in lines) == [1, 2, 2]  # two points of panel A, three of each line in P
    assert sum("Z" in path and path.count("L") > 2 for path in paths) == 2  # the bands


def test_the_file_has_what_is_seen_and_nothing_else() -> None:
    text = drawn(hover=False)
    assert not re.search(r'role=|aria-|class=|display="none"|<g/>|opacity="1"| fill="none" fill', text)
    texts = re.findall(r">([^<]*[A-Za-z][^<]*)</text>", text)
    assert texts == [*("Title", "Epoch", "Epoch"), "P", "A", *NAMES]
    assert all(len(number) <= 2 for number in re.findall(r"\d\.(\d+)", text))


def test_what_a_group_shares_is_said_once_and_still_holds() -> None:
    ns = f'xmlns="{svg.NAMESPACE}"'
    root = ElementTree.fromstring(
        f'<svg {ns}><g fill="none"><text fill="#000" font-size="9px">a</text><line stroke="#111"/>'
        '<text fill="#000" font-size="9px">b</text></g>'
        '<g><path d="M0,0"/><a><path d="M1.234,0" fill="#222"/></a></g></svg>'
    )
    svg.simplify(root)
    mixed, marks = root
    assert mixed.attrib == {"fill": "none", "font-size": "9px"}  # a line has no font, but may have a fill
    assert [child.get("fill") for child in mixed] == ["#000", None, "#000"]
    assert marks.attrib == {"fill": "#222"}
    assert [child.attrib for child in marks] == [{"d": "M1.2,0"}]
