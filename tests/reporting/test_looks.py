"""Contrast, and samples that are the images they are said to be."""

from __future__ import annotations

import io
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.reporting import images
from stages.reporting.colors import PALETTE
from stages.tasks import read
from tests.reporting.sample import FIRST, ROOT, TASKS


def luminance(color: str) -> float:
    """Relative luminance of #rrggbb, WCAG 2.2."""
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_black_on_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def schemes() -> list[dict[str, str]]:
    """The colors of the page, on light and on dark paper."""
    style = (ROOT / "stages/reporting/assets/site.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", style, flags=re.S)
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in blocks)
    assert set(light) == set(dark)
    return [light, dark]


@pytest.mark.parametrize("scheme", schemes(), ids=["light", "dark"])
def test_text_of_pages_has_the_contrast_of_wcag_aa(scheme: dict[str, str]) -> None:
    for text, paper in product(("ink", "muted", "link", "better", "worse"), ("paper", "raised")):
        assert contrast(scheme[text], scheme[paper]) >= 4.5, (text, paper)
    for text in ("ink", "link"):
        assert contrast(scheme[text], scheme["banner"]) >= 4.5, text


@pytest.mark.parametrize("place", [0, 1], ids=["light", "dark"])
def test_charts_have_the_contrast_of_wcag_aa(place: int) -> None:
    colors = {name: pair[place] for name, pair in PALETTE.items()}
    for name in ("ink", "muted"):
        assert contrast(colors[name], colors["paper"]) >= 4.5, name
    for name in ("blue", "vermilion", "grey", "green", "purple"):
        assert contrast(colors[name], colors["paper"]) >= 3, name
    assert contrast(colors["paper"], schemes()[place]["paper"]) == 1


@pytest.mark.parametrize("name", TASKS)
def test_samples_are_images_of_the_pool_with_their_labels(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(project)
    pool = read()
    sheet = images.sheet(pool, name)
    picture = np.asarray(Image.open(io.BytesIO(sheet.png)).convert("L"))
    step = sheet.edge // pool.images.shape[1]
    for row in sheet.rows:
        for sample in row:
            top, left = sample.row * sheet.edge, sample.column * sheet.edge
            pixels = picture[top : top + sheet.edge : step, left : left + sheet.edge : step]
            (index,) = np.flatnonzero((pool.images[..., 0] == pixels).all((1, 2)))
            assert index in pool.tasks[name].splits[FIRST].train
            assert sample.label == pool.classes[pool.tasks[name].labels[index]]
            assert sample.true == pool.classes[pool.true[index]]
    if name != "partly_random":  # so few wrong ones may be missed
        assert any(sample.wrong for row in sheet.rows for sample in row) == (name == "random")
