"""Figures: a chart with its data, drawn in the page, as an SVG file, and as the CSV file of the numbers drawn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import pandas as pd

from stages.reporting.charts import Spec, dark_rules

VEGA_LITE = "6.4"
"""The version of the bundled runtime; that of Altair's schema."""


@dataclass(frozen=True)
class Figure:
    name: str
    """Of its files."""
    title: str
    text: str
    """What is drawn and how to read it: caption and alternative text."""
    chart: Spec
    still: Spec
    """The chart for the SVG file, without what reacts to a pointer."""
    data: pd.DataFrame

    @property
    def csv(self) -> str:
        return self.data.to_csv(index=False, float_format="%.6g", lineterminator="\n")

    @property
    def spec(self) -> Spec:
        return self._with_data(self.chart)

    def _with_data(self, chart: Spec) -> Spec:
        data = {"values": self.csv, "format": {"type": "csv"}}
        return chart | {"data": data, "description": self.title}


def draw(figures: Sequence[Figure]) -> list[str]:
    """The figures as SVG files that follow the reader's choice of light or dark."""
    specs = [figure._with_data(figure.still) for figure in figures]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as workers:
        return list(workers.map(_svg, specs, chunksize=4))


def _svg(spec: Spec) -> str:
    import vl_convert

    svg = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    svg = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), svg)
    style = f"<style>{dark_rules()}</style>"
    return re.sub(r"(<svg [^>]*>)", lambda opening: opening[0] + style, svg, count=1) + "\n"
