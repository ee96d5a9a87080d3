"""The files of the site: links, tables, escaping, and that making it again changes nothing."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from datetime import date
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlparse
from xml.etree import ElementTree

import altair
import numpy as np
import pandas as pd
import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml

from stages import config, report, timing
from stages.metrics import METRICS, VERDICTS
from stages.reporting import charts, site, tables
from stages.reporting.colors import PALETTE
from stages.verification import conclusions, records
from tests import small
from tests.reporting.sample import (
    CLASSES,
    DIVERGED,
    EPOCHS,
    FORMULA,
    HOSTILE,
    ROOT,
    SEEDS,
    TASKS,
    TEST,
    UNFINISHED,
    VARIANTS,
    write_results,
)

CHART = re.compile(r'<script type="application/json">(.*?)</script>', re.DOTALL)
TIMING = "timing/index.html"
"""Made by another stage, for which a report does not wait."""


class Document(HTMLParser):
    """What a page refers to, its ids, its tables by id as rows of texts, and its text."""

    def __init__(self, path: Path):
        super().__init__()
        self.path = path
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.text = ""
        self._stack: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.ids += [values["id"]] if "id" in values else []
        if tag == "a":
            self.links.append(values["href"])
        else:
            self.loaded += [values[name] for name in ("href", "src", "srcset", "poster", "data") if name in values]
        if tag == "div" and values.get("class") == "table":
            self.tables[values["id"]] = []
        if self.tables:
            table = list(self.tables.values())[-1]
            if tag == "tr":
                table.append([])
            if tag in ("td", "th"):
                table[-1].append("")
        if tag in ("td", "th", "script", "style"):
            self._stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._stack and self._stack[-1] == tag:
            self._stack.pop()

    def handle_data(self, data: str) -> None:
        if self._stack and self._stack[-1] in ("td", "th") and self.tables:
            list(self.tables.values())[-1][-1][-1] += data
        if not self._stack or self._stack[-1] not in ("script", "style"):
            self.text += data


@pytest.fixture(scope="session")
def documents(reports: Path) -> dict[str, Document]:
    return read(reports)


def read(reports: Path) -> dict[str, Document]:
    return {path.relative_to(reports).as_posix(): Document(path) for path in sorted(reports.rglob("*.html"))}


@pytest.fixture
def copy(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project for a test to change; the test runs in it."""
    shutil.copytree(project, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def test_site_has_a_page_for_each_variant_and_no_other(documents: dict[str, Document]) -> None:
    shared = (
        "index",
        "data",
        "methods",
        "claims",
        "recommendation",
        "tuning",
        "grid",
        "documents/index",
        "documents/replay",
        "documents/toy_dropout",
    )
    assert set(documents) == {f"{name}.html" for name in (*shared, *(f"variants/{name}" for name in VARIANTS))}


def test_every_link_leads_to_a_file_of_the_site(copy: Path) -> None:
    folder = copy / "reports/timing"
    folder.mkdir()
    for name in ("benchmark.json", "benchmark.sha256"):
        shutil.copy(ROOT / "reports/timing" / name, folder)
    timing.main()
    assert links_within(copy / "reports") > 200


def test_every_link_of_the_committed_site_leads_to_a_file_of_it() -> None:
    assert links_within(ROOT / "reports") > 1000


@pytest.mark.parametrize("reference", ["../README.md", "assets", "nothing.html", "methods.html#nothing"])
def test_a_link_that_leads_out_of_the_site_or_nowhere_is_found(copy: Path, reference: str) -> None:
    (copy / "reports/timing").mkdir()
    (copy / "reports" / TIMING).touch()
    (copy / "README.md").touch()
    assert links_within(copy / "reports") > 100
    for page, markup in {
        "variants/l1.html": '<a href="../{}">',
        "index.html": '<img src="{}">',
        "README.md": "[a]({})",
    }.items():
        text = (copy / "reports" / page).read_text()
        (copy / "reports" / page).write_text(text + markup.format(reference))
        with pytest.raises(AssertionError, match=reference):
            links_within(copy / "reports")
        (copy / "reports" / page).write_text(text)


def links_within(reports: Path) -> int:
    """How many links there are within a site that is served alone; one that leads out of it, or nowhere, fails."""
    reports = reports.resolve()
    documents = read(reports).values()
    ids = {document.path: document.ids for document in documents}
    links = [(document.path, reference) for document in documents for reference in document.links + document.loaded]
    for path in reports.rglob("*.md"):
        links += [(path, reference) for reference in re.findall(r"(?<!\\)\]\(([^)\s]+)\)", path.read_text())]
    for entry in json.loads((reports / "claims.json").read_text())["claims"]:
        links += [(reports / "claims.json", p["figure"]) for p in entry["parts"] if p["verdict"] != "not tested"]
    within = [(path, reference) for path, reference in links if not urlparse(reference).scheme]
    for path, reference in within:
        url = urlparse(reference)
        target = (path.parent / unquote(url.path)).resolve() if url.path else path
        assert target.is_file(), f"{path.name}: {reference}"
        assert target.is_relative_to(reports), f"{path.name}: {reference}"
        assert not url.fragment or url.fragment in ids[target], f"{path.name}: {reference}"
    return len(within)


def test_pages_load_nothing_from_elsewhere(documents: dict[str, Document], reports: Path) -> None:
    for document in documents.values():
        assert document.loaded
        assert not [url for url in document.loaded if urlparse(url).scheme not in ("", "data") or url.startswith("//")]
    style = (reports / "assets/site.css").read_text()
    assert "url(" not in style
    assert "@import" not in style
    assert (reports / ".nojekyll").is_file()


def test_ids_are_unique(documents: dict[str, Document]) -> None:
    for document in documents.values():
        assert len(document.ids) == len(set(document.ids))


@pytest.fixture(scope="session")
def headline(documents: dict[str, Document]) -> dict[str, dict[str, list[str]]]:
    """The five cells of each task, default, tuned, difference, probability and rank, by row."""
    rows = documents["index.html"].tables["table-headline"][2:]
    return {row[0]: {task: row[1 + 5 * i : 6 + 5 * i] for i, task in enumerate(TASKS)} for row in rows}


def numbers(text: str) -> list[float]:
    return [float(each) for each in re.findall(r"[-+]?\d+(?:\.\d+)?", text.replace("\u2212", "-"))]


def test_headline_holds_the_means_and_simultaneous_intervals(
    headline: dict[str, dict[str, list[str]]], project: Path
) -> None:
    runs = pd.read_parquet(project / "data/evaluation/runs.parquet")
    means = runs.groupby(["variant", "task", "track", "seed"])["test_accuracy"].mean()
    found = pd.read_parquet(project / "data/comparisons.parquet").query("metric == 'test_accuracy'")
    rows = found.set_index(["variant", "task", "track"])
    assert list(headline)[: len(VARIANTS)] == list(VARIANTS)
    for variant, task in product(VARIANTS, TASKS):
        default, tuned, difference, better, rank = headline[variant][task]
        row = rows.loc[(variant, task, "tuned")]
        own, reference = (100 * means[name, task, "tuned"] for name in (variant, "none"))
        assert numbers(default) == [pytest.approx(100 * means[variant, task, "default"].mean(), abs=0.0501)]
        assert numbers(tuned) == [pytest.approx(own.mean(), abs=0.0501)]
        assert ("… unfinished" in tuned) == ((variant, task) == UNFINISHED[:2])
        ends = [round(float(row[f"rank_{end}"])) for end in ("low", "high")]
        assert numbers(rank) == sorted(set(ends))
        if variant == "none":
            assert (difference, better) == ("–", "–")
            continue
        bounds = [100 * row["simultaneous_low"], 100 * row["simultaneous_high"]]
        assert numbers(difference) == pytest.approx([(own - reference).mean(), *bounds], abs=0.0501)
        assert ("▲ better" in difference) == (bounds[0] >= 1)  # of the smallest difference that matters
        assert ("▼ worse" in difference) == (bounds[1] <= -1)
        shown = [100 * row[name] for name in ("improvement", "improvement_low", "improvement_high")]
        assert numbers(better) == pytest.approx(shown, abs=0.501)
    assert "▼ worse" in headline["large_lr"]["clean"][2]


def test_models_that_are_no_networks_stand_at_the_end_of_the_headline(
    headline: dict[str, dict[str, list[str]]], project: Path
) -> None:
    found = pd.read_parquet(project / "data/evaluation/classical.parquet").groupby(["method", "task"])
    assert list(headline)[len(VARIANTS) :] == ["logistic regression", "random forest"]
    for (method, task), mean in found["test_accuracy"].mean().items():
        cells = headline[method.replace("_", " ")][task]
        assert numbers(cells[0]) == [pytest.approx(100 * mean, abs=0.0501)]
        assert set(cells[1:]) == {"–"}


def test_tasks_of_the_grid_are_not_on_the_pages_of_the_main_tasks(documents: dict[str, Document], copy: Path) -> None:
    grid = config.load().grid
    assert grid
    for name, page in documents.items():
        if name not in ("grid.html", "recommendation.html"):
            assert not [task for task in grid.values() if task.title in page.text or task.heading in page.text]
    assert not set(pd.read_csv(copy / "reports/tables/runs.csv")["task"]) & set(grid)


def test_summary_names_the_variants_whose_interval_lies_beyond_what_matters(documents: dict[str, Document]) -> None:
    text = " ".join(documents["index.html"].text.split())
    assert re.search(
        r"On clean labels, no tuned variant is better than tuned none; 1 is worse: large_lr \(−6\d\.\d\)", text
    )


def test_every_metric_is_defined_on_the_page_of_the_methods(documents: dict[str, Document], project: Path) -> None:
    columns = pd.read_parquet(project / "data/evaluation/runs.parquet").columns
    columns = columns.difference(["variant", "task", "track", "seed", "repeat"])
    page = documents["methods.html"]
    links = {link.removeprefix("../") for link in documents["variants/l1.html"].links}
    for key in columns:
        assert f"metric-{key}" in page.ids
        assert f"methods.html#metric-{key}" in links
    html = page.path.read_text()
    for metric in METRICS.values():
        assert metric.defined(config.load().evaluation) in html


def test_the_crossed_design_is_shown_and_estimates_below_zero_count_as_zero(
    documents: dict[str, Document], reports: Path
) -> None:
    rows = documents["methods.html"].tables["table-variance-crossed"][2:]
    published = pd.read_csv(reports / "tables/variance-crossed.csv")
    assert [row[:2] for row in rows] == [
        ["none", "Accuracy"],
        ["l1", "Accuracy"],
        ["l1", "Difference from none"],
    ]
    values = published.drop(columns=["task", "variant", "quantity"])
    assert np.allclose(values.drop(columns="sum").sum(axis=1), values["sum"], rtol=1e-4)
    assert (values < 0).any(axis=None)
    for row, (_, own) in zip(rows, published.iterrows(), strict=True):
        parts = own[[*tables.CROSSED_COMPONENTS, "sum"]].to_numpy(float)
        assert [float(text) for text in row[2:]] == pytest.approx(np.sqrt(np.clip(parts, 0, None)), abs=0.0051)
    assert "each of 4 splits is trained with each of 3 sets of draws" in documents["methods.html"].text


def test_verdicts_have_the_same_names_everywhere(reports: Path) -> None:
    found = set()
    for path in [*reports.glob("tables/*.csv"), *reports.glob("figures/*.csv")]:
        table = pd.read_csv(path, keep_default_na=False)
        if "verdict" in table and not path.stem.startswith("claims"):  # those are verdicts on claims
            found |= set(table["verdict"])
    assert {"worse", "undecided"} <= found <= {*VERDICTS, ""}
    assert set(charts.DIRECTIONS) <= set(VERDICTS)
    macros = (ROOT / "stages/reporting/templates/macros.html").read_text()
    marks = re.search(r"set marks = (\{.+?\})", macros)
    assert marks
    assert set(json.loads(marks[1])) == {*VERDICTS, "diverged"}


def test_csv_of_the_headline_agrees_with_the_replicas(reports: Path, project: Path) -> None:
    table = pd.read_csv(reports / "tables/headline.csv").set_index(["metric", "variant", "task", "track"])
    runs = pd.read_parquet(project / "data/evaluation/runs.parquet")
    keys = ["variant", "task", "track"]
    runs = runs[runs["task"].isin(TASKS)].groupby([*keys, "seed"])[["test_accuracy", "diverged"]].agg(["mean", "sum"])
    means = 100 * runs["test_accuracy", "mean"].groupby(keys).mean()
    counts = runs["diverged", "sum"].groupby(keys).sum()
    for key, mean in means.items():
        assert table.loc[("test_accuracy", *key), "mean"] == pytest.approx(mean, rel=1e-5)
        assert table.loc[("test_accuracy", *key), "diverged"] == counts[key]


def test_the_headline_follows_from_the_published_seeds(
    documents: dict[str, Document], headline: dict[str, dict[str, list[str]]], reports: Path, project: Path
) -> None:
    assert "tables/runs.csv" in documents["index.html"].links
    assert "](tables/runs.csv)" in (reports / "README.md").read_text()
    runs = pd.read_csv(reports / "tables/runs.csv", float_precision="round_trip", dtype={"epochs_to_fit": "Int64"})
    measured = pd.read_parquet(project / "data/evaluation/runs.parquet").query("task in @TASKS")
    pd.testing.assert_frame_equal(runs, measured.reset_index(drop=True), check_exact=True)
    means = runs.groupby(["variant", "task", "track", "seed"])["test_accuracy"].mean()
    for (variant, task, track), mean in (100 * means.groupby(["variant", "task", "track"]).mean()).items():
        if track != "tuned_clean":
            assert headline[variant][task][track == "tuned"].startswith(f"{mean:.1f}")


def test_all_that_is_concluded_on_variants_is_published(
    documents: dict[str, Document], reports: Path, project: Path
) -> None:
    assert "tables/comparisons.csv" in documents["methods.html"].links
    keys = ["variant", "task", "track", "metric"]
    published = pd.read_csv(reports / "tables/comparisons.csv").set_index(keys)
    found = pd.read_parquet(project / "data/comparisons.parquet").set_index(keys).loc[published.index]
    assert len(found) == len(pd.read_parquet(project / "data/comparisons.parquet"))
    scale = published.index.get_level_values("metric").map(lambda key: METRICS[key].scale).to_numpy()
    for column in ("mean", "low", "high", "difference", "difference_low", "difference_high"):
        np.testing.assert_allclose(published[column], scale * found[column], rtol=5.1e-6)
    assert (published["verdict"].fillna("") == found["verdict"].fillna("")).all()
    judged = published.xs("test_accuracy", level="metric")
    np.testing.assert_array_equal(judged["rank_low"], found.xs("test_accuracy", level="metric")["rank_low"])
    assert published["rank_low"].count() == judged["rank_low"].count() > 0


def test_the_methods_page_names_the_machines_that_vouch_for_these_results(copy: Path) -> None:
    assert "There is no record yet of a machine" in Document(copy / "reports/methods.html").text
    texts = [(copy / path).read_text() for path in (conclusions.TABLE, conclusions.CLAIMS)]
    record = records.Record(
        results=conclusions.read(*texts, "here").digest,
        commit="0" * 40,
        date=date(2026, 11, 26),
        outcome="identical",
        share=0,
        stages=[],
        device="cpu",
        author=True,
        machine=records.Machine(
            processor="The first",
            architecture="x86_64",
            system="Linux",
            instructions=["avx2"],
            arithmetic="portable",
            kernels="AVX2",
            versions={"torch": "2.14.1"},
        ),
        selftest={},
    )
    machines = {name: record.machine.model_copy(update={"processor": name}) for name in (HOSTILE, "Older")}
    others = {"author": False, "outcome": "same conclusions", "share": 0.04}
    for each in (
        record.model_copy(update=others | {"machine": machines[HOSTILE]}),
        record,
        record.model_copy(update={"results": "0" * 64, "machine": machines["Older"]}),  # of earlier results
    ):
        records.write(each)
    report.main()
    page = Document(copy / "reports/methods.html")
    text = " ".join(page.text.split())
    assert "The first, on which they were made (Linux x86_64, avx2; portable arithmetic, PyTorch 2.14.1, cpu)" in text
    assert HOSTILE in text
    assert "no number moved by more than 4 % of the half-width" in text.replace("\xa0", " ")
    assert text.index("The first") < text.index(HOSTILE)
    assert "Older" not in text
    assert "There is no record" not in text
    assert (
        conclusions.read(
            *[(copy / path).read_text() for path in (conclusions.TABLE, conclusions.CLAIMS)], "here"
        ).digest
        == record.results
    )


def test_published_seeds_are_in_the_order_of_the_parameters(reports: Path, project: Path) -> None:
    shuffled = pd.read_parquet(project / "data/evaluation/runs.parquet").sample(frac=1, random_state=0)
    results: Any = SimpleNamespace(replicas=shuffled, params=SimpleNamespace(variants=VARIANTS, tasks=TASKS))
    assert tables.runs(results) == (reports / "tables/runs.csv").read_text()


def test_a_share_that_all_seeds_have_is_a_count(documents: dict[str, Document]) -> None:
    rows = {row[0]: row[1:] for row in documents["index.html"].tables["table-memorization"][2:]}
    for row in rows.values():
        # Of partly random labels: three tracks, the true class and epochs to fit; then the same of random ones.
        assert [cell.split() for cell in row[5:7]] == [["100.0", str(SEEDS), "of", str(SEEDS)]] * 2
        assert all(re.search(r"\[.+\]", cell) for cell in row[:3])
    for page in ("index.html", "variants/l1.html"):
        assert not re.search(r"\[(\S+), \1\]", documents[page].text)


def test_every_csv_is_a_table_and_is_linked(documents: dict[str, Document], reports: Path) -> None:
    linked = {(document.path.parent / url).resolve() for document in documents.values() for url in document.links}
    files = [*reports.glob("tables/*"), *reports.glob("figures/*")]
    for path in files:
        assert path.resolve() in linked
        if path.suffix == ".csv":
            assert len(pd.read_csv(path)) > 0
    assert len(files) > 30


@pytest.mark.slow
def test_every_chart_is_vega_lite(reports: Path) -> None:
    charts = [json.loads(spec) for page in sorted(reports.rglob("*.html")) for spec in CHART.findall(page.read_text())]
    assert len(charts) > 30
    for chart in charts:
        altair.Chart.from_dict(chart)  # raises if the schema of Vega-Lite refuses it
    charts[0]["config"]["view"] = "a text"
    with pytest.raises(Exception, match=r"config'\]\['view"):
        altair.Chart.from_dict(charts[0])


def test_figures_are_svg_that_turn_dark(reports: Path) -> None:
    pictures = sorted(reports.glob("figures/*.svg"))
    assert len(pictures) > 5 + 6 * len(VARIANTS)
    for picture in pictures:
        text = picture.read_text()
        ElementTree.fromstring(text)
        colors = {color.lower() for color in re.findall(r'(?:fill|stroke)="(#[0-9a-fA-F]+)"', text)}
        # Any colour that the rules do not know would stay as it is on a dark screen.
        assert colors <= {light for light, _ in PALETTE.values()}
        assert "prefers-color-scheme:dark" in text


def test_text_of_others_is_never_a_formula(reports: Path) -> None:
    quoted = 0
    for path in reports.rglob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            for cell in (cell for row in csv.reader(file) for cell in row):
                quoted += cell == f"'{FORMULA}"
                if cell.startswith(("=", "+", "-", "@")):
                    float(cell)
    assert quoted
    chart = (reports / "variants/l1.html").read_text()
    assert FORMULA in chart
    assert f"'{FORMULA}" not in chart


def test_text_of_others_is_never_markup(documents: dict[str, Document], reports: Path) -> None:
    for name, document in documents.items():
        html = document.path.read_text()
        assert "<script>alert" not in html
        assert not [url for url in document.links if url.lower().startswith("javascript:")]
        if name in ("data.html", "variants/l1.html"):
            assert HOSTILE in document.text
    for path in reports.glob("figures/*.svg"):
        assert "<script" not in path.read_text()
    assert "<script>" not in (reports / "README.md").read_text()
    assert site.markdown("<b>[a](b)|`c`*d*_e_") == r"\<b\>\[a\](b)\|`c`\*d\*\_e\_"
    assert site.markdown("a`<b>`") == r"a\`\<b\>\`"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a ``b`` and `c`", "a <code>b</code> and <code>c</code>"),
        ("see https://a.org/b, then <i>", 'see <a href="https://a.org/b">https://a.org/b</a>, then &lt;i&gt;'),
        (
            'https://a.org/"onclick="x',
            '<a href="https://a.org/&#34;onclick=&#34;x">https://a.org/&#34;onclick=&#34;x</a>',
        ),
    ],
)
def test_prose_marks_code_and_addresses_only(text: str, html: str) -> None:
    assert site.prose(text) == html


