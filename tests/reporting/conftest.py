from __future__ import annotations

from pathlib import Path

import pytest

from stages import claims, report
from tests.reporting.sample import write_results


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results and the report made of them; tests leave it as it is."""
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
