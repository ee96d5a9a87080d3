"""Charts as SVG files. A module of its own, light to import: each worker process does so."""

from __future__ import annotations

import re
from typing import Any

import vl_convert

from stages.reporting.colors import dark_rules

VEGA_LITE = "6.4"
"""The version that Altair writes for."""


def draw(spec: dict[str, Any]) -> str:
    """A Vega-Lite chart as an SVG file that follows the reader's choice of light or dark."""
    svg = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    svg = re.sub(r'="[^"]*"', lambda value: re.sub(r"\d+\.\d{3,}", _shorter, value[0]), svg)
    return re.sub(r"(<svg [^>]*>)", rf"\1<style>{dark_rules()}</style>", svg, count=1) + "\n"


def _shorter(number: re.Match[str]) -> str:
    """A coordinate to a hundredth of a pixel."""
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def runtime() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    return vl_convert.javascript_bundle(vl_version=VEGA_LITE) + "\n"  # type: ignore[call-arg]
