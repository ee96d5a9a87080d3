"""The sources by the name that `data.source` gives."""

from __future__ import annotations

from stages.datasets.afhq import AFHQ
from stages.datasets.digits import DIGITS
from stages.datasets.folder import FOLDER
from stages.datasets.source import Source

SOURCES: dict[str, Source] = {"digits": DIGITS, "afhq": AFHQ, "folder": FOLDER}
