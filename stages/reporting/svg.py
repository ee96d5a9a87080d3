"""Charts as SVG files. A module of its own, light to import: each worker process does so."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import vl_convert

from stages.reporting.colors import dark_rules

VEGA_LITE = "6.4"
"""The version that Altair writes for."""
NAMESPACE = "http://www.w3.org/2000/svg"
GROUP, LINK, PATH, TEXT = (f"{{{NAMESPACE}}}{name}" for name in ("g", "a", "path", "text"))
LEFT_OUT = ("class", "role", "aria-hidden", "aria-label", "aria-roledescription", "pointer-events")
"""Attributes for scripts and screen readers, to which a picture in a page is one thing with one description."""
OF_TEXT = ("font-family", "font-size", "font-weight", "text-anchor")
INHERITED = ("fill", "fill-opacity", "stroke", "stroke-dasharray", "stroke-opacity", "stroke-width", *OF_TEXT)
"""Attributes that hold for everything in a group if the group has them."""

ElementTree.register_namespace("", NAMESPACE)


def draw(spec: dict[str, Any]) -> str:
    """A Vega-Lite chart as an SVG file that follows the reader's choice of light or dark."""
    root = ElementTree.fromstring(vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE))
    simplify(root)
    style = Element(f"{{{NAMESPACE}}}style")
    style.text = dark_rules()
    root.insert(0, style)
    return ElementTree.tostring(root, encoding="unicode").replace(" />", "/>") + "\n"


def simplify(element: Element) -> None:
    """Leave out what cannot be seen, and say once what holds for a whole group: Vega repeats it in every mark.

    Links go, too: they are relative to the page of a chart, which its file does not know.
    """
    for place, child in enumerate(element):
        if child.tag == LINK:
            element[place] = child[0]
    for child in list(element):
        simplify(child)
        if unseen(child):
            element.remove(child)
    for name in LEFT_OUT:
        element.attrib.pop(name, None)
    for name, value in list(element.attrib.items()):
        if (name, value) in (("opacity", "1"), ("transform", "translate(0,0)")):
            del element.attrib[name]
        else:
            element.set(name, re.sub(r"\d+\.\d{2,}", _shorter, value))
    if element.tag == GROUP:
        for name in INHERITED:
            share(element, name)
    for place, child in enumerate(element):
        if child.tag == GROUP and not child.attrib and len(child) == 1:
            element[place] = child[0]


def share(group: Element, name: str) -> None:
    """Give an attribute to the group in place of its children, if it has one value in all that it matters for."""
    concerned = [child for child in group if name not in OF_TEXT or next(child.iter(TEXT), None) is not None]
    values = {child.get(name) for child in concerned}
    if len(values) == 1 and (value := values.pop()) is not None:
        group.set(name, value)
        for child in concerned:
            del child.attrib[name]


def unseen(element: Element) -> bool:
    """Whether nothing is drawn: an empty group or text, or a path without color."""
    if element.tag == GROUP:
        return not len(element)
    if element.tag == TEXT:
        return not element.text
    return element.tag == PATH and (element.get("display") == "none" or not {"fill", "stroke"} & set(element.attrib))


def _shorter(number: re.Match[str]) -> str:
    """A coordinate to a tenth of a pixel; below one, where it may be an opacity, to a hundredth."""
    value = float(number[0])
    return f"{value:.{1 if value >= 1 else 2}f}".rstrip("0").rstrip(".")


def runtime() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    return vl_convert.javascript_bundle(vl_version=VEGA_LITE) + "\n"  # type: ignore[call-arg]
