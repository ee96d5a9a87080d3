"""The pipeline run anew in a clone that vanishes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from stages import PORTABLE
from stages.errors import UserError

TARGET = "track"
"""The stage that depends on all that are compared."""
PATIENCE = 60
"""Seconds that a command has to end after Ctrl-C before it is killed."""


@contextmanager
def clone() -> Iterator[Path]:
    """The project of the last commit in a temporary folder, deleted at the end, also after Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, _interrupt)
    prefix = subprocess.run(["git", "rev-parse", "--show-prefix"], capture_output=True, text=True, check=True).stdout
    root = subprocess.run(["git", "rev-parse", "--show-toplevel"], capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory(prefix="regbench-verify-", ignore_cleanup_errors=True) as folder:
        place = Path(folder, "clone")
        run(["git", "clone", "--quiet", root.strip(), str(place)], Path(folder))
        yield place / prefix.strip()


def pipeline(project: Path) -> None:
    """Run all that is compared. Raises `UserError` if it fails."""
    run([sys.executable, "-m", "stages.start"], project)
    run(["dvc", "repro", TARGET], project)


def run(command: Sequence[str], project: Path, allowed: Sequence[int] = (0,)) -> int:
    """Run a command with the code of the project; its exit code. Ctrl-C ends it and all that it started.

    Raises `UserError` if that is not among the `allowed`.
    """
    process = subprocess.Popen(command, cwd=project, env=environment(project), start_new_session=True)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        _end(process)
        raise
    if code not in allowed:
        raise UserError(f"`{' '.join(command)}` failed in the temporary clone, which is deleted; see above")
    return code


def environment(project: Path) -> dict[str, str]:
    """That of a shell: `params.yaml` of the clone decides on the arithmetic, and no server is told of the runs."""
    ours = {*PORTABLE, "OPENBLAS_NUM_THREADS", "MLFLOW_TRACKING_URI"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return kept | {"PATH": path, "PYTHONPATH": str(project)}


def fetch(project: Path, files: Sequence[Path]) -> None:
    """Copy files from the clone to their places here."""
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project / file, file)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a command with all that it started, and kill what does not end; another Ctrl-C changes nothing."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            continue


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
