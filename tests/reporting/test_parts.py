"""What each method of a cocktail contributes: on its page, and nowhere as a method of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from stages import claims, config, report
from stages.config import BASELINE, TUNED, Params
from stages.reporting import parts, recommendation
from stages.reporting.comparison import Comparison
from tests.reporting.sample import VARIANTS, write_results

WHOLE = "mix"
METHODS = ("l1", "dropout", "label_smoothing")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    methods = {"l1": {"strength": 1e-3}, "dropout": {"p": 0.2}, "label_smoothing": {"epsilon": 0.1}}
    write_results(folder, {"none": VARIANTS["none"], WHOLE: {"leave_one_out": True, **methods}})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        claims.main()
        report.main()
    return folder


@pytest.fixture
def params(root: Path) -> Params:
    return config.load(root / "params.yaml")


def comparison(root: Path, params: Params, verdicts: Mapping[str, str] | None = None) -> Comparison:
    """What was found, with these verdicts on the tuned variants."""
    table = pd.read_parquet(root / "data/comparisons.parquet")
    for name, verdict in (verdicts or {}).items():
        table.loc[(table["variant"] == name) & (table["track"] == TUNED), "verdict"] = verdict
    return Comparison(table, tuple(params.variants), tuple(params.tasks))


def test_the_difference_is_that_from_the_whole(root: Path, params: Params) -> None:
    runs = pd.read_parquet(root / "data/evaluation/runs.parquet").query("track == 'tuned' and task == 'clean'")
    means = 100 * runs.groupby("variant")["test_accuracy"].mean()
    found = pd.read_csv(root / f"reports/tables/{WHOLE}-parts.csv").query(
        "task == 'clean' and metric == 'test_accuracy'"
    )
    assert list(found["variant"]) == [f"{WHOLE}_without_{method}" for method in METHODS]
    for name, difference in zip(found["variant"], found["difference"], strict=True):
        assert difference == pytest.approx(means[name] - means[WHOLE], abs=1e-3)
    assert set(found["track"]) == {TUNED}


def test_the_page_of_the_whole_shows_them_and_no_other_does(root: Path, params: Params) -> None:
    pages = {path.stem: path.read_text() for path in (root / "reports/variants").glob("*.html")}
    assert set(pages) == set(params.variants)
    assert [name for name, html in pages.items() if f'id="table-{WHOLE}-parts"' in html] == [WHOLE]
    for method in METHODS:
        assert f'<a href="../variants/{WHOLE}_without_{method}.html"><code>{method}</code>' in pages[WHOLE]
        own = pages[f"{WHOLE}_without_{method}"]
        assert f"differs from <code>{WHOLE}</code> in nothing but the method left out" in own
        assert f"differences of the tuned variant from tuned {WHOLE}, seed by seed" in own


def test_every_verdict_has_its_words(root: Path, params: Params) -> None:
    verdicts = dict(zip(METHODS, ("worse", "better", "negligible"), strict=True))
    found = comparison(root, params, {f"{WHOLE}_without_{method}": verdict for method, verdict in verdicts.items()})
    first, *others = parts.sentences(found, params, WHOLE)
    assert len(others) == len(params.tasks) - 1
    number = r"\([^)]*\)"
    assert re.fullmatch(
        rf"On clean labels, `mix` is worse without `l1` {number}; `mix` is better without `dropout` {number}; it makes "
        rf"a negligible difference to leave out `label_smoothing` {number}\.",
        first,
    )
    alike = comparison(root, params, dict.fromkeys(parts.without(params, WHOLE).values(), "undecided"))
    for sentence in parts.sentences(alike, params, WHOLE):
        assert sentence.count("undecided") == 1
        assert all(f"`{method}`" in sentence for method in METHODS)


def test_it_says_which_networks_were_still_learning(root: Path, params: Params) -> None:
    found = comparison(root, params)
    found.table.loc[found.table["variant"] == f"{WHOLE}_without_l1", "unfinished"] = 1
    for sentence in parts.sentences(found, params, WHOLE):
        assert sentence.endswith("; this is not final, as networks of 1 of these 4 were still learning.")


def test_a_variant_without_parts_has_none(root: Path, params: Params) -> None:
    found = comparison(root, params)
    assert parts.without(params, BASELINE) == {}
    assert parts.sentences(found, params, BASELINE) == []


def test_what_leaves_a_method_out_is_no_method_to_recommend(root: Path, params: Params) -> None:
    found = comparison(root, params, {f"{WHOLE}_without_l1": "better"})
    compared, more, elsewhere = recommendation.rivals(found, "clean", params)
    assert [[name for name, _ in group] for group in (compared, more, elsewhere)] == [[WHOLE], [], []]


def test_the_front_page_counts_what_is_tuned_and_says_where_the_rest_is(root: Path) -> None:
    html = (root / "reports/index.html").read_text()
    assert "1 ways to train a network" in html
    assert f'<a href="variants/{WHOLE}.html#parts">' in html
    assert re.search(r"[01] of 1 tuned variants|no tuned variant is better", html)
