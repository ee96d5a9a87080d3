"""No result depends on the processor, or on anything else around it.

Where Debian's `qemu-user` is installed, the tests on bits (`tests/bits`), stages and documents (`tests/parts.py`) run
on an emulated Intel and an emulated AMD processor without AVX-512.
"""

from __future__ import annotations

import os
import platform
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.utils.serialize import loads_yaml

from tests import parts, small

EMULATOR = shutil.which("qemu-x86_64")
PROCESSORS = ("Haswell", "EPYC")
CRASHES = 5
"""How often an emulator may die of a signal, as QEMU now and then does with threads, and go on where it was."""

on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="the portable paths of MKL are those of x86")
emulated = pytest.mark.skipif(EMULATOR is None, reason="NOT RUN: bits on other processors; install Debian's qemu-user")

SAMPLE = "(test_a_replica_ends and sgd and not affine and not trivial_augment) or test_so_it_does_whatever_the_sizes"
"""What an emulator, which is some fifty times slower, has the time for: every method on one network, every network. Two
methods are left out, for torch's `grid_sample` crashes QEMU."""

Results = dict[str, bytes]


def python(processor: str | None, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, with the code that is there first, on this processor or an emulated one."""
    # An emulated interpreter cannot find the environment it belongs to by itself.
    interpreter = [EMULATOR or "", "-cpu", processor, str(Path(sys.executable).resolve())]
    return subprocess.run(
        [*(interpreter if processor else [sys.executable]), *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([".", str(small.ROOT), *site.getsitepackages()])},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
@on_x86
@emulated
@pytest.mark.parametrize("processor", PROCESSORS)
def test_bits_on_an_emulated_processor(processor: str) -> None:
    options = ["-o", "addopts=", "-q", "-p", "no:cacheprovider", "tests/bits", "-k", SAMPLE]
    done = python(processor, small.ROOT, "-m", "pytest", *options)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with dense and convolutional networks to train, in which none of the parts has run."""
    own = loads_yaml((small.ROOT / "params.yaml").read_text())["variants"]
    own["conv"]["training"] |= {"width": 0.25, "epochs": 2}
    variants = {name: own[name] for name in ("none", "everything", "conv")}
    changes = {"variants": variants, "training__epochs": 2, "tune__searches": 1, "documents": parts.DOCUMENTS}
    folder = small.make(tmp_path_factory.mktemp("prepared"), **changes)
    for stage in ("download", "prepare", "plan"):
        small.stage(folder, stage)
    return folder


@pytest.fixture(scope="module")
def expected(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What the parts give on this processor."""
    return results(prepared, tmp_path_factory.mktemp("here") / "project")


def results(prepared: Path, folder: Path, processor: str | None = None) -> Results:
    """All files, by path, after the parts have run in a copy of the project. Only an emulator may crash."""
    shutil.copytree(prepared, folder)
    left = list(parts.PARTS)
    for _ in range(1 + CRASHES * bool(processor)):
        done = python(processor, folder, "-m", "tests.parts", *left)
        left = [name for name in left if f"done: {name}\n" not in done.stdout]
        if done.returncode >= 0:
            break
    assert done.returncode == 0, f"left: {left}\n{done.stdout}\n{done.stderr}"
    return {name: content for top in ("data", "reports") for name, content in small.contents(folder / top).items()}


@pytest.mark.slow
@on_x86
@emulated
@pytest.mark.parametrize("processor", PROCESSORS)
def test_parts_on_an_emulated_processor(prepared: Path, expected: Results, tmp_path: Path, processor: str) -> None:
    found = results(prepared, tmp_path / "project", processor)
    assert [name for name in expected if found.get(name) != expected[name]] == []


@pytest.mark.slow
def test_parts_elsewhere(prepared: Path, expected: Results, tmp_path: Path) -> None:
    """In another folder, with other surroundings and on one core."""
    with small.other_surroundings():
        found = results(prepared, tmp_path / small.ELSEWHERE)
    assert [name for name in expected if found.get(name) != expected[name]] == []
