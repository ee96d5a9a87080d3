"""What an interruption leaves of DVC's files is put right before DVC reads them; a folder without git will do."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml

from stages import start
from tests import small


def lock(*names: str) -> bytes:
    """A small one as DVC writes it, with a hash that is a number if it is cut early."""
    file = {"path": "data/pool.npz", "hash": "md5", "md5": "1234567890abcdef1234567890abcdef", "size": 12345}
    entry = {"deps": [file], "params": {"params.yaml": {"splits": {"seeds": 10}}}, "outs": [file]}
    stages = {name: {"cmd": f"python -m stages.{name}", **entry} for name in names}
    return dumps_yaml(loads_yaml(json.dumps({"schema": "2.0", "stages": stages}))).encode()


WHOLE = lock("download", "prepare", "train@none")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder, outside any git repository."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def git(*arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@b.c", *arguments], check=True)


def test_a_whole_lock_file_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    start.LOCK.write_bytes(WHOLE)
    before = start.LOCK.stat()
    for _ in range(2):
        start.restore_lock()
    assert start.LOCK.read_bytes() == start.COPY.read_bytes() == WHOLE
    assert start.LOCK.stat() == before
    assert capsys.readouterr().out == ""


def test_a_missing_lock_file_stays_missing() -> None:
    start.LOCK.write_bytes(WHOLE)
    start.restore_lock()
    start.LOCK.unlink()
    start.restore_lock()
    assert not start.LOCK.exists()


def test_a_cut_lock_file_is_restored_wherever_it_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    last = WHOLE.index(b"  train@none:")
    ends_of_lines = {i + 1 for i, byte in enumerate(WHOLE[:-1]) if byte == ord("\n")}
    for position in sorted({*range(0, len(WHOLE), 7), *ends_of_lines, len(WHOLE) - 1}):
        start.write_bytes(start.COPY, WHOLE)
        start.LOCK.write_bytes(WHOLE[:position])
        start.restore_lock()
        if start.LOCK.read_bytes() == WHOLE:
            assert f"restored from the copy in {start.COPY}" in capsys.readouterr().out
        else:  # only the last stage lacks something, which DVC accepts: it runs that stage
            assert position in ends_of_lines, position
            assert position > last, position
            assert start.stages(start.LOCK.read_bytes()) == start.stages(WHOLE), position


def test_without_a_copy_it_is_that_of_the_last_commit(capsys: pytest.CaptureFixture[str]) -> None:
    git("init", "--quiet")
    start.LOCK.write_bytes(WHOLE)
    git("add", "dvc.lock")
    git("commit", "--quiet", "--message", "results")
    start.LOCK.write_bytes(b"")
    start.restore_lock()
    assert start.LOCK.read_bytes() == WHOLE
    assert "restored from the last commit" in capsys.readouterr().out


def test_without_a_whole_one_it_is_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    start.COPY.parent.mkdir()
    start.COPY.write_bytes(WHOLE[:100])
    start.LOCK.write_bytes(WHOLE[:200])
    start.restore_lock()
    assert not start.LOCK.exists()
    assert "deleted" in capsys.readouterr().out


def test_the_lock_file_of_an_older_commit_is_no_damage() -> None:
    git("init", "--quiet")
    older = lock("download", "prepare")
    for content in (older, WHOLE):
        start.LOCK.write_bytes(content)
        git("add", "dvc.lock")
        git("commit", "--quiet", "--message", "results")
    start.restore_lock()
    git("checkout", "--quiet", "HEAD~1")
    start.restore_lock()
    assert start.LOCK.read_bytes() == start.COPY.read_bytes() == older


@pytest.mark.parametrize("content", [b"", b'{"write": {}, "re', b'{"write": {"\xc3'])
def test_a_cut_list_of_files_in_use_is_deleted(content: bytes) -> None:
    path = start.DVC / "tmp/rwlock"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    start.remove_cut_rwlock()
    assert not path.exists()


def test_a_whole_list_of_files_in_use_stays() -> None:
    path = start.DVC / "tmp/rwlock"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    start.remove_cut_rwlock()
    assert path.read_text() == "{}"


@pytest.mark.slow
def test_the_pipeline_runs_without_git_and_takes_git_up_again(folder: Path) -> None:
    small.make(folder)
    shutil.copytree(small.ROOT / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    local = folder / ".dvc/config.local"
    local.write_text("[cache]\n    type = copy\n")

    def repro(check: bool) -> subprocess.CompletedProcess[str]:
        return small.run(folder, "dvc", "repro", "--dry", "download", check=check)

    assert "not a git repository" in repro(check=False).stderr
    for _ in range(2):
        assert "runs are recorded without their commit" in small.stage(folder, "start").stdout
    assert "Running stage 'download'" in repro(check=True).stdout
    git("init", "--quiet")
    assert small.stage(folder, "start").stdout == ""
    assert "no_scm" not in local.read_text()
    assert "type = copy" in local.read_text()
    repro(check=True)


def test_make_puts_things_right_before_dvc_starts() -> None:
    for target in ("repro", "bench"):
        commands = small.run(small.ROOT, "make", "--dry-run", target).stdout
        assert 0 < commands.find("stages.start") < commands.find("dvc repro"), target
