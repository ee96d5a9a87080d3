"""Every stage, run by itself on every artefact it depends on, damaged in every way: refused, or without effect."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from stages import artefacts
from tests import small
from tests.test_dependencies import STAGES

BENCHMARK = ("prepare", "plan", "tune", "train", "evaluate", "compare", "replay")
LAST = ("claims", "report")
DAMAGES = ("missing", *small.DAMAGES, "another", "edited")
PAGES = 4
"""How many files of a folder of pages are damaged."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every stage has run, by itself."""
    folder = small.make(tmp_path_factory.mktemp("project"))
    for name in ("download", *BENCHMARK, "document@decay_scaling", *LAST):
        small.stage(folder, *name.split("@"))
    return folder


def artefacts_of(folder: Path, stage: str) -> list[Path]:
    """The files that a stage depends on, but for code."""
    found = []
    for each in STAGES[stage][1]:
        if each.parts[0] in ("data", "reports") and each != Path("data/images"):
            below = sorted(path for path in (folder / each).rglob("*") if path.is_file())
            found += below[:: max(1, len(below) // PAGES)] if each.parts[0] == "reports" else below or [folder / each]
    return [path for path in found if path.is_file()]


def damage(file: Path, how: str) -> None:
    if how == "missing":
        file.unlink()
    elif how == "another":  # whole, but of something else
        others = sorted(
            path for path in file.parents[1].rglob(f"*{file.suffix}") if path.read_bytes() != file.read_bytes()
        )
        shutil.copy(others[0], file) if others else file.write_text("[]")
    elif how == "edited":
        if file.suffix == ".safetensors":
            save_file({name: value + 1 for name, value in load_file(file).items()}, file)
        else:
            file.write_bytes(file.read_bytes().replace(b"1", b"2", 1) + b" ")
    else:
        small.damage(file, how)


@pytest.mark.slow
@pytest.mark.parametrize("stage", [*BENCHMARK, *LAST, "track"])
def test_a_damaged_artefact_is_refused_or_has_no_effect(project: Path, stage: str) -> None:
    """Ways of damage take turns with the artefacts."""
    made = small.contents(project / "data") | small.contents(project / "reports")
    turns = itertools.cycle(DAMAGES)
    for file in artefacts_of(project, stage):
        how, content = next(turns), file.read_bytes()
        damage(file, how)
        done = small.stage(project, stage, check=False)
        shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
        file.write_bytes(content)
        told = f"{how} {file}:\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, told
        path = file.relative_to(project)
        if done.returncode:
            assert f"error: {path} is " in done.stderr, told
            assert f"dvc repro {artefacts.stage_of(path)}`" in done.stderr, told
        now = small.contents(project / "data") | small.contents(project / "reports")
        assert {name: now.get(name) for name in made} == made, told


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["download", *BENCHMARK, "document@decay_scaling", *LAST])
@pytest.mark.parametrize("disk", ["full", "read-only"])
def test_a_disk_that_refuses_ends_a_stage_without_a_traceback(project: Path, stage: str, disk: str) -> None:
    name, *arguments = stage.split("@")
    command, inside = f"exec {sys.executable} -m stages.{name} {' '.join(arguments)}", []
    if disk == "full":
        command = command.replace("exec ", "exec prlimit --fsize=100 ")  # bytes: what checks /tmp needs four
    else:
        read_only = f"mount --bind . . && mount -o remount,bind,ro . && cd {project}"
        command = f"{read_only} && {command}"
        inside = ["unshare", "--mount", *(["--map-root-user"] if os.getuid() else [])]
        if not shutil.which("unshare") or small.run(project, *inside, "sh", "-c", read_only, check=False).returncode:
            pytest.skip("this machine lets nobody mount")
    made = small.contents(project / "data") | small.contents(project / "reports")
    shutil.rmtree(project / ".cache", ignore_errors=True)
    done = small.run(project, *inside, "sh", "-c", command, check=False)
    assert done.returncode == 1, done.stderr
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert small.contents(project / "data") | small.contents(project / "reports") == made
