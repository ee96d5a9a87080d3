"""A claim, the parts that test it, and how evidence becomes a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from stages.config import Params
from stages.documents import rules
from stages.documents.evidence import Evidence, Measure, NotTestedError
from stages.statistics import (
    Interval,
    Side,
    Verdict,
    mean_interval,
    ratio_interval,
    share_interval,
    verdict,
    verdict_of,
)

ROUNDING = 1e-9
"""A share below is none."""


@dataclass(frozen=True)
class Points:
    """A difference of accuracies (shares in [0, 1]), in points."""

    case: str
    """What is tested; the parts of one case must all hold for the case to hold."""
    text: str
    """What is subtracted from what, in a few words."""
    difference: Measure
    side: Side
    figure: str
    """Where it can be seen: page and anchor, from the root of the site."""


@dataclass(frozen=True)
class Percent:
    """A relative difference of losses or norms, in percent of the reference."""

    case: str
    text: str
    value: Measure
    reference: Measure
    side: Side
    figure: str


@dataclass(frozen=True)
class EveryRun:
    """A share that is said to be zero in every run; the runs in which it is are counted."""

    case: str
    text: str
    """What the runs that count do, in a few words."""
    share: Measure
    figure: str


@dataclass(frozen=True)
class Same:
    """Two computations that an experiment compares, and whether they are said to be the same."""

    case: str
    text: str
    experiment: str
    identity: str
    figure: str
    expected: Literal["same", "differs"] = "same"


Part = Points | Percent | EveryRun | Same
Judged = Verdict | Literal["not tested"]


@dataclass(frozen=True)
class Claim:
    id: str
    claim: str
    """In one sentence."""
    section: str
    """Where in the document."""
    experiment: str
    """How it is tested and what that leaves open, in a sentence or two."""
    parts: Sequence[Part]
    rule: Literal["all", "any"] = "all"
    """Whether all cases must hold or any one: "some", "sometimes"."""
    document: str = ""
    """Number of the document that makes it, which is that of its folder."""


def judge(claim: Claim, evidence: Evidence, params: Params) -> dict[str, Any]:
    """The entry of `reports/claims.json`.

    A part that is not tested counts as undecided; a claim none of whose parts is tested is not tested.
    """
    parts = []
    for part in claim.parts:
        shared = {"case": part.case, "text": part.text, "figure": part.figure}
        try:
            measured = measure(part, evidence, params)
        except NotTestedError as reason:
            measured = {"verdict": "not tested", "run": str(reason)}
        parts.append(shared | measured)
    cases = by_case(parts)
    tested = any(verdict != "not tested" for verdict in cases.values())
    sources = dict.fromkeys(
        (experiment.data, experiment.record if isinstance(part, Same) else experiment.file)
        for part in claim.parts
        for name in names(part)
        if tested and (experiment := evidence.experiments.get(name))
    )
    return {
        "id": claim.id,
        "claim": claim.claim,
        "document": claim.document,
        "section": claim.section,
        "experiment": claim.experiment,
        "data": list(dict.fromkeys(data for data, _ in sources)),
        "files": [file for _, file in sources],
        "rule": claim.rule,
        "verdict": verdict_of(as_tested(cases.values()), claim.rule) if tested else "not tested",
        "cases": cases,
        "parts": parts,
    }


def measure(part: Part, evidence: Evidence, params: Params) -> dict[str, Any]:
    """What was found of a part, and its verdict. Raises `NotTestedError`."""
    if isinstance(part, Same):
        return same(part, evidence, params)
    return counted(part, evidence, params) if isinstance(part, EveryRun) else effect(part, evidence, params)


def effect(part: Points | Percent, evidence: Evidence, params: Params) -> dict[str, Any]:
    """An effect with its interval, its verdict and its value in each seed.

    What rests on networks that had not finished learning is undecided, whatever the interval. An effect that is the
    same in every seed has no interval, and is judged by the number of seeds.
    """
    confidence = params.evaluation.confidence
    unfinished = evidence.unfinished(*measures(part))
    if isinstance(part, Points):
        values, smallest = evidence.values(part.difference).iloc[:, 0], params.claims.points
        interval = mean_interval(evidence.independent(part.difference, values), confidence)
    else:
        table, smallest = evidence.values(part.value, part.reference), params.claims.percent
        own, reference = table.iloc[:, 0], table.iloc[:, 1]
        values = own / reference - 1
        interval = ratio_interval(own.to_numpy(), reference.to_numpy(), confidence)
    constant = interval.n > 1 and np.isfinite(interval.mean) and not interval.has_width
    rule = by_count if constant else verdict
    return {
        "side": part.side,
        "unit": "points" if isinstance(part, Points) else "percent",
        "effect": rounded(100 * interval.mean),
        "low": None if constant else rounded(100 * interval.low),
        "high": None if constant else rounded(100 * interval.high),
        "n": interval.n,
        "smallest": smallest,
        "verdict": "undecided" if unfinished else rule(interval, part.side, smallest / 100),
        "unfinished": unfinished,
        "values": {str(seed): rounded(100 * value) for seed, value in values.items()},
    }


def by_count(effect: Interval, side: Side, smallest: float) -> Verdict:
    """The verdict on an effect that is the same in every seed: that of its value, if enough seeds agree."""
    if effect.n < rules.RUNS:
        return "undecided"
    value = -effect.mean if side == "less" else effect.mean
    holds = {
        "greater": value >= smallest,
        "less": value >= smallest,
        "negligible": abs(value) < smallest,
        "not less": value > -smallest,
    }
    return "holds" if holds[side] else "fails"


def counted(part: EveryRun, evidence: Evidence, params: Params) -> dict[str, Any]:
    """In how many runs a share is zero, as a share of the runs with Clopper and Pearson's interval, in percent."""
    values = evidence.values(part.share).iloc[:, 0]
    unfinished, n = evidence.unfinished(part.share), len(values)
    count = int((values.abs() < ROUNDING).sum())
    judged: Verdict = "fails" if count < n else "holds" if n >= rules.RUNS else "undecided"
    interval = share_interval(count, n, params.evaluation.confidence)
    return {
        "side": "every",
        "unit": "runs",
        "count": count,
        "effect": rounded(100 * interval.mean),
        "low": rounded(100 * interval.low),
        "high": rounded(100 * interval.high),
        "n": n,
        "verdict": "undecided" if unfinished or not np.isfinite(values).all() else judged,
        "unfinished": unfinished,
        "values": {str(seed): rounded(100 * value) for seed, value in values.items()},
    }


