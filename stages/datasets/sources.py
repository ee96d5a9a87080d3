"""The sources by the name that `data.source` gives."""

from __future__ import annotations

from stages.datasets.digits import DIGITS
from stages.datasets.source import Source

SOURCES: dict[str, Source] = {"digits": DIGITS}
