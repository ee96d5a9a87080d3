"""Stage ``benchmark``: times training; the only stage whose output is never the same twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stages import artefacts, config, files
from stages.errors import UserError, stage

SUITE = Path("tests/benchmarks")
RESULT = Path("reports/timing/benchmark.json")
RULES = ("--benchmark-only", "--benchmark-min-rounds=5", "--benchmark-max-time=0.2", "--benchmark-disable-gc")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""Environment variables, as replicas are trained with."""


@stage
def main() -> None:
    config.load()  # a mistake in the parameters is reported as such
    with TemporaryDirectory() as folder:
        file = Path(folder) / "benchmark.json"
        if run_suite(*RULES, "--benchmark-quiet", f"--benchmark-json={file}"):
            raise UserError(f"a benchmark of {SUITE} failed, as shown above; {RESULT} was not written")
        result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    files.write_json(RESULT, result)
    artefacts.record(RESULT)
    print(f"{RESULT}: {len(result['benchmarks'])} benchmarks; `dvc repro timing` makes the page")


def run_suite(*options: str) -> int:
    """Run the benchmarks in a process of their own; the exit code of pytest."""
    command = [sys.executable, "-m", "pytest", str(SUITE), "-q", "-p", "no:cacheprovider"]
    command += ["-o", "addopts=", "-o", "python_files=benchmark_*.py", *options]
    return subprocess.run(command, env=os.environ | ONE_THREAD, check=False).returncode


if __name__ == "__main__":
    main()
