"""The page of claims says of every claim what was found and what that means."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import config
from stages.artefacts import record
from stages.documents import claims_page as claims
from stages.errors import UserError
from stages.files import write_json
from stages.reporting import svg
from stages.reporting.tables import number, percent

HOSTILE = "<script>alert('x')</script> & {{ 7 * 7 }}"


def effect(side: str, low: float, high: float, verdict: str, case: str = "a case", unit: str = "points") -> Any:
    return {
        "case": case,
        "text": "`one` minus `other`",
        "figure": "index.html#differences",
        "side": side,
        "unit": unit,
        "effect": (low + high) / 2,
        "low": low,
        "high": high,
        "n": 3,
        "smallest": 1.0,
        "verdict": verdict,
        "values": {"0": low, "1": high, "2": (low + high) / 2},
    }


def entry(id: str, verdict: str, *parts: Any, rule: str = "all") -> dict[str, Any]:
    return {
        "id": id,
        "claim": f"A claim on `{id}`.",
        "document": "001",
        "section": "Section 1",
        "experiment": "An experiment.",
        "data": [] if verdict == "not tested" else ["Generated points"],
        "files": [] if verdict == "not tested" else ["data/evaluation/runs.parquet"],
        "rule": rule,
        "verdict": verdict,
        "cases": {part["case"]: part["verdict"] for part in parts},
        "parts": list(parts),
    }


RULES = {
    "date": "2026-01-03",
    "rules": [{"name": "Headline", "text": "By `points`."}],
    "tracks": {"one-effect": "tuned", "in-percent": "default", "two-effects": "tuned"},
}
CHANGES = [{"date": "2026-01-02", "rule": "one-effect", "text": "Another *rule*, `twice`."}]
SHARED = {"case": "a case", "text": HOSTILE, "figure": "documents/linear_decay.html"}
LEDGER = [
    entry("one-effect", "holds", effect("greater", 2.0, 4.0, "holds")),
    entry(
        "two-effects",
        "fails",
        effect("less", -4.0, -2.0, "holds", "first"),
        effect("less", 1.0, 3.0, "fails", "second"),
    ),
    entry("no-effect", "undecided", effect("negligible", -2.0, 2.0, "undecided"), rule="any"),
    entry("in-percent", "holds", effect("less", -50.0, -40.0, "holds", unit="percent")),
    entry(
        "identity",
        "holds",
        SHARED | {"expected": "same", "deviation": 2e-7, "tolerance": 1e-4, "verdict": "holds"},
    ),
    entry("left-out", "not tested", SHARED | {"verdict": "not tested", "run": "name `x` under `documents`"}),
    entry(
        "no-number",
        "undecided",
        effect("greater", 0.0, 0.0, "undecided") | {"effect": None, "low": None, "high": None, "values": {"0": None}},
    ),
    entry(
        "withheld",
        "undecided",
        effect("greater", 2.0, 3.0, "undecided", "a") | {"unfinished": ["small_lr/random"]},
        effect("greater", 2.0, 2.0, "undecided", "b") | {"low": None, "high": None},
    ),
    entry(
        "counted",
        "fails",
        effect("every", 55.5, 99.7, "fails", unit="runs") | {"count": 9, "n": 10, "values": {"0": 0.0, "1": 1.0}},
    ),
]


@pytest.fixture(scope="module")
def files() -> dict[str, str | bytes]:
    context = {
        "params": config.load(),
        "card": {"title": "Generated", "source": "digits"},
        "percent": percent,
        "number": number,
        "smallest": "1 point",
    }
    return claims.build(claims.Ledger(LEDGER, RULES, CHANGES), claims.figures(LEDGER), context)


@pytest.fixture(scope="module")
def page(files: dict[str, str | bytes]) -> str:
    return str(files["claims.html"])


def section(page: str, id: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", page.split(f'<section id="{id}"')[1].split("</section>")[0]))


def test_every_claim_has_a_section_a_table_and_its_values(files: dict[str, str | bytes], page: str) -> None:
    for claim in LEDGER:
        assert f'<section id="{claim["id"]}"' in page
        assert f"tables/claims-{claim['id']}.csv" in files
    assert "first" in str(files["tables/claims-two-effects.csv"])
    assert len(str(files["tables/claims-two-effects.csv"]).splitlines()) == 1 + 2 * 3


def test_verdicts_are_written_and_marked(page: str) -> None:
    for claim in LEDGER:
        assert re.search(rf"\{claims.MARKS[claim['verdict']]}\s+{claim['verdict']}", section(page, claim["id"]))


def test_cases_stand_by_their_verdict_where_there_are_several(page: str) -> None:
    text = section(page, "two-effects")
    assert re.search(r"holds\s*:\s*first\s", text)
    assert re.search(r"fails\s*:\s*second\s", text)
    assert claims.cases(LEDGER[0]) == {}
    assert "1 of 2 cases hold" in page


def test_the_data_behind_a_claim_are_linked(files: dict[str, str | bytes], page: str) -> None:
    for claim in LEDGER:
        part = page.split(f'<section id="{claim["id"]}"')[1].split("</section>")[0]
        link = f"tables/claims-{claim['id']}.csv"
        assert link in files
        assert (f'behind it: <a href="{link}"' in part) == bool(claim["files"])


def test_a_verdict_that_is_withheld_says_why(page: str) -> None:
    assert "unfinished: small_lr/random" in section(page, "withheld")
    assert "the same in 3 of 3 seeds" in section(page, "withheld")


def test_runs_are_counted(page: str) -> None:
    text = section(page, "counted")
    assert "9 of 10 runs" in text
    assert "[56, 100] %" in text
    assert "every run" in text


def test_the_rules_stand_with_their_date_and_the_tracks(page: str) -> None:
    text = unescape(re.sub(r"<[^>]+>", "", page.split('<section aria-labelledby="frozen"')[1].split("</section>")[0]))
    assert "The rules of 2026-01-03" in text
    assert "By points." in text
    assert "on the track tuned: one-effect, two-effects; and on the track default: in-percent." in text


def test_changes_of_the_rules_are_told(page: str) -> None:
    assert "2026-01-02, one-effect: Another *rule*, <code>twice</code>." in page


def test_the_data_of_the_benchmark_have_a_page() -> None:
    ledger = [LEDGER[0], LEDGER[1] | {"data": ["Generated", "Generated points"]}]
    context = {
        "params": config.load(),
        "card": {"title": "Generated", "source": "digits"},
        "percent": percent,
        "smallest": "",
    }
    page = str(claims.build(claims.Ledger(ledger, RULES, []), [], context)["claims.html"])
    assert "Tested on Generated points." in section(page, "one-effect")
    assert page.count('<a href="data.html#tasks">Generated</a>; Generated points') == 1


def test_effects_stand_with_their_interval_and_what_matters(page: str) -> None:
    text = section(page, "one-effect")
    assert "+3.00 points" in text
    assert "[2.00, 4.00], n = 3" in text
    assert re.search(r"\b1 point\b", text)
    assert "2.0e\u221207" in section(page, "identity")
    assert "not finite" in section(page, "no-number")


def test_a_claim_that_was_not_tested_says_how_to_and_links_to_no_figure(page: str) -> None:
    part = page.split('<section id="left-out"')[1].split("</section>")[0]
    assert "To test it: name x under documents." in part
    assert "linear_decay.html" not in part


def test_texts_are_not_read_as_markup(page: str) -> None:
    assert HOSTILE not in page
    assert HOSTILE in unescape(page)


def test_numbers_are_turned_to_the_side_of_the_claim() -> None:
    data = claims.effects(LEDGER, "points", ("greater", "less")).set_index("row")
    rest = ["no-number", "withheld", "withheld: a", "withheld: b"]
    assert list(data.index) == ["one-effect", "two-effects", "two-effects: first", "two-effects: second", *rest]
    assert data.loc["one-effect", ["value", "low", "high"]].tolist() == [3, 2, 4]
    assert data.loc["two-effects: first", ["value", "low", "high"]].tolist() == [3, 2, 4]
    assert data.loc["two-effects: second", ["value", "low", "high"]].tolist() == [-2, -3, -1]
    assert np.isnan(data.loc["two-effects", "value"])


def test_a_figure_for_each_unit_and_kind_that_occurs() -> None:
    drawn = claims.figures(LEDGER)
    assert [figure.name for figure in drawn] == ["claims-points", "claims-points-none", "claims-percent"]
    assert "one-effect" in svg.draw(drawn[0].still_spec)
    assert claims.figures([claim for claim in LEDGER if claim["id"] == "identity"]) == []


def test_claims_by_document_and_a_ledger_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [claim["id"] for claim in claims.by_document(LEDGER)["001"]] == [claim["id"] for claim in LEDGER]
    assert claims.by_document(LEDGER)["004"] == []
    file = Path("reports/claims.json")
    with pytest.raises(UserError, match="missing"):
        claims.read(file)
    write_json(file, {"claims": LEDGER, "rules": RULES, "changes": CHANGES})
    record(file)
    assert claims.read(file) == (LEDGER, RULES, CHANGES)
