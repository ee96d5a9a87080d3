"""Results are the same to the byte on every x86 processor with AVX2.

Where Debian's `qemu-user` is installed, the stages and the tests on bits (`tests/bits`) run on an emulated Intel and an
emulated AMD processor without AVX-512, too.
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

from tests.small import ROOT, contents, make, stage

PARAMS = loads_yaml((ROOT / "params.yaml").read_text())
EMULATOR = shutil.which("qemu-x86_64")

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the portable paths of MKL are those of x86")


SAMPLE = "(test_a_replica_ends and sgd and not affine and not trivial_augment) or test_so_it_does_whatever_the_sizes"
"""What an emulator, which is some fifty times slower, has the time for: every method on one network, every network. Two
methods are left out, for torch's `grid_sample` crashes QEMU."""


STAGES = """
import pandas as pd
from stages import compare, evaluate, plan, prepare, train, tune
evaluate.without_networks = lambda *_: pd.DataFrame()  # scikit-learn's trees crash QEMU
for stage in (prepare, plan, tune, train, evaluate, compare):
    stage.main()
"""
VARIANTS = ("none", "l1", "dropout", "batch_norm", "adamw", "soft_orthogonality", "jacobian_penalty", "conv", "resnet")

emulated = pytest.mark.skipif(EMULATOR is None, reason="NOT RUN: other processors; install Debian's qemu-user")
every_processor = pytest.mark.parametrize("processor", ["Haswell", "EPYC"])


def run(folder: Path, *options: str, processor: str | None = None) -> None:
    """Run Python in a folder, on one core, which QEMU's threads need."""
    # An emulated interpreter cannot find the environment it belongs to by itself.
    python = [EMULATOR or "", "-cpu", processor, str(Path(sys.executable).resolve())] if processor else [sys.executable]
    done = subprocess.run(
        ["taskset", "-c", "0", *python, *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *site.getsitepackages()])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@emulated
@every_processor
def test_bits_on_an_emulated_processor(processor: str) -> None:
    run(
        ROOT,
        *["-m", "pytest", "-o", "addopts=", "-q", "-p", "no:cacheprovider", "tests/bits", "-k"],
        SAMPLE,
        processor=processor,
    )


@pytest.mark.slow
@emulated
def test_the_results_of_an_emulated_processor_are_the_same_files(tmp_path: Path) -> None:
    found = {}
    for processor in (None, "Haswell", "EPYC"):
        folder = tmp_path / str(processor)
        make(folder, variants={name: PARAMS["variants"][name] for name in VARIANTS})
        stage(folder, "download")
        run(folder, "-c", STAGES, processor=processor)
        found[processor] = contents(folder / "data")
    assert len(found[None]) > 3 * len(VARIANTS)
    for processor in ("Haswell", "EPYC"):
        assert [name for name, content in found[processor].items() if content != found[None][name]] == []