def test_banner_says_which_data_this_is(documents: dict[str, Document]) -> None:
    for name, document in documents.items():
        text = " ".join(document.text.split())
        if name == "documents/replay.html":
            assert "Handwritten digits, not the document’s data." in text
        elif name == "documents/toy_dropout.html":
            assert "10 generated points." in text
        elif not name.startswith(("documents/", "claims")):
            assert "Handwritten digits, not AFHQ." in text


def test_divergence_is_shown_and_counted(documents: dict[str, Document]) -> None:
    variant, _, _, seed = DIVERGED
    text = " ".join(documents[f"variants/{variant}.html"].text.split())
    assert f"1 of {7 * SEEDS} networks diverged." in text  # two tracks, and three where labels are partly random
    assert f"seed {seed} on random labels (tuned) after 4 epochs" in text
    assert f"large_lr 1 of {SEEDS} on random labels (tuned)" in " ".join(documents["index.html"].text.split())
    assert "diverged." not in documents["variants/l1.html"].text


def test_page_of_a_variant_says_what_it_is(documents: dict[str, Document]) -> None:
    document = documents["variants/l1.html"]
    assert "Adds strength times the sum of absolute values" in document.text
    assert "https://jmlr.org/papers/v15/srivastava14a.html" in document.links
    html = document.path.read_text()
    for name in ("l1", "dropout"):
        file = f"stages/regularizers/{name}.py"
        assert f"The code: {file}\n" in document.text
        shown = re.search(rf'<pre [^>]*aria-label="The code: {file}"[^>]*><code>(.+?)</code></pre>', html, re.DOTALL)
        assert shown
        assert unescape(shown[1]) == (ROOT / file).read_text()
    assert "<details open" not in html
    parameters = {row[0]: row[1:] for row in document.tables["table-l1-parameters"][1:]}
    assert parameters["l1.strength"][:2] == ["0.001", "its own"]
    assert parameters["training.lr"][:2] == ["0.1", "shared"]
    assert set(parameters["training.momentum"][2:]) == {"as written"}
    changed = {row[0]: row[1:] for row in documents["variants/large_lr.html"].tables["table-large_lr-parameters"][1:]}
    assert changed["training.lr"][:2] == ["0.2", "its own (shared: 0.1)"]


