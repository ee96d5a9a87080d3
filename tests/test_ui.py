"""`make ui`: mistaken ports are told at once, and Ctrl-C ends it without a traceback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests import small
from tests.test_track import free_port, write_results


def ui(folder: Path, port: str) -> subprocess.Popen[str]:
    """The target of the Makefile, with the environment of these tests, in a process group of its own."""
    command = ["make", "-f", str(small.ROOT / "Makefile"), "-o", f"{sys.prefix}/.ready", f"VENV={sys.prefix}"]
    # Not as part of the `make test` that may run this.
    environment = {key: value for key, value in small.environment(small.ROOT).items() if not key.startswith("MAKE")}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*command, "ui", f"PORT={port}"],
        cwd=folder,
        env=environment,
        stdout=pipe,
        stderr=pipe,
        text=True,
        start_new_session=True,
    )


def refused(folder: Path, port: str) -> str:
    process = ui(folder, port)
    output, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in errors
    assert output == ""
    assert not (folder / "mlflow.db").exists()
    return errors


@pytest.mark.parametrize("port", ["abc", "", "0", "65536", "-1", "5000x", "²"])
def test_what_is_no_port_is_refused_at_once(tmp_path: Path, port: str) -> None:
    write_results(tmp_path, ["none"])
    errors = refused(tmp_path, port)
    for text in (f"PORT={port} is not a port", "from 1 to 65535", "make ui PORT=5001"):
        assert text in errors


def test_a_taken_port_is_refused_at_once(tmp_path: Path) -> None:
    write_results(tmp_path, ["none"])
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        errors = refused(tmp_path, str(port))
    for text in (f"PORT={port} cannot be used: Address already in use", "make ui PORT=5001"):
        assert text in errors


def test_without_results_nothing_is_served(tmp_path: Path) -> None:
    write_results(tmp_path, ["none"])
    (tmp_path / "data/card.json").unlink()
    assert "data/card.json is missing; `dvc repro prepare`" in refused(tmp_path, str(free_port()))


def test_it_serves_the_runs_until_ctrl_c(tmp_path: Path) -> None:
    write_results(tmp_path, ["none"])
    port = free_port()
    process = ui(tmp_path, str(port))
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                assert urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).status == 200
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    assert "Error" not in errors
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
