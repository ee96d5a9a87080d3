"""The page of `dvc plots`, drawn in a real browser; Vega, which it loads from the network, comes from this machine."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import yaml
from playwright.sync_api import Browser, Page, Route

from stages.reporting import svg
from tests import small

FIGURES = Path("reports/figures")
DIFFERENCES = FIGURES / "differences.csv"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the plots of this one, in which every difference has grown by a point since the commit."""
    folder = tmp_path_factory.mktemp("clone")
    plots = yaml.safe_load((small.ROOT / "dvc.yaml").read_text())["plots"]
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"plots": plots}, sort_keys=False))
    shutil.copytree(small.ROOT / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    shutil.copytree(small.ROOT / FIGURES, folder / FIGURES)
    small.run(folder, "git", "init", "--quiet")
    small.run(folder, "git", "add", "--all")
    assert ".dvc/plots/differences.json" in small.run(folder, "git", "ls-files").stdout
    author = ["-c", "user.name=A user", "-c", "user.email=user@example.org"]
    small.run(folder, "git", *author, "commit", "--quiet", "--message", "results")
    table = pd.read_csv(folder / DIFFERENCES)
    table[["difference", "low", "high"]] += 1
    table.to_csv(folder / DIFFERENCES, index=False)
    return folder


@contextmanager
def drawn(browser: Browser, page_of_plots: Path) -> Iterator[Page]:
    """The page with its charts as SVG."""
    complaints: list[str] = []
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def serve(route: Route) -> None:
        first = route.request.url.rsplit("/", 1)[1].startswith("vega@")
        as_svg = "{ const embed = vegaEmbed; window.vegaEmbed = (at, spec) => embed(at, spec, {renderer: 'svg'}); }"
        body = svg.runtime() + as_svg if first else ""
        route.fulfill(body=body, content_type="text/javascript; charset=utf-8")

    page.route("https://cdn.jsdelivr.net/**", serve)
    page.goto(page_of_plots.as_uri())
    page.locator("svg.marks").wait_for()
    yield page
    page.close()
    assert complaints == []


@pytest.mark.parametrize(("command", "revisions"), [("show", ["workspace"]), ("diff", ["workspace", "HEAD"])])
def test_differences_of_every_variant_are_drawn(
    browser: Browser, clone: Path, tmp_path: Path, command: str, revisions: list[str]
) -> None:
    small.run(clone, "dvc", "plots", command, "--out", str(tmp_path))
    table = pd.read_csv(clone / DIFFERENCES).query("track == 'tuned'")
    with drawn(browser, tmp_path / "index.html") as page:
        chart = page.locator("svg.marks")
        labels = chart.locator(".role-axis-label text").all_text_contents()
        assert [label for label in labels if not re.fullmatch(r"−?\d+(\.\d+)?", label)] == list(
            dict.fromkeys(table["variant"])
        )
        assert chart.locator(".role-column-header text").all_text_contents() == [*dict.fromkeys(table["panel"])]
        assert chart.locator(".role-legend-label text").all_text_contents() == revisions

        # In each panel the same variant stands at the same height, and each revision of it at a height of its own.
        points = chart.locator(".mark-symbol.role-mark path").evaluate_all(
            "paths => paths.map(path => path.transform.baseVal.consolidate().matrix).map(({e, f}) => [e, f])"
        )
        assert len(points) == len(table) * len(revisions)  # of those as written, `dvc plots` shows none
        assert len({y for _, y in points}) == table["variant"].nunique() * len(revisions)
        assert len({x for x, _ in points}) > table["variant"].nunique()
        lengths = chart.locator(".mark-rule.role-mark line").evaluate_all(
            "lines => lines.map(line => Math.abs(line.x2.baseVal.value))"
        )
        assert len(lengths) == len(points)
        assert min(lengths) > 0
