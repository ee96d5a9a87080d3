"""Who may import what, besides the layers that ``make lint`` holds."""

from __future__ import annotations

import grimp
import pytest

ONLY = {
    "mlflow": {"stages.tracking"},  # it may talk to a server
    "pooch": {"stages.datasets.transfer"},  # as do these
    "requests": {"stages.datasets.transfer"},
    "urllib3": set(),
    "http": set(),
    "socket": {"stages.ui"},
    "pickle": set(),
    "stages.datasets.test_set": {"stages.prepare", "stages.evaluate"},
}
"""Modules of which no others may import these."""
OF_DOCUMENTS = {"stages.document", "stages.replay", "stages.claims", "stages.report", "stages.start"}
"""The stages that are about documents; the benchmark never imports one."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("stages", include_external_packages=True)


@pytest.mark.parametrize("module", ONLY)
def test_only_these_import_it(graph: grimp.ImportGraph, module: str) -> None:
    importers = graph.find_modules_that_directly_import(module) if module in graph.modules else set()
    assert importers == ONLY[module]


def test_the_benchmark_never_imports_a_document(graph: grimp.ImportGraph) -> None:
    documents = {module for module in graph.modules if module.startswith("stages.documents")}
    importers = {each for module in documents for each in graph.find_modules_that_directly_import(module)} - documents
    assert importers <= OF_DOCUMENTS


def test_a_document_imports_no_other(graph: grimp.ImportGraph) -> None:
    for module in graph.modules:
        parts = module.split(".")
        if parts[:2] == ["stages", "documents"] and len(parts) == 4:
            folder = ".".join(parts[:3])
            for other in graph.find_modules_directly_imported_by(module):
                if other.startswith("stages.documents.") and other.count(".") == 3:
                    assert other.startswith(f"{folder}.")


def test_stage_modules_import_one_another_never(graph: grimp.ImportGraph) -> None:
    """They hand results on in files."""
    from tests.test_dependencies import STAGES

    modules = {module for module, _ in STAGES.values()}
    for module in modules:
        assert not graph.find_modules_directly_imported_by(module) & modules
