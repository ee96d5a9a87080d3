"""A job's finished parts stay until DVC knows of its outcome, and one process at a time does it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from stages.training import jobs


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def work(name: str, error: type[BaseException] | None = None) -> Path:
    """Do a job with one part."""
    with jobs.job(name) as parts:
        parts.mkdir(parents=True, exist_ok=True)
        (parts / "part").touch()
        if error:
            raise error
    return parts


def test_parts_go_when_the_outcome_is_written() -> None:
    assert not work("train/l1").exists()


def test_a_job_without_parts_will_do() -> None:
    with jobs.job("train/l1") as parts:
        pass
    assert not parts.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_parts_stay_when_it_fails(error: type[BaseException]) -> None:
    with pytest.raises(error):
        work("train/l1", error)
    assert (jobs.CACHE / "train/l1/part").exists()


def test_parts_stay_when_the_pipeline_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    another = os.getppid() + 1
    with jobs.job("train/l1") as parts:
        parts.mkdir(parents=True)
        monkeypatch.setattr(os, "getppid", lambda: another)
    assert parts.exists()


def test_a_job_waits_for_the_other_of_its_name_and_for_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    with jobs.job("train/l1"):
        assert work("train/l2") == jobs.CACHE / "train/l2"
        second = threading.Thread(target=work, args=("train/l1",))
        second.start()
        second.join(0.3)
        assert second.is_alive()
        assert capsys.readouterr().out == "train/l1: another process is at it; waiting for its end\n"
    second.join(10)
    assert not second.is_alive()


def test_a_key_names_all_inputs() -> None:
    array = np.arange(3)
    keys = [jobs.key({"a": 1}), jobs.key({"a": 2}), jobs.key({"a": 1}, array), jobs.key({"a": 1}, array + 1)]
    assert len(set(keys)) == 4
    assert jobs.key({"a": 1}, np.arange(3)) == keys[2]