def test_page_of_a_variant_says_what_each_search_chose(documents: dict[str, Document], project: Path) -> None:
    chosen = json.loads((project / "data/tuning/chosen.json").read_text())["l1"]
    heading, *rows = documents["variants/l1.html"].tables["table-l1-parameters"]
    tracks = [("clean", "tuned"), ("partly_random", "tuned"), ("partly_random", "tuned_clean")]
    assert [text.split(" on ")[0] for text in heading[3:]] == ["Tuned", "Tuned", "Tuned by clean labels"]
    for key, written, _, *cells in rows:
        if key not in ("l1.strength", "dropout.p", "training.lr"):
            continue
        for (task, track), cell in zip(tracks, cells, strict=True):
            expected = [one["parameters"].get(key, float(written)) for one in chosen[task][track]]
            if cell != "as written":
                assert [float(each) for each in cell.split(", ")] == pytest.approx(expected, rel=0.006)


def test_a_chart_of_memorization_shows_what_the_histories_hold(reports: Path, project: Path) -> None:
    curves = pd.read_csv(reports / "figures/l1-wrong.csv")
    history = pd.read_parquet(project / "data/runs/l1/history.parquet").query("task == 'partly_random'")
    last = 100 * history[history["epoch"] == EPOCHS].groupby("track")[["wrong_given", "wrong_true"]].mean()
    (shown,) = curves.query("panel == 'Partly random labels' and epoch == @EPOCHS").to_dict("records")
    assert shown["wrong label"] == pytest.approx(last.loc["tuned", "wrong_given"], rel=1e-3)
    assert shown["true label, default"] == pytest.approx(last.loc["default", "wrong_true"], rel=1e-3)
    dots = pd.read_csv(reports / "figures/memorization-partly_random.csv")
    assert len(dots) == 3 * len(VARIANTS)  # a dot for each variant and track


