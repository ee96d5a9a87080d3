"""What all tests share: they run from the root of the project, on one thread per operation."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import stages  # noqa: F401  # before NumPy and torch, whose arithmetic it chooses

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _as_a_stage_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for name in ("REGBENCH_MIRROR", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test puts in the place of a function would not be there in another process, which takes time to start."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results and the report made of them; tests leave it as it is."""
    from stages import claims, report  # only where they are needed: they import much
    from tests.reporting.sample import write_results

    root = tmp_path_factory.mktemp("project")
    write_results(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        claims.main()
        report.main()
    return root


@pytest.fixture(scope="session")
def reports(project: Path) -> Path:
    return project / "reports"
