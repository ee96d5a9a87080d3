"""What ``make repro`` does before DVC starts: it checks the documents' parameters, restores files that an interruption
truncated, and lets DVC run in a folder without git.

DVC writes ``dvc.lock`` in place after every stage, so an interruption may leave it truncated or empty, and DVC then
refuses to run. The last complete one will do: what has run since is found in DVC's run cache.
"""

from __future__ import annotations

import json
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.strictyaml import validate
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages import PORTABLE_HERE, config, documents
from stages.errors import stage
from stages.files import alone, write_bytes

LOCK = Path("dvc.lock")
COPY = Path(".cache/dvc.lock")
"""The last complete one."""
DVC = Path(".dvc")


@stage
def main() -> None:
    params = config.load()
    documents.settings(params)
    if params.arithmetic == "portable" and not PORTABLE_HERE:
        print(
            "This is no x86 processor with AVX2 under Linux: the arithmetic is native, and the last digits of results "
            "may differ from those published.",
            flush=True,
        )
    with alone(DVC / "tmp/lock", "another DVC command is at work here"):  # DVC's own: no file is being written
        restore_lock()
        remove_cut_rwlock()
    choose_git()


def restore_lock() -> None:
    """Keep a copy of ``dvc.lock`` if it is complete, otherwise restore the last complete one and say so."""
    if not LOCK.exists():
        return
    content, committed = LOCK.read_bytes(), _committed()
    kept = COPY.read_bytes() if COPY.exists() else b""
    names, before = stages(content), stages(kept)
    # DVC takes no stage out; only a commit with fewer stages may have been checked out.
    ends_early = len(names) < len(before) and names == before[: len(names)] and content != committed
    if names and not ends_early:
        write_bytes(COPY, content)
        return
    for whole, origin in ((kept, f"the copy in {COPY}"), (committed, "the last commit")):
        if stages(whole):
            write_bytes(LOCK, whole)
            print(f"{LOCK} was damaged, probably by an interruption: restored from {origin}", flush=True)
            return
    LOCK.unlink()
    print(f"{LOCK} was damaged, probably by an interruption, and is deleted: DVC will recreate it", flush=True)


def stages(content: bytes) -> list[str]:
    """The stages that a ``dvc.lock`` names, in order; none if it is truncated within a line or DVC would refuse it."""
    try:
        lock = validate(YAML(typ="safe").load(content), COMPILED_LOCKFILE_SCHEMA)
    except (YAMLError, ValueError, DvcException):
        return []
    return list(lock.get("stages", {})) if content.endswith(b"\n") else []


def _committed() -> bytes:
    """The ``dvc.lock`` of the commit checked out; nothing where there is none."""
    try:
        return subprocess.run(["git", "show", f"HEAD:./{LOCK}"], capture_output=True).stdout
    except FileNotFoundError:  # git is not installed
        return b""


def remove_cut_rwlock() -> None:
    """Delete DVC's list of the files in use if it is truncated; it is rewritten in place, too, and made anew if
    missing."""
    path = DVC / "tmp/rwlock"
    try:
        json.loads(path.read_bytes())
    except FileNotFoundError:
        pass
    except ValueError:
        path.unlink()
        print(f"{path} was damaged, probably by an interruption, and is deleted", flush=True)


def choose_git() -> None:
    """Let DVC run without a git repository, and with one as soon as there is one; say what is missing without."""
    local = RawConfigParser()
    local.read(DVC / "config.local", encoding="utf-8")
    here = Path.cwd()
    found = any((folder / ".git").exists() for folder in (here, *here.parents))
    if found == local.getboolean("core", "no_scm", fallback=False):
        change = ["--unset", "core.no_scm"] if found else ["core.no_scm", "true"]
        subprocess.run([sys.executable, "-m", "dvc", "config", "--quiet", "--local", *change], check=True)
    if not found:
        print(
            "There is no git repository here: runs are recorded without their commit, and `dvc exp` and "
            "`dvc ... diff` do not work.\n`git init` and a first commit enable them.",
            flush=True,
        )


if __name__ == "__main__":
    main()
