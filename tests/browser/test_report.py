"""The report in a real browser, opened as a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

PAGES = (
    "index",
    "claims",
    "data",
    "methods",
    "documents/index",
    "documents/replay",
    "documents/toy_dropout",
    "variants/none",
    "variants/l1",
)


@contextmanager
def opened(browser: Browser, reports: Path, name: str, **options: Any) -> Iterator[Page]:
    """A page that has drawn its charts; complaints and outside requests fail the test."""
    complaints: list[str] = []
    context = browser.new_context(**options)
    context.set_default_timeout(120_000)  # a busy machine is no fault of a page
    page = context.new_page()
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    page.on("request", lambda request: complaints.append(request.url) if outside(request.url) else None)
    page.goto((reports / f"{name}.html").as_uri())
    if options.get("java_script_enabled", True):
        page.wait_for_function("!document.querySelector('.drawing:not(.drawn)')")
    yield page
    context.close()
    assert complaints == []


def outside(url: str) -> bool:
    return not url.startswith(("file:", "data:"))


@pytest.mark.parametrize("name", PAGES)
def test_page_draws_its_charts_without_complaint_or_outside_request(browser: Browser, reports: Path, name: str) -> None:
    with opened(browser, reports, name, viewport={"width": 1280, "height": 900}) as page:
        for figure in page.locator("figure.chart").all():
            # Lines, dots or cells, besides axes and the background of each panel.
            marks = figure.locator("svg .mark-line path, svg .mark-symbol path, svg .mark-rect.role-mark path")
            assert marks.count() > 3
            assert figure.locator("img").count() == 0
            assert figure.locator(".drawing svg").first.get_attribute("role") == "img"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [375, 1280])
def test_page_is_as_wide_as_its_window(browser: Browser, reports: Path, name: str, width: int) -> None:
    with opened(browser, reports, name, viewport={"width": width, "height": 800}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        for box in page.locator(".drawing svg").all():
            bounds = box.bounding_box()
            assert bounds is not None
            assert bounds["x"] >= 0
            assert bounds["x"] + bounds["width"] <= width
            # Labels and legends fit: the picture is not shrunk to make room for them.
            assert box.evaluate("(svg) => svg.viewBox.baseVal.width") <= 1.06 * bounds["width"]


def test_panels_stand_below_one_another_on_a_phone_and_side_by_side_on_a_desk(browser: Browser, reports: Path) -> None:
    heights = {}
    for width in (375, 1280):
        with opened(browser, reports, "variants/l1", viewport={"width": width, "height": 800}) as page:
            bounds = page.locator("#l1-accuracy svg").bounding_box()
            assert bounds is not None
            heights[width] = bounds["height"]
    assert heights[375] > 2 * heights[1280]


def test_dark_mode_reaches_the_page_and_its_charts(browser: Browser, reports: Path) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        with opened(browser, reports, "index", color_scheme=scheme) as page:
            style = "(element, name) => getComputedStyle(element)[name]"
            body, label = page.locator("body"), page.locator(".drawing svg .role-axis-label text").first
            line = page.locator(".drawing svg .mark-rule line").last
            seen[scheme] = [
                body.evaluate(style, "backgroundColor"),
                body.evaluate(style, "color"),
                label.evaluate(style, "fill"),
                line.evaluate(style, "stroke"),
            ]
            chart = page.locator(".drawing svg").first.evaluate(style, "backgroundColor")
            assert chart == "rgba(0, 0, 0, 0)"
    assert all(light != dark for light, dark in zip(seen["light"], seen["dark"], strict=True))


def test_table_sorts_by_keyboard(browser: Browser, reports: Path) -> None:
    with opened(browser, reports, "index") as page:
        table = page.locator("#table-headline table")
        heading = table.locator("thead tr").last.locator("th").nth(1)
        values = "rows => rows.map((row) => Number(row.cells[1].dataset.sort))"

        heading.locator("button").focus()
        page.keyboard.press("Enter")
        assert heading.get_attribute("aria-sort") == "descending"
        column = table.locator("tbody tr").evaluate_all(values)
        assert column == sorted(column, reverse=True)

        page.keyboard.press("Space")
        assert heading.get_attribute("aria-sort") == "ascending"
        assert table.locator("tbody tr").evaluate_all(values) == sorted(column)

        names = table.locator("thead tr").last.locator("th").first
        names.locator("button").press("Enter")
        assert heading.get_attribute("aria-sort") is None
        assert names.get_attribute("aria-sort") == "ascending"
        names_in_order = ["l1", "large_lr", "logistic regression", "none", "random forest"]
        assert table.locator("tbody th").all_inner_texts() == names_in_order


def test_the_first_key_stroke_offers_to_skip_to_the_content(browser: Browser, reports: Path) -> None:
    with opened(browser, reports, "variants/l1") as page:
        page.keyboard.press("Tab")
        link = page.locator(":focus")
        assert link.inner_text() == "Skip to the content"
        bounds = link.bounding_box()
        assert bounds is not None
        assert bounds["x"] >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


def test_pointer_shows_the_values_of_an_epoch(browser: Browser, reports: Path) -> None:
    with opened(browser, reports, "variants/l1", viewport={"width": 1280, "height": 900}) as page:
        chart = page.locator("#l1-accuracy svg")
        chart.scroll_into_view_if_needed()
        bounds = chart.bounding_box()
        assert bounds is not None
        for step in range(20):
            page.mouse.move(bounds["x"] + 150 + step, bounds["y"] + 130)
        tip = page.locator("#vg-tooltip-element.visible")
        tip.wait_for()
        assert {"Epoch", "training", "validation"} <= {key.rstrip(":") for key in tip.locator(".key").all_inner_texts()}


def test_the_slider_is_reached_by_keyboard_and_moves_the_predictions(browser: Browser, reports: Path) -> None:
    with opened(browser, reports, "documents/toy_dropout", viewport={"width": 1280, "height": 900}) as page:
        slider = page.get_by_role("slider", name="Step")
        assert slider.count() == 1
        for _ in range(100):
            page.keyboard.press("Tab")
            if slider.evaluate("(input) => input === document.activeElement"):
                break
        assert slider.evaluate("(input) => input === document.activeElement")

        drawn = "lines => lines.map((line) => line.getAttribute('d'))"
        lines = page.locator("#toy_dropout-predictions svg .mark-line path")
        last = lines.evaluate_all(drawn)
        page.keyboard.press("Home")
        page.wait_for_function("document.querySelector('input[type=range]').value === '0'")
        first = lines.evaluate_all(drawn)
        # Of each panel the true line stays and the prediction moves.
        assert sum(before != after for before, after in zip(last, first, strict=True)) == 2
        page.keyboard.press("End")
        assert lines.evaluate_all(drawn) == last


@pytest.mark.parametrize("width", [390, 1280])
def test_the_code_of_a_method_opens_by_keyboard_and_scrolls_within_its_block(
    browser: Browser, reports: Path, width: int
) -> None:
    with opened(browser, reports, "variants/l1", viewport={"width": width, "height": 800}) as page:
        details, code = page.locator("details").first, page.get_by_role("region", name="stages/regularizers/l1.py")
        assert not code.is_visible()
        details.locator("summary").press("Enter")
        assert code.is_visible()
        assert "class L1(Penalty):" in code.inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") == width
        bounds = code.bounding_box()
        assert bounds is not None
        assert bounds["x"] >= 0
        assert bounds["x"] + bounds["width"] <= width
        # Lines are not broken: a desk has room for the longest, a phone does not.
        assert code.evaluate("(block) => block.scrollWidth > block.clientWidth") == (width == 390)
        if width == 390:
            code.press("ArrowRight")
            page.wait_for_function("document.querySelector('details pre').scrollLeft > 0")


@pytest.mark.parametrize("name", ["index", "variants/l1"])
def test_without_scripts_the_still_pictures_show(browser: Browser, reports: Path, name: str) -> None:
    with opened(browser, reports, name, java_script_enabled=False, viewport={"width": 375, "height": 800}) as page:
        images = page.locator("figure.chart img")
        assert images.count() == page.locator("figure.chart").count() > 0
        for image in images.all():
            image.scroll_into_view_if_needed()
            bounds = image.bounding_box()
            assert bounds is not None
            assert bounds["height"] > 100
