"""`make verify`: what a run changes of the committed results, as a page and in ``data/verification.json``.

It exits with 0 if a reader would conclude the same, by `verification.rule`, and with 1 otherwise.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from stages import ARITHMETIC, files
from stages.artefacts import versions
from stages.errors import UserError, stage
from stages.verification import conclusions, fresh, machine, page, records, runs, selftest

FILE = Path("data/verification.json")


@stage
def main() -> None:
    """``python -m stages.verify [fresh=1] [record=1]``"""
    chosen = options(sys.argv[1:])
    sys.exit(anew(chosen["record"]) if chosen["fresh"] else here(chosen["record"]))


def options(arguments: list[str]) -> dict[str, bool]:
    """What the user has chosen. Raises `UserError` for anything but 1 or nothing."""
    chosen = dict.fromkeys(("fresh", "record"), False)
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key not in chosen or value not in ("", "1"):
            raise UserError(f"found {argument!r}; allowed: `make verify`, with FRESH=1, with RECORD=1, or with both")
        chosen[key] = value == "1"
    return chosen


def here(record: bool) -> int:
    """Compare the results in this folder; the exit code."""
    commit = runs.head()
    lock = runs.committed(runs.LOCK)
    runs.same_experiment()
    state = runs.state()
    names = list(state)
    before = runs.stages(lock, names, f"of the commit {commit[:10]}")
    after = runs.stages(runs.present(runs.LOCK), names, "here")
    runs.check(state)
    published, own = read()
    conditions = runs.conditions()
    if record:
        check(conditions)
    found = page.Verification(
        commit=commit,
        same=[name for name in names if before[name].outs == after[name].outs],
        different=[name for name in names if before[name].outs != after[name].outs],
        code=sorted({path for name in names for path in after[name].other_code(before[name])}),
        files=runs.changed(),
        comparison=conclusions.compare(published, own),
        conditions=conditions,
        machine=machine.this(),
        selftest=selftest.hashes(),
        author=records.author(records.of_results(records.read(), published.digest)),
    )
    kept = keep(found, published.digest) if record and found.outcome != "changed" else None
    files.write_json(FILE, page.content(found) | {"record": kept and str(kept)})
    lines = [page.text(found), "", f"{FILE} has the same in full."]
    if kept:
        lines.append(f"{kept} records it. Commit it; after `make repro` the methods page names this machine.")
    elif record:
        lines.append("Not recorded: a machine vouches for results only where a reader would conclude the same.")
    print("\n".join(lines))
    return int(found.outcome == "changed")


def read() -> tuple[conclusions.Conclusions, conclusions.Conclusions]:
    """What is concluded from the results of the commit, and from those here."""
    table, claims = conclusions.TABLE, conclusions.CLAIMS
    return (
        conclusions.read(runs.committed(table), runs.committed(claims), "in the commit"),
        conclusions.read(runs.present(table), runs.present(claims), "here"),
    )


def check(conditions: dict[str, list[str]]) -> None:
    """Raises `UserError` if the networks were trained in another environment than this one."""
    own = {"arithmetic": ARITHMETIC} | versions()
    other = [f"{key} {', '.join(found)}" for key, found in conditions.items() if key in own and found != [own[key]]]
    if other:
        raise UserError(
            f"the networks here were trained in another environment ({'; '.join(other)}) than this one, which cannot "
            "vouch for them; use `make verify FRESH=1 RECORD=1`"
        )


def keep(found: page.Verification, digest: str) -> Path:
    """Add this machine to those that vouch for the results; the first that does is taken for their author's."""
    device = ", ".join(found.conditions["device"])
    known = {name: each for name, each in records.read().items() if each.results == digest}
    earlier = known.pop(records.name(found.machine, device), None)
    record = records.Record(
        results=digest,
        commit=found.commit,
        date=datetime.now(UTC).date(),
        outcome="identical" if found.outcome == "identical" else "same conclusions",
        share=float(f"{found.comparison.share:.3g}"),
        stages=list(found.different),
        device=device,
        author=earlier.author if earlier else not known,
        machine=found.machine,
        selftest=dict(found.selftest),
    )
    return records.write(record)


def anew(record: bool) -> int:
    """Run the pipeline of the commit in a temporary clone and compare its results; the exit code."""
    commit = runs.head()
    print(
        f"The pipeline of the commit {commit[:10]} runs anew in a temporary clone, without changes since.", flush=True
    )
    command = [sys.executable, "-m", "stages.verify", *(["record=1"] if record else [])]
    try:
        with fresh.clone() as project:
            fresh.pipeline(project)
            code = fresh.run(command, project, allowed=(0, 1))
            if (project / FILE).exists():  # or it has said why not
                kept = json.loads((project / FILE).read_text(encoding="utf-8"))["record"]
                fresh.fetch(project, [FILE, *([Path(kept)] if kept else [])])
    except KeyboardInterrupt:
        print("\ninterrupted: the temporary clone is deleted, and nothing here has changed", file=sys.stderr)
        return 130
    return code


if __name__ == "__main__":
    main()
