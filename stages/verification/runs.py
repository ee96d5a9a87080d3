"""The run that is committed and the one in this folder: what each stage of it made."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.errors import UserError
from stages.verification.rule import LEFT_OUT

LOCK = "dvc.lock"
PARAMS = "params.yaml"
RUNS = Path("data/runs")
FREE = ("arithmetic", "training.device", "mlflow")
"""Keys of `params.yaml` that a run may have other values of and still be one of the same experiment."""
VERIFIED = "reports/verified"
ASIDE = ("reports/timing/", f"{VERIFIED}/")
"""What differs between any two runs, and what verifying itself adds."""
AGAIN = "run `make repro`, or `make verify FRESH=1`, which needs no results here"
Problem = tuple[str, str]
"""A path, and whether it is `deleted`, `damaged` or, being what a stage depends on, another than it was: `late`."""


@dataclass(frozen=True)
class Stage:
    """What `dvc.lock` has of one that ran."""

    outs: Mapping[str, str]
    """The hash of each file or folder it wrote, by path."""
    code: Mapping[str, str]
    """The same of the code it ran through."""

    def other_code(self, other: Stage) -> list[str]:
        """The files and folders of code that are not those of another run of it."""
        return [path for path, md5 in self.code.items() if other.code.get(path) != md5]


def head() -> str:
    """The commit that is checked out. Raises `UserError` if there is none."""
    try:
        done = _git("rev-parse", "--verify", "--quiet", "HEAD")
    except FileNotFoundError:
        raise UserError("git is not installed; the results to compare with are those of the last commit") from None
    if done.returncode:
        raise UserError(
            "this folder is no git repository with a commit, so there are no committed results to compare with; "
            "clone the repository instead of downloading an archive of it"
        )
    return done.stdout.decode().strip()


def committed(path: str) -> str:
    """The content of a file in the commit. Raises `UserError` if it has none."""
    done = _git("show", f"HEAD:./{path}")
    if done.returncode:
        raise UserError(f"the commit {head()[:10]} has no {path}, so it has no results that can be compared")
    return done.stdout.decode(errors="replace")


def present(path: str) -> str:
    """The content of a file here. Raises `UserError` if there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); {AGAIN}") from None


def changed() -> list[str]:
    """The files of `reports/` that are not as in the commit, but for `ASIDE`."""
    of_git = _git("diff", "--name-only", "--relative", "-z", "HEAD", "--", "reports")
    new = _git("ls-files", "--others", "--exclude-standard", "-z", "--", "reports")
    names = {name for done in (of_git, new) for name in done.stdout.decode().split("\0") if name}
    return sorted(name for name in names if not name.startswith(ASIDE))


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], capture_output=True)


def stages(lock: str, names: Sequence[str], where: str) -> dict[str, Stage]:
    """The stages of these names from a `dvc.lock`. Raises `UserError` if one is missing or the file is damaged."""
    try:
        entries = YAML(typ="safe").load(lock)["stages"]
        found = {
            name: Stage(
                {out["path"]: out["md5"] for out in entries[name]["outs"]},
                {dep["path"]: dep["md5"] for dep in entries[name]["deps"] if dep["path"].startswith("stages")},
            )
            for name in names
            if name in entries
        }
    except (YAMLError, KeyError, TypeError):
        raise UserError(f"{LOCK} {where} is damaged; restore it with `make repro`") from None
    if missing := [name for name in names if name not in found]:
        raise UserError(f"{LOCK} {where} has no results of {', '.join(missing)}; {AGAIN}")
    return found


def state() -> dict[str, list[Problem]]:
    """The stages of `dvc.yaml` that are compared, in order, each with what is not as it left or found it."""
    try:
        with Repo() as repo:
            compared = [stage for stage in repo.index.stages if stage.addressing not in LEFT_OUT]
            late = repo.status()
            return {stage.addressing: [*_outs(stage), *_deps(late.get(stage.addressing, ()))] for stage in compared}
    except DvcException as error:
        raise UserError(f"DVC cannot tell the state of the results: {error}") from None


def check(found: Mapping[str, Sequence[Problem]]) -> None:
    """Raises `UserError` unless what the stages made is there, undamaged and up to date."""
    gone, broken = (
        [path for own in found.values() for path, how in own if how == kind] for kind in ("deleted", "damaged")
    )
    if gone:
        raise UserError(f"missing: {_some(gone)}; {AGAIN}")
    if broken:
        raise UserError(
            f"not as the stage that wrote it left it: {_some(broken)}; `make repro` makes damaged results again"
        )
    late = [f"{name} ({_some([path for path, _ in own])})" for name, own in found.items() if own]
    if late:
        raise UserError(f"not up to date: {_some(late)}; {AGAIN}")


def _outs(stage: Any) -> Iterator[Problem]:
    """Of the workspace alone: DVC's status says only "not in cache" of what it has no copy of, damaged or not."""
    for out in stage.outs:
        for path, how in out.workspace_status().items():
            yield path, how if how == "deleted" else "damaged"


def _deps(status: Sequence[str | Mapping[str, Mapping[str, str]]]) -> Iterator[Problem]:
    for entry in status:
        # A text: its command is new, or it has never run.
        changed = [entry] if isinstance(entry, str) else entry.get("changed deps", {})
        for path in changed:
            if path != VERIFIED:  # a new record is not in the report yet, and changes no result
                yield path, "late"


def _some(paths: Sequence[str]) -> str:
    """The first few in words."""
    return ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")


def same_experiment() -> None:
    """Raises `UserError` if `params.yaml` asks for another experiment than that of the commit."""
    before, now = (dict(_leaves(YAML(typ="safe").load(text))) for text in (committed(PARAMS), present(PARAMS)))
    different = [
        key
        for key in before | now
        if before.get(key) != now.get(key) and not any(f"{key}.".startswith(f"{free}.") for free in FREE)
    ]
    if different:
        raise UserError(
            f"{PARAMS} is not that of the commit ({_some(different)}), so the results are of another experiment; "
            f"`git checkout {PARAMS}` and `make repro` lead back"
        )


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, value


def conditions() -> dict[str, list[str]]:
    """Of the trainings in `data/runs`: each device, arithmetic and version that is recorded there."""
    found: dict[str, set[str]] = {}
    for file in sorted(RUNS.glob("*/run.json")):
        record = json.loads(file.read_text(encoding="utf-8"))
        own = {key: record[key] for key in ("device", "arithmetic")} | record["versions"]
        for key, value in own.items():
            found.setdefault(key, set()).add(value)
    return {key: sorted(values) for key, values in found.items()}
