"""Figures: a chart with its data, drawn in the page, as an SVG file, and as the CSV file of the numbers drawn."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context

import pandas as pd

from stages.reporting import svg
from stages.reporting.charts import Spec


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

    @cached_property
    def csv(self) -> str:
        return self.data.to_csv(index=False, float_format="%.5g", lineterminator="\n")

    @property
    def interactive_spec(self) -> Spec:
        return self.chart | self._content

    @property
    def still_spec(self) -> Spec:
        return self.still | self._content

    @property
    def _content(self) -> Spec:
        return {"data": {"values": self.csv, "format": {"type": "csv"}}, "description": self.title}


def draw(figures: Sequence[Figure]) -> list[str]:
    """The figures as SVG, drawn by several processes, for each draws one chart at a time."""
    with ProcessPoolExecutor(min(4, os.cpu_count() or 1), get_context("spawn")) as workers:
        return list(workers.map(svg.draw, [figure.still_spec for figure in figures], chunksize=4))
