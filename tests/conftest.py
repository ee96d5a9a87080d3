"""What all tests share: they run from the root of the project, on one thread per operation."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _as_a_stage_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for name in ("REGBENCH_MIRROR", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