def same(part: Same, evidence: Evidence, params: Params) -> dict[str, Any]:
    """The deviation of two computations, and whether it is what the claim says."""
    deviation, tolerance = evidence.deviation(part.experiment, part.identity), params.claims.tolerance
    agrees = deviation <= tolerance if part.expected == "same" else deviation > tolerance
    return {
        "expected": part.expected,
        "deviation": rounded(deviation),
        "tolerance": tolerance,
        "verdict": "undecided" if np.isnan(deviation) else "holds" if agrees else "fails",
    }


def by_case(parts: Sequence[dict[str, Any]]) -> dict[str, Judged]:
    """The verdict on each case: all of its parts must hold."""
    found: dict[str, list[Judged]] = {}
    for part in parts:
        found.setdefault(part["case"], []).append(part["verdict"])
    return {
        case: "not tested" if set(verdicts) == {"not tested"} else verdict_of(as_tested(verdicts), "all")
        for case, verdicts in found.items()
    }


def as_tested(verdicts: Iterable[Judged]) -> list[Verdict]:
    """With what is not tested as undecided."""
    return ["undecided" if verdict == "not tested" else verdict for verdict in verdicts]


def measures(part: Points | Percent | EveryRun) -> list[Measure]:
    """The outcomes that a part reads."""
    match part:
        case Points():
            return [part.difference]
        case Percent():
            return [part.value, part.reference]
        case EveryRun():
            return [part.share]


def names(part: Part) -> list[str]:
    """The experiments that a part reads."""
    if isinstance(part, Same):
        return [part.experiment]
    return list(dict.fromkeys(outcome.experiment for each in measures(part) for _, outcome in each.terms))


def rounded(value: float) -> float | None:
    """To six digits and without a negative zero, for the file; None for what is not finite."""
    return float(f"{value:.6g}") + 0.0 if np.isfinite(value) else None
