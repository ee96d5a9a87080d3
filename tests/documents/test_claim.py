"""Evidence becomes verdicts by the rule, and every claim that the project promises is there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import config, files
from stages.config import BASELINE, DEFAULT, TRACKS, TUNED, Params
from stages.documents import DOCUMENTS, evidence, rules
from stages.documents.changes import CHANGES
from stages.documents.claim import Claim, EveryRun, Part, Percent, Points, Same, judge, measures
from stages.documents.claims import CLAIMS
from stages.documents.evidence import EVALUATION, Evidence, ExperimentEvidence, Measure, OutcomeKey, indexed
from stages.documents.face_notebook.claims import COCKTAIL, PENALTIES, REGULARIZERS
from stages.errors import UserError
from stages.statistics import as_independent, mean_interval, search_correlation
from tests import small

PROMISED = {
    "000": ["decay-is-l2-under-sgd", "decay-helps-logistic"],
    "001": [
        "penalties-shrink-weights",
        "penalties-help",
        "networks-memorise",
        "regularizers-resist-memorising",
        "noise-can-help",
        "early-stopping-helps",
        "dropout-helps",
        "augmentation-helps",
        "lr-regularizes",
        "big-regularized-beats-small",
        "cocktail-helps",
        "max-over-epochs-flatters",
        "regularized-is-robust",
    ],
    "002": ["decay-not-divided", "bias-is-decayed"],
    "003": ["adam-decay-is-not-decoupled", "relu-on-logits", "tiny-decay-is-nothing"],
    "004": ["lambda-plateau", "decay-is-ridge"],
}


@pytest.fixture(scope="module")
def params() -> Params:
    return config.load()


def toy_evidence(deviations: dict[str, float] | None = None, **cases: list[float]) -> Evidence:
    """Evidence of one experiment `toy` with the metric `m` of some cases, by seed; each spreads a little."""
    rows = [
        (case, seed, "m", value + spread(place, seed))
        for place, (case, values) in enumerate(cases.items())
        for seed, value in enumerate(values)
    ]
    outcomes = indexed(pd.DataFrame(rows, columns=["case", "seed", "metric", "value"]))
    folder = "data/documents/toy"
    toy = ExperimentEvidence(f"{folder}/outcomes.parquet", "A toy", outcomes, deviations or {}, f"{folder}/record.json")
    return Evidence({"toy": toy})


def spread(place: int, seed: int) -> float:
    """A little that gives intervals a width, for those without are judged by counting."""
    return 1e-9 * (place + 1) ** 2 * seed


def measure(case: str, experiment: str = "toy") -> Measure:
    return Measure(((1.0, OutcomeKey(experiment, case, "m")),))


def claim(*parts: Part, rule: Any = "all") -> Claim:
    return Claim("an-id", "A sentence.", "A section", "An experiment.", parts, rule, "001")


def points(case: str, side: Any, difference: Measure | None = None) -> Points:
    return Points(case, "a minus b", difference or measure("a") - measure("b"), side, "index.html#x")


def test_the_ledger_holds_every_promised_claim() -> None:
    assert [(entry.document, entry.id) for entry in CLAIMS] == [(n, id) for n, own in PROMISED.items() for id in own]


def test_regularizers_are_variants_that_share_all_else_with_the_reference(params: Params) -> None:
    shared = {name for name, variant in params.variants.items() if variant.training == params.training}
    assert set(REGULARIZERS) <= shared - {BASELINE, "everything"}  # a variant of the user's own is in no claim
    assert set(PENALTIES) <= set(REGULARIZERS)


def test_the_cocktail_is_that_of_the_variant(params: Params) -> None:
    def methods(variant: str) -> set[str]:
        return params.variants[variant].parameters().keys() - {"training"}

    assert methods("everything") == set(COCKTAIL)
    assert all(methods(name) == {name} for name in COCKTAIL)


def test_points_are_paired_differences_of_shares(params: Params) -> None:
    found = toy_evidence(a=[0.93, 0.95, 0.94], b=[0.90, 0.92, 0.91])
    entry = judge(claim(points("x", "greater")), found, params)
    part = entry["parts"][0]
    assert [part["effect"], part["low"], part["high"]] == pytest.approx([3, 3, 3])
    assert part["n"] == 3
    assert part["values"] == {"0": pytest.approx(3), "1": pytest.approx(3), "2": pytest.approx(3)}
    assert (part["smallest"], part["unit"]) == (params.claims.points, "points")
    assert part["verdict"] == entry["verdict"] == "holds"
    assert entry["data"] == ["A toy"]


def test_seeds_are_paired_by_their_numbers_not_their_order(params: Params) -> None:
    rows = [("a", 0, 0.5), ("a", 1, 0.9), ("b", 1, 0.8), ("b", 0, 0.4)]
    table = pd.DataFrame(rows, columns=["case", "seed", "value"]).assign(metric="m")
    found = Evidence({"toy": ExperimentEvidence("f", "A toy", indexed(table), {})})
    part = judge(claim(points("x", "greater")), found, params)["parts"][0]
    assert part["values"] == {"0": pytest.approx(10), "1": pytest.approx(10)}


def test_a_gap_of_gaps(params: Params) -> None:
    found = toy_evidence(a=[0.9, 0.8], b=[0.5, 0.5], c=[0.7, 0.7], d=[0.6, 0.6])
    gap = (measure("a") - measure("b")) - (measure("c") - measure("d"))
    part = judge(claim(points("x", "greater", gap)), found, params)["parts"][0]
    assert list(part["values"].values()) == pytest.approx([30, 20])


def test_percent_is_relative_to_the_reference(params: Params) -> None:
    found = toy_evidence(a=[1.0, 2.0, 8.0], b=[2.0, 4.0, 16.001])
    part = Percent("x", "a over b", measure("a"), measure("b"), "less", "index.html#x")
    entry = judge(claim(part), found, params)
    assert entry["parts"][0]["effect"] == pytest.approx(-50, abs=0.01)
    assert entry["parts"][0]["smallest"] == params.claims.percent
    assert entry["verdict"] == "holds"


@pytest.mark.parametrize(("factor", "expected", "verdict"), [(0.5, "same", "holds"), (2, "same", "fails")])
def test_identities_are_held_to_the_tolerance(params: Params, factor: float, expected: Any, verdict: str) -> None:
    found = toy_evidence({"twice": factor * params.claims.tolerance})
    same = Same("x", "one and the other", "toy", "twice", "documents/toy.html", expected)
    opposite = Same("x", "one and the other", "toy", "twice", "documents/toy.html", "differs")
    assert judge(claim(same), found, params)["verdict"] == verdict
    assert judge(claim(opposite), found, params)["verdict"] == {"holds": "fails", "fails": "holds"}[verdict]


def test_the_files_behind_a_claim_hold_what_it_reads(params: Params) -> None:
    found = toy_evidence({"twice": 0.0}, a=[0.9, 0.9], b=[0.8, 0.8])
    outcomes, record = "data/documents/toy/outcomes.parquet", "data/documents/toy/record.json"
    same = Same("x", "one and the other", "toy", "twice", "documents/toy.html")
    assert judge(claim(same), found, params)["files"] == [record]
    assert judge(claim(points("x", "greater")), found, params)["files"] == [outcomes]
    both = judge(claim(points("x", "greater"), same, points("y", "less")), found, params)
    assert (both["files"], both["data"]) == ([outcomes, record], ["A toy"])


def test_the_edge_of_the_tolerance_counts_as_the_same(params: Params) -> None:
    found = toy_evidence({"edge": params.claims.tolerance})
    assert judge(claim(Same("x", "", "toy", "edge", "")), found, params)["verdict"] == "holds"


def test_all_parts_of_a_case_must_hold_and_any_case_is_enough(params: Params) -> None:
    found = toy_evidence(a=[0.9, 0.9], b=[0.8, 0.8], c=[0.5, 0.5])
    good, bad = points("", "greater"), points("", "less")

    def verdict(rule: str, **cases: list[Points]) -> str:
        parts = [Points(case, part.text, part.difference, part.side, "") for case, own in cases.items() for part in own]
        return str(judge(claim(*parts, rule=rule), found, params)["verdict"])

    assert verdict("all", one=[good], two=[good]) == "holds"
    assert verdict("all", one=[good], two=[bad]) == "fails"
    assert verdict("any", one=[good], two=[bad]) == "holds"
    assert verdict("any", one=[good, bad], two=[bad]) == "fails"
    assert verdict("any", one=[good, good], two=[bad, good]) == "holds"


def test_each_case_has_its_verdict(params: Params) -> None:
    found = toy_evidence(a=[0.9, 0.9], b=[0.8, 0.8], c=[0.85, 0.9], d=[0.8, 0.9])
    entry = judge(
        claim(
            points("good", "greater"),
            points("mixed", "greater"),
            points("mixed", "less"),
            points("open", "greater"),
            points("open", "greater", measure("c") - measure("d")),
            points("absent", "greater", measure("a", "another")),
            points("partly absent", "greater"),
            points("partly absent", "greater", measure("a", "another")),
            rule="any",
        ),
        found,
        params,
    )
    assert entry["cases"] == {
        "good": "holds",
        "mixed": "fails",
        "open": "undecided",
        "absent": "not tested",
        "partly absent": "undecided",
    }
    assert entry["verdict"] == "holds"


def test_what_has_not_run_is_not_tested_and_says_what_to_run(params: Params) -> None:
    found = toy_evidence(a=[0.9, 0.9], b=[0.8, 0.8])
    missing = points("y", "greater", measure("a", "another"))
    entry = judge(claim(missing), found, params)
    assert entry["verdict"] == entry["parts"][0]["verdict"] == "not tested"
    assert "another" in entry["parts"][0]["run"]
    assert entry["data"] == entry["files"] == []
    assert judge(claim(points("x", "greater"), missing), found, params)["verdict"] == "undecided"
    assert judge(claim(points("x", "less"), missing), found, params)["verdict"] == "fails"
    assert judge(claim(points("x", "greater"), missing, rule="any"), found, params)["verdict"] == "holds"


def test_a_case_that_an_experiment_does_not_have_is_a_mistake_in_the_entry(params: Params) -> None:
    with pytest.raises(KeyError):
        judge(claim(points("x", "greater")), toy_evidence(a=[0.9, 0.9]), params)


@pytest.mark.parametrize("values", [[0.9], [0.9, np.nan], [np.inf, 0.9]])
def test_what_has_no_interval_is_undecided_and_can_be_written(
    params: Params, values: list[float], tmp_path: Path
) -> None:
    found = toy_evidence(a=values, b=[0.5] * len(values))
    entry = judge(claim(points("x", "greater")), found, params)
    assert entry["verdict"] == "undecided"
    assert entry["parts"][0]["low"] is None
    files.write_json(tmp_path / "claims.json", [entry])


def constant(value: float, seeds: int) -> Evidence:
    table = pd.DataFrame({"case": "a", "seed": range(seeds), "metric": "m", "value": [value] * seeds})
    return Evidence({"toy": ExperimentEvidence("f", "A toy", indexed(table), {})})


@pytest.mark.parametrize(
    ("value", "sides"),
    [(0.5, {"greater", "not less"}), (-0.5, {"less"}), (0.0, {"negligible", "not less"})],
)
def test_an_effect_that_is_the_same_in_every_seed_is_judged_by_their_number(
    params: Params, value: float, sides: set[str]
) -> None:
    for side in ("greater", "less", "negligible", "not less"):
        judged = judge(claim(points("x", side, measure("a"))), constant(value, rules.RUNS), params)
        assert judged["verdict"] == ("holds" if side in sides else "fails")
        assert judged["parts"][0]["low"] is None
        few = judge(claim(points("x", side, measure("a"))), constant(value, rules.RUNS - 1), params)
        assert few["verdict"] == "undecided"


@pytest.mark.parametrize(
    ("missed", "count", "verdict"),
    [
        ([0.0] * 10, 10, "holds"),
        ([0.0] * 9, 9, "undecided"),
        ([0.0] * 19 + [0.01], 19, "fails"),
        ([0.5] * 10, 0, "fails"),
        ([0.0] * 10 + [np.nan], 10, "undecided"),
    ],
)
def test_runs_are_counted_and_all_must(params: Params, missed: list[float], count: int, verdict: str) -> None:
    table = pd.DataFrame({"case": "a", "seed": range(len(missed)), "metric": "m", "value": missed})
    toy = ExperimentEvidence("f", "A toy", indexed(table), {})
    every = claim(EveryRun("x", "runs that fit", measure("a"), "index.html#x"))
    part = judge(every, Evidence({"toy": toy}), params)["parts"][0]
    assert (part["count"], part["n"], part["verdict"]) == (count, len(missed), verdict)
    assert part["low"] <= part["effect"] <= part["high"]
    assert part["high"] - part["low"] > 5  # percent: never of no width
    withheld = judge(every, Evidence({"toy": replace(toy, unfinished=frozenset({"a"}))}), params)
    assert withheld["verdict"] == "undecided"


def test_ten_of_ten_runs_say_what_the_rule_says(params: Params) -> None:
    part = judge(claim(EveryRun("x", "", measure("a"), "")), constant(0.0, rules.RUNS), params)["parts"][0]
    assert part["low"] == pytest.approx(100 * 0.025 ** (1 / rules.RUNS), rel=1e-4)  # all of n: (alpha / 2)^(1 / n)
    assert 69 < part["low"] < 70


def test_what_rests_on_a_network_that_has_not_finished_is_undecided(params: Params) -> None:
    found = toy_evidence(a=[0.9, 0.9], b=[0.8, 0.8], c=[0.5, 0.5])
    unfinished = Evidence({"toy": replace(found.experiments["toy"], unfinished=frozenset({"b"}))})
    other = measure("a") - measure("c")
    for part, rests in (
        (points("x", "greater"), True),
        (points("x", "less"), True),
        (points("x", "less", other), False),
    ):
        assert judge(claim(part), found, params)["verdict"] != "undecided"
        judged = judge(claim(part), unfinished, params)
        assert (judged["verdict"] == "undecided") == rests
        assert judged["parts"][0]["unfinished"] == ["b"] * rests
    ratio = Percent("x", "a over b", measure("a"), measure("b"), "greater", "")
    assert judge(claim(ratio), unfinished, params)["verdict"] == "undecided"


def test_the_benchmark_says_which_of_its_variants_have_not_finished(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_benchmark(tmp_path, params)
    file = tmp_path / "data/evaluation/runs.parquet"
    runs = pd.read_parquet(file)
    own = (runs["variant"] == "augmentation") & (runs["task"] == "clean") & (runs["track"] == TUNED)
    runs["unfinished"] = own & (runs["seed"] == params.splits.first) & (runs["repeat"] == 1)
    runs.to_parquet(file)
    small.accept(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = evidence.read(params, [])
    assert found.experiments[EVALUATION].unfinished == {"augmentation/clean/tuned"}
    assert judge(next(entry for entry in CLAIMS if entry.id == "augmentation-helps"), found, params)["verdict"] == (
        "undecided"
    )


def test_each_claim_on_the_benchmark_is_judged_on_the_track_that_the_rules_name() -> None:
    for entry in CLAIMS:
        terms = [term for part in entry.parts if not isinstance(part, Same) for m in measures(part) for term in m.terms]
        tracks = {outcome.case.split("/")[2] for _, outcome in terms if outcome.experiment == EVALUATION}
        assert tracks == ({rules.TRACKS[entry.id]} if entry.id in rules.TRACKS else set())
    assert rules.TRACKS.keys() <= {entry.id for entry in CLAIMS}


def test_the_rules_say_what_the_parameters_say(params: Params) -> None:
    text = next(rule.text for rule in rules.RULES if rule.name == "Smallest effect that matters")
    assert f"{params.claims.points:g} point of accuracy, {params.claims.percent:g} %" in text
    assert params.splits.first >= 200
    assert params.evaluation.confidence == 0.95
    assert date.fromisoformat(rules.FROZEN) >= max(date.fromisoformat(change.date) for change in CHANGES)


def test_repeats_are_averaged_before_seeds_are_compared(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_benchmark(tmp_path, params)
    file = tmp_path / "data/evaluation/runs.parquet"
    runs = pd.read_parquet(file)
    runs["val_accuracy"] = 0.2 + 0.4 * runs["repeat"]
    second = params.splits.first + 1
    runs.loc[(runs["seed"] == second) & (runs["repeat"] == 1), "val_accuracy"] = np.nan
    runs.to_parquet(file)
    small.accept(tmp_path)
    monkeypatch.chdir(tmp_path)
    values = evidence.read(params, []).values(evidence.of_benchmark("l1", "clean", "val_accuracy", TUNED)).iloc[:, 0]
    assert np.isnan(values[second])
    assert values.drop(second).to_numpy() == pytest.approx(0.4)


@pytest.mark.parametrize("luck", [0.0, 0.05])
def test_the_interval_of_tuned_variants_is_that_of_the_comparisons(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, luck: float
) -> None:
    """Pooled over the variants, the luck of the search widens the interval of tuned ones, and of no others."""
    write_benchmark(tmp_path, params)
    file, generator = tmp_path / "data/evaluation/runs.parquet", np.random.default_rng(0)
    runs = pd.read_parquet(file)
    own = runs["variant"].map({name: generator.normal(0, luck, params.tune.searches) for name in params.variants})
    searches = [params.search(seed) for seed in runs["seed"]]
    of_search = np.stack(own.to_list())[np.arange(len(runs)), searches]
    runs["test_accuracy"] = 0.7 + of_search + generator.normal(0, 0.01, len(runs))
    runs.to_parquet(file)
    small.accept(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = evidence.read(params, [])
    seeds = runs.groupby(["task", "track", "variant", "seed"])["test_accuracy"].mean().unstack("seed")
    for track in (DEFAULT, TUNED):
        family = seeds.loc["clean", track]
        compared = [
            (name, variant.against)
            for name, variant in params.variants.items()
            if variant.against != name and (name, "clean") not in params.needless
        ]
        own, others = (family.loc[list(names)].to_numpy() for names in zip(*compared, strict=True))
        differences = own - others
        searched = np.array([params.search(seed) for seed in family.columns])
        correlation = search_correlation(differences, searched) if track == TUNED else 0.0
        assert (correlation > 0.3) == (luck > 0 and track == TUNED)
        difference = (family.loc["l1"] - family.loc["none"]).to_numpy()
        spread = as_independent(difference, searched, correlation) if track == TUNED else difference
        expected = mean_interval(spread, 0.95)
        measured = evidence.of_benchmark("l1", "clean", "test_accuracy", track) - evidence.of_benchmark(
            "none", "clean", "test_accuracy", track
        )
        part = judge(claim(points("x", "greater", measured)), found, params)["parts"][0]
        assert [part["effect"], part["low"], part["high"]] == pytest.approx(
            [100 * expected.mean, 100 * expected.low, 100 * expected.high], rel=1e-4
        )


def test_changes_of_the_rules_are_dated_in_order_and_name_claims() -> None:
    dates = [date.fromisoformat(change.date) for change in CHANGES]
    assert dates == sorted(dates)
    named = {name for change in CHANGES for name in re.findall(r"\b[a-z]+(?:-[a-z]+)+\b", change.rule)}
    assert named <= {id for own in PROMISED.values() for id in own}
    assert {"networks-memorise", "relu-on-logits"} <= named


def test_two_values_for_one_seed_are_refused() -> None:
    table = pd.DataFrame({"case": "a", "seed": [0, 0], "metric": "m", "value": [1.0, 2.0]})
    with pytest.raises(ValueError, match="two values"):
        indexed(table)


def everything(effect: Callable[[str], float]) -> Evidence:
    """Evidence in which each outcome that the claims read is `effect` of its case, and each identity 0 or 1."""
    rows: dict[str, set[tuple[str, str]]] = {}
    deviations: dict[str, dict[str, float]] = {}
    for entry in CLAIMS:
        for part in entry.parts:
            if isinstance(part, Same):
                deviations.setdefault(part.experiment, {})[part.identity] = float(part.expected == "differs")
                continue
            for _, outcome in (term for each in measures(part) for term in each.terms):
                rows.setdefault(outcome.experiment, set()).add((outcome.case, outcome.metric))
    experiments = {}
    for name in rows.keys() | deviations.keys():
        table = [
            (case, seed, metric, effect(case) + spread(place, seed))
            for place, (case, metric) in enumerate(sorted(rows.get(name, ())))
            for seed in range(4)
        ]
        outcomes = indexed(pd.DataFrame(table, columns=["case", "seed", "metric", "value"]))
        searches = pd.Series(range(4))
        experiments[name] = ExperimentEvidence(
            f"data/{name}", name, outcomes, deviations.get(name, {}), searches=searches
        )
    return Evidence(experiments)


def test_where_nothing_has_an_effect_only_claims_of_none_hold(params: Params) -> None:
    entries = {entry.id: judge(entry, everything(lambda case: 0.0), params) for entry in CLAIMS}
    part_verdicts = {
        (part["side"], part["verdict"])
        for entry in entries.values()
        for part in entry["parts"]
        if part.get("unit") == "points"
    }
    assert part_verdicts == {("greater", "fails"), ("less", "fails"), ("negligible", "holds"), ("not less", "holds")}
    for identity in ("decay-is-l2-under-sgd", "decay-not-divided", "bias-is-decayed", "decay-is-ridge"):
        assert entries[identity]["verdict"] == "holds"


@pytest.mark.parametrize(
    ("with_relu", "without", "verdict"),
    [(0.3, 0.02, "holds"), (0.3, -0.1, "holds"), (0.3, 0.2, "fails"), (0.0, -0.1, "fails"), (-0.3, -0.2, "fails")],
)
def test_a_gain_comes_from_the_relu_if_most_of_it_is_gone_without(
    params: Params, with_relu: float, without: float, verdict: str
) -> None:
    accuracies = {"dropout/relu": with_relu, "dropout/logits": without, "batch_norm/relu": 0.3, "batch_norm/logits": 0}
    found = everything(lambda case: 0.5 + accuracies.get(case, 0.0))
    assert judge(next(entry for entry in CLAIMS if entry.id == "relu-on-logits"), found, params)["verdict"] == verdict


def test_the_ledger_reads_what_the_stages_write(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_benchmark(tmp_path, params)
    monkeypatch.chdir(tmp_path)
    found = evidence.read(params, [])
    assert found.experiments.keys() == {EVALUATION}
    assert found.experiments[EVALUATION].data == "Generated"
    entries = {entry.id: judge(entry, found, params) for entry in CLAIMS}
    assert entries["lambda-plateau"]["verdict"] == "not tested"
    assert entries["networks-memorise"]["verdict"] == "fails"  # one label in two is missed
    assert entries["augmentation-helps"]["verdict"] == "holds"
    assert entries["dropout-helps"]["parts"][0]["verdict"] == "not tested"


def test_a_variant_that_is_removed_is_not_tested(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_benchmark(tmp_path, params)
    monkeypatch.chdir(tmp_path)
    left = {name: variant for name, variant in params.variants.items() if name != "wide"}
    found = evidence.read(replace(params, variants=left), [])
    part = judge(next(entry for entry in CLAIMS if entry.id == "noise-can-help"), found, params)["parts"][1]
    assert part["verdict"] == "not tested"
    assert "`wide` under `variants`" in part["run"]


def test_results_older_than_the_parameters_are_refused(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="missing"):
        evidence.read(params, [])
    write_benchmark(tmp_path, replace(params, variants={"none": params.variants["none"]}))
    with pytest.raises(UserError, match=r"has no results for .*dropout"):
        evidence.read(params, [])
    with pytest.raises(UserError, match="logistic_decay"):
        evidence.read(replace(params, variants={"none": params.variants["none"]}), DOCUMENTS)


def write_benchmark(folder: Path, params: Params) -> None:
    """An evaluation in which augmentation, tuned, gains ten points and nothing else does anything."""
    table = pd.DataFrame(
        {
            "variant": variant,
            "task": task,
            "track": track,
            "seed": seed,
            "repeat": repeat,
            "test_accuracy": 0.7 + 0.1 * (variant == "augmentation" and track == TUNED) + spread(place, seed),
            "train_accuracy": 0.5 + spread(place, seed),
        }
        for place, variant in enumerate(params.variants)
        for task in ("clean", "partly_random", "random")
        for track in TRACKS
        for seed in params.splits.drawn(8)
        for repeat in range(2)
    )
    table = table.assign(
        val_accuracy=0.7, accuracy_on_wrong_given=0.4, fgsm_drop=0.1, param_norm=3.0, diverged=False, unfinished=False
    )
    table["epochs_to_fit"] = pd.array([pd.NA] * len(table), dtype="Int64")
    (folder / "data/evaluation").mkdir(parents=True)
    table.to_parquet(folder / "data/evaluation/runs.parquet", index=False)
    (folder / "data/card.json").write_text(json.dumps({"title": "Generated"}))
    small.accept(folder)
