"""A file is the old one or the new one, and on the disk; a disk that refuses is told without a traceback."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from stages import errors, files
from tests import small

SMALL = """
import resource
from pathlib import Path
from stages.errors import stage
from stages.files import write_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
stage(lambda: write_bytes(Path({path!r}), bytes(101)))()
"""


def test_a_file_reaches_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, bool]] = []
    file, fsync = tmp_path / "new/file", os.fsync

    def noted(handle: int) -> None:
        done.append((Path(f"/proc/self/fd/{handle}").readlink().name, file.exists()))
        fsync(handle)

    if not Path("/proc/self/fd").exists():
        pytest.skip("only Linux tells the name of an open file")
    monkeypatch.setattr(os, "fsync", noted)
    files.write_text(file, "content")
    (written, before), (folder, after) = done
    assert (written.startswith(".file."), before) == (True, False)
    assert (folder, after) == ("new", True)
    assert file.read_text() == "content"


def test_a_disk_that_takes_no_more_leaves_the_old_file_and_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    done = small.run(small.ROOT, sys.executable, "-c", SMALL.format(path=str(file)), check=False)
    assert done.returncode == 1
    assert (
        f"error: {file}: File too large; allow larger files (`ulimit -f`) and run the same command again" in done.stderr
    )
    assert "Traceback" not in done.stderr
    assert small.contents(tmp_path) == {"file": b"old"}


@pytest.mark.parametrize(("made", "wanted"), [("file", "file/below"), ("folder/below", "folder")])
def test_what_is_in_the_way_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], made: str, wanted: str
) -> None:
    files.write_text(tmp_path / made, "old")
    with pytest.raises(SystemExit) as ended:
        errors.stage(lambda: files.write_text(tmp_path / wanted, "new"))()
    assert ended.value.code == 1
    assert f"error: {tmp_path / wanted}: " in (said := capsys.readouterr().err)
    assert "delete the" in said
    assert small.contents(tmp_path) == {made: b"old"}


def test_an_error_of_the_program_keeps_its_traceback() -> None:
    def fail() -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file", "typo")

    with pytest.raises(FileNotFoundError):
        errors.stage(fail)()
