"""The page that `make verify` prints, and the same as data."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from stages.verification import rule
from stages.verification.conclusions import Comparison, Move
from stages.verification.records import Machine, Record
from stages.verification.selftest import AVOIDED

WIDTH = 118
SHOWN = 20
"""Rows of a list on the page; `data/verification.json` has all."""
KINDS = {"mark": "marks", "ranks": "intervals of ranks", "claim": "verdicts on claims and their parts"}
Outcome = Literal["identical", "same conclusions", "changed"]


@dataclass(frozen=True)
class Verification:
    """What came of comparing a run with the results that are committed."""

    commit: str
    same: Sequence[str]
    """The stages that came out the same to the byte."""
    different: Sequence[str]
    """Those that did not."""
    code: Sequence[str]
    """What of the code of these stages is not that of the commit's results."""
    files: Sequence[str]
    """The published files that are not as in the commit."""
    comparison: Comparison
    conditions: Mapping[str, Sequence[str]]
    """Device, arithmetic and versions of the trainings, as they recorded them."""
    machine: Machine
    selftest: Mapping[str, str]
    author: Record | None
    """The record of the machine that made the published results."""

    @property
    def outcome(self) -> Outcome:
        if not self.different and not self.files:
            return "identical"
        return "same conclusions" if self.comparison.holds else "changed"


def content(found: Verification) -> dict[str, Any]:
    """The whole as data."""
    comparison = found.comparison
    return {
        "outcome": found.outcome,
        "commit": found.commit,
        "rule": {"date": rule.DATE, "text": rule.RULE, "share": rule.SHARE},
        "stages": {"same": found.same, "different": found.different, "left_out": rule.LEFT_OUT},
        "changed_code": found.code,
        "changed_files": found.files,
        "compared": comparison.compared,
        "changes": [asdict(change) for change in comparison.changes],
        "moves": [
            {key: _finite(value) if isinstance(value, float) else value for key, value in asdict(move).items()}
            for move in comparison.moves
        ],
        "trained_with": found.conditions,
        "machine": found.machine.model_dump(),
        "selftest": found.selftest,
        "author": found.author
        and {
            "machine": found.author.machine.model_dump(),
            "selftest": found.author.selftest,
        },
    }


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None


def text(found: Verification) -> str:
    """The page: the outcome first, then what it rests on."""
    total = len(found.same) + len(found.different)
    sentence = {
        "identical": f"IDENTICAL. All {total} stages came out the same to the byte, and so did every published file.",
        "same conclusions": "THE SAME CONCLUSIONS. Not every byte is the same, but a reader would conclude the same.",
        "changed": "CHANGED. A reader would conclude something else, by the rule at the end of this page.",
    }[found.outcome]
    lines = [f"Results compared with those of the commit {found.commit[:10]}", "", sentence]
    for title, part in (
        ("Stages", _stages(found)),
        ("Conclusions", _conclusions(found.comparison)),
        ("Largest moves", _moves(found.comparison.moves)),
        ("Machine", _machine(found)),
        (f"The rule, of {rule.DATE}", _wrapped(rule.RULE)),
    ):
        lines += ["", title, *(f"  {line}" for line in part)]
    return "\n".join(lines)


def _wrapped(words: str, hanging: int = 0) -> list[str]:
    return textwrap.wrap(words, WIDTH - 2, subsequent_indent=" " * hanging, break_on_hyphens=False)


def _listed(title: str, names: Sequence[str]) -> list[str]:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return _wrapped(f"{title:<18}{', '.join(names[:SHOWN])}{more}", 18) if names else []


def _stages(found: Verification) -> Iterator[str]:
    yield from _listed("same to the byte", found.same)
    yield from _listed("different", found.different)
    yield from _wrapped(
        f"{'left out':<18}{', '.join(rule.LEFT_OUT)}: they measure time, which differs between any two runs"
    )
    yield from _listed("changed code", found.code)
    yield from _listed("changed files", found.files)


def _conclusions(comparison: Comparison) -> Iterator[str]:
    for kind, title in KINDS.items():
        changes = [change for change in comparison.changes if change.kind == kind]
        yield f"{comparison.compared[kind]:>7,} {title}: {len(changes) or 'none'} changed"
        yield from (f"          {each.where}: {each.before} → {each.after}" for each in changes[:SHOWN])
        if len(changes) > SHOWN:
            yield f"          and {len(changes) - SHOWN} more"


def _moves(moves: Sequence[Move]) -> Iterator[str]:
    if not moves:
        yield "none: all published numbers are the same"
        return
    yield f"{'':<34}{'largest, in its unit':>22}{'share of half-width':>22}  where that is"
    for move in moves:
        title = f"{move.number} of {move.metric}"
        size = f"{move.size:.3g} {'points' if move.unit == '%' else move.unit}".strip()
        share = (
            f"{100 * move.share:{'.3g' if move.share < 1 else ',.0f'}} %"
            if math.isfinite(move.share)
            else "no interval"
        )
        yield f"{title:<34}{size:>22}{share:>22}  {move.share_where}"


def _machine(found: Verification) -> Iterator[str]:
    machine, author = found.machine, found.author
    if author is None:
        yield "There is no record of the machine that made the published results, so this one stands alone."
    rows = _described(machine)
    other = _described(author.machine) if author else {}
    yield f"{'':<18}{'here':<50}{'published results' if author else ''}".rstrip()
    for title, words in rows.items():
        theirs = other.get(title, "")
        mark = "≠ " if author and theirs != words else "  "
        yield f"{title:<18}{words:<50}{mark if author else ''}{theirs}".rstrip()
    trained = "; ".join(f"{key} {', '.join(values)}" for key, values in found.conditions.items())
    yield from _wrapped(f"{'trained with':<18}{trained}", 18)
    if author:
        differ = [name for name, own in found.selftest.items() if author.selftest.get(name) != own]
        named = [f"{name} (avoided)" if name in AVOIDED else name for name in differ]
        same = len(found.selftest) - len(differ)
        yield from _wrapped(
            f"{'self-test':<18}{same} of {len(found.selftest)} classes of operations give the same bits"
            + (f"; not the same: {', '.join(named)}" if named else ""),
            18,
        )
    else:
        yield from (f"{'self-test':<18}{name:<30}{own}" for name, own in found.selftest.items())


def _described(machine: Machine) -> dict[str, str]:
    return {
        "processor": machine.processor,
        "system": f"{machine.system} {machine.architecture}",
        "instructions": ", ".join(machine.instructions),
        "arithmetic": f"{machine.arithmetic}, kernels for {machine.kernels}",
        **machine.versions,
    }