def test_wrong_labels_are_counted_at_the_best_validation_epoch_and_at_the_end(reports: Path, project: Path) -> None:
    table = pd.read_csv(reports / "tables/memorization-stopped-partly_random.csv").set_index("variant")
    history = pd.read_parquet(project / "data/runs/none/history.parquet")
    own = history.query("task == 'partly_random' and track == 'tuned'")
    chosen = own.loc[own.groupby(["seed", "repeat"])["val_accuracy"].idxmax()]
    last = own[own["epoch"] == EPOCHS]
    for place, rows in (("chosen", chosen), ("last", last)):
        for column in ("wrong_given", "wrong_true"):
            assert table.loc["none", f"{place}, {column}"] == pytest.approx(100 * rows[column].mean(), abs=0.01)


def test_confusion_counts_every_test_image_of_every_seed(reports: Path) -> None:
    table = pd.read_csv(reports / "figures/l1-confusion.csv")
    assert table.groupby("panel")["count"].sum().eq(TEST * SEEDS).all()
    assert np.allclose(table.groupby(["panel", "true"])["share"].sum(), 100, atol=0.01)
    assert set(table["true"]) == {f"'{name}" if name == FORMULA else name for name in CLASSES}


def test_a_project_with_an_address_links_to_it(copy: Path) -> None:
    with (copy / "pyproject.toml").open("a") as file:
        file.write('[project.urls]\nRepository = "https://example.org/us/benchmark/"\n')
    report.main()
    links = Document(copy / "reports/variants/l1.html").links
    assert "https://example.org/us/benchmark/blob/main/stages/regularizers/l1.py" in links


