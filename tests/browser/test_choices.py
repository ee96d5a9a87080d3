"""Sliders, lists and copying, on pages opened as files."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from stages import config
from stages.reporting import grid, recommendation, results, site, tuning
from stages.reporting.comparison import Comparison
from stages.reporting.figures import Drawing
from tests.browser.test_report import opened
from tests.reporting.sample import write_results

RANKS = "rows => rows.map((row) => Number(row.cells[1].textContent))"
NAMES = "rows => rows.map((row) => row.cells[0].textContent)"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("choices")
    write_results(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        found = results.read(config.load())
        comparison = Comparison(found.comparisons, tuple(found.params.variants), tuple(found.params.tasks))
        with Drawing() as drawing:
            parts = [module.build(found, comparison, drawing) for module in (recommendation, tuning, grid)]
            files = {**parts[0], **parts[1], **parts[2], **site.assets(), **drawing.files()}
        site.publish(files, root / "reports", ())
    return root / "reports"


@pytest.mark.parametrize("name", ["recommendation", "tuning", "grid"])
@pytest.mark.parametrize("width", [375, 1280])
def test_pages_fit_and_complain_of_nothing(browser: Browser, pages: Path, name: str, width: int) -> None:
    with opened(browser, pages, name, viewport={"width": width, "height": 800}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_slider_orders_the_table_by_keyboard_and_is_kept_in_the_address(browser: Browser, pages: Path) -> None:
    with opened(browser, pages, "tuning") as page:
        rows = page.locator("#table-tuning-trials-clean tbody tr")
        last = rows.evaluate_all(NAMES)
        page.locator("#choice-trials").focus()
        orders = [last]
        for step in ("3", "2", "1"):
            page.keyboard.press("ArrowLeft")
            assert page.locator("output[for='choice-trials']").text_content() == step
            assert page.locator("#choice-trials").get_attribute("aria-valuetext") == step
            assert page.url.endswith(f"#trials={step}")
            assert rows.evaluate_all(RANKS) == [1, 2, 3]
            orders.append(rows.evaluate_all(NAMES))
        page.reload()
        page.wait_for_function("!document.querySelector('.drawing:not(.drawn)')")
        assert page.locator("#choice-trials").input_value() == "0"
        assert rows.evaluate_all(NAMES) == orders[-1]
        page.locator("#choice-trials").focus()
        page.keyboard.press("End")
        assert "#" not in page.url
        assert rows.evaluate_all(NAMES) == last


def test_a_list_shows_the_tables_of_a_task(browser: Browser, pages: Path) -> None:
    with opened(browser, pages, "tuning") as page:
        assert page.locator("#table-tuning-trials-clean").is_visible()
        assert page.locator("#table-tuning-trials-partly_random").is_hidden()
        page.locator("#choice-task").select_option("partly_random")
        assert page.locator("#table-tuning-trials-partly_random").is_visible()
        assert page.locator("#table-tuning-trials-clean").is_hidden()
        assert page.url.endswith("#task=partly_random")


def test_without_a_script_everything_shows(browser: Browser, pages: Path) -> None:
    with opened(browser, pages, "tuning", java_script_enabled=False) as page:
        for task in ("clean", "partly_random"):
            assert page.locator(f"#table-tuning-trials-{task}").is_visible()
        assert page.locator("#choice-task").is_hidden()


def test_a_cell_opens_its_pairs(browser: Browser, pages: Path) -> None:
    with opened(browser, pages, "grid") as page:
        details = page.locator("#pairs-clean")
        assert details.get_attribute("open") is None
        page.locator("#grid-tasks svg .mark-rect.role-mark path").first.click(force=True)
        page.wait_for_function("document.querySelector('details[open]')")
        assert "#pairs-" in page.url


def test_the_settings_are_copied(browser: Browser, pages: Path) -> None:
    with opened(browser, pages, "recommendation", permissions=["clipboard-read", "clipboard-write"]) as page:
        button = page.locator("[data-copy='clean-fragment']")
        button.focus()
        page.keyboard.press("Enter")
        page.wait_for_function("document.querySelector('[role=status]').textContent === 'Copied.'")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.locator("#clean-fragment").text_content()
        assert "_for_clean:" in copied
