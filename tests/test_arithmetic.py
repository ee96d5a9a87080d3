"""The arithmetic is chosen before the libraries that compute are loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import stages

ROOT = Path(__file__).parent.parent
ASK = """
import json, os, stages
import numpy._core._multiarray_umath as numpy, torch
from threadpoolctl import threadpool_info
import scipy.linalg
blas = [(lib["architecture"], lib["num_threads"]) for lib in threadpool_info() if lib["internal_api"] == "openblas"]
print(json.dumps({"arithmetic": stages.ARITHMETIC, "torch": torch.backends.cpu.get_cpu_capability(), "blas": blas,
                  "numpy": [name for name in numpy.__cpu_dispatch__ if numpy.__cpu_features__[name]]}))
"""
on_x86 = pytest.mark.skipif(not stages.PORTABLE_HERE, reason="NOT RUN: this is no x86 processor with AVX2 under Linux")


def ask(folder: Path, program: str = ASK) -> dict[str, Any]:
    """What a process says that begins in a folder."""
    env = {name: value for name, value in os.environ.items() if name not in stages.PORTABLE}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=env | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@on_x86
@pytest.mark.parametrize("text", ["arithmetic: portable      # why\n", "seed: 1\n", None])
def test_portable_is_the_default_and_reaches_every_library(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "params.yaml").write_text(text)
    found = ask(tmp_path)
    assert found["arithmetic"] == "portable"
    assert found["torch"] == "AVX2"
    assert found["numpy"] == ["X86_V3"]
    assert len(found["blas"]) >= 1
    assert all(own == ["Haswell", 1] for own in found["blas"])


def test_native_leaves_the_libraries_alone_but_for_their_threads(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("# settings\narithmetic:   native   # mine\n")
    untouched = "import json, os, stages; assert not set(os.environ) & set(stages.PORTABLE)"
    found = ask(tmp_path, ASK.replace("import json, os, stages", untouched))
    assert found["arithmetic"] == "native"
    assert all(threads == 1 for _, threads in found["blas"])


@on_x86
def test_where_a_library_is_loaded_already_the_arithmetic_is_native(tmp_path: Path) -> None:
    assert ask(tmp_path, "import numpy" + ASK)["arithmetic"] == "native"


@pytest.mark.parametrize(
    "content", ["flags\t\t: fpu sse4_2 avx fma\n", "Features\t: fp asimd\n", None], ids=["no AVX2", "ARM", "no Linux"]
)
def test_without_avx2_the_arithmetic_is_native(content: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path, **_: Any) -> str:
        if content is None:
            raise FileNotFoundError(path)
        return content

    monkeypatch.setattr(Path, "read_text", read)
    assert not stages._has_avx2()


def test_the_suite_runs_in_the_arithmetic_of_the_stages() -> None:
    assert ("portable" if stages.PORTABLE_HERE else "native") == stages.ARITHMETIC