@pytest.mark.slow
def test_made_again_the_site_is_the_same_to_the_byte(copy: Path) -> None:
    before = contents(copy / "reports")
    subprocess.run(
        [sys.executable, "-m", "stages.report"], check=True, env={"PYTHONPATH": str(ROOT), "PATH": ""}, cwd=copy
    )
    assert contents(copy / "reports") == before


def test_a_removed_variant_leaves_nothing_and_other_stages_lose_nothing(copy: Path) -> None:
    for name in ("metrics.json", TIMING):
        path = copy / "reports" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("of another stage")
    params = loads_yaml((copy / "params.yaml").read_text())
    del params["variants"]["large_lr"]
    (copy / "params.yaml").write_text(dumps_yaml(params))
    report.main()
    assert [path for path in (copy / "reports").rglob("*") if "large_lr" in path.name] == []
    for name in ("index.html", "tables/runs.csv"):
        assert "large_lr" not in (copy / "reports" / name).read_text()
    assert (copy / "reports/metrics.json").read_text() == (copy / "reports" / TIMING).read_text() == "of another stage"


def test_an_error_leaves_the_old_site(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(copy / "reports")
    (copy / "params.yaml").write_text((copy / "params.yaml").read_text().replace("seeds: 3", "seeds: 4"))
    monkeypatch.setattr(site, "assets", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        report.main()
    assert contents(copy / "reports") == before


@pytest.mark.parametrize(
    "missing", ["evaluation/runs.parquet", "comparisons.parquet", "runs/l1/run.json", "card.json", "pool.npz"]
)
def test_a_missing_result_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    write_results(tmp_path)
    (tmp_path / "data" / missing).unlink()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        report.main()
    assert f"data/{missing}" in capsys.readouterr().err
    assert not (tmp_path / "reports").exists()


def test_a_variant_without_results_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results(tmp_path)
    file = tmp_path / "data/comparisons.parquet"
    found = pd.read_parquet(file)
    found[found["variant"] != "l1"].to_parquet(file)
    small.accept(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        report.main()
    assert "has no results for l1" in capsys.readouterr().err
