"""The tests on bits (`tests/bits`) hold on other processors, too.

Where Debian's `qemu-user` is installed, on an emulated Intel and an emulated AMD processor without AVX-512.
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

EMULATOR = shutil.which("qemu-x86_64")

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the portable paths of MKL are those of x86")


SAMPLE = "(test_a_replica_ends and sgd and not affine and not trivial_augment) or test_so_it_does_whatever_the_sizes"
"""What an emulator, which is some fifty times slower, has the time for: every method on one network, every network. Two
methods are left out, for torch's `grid_sample` crashes QEMU."""


@pytest.mark.slow
@pytest.mark.skipif(EMULATOR is None, reason="NOT RUN: bits on other processors; install Debian's qemu-user")
@pytest.mark.parametrize("processor", ["Haswell", "EPYC"])
def test_bits_on_an_emulated_processor(processor: str) -> None:
    assert EMULATOR
    # An emulated interpreter cannot find the environment it belongs to by itself.
    python = str(Path(sys.executable).resolve())
    options = ["-m", "pytest", "-o", "addopts=", "-q", "-p", "no:cacheprovider", "tests/bits", "-k", SAMPLE]
    done = subprocess.run(
        [EMULATOR, "-cpu", processor, python, *options],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([".", *site.getsitepackages()])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
