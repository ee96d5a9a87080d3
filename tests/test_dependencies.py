"""``dvc.yaml`` names the code that each stage runs through, and no other: what a stage imports decides.

What only checks ``params.yaml`` does not count: `config` knows every method, network and source, to say which there are
and what their parameters may be. A stage that makes use of them imports them itself.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
from dvc.repo import Repo

from stages.documents import DOCUMENTS
from tests.small import ROOT

REGISTRIES = ("stages.networks", "stages.regularizers", "stages.datasets.sources")
"""Packages that import what lies in them by its name."""
PLANNED = "stages/regularizers/"
"""Methods, for which ``data/plan`` stands where a stage depends on it."""


def read_stages() -> Iterator[tuple[str, str, list[Path]]]:
    """Each stage of ``dvc.yaml``: its name, the module it runs, its dependencies in the project."""
    with Repo(str(ROOT), uninitialized=True) as repo:
        for stage in repo.index.stages:
            paths = [Path(dep.fs_path) for dep in stage.deps]
            yield stage.addressing, stage.cmd.split()[2], [p.relative_to(ROOT) for p in paths if p.is_relative_to(ROOT)]


STAGES = {name: (module, dependencies) for name, module, dependencies in read_stages()}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("stages", exclude_type_checking_imports=True)


def roots(name: str, module: str, graph: grimp.ImportGraph) -> set[str]:
    """The modules that a stage starts from; those of documents are imported by name."""
    if name.startswith("document@"):
        document = name.partition("@")[2]
        return {module, f"stages.documents.{document}.{DOCUMENTS[document].experiment}"}
    if name in ("claims", "report"):
        parts = {each: ["claims"] if name == "claims" else list(found.pages) for each, found in DOCUMENTS.items()}
        return {module} | {f"stages.documents.{each}.{part}" for each, own in parts.items() for part in own}
    if name == "plan":  # `config` completes a variant by what its source says of augmentation
        return {module, "stages.datasets.sources"}
    if name == "benchmark":  # a run of pytest
        files = [*(ROOT / "tests/benchmarks").glob("*.py"), ROOT / "tests/notebook.py", ROOT / "tests/faces.py"]
        return {module} | {each for file in files for each in imported(file) if each in graph.modules}
    return {module}


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def closure(name: str, graph: grimp.ImportGraph) -> set[str]:
    """The files of all that a stage runs through."""
    module, dependencies = STAGES[name]
    found: set[str] = set()
    new = roots(name, module, graph)
    while new:
        found |= new
        new = {each for one in new if one != "stages.config" for each in graph.find_modules_directly_imported_by(one)}
        if "stages.config" in found:
            new |= {
                each
                for each in graph.find_modules_directly_imported_by("stages.config")
                if not any(f"{each}.".startswith(f"{registry}.") for registry in REGISTRIES)
            }
        for registry in set(REGISTRIES) & (found | new):
            new |= {each for each in graph.modules if each.startswith(f"{registry}.")}
        new |= {".".join(one.split(".")[:n]) for one in found | new for n in range(1, one.count(".") + 1)}
        new = {each for each in new if each.startswith("stages")} - found
    files = {path_of(each) for each in found}
    if any(path.parts[:2] == ("data", "plan") for path in dependencies):
        shared = {f"{PLANNED}__init__.py", f"{PLANNED}base.py"}
        files = {path for path in files if not path.startswith(PLANNED) or path in shared}
    return files


def path_of(module: str) -> str:
    path = Path(*module.split("."))
    return str(path / "__init__.py" if (ROOT / path).is_dir() else path.with_suffix(".py"))


def holds(dependency: Path, file: str) -> bool:
    return Path(file).is_relative_to(dependency)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_the_code_it_runs_through(name: str, graph: grimp.ImportGraph) -> None:
    _, dependencies = STAGES[name]
    missing = {file for file in closure(name, graph) if not any(holds(each, file) for each in dependencies)}
    assert missing == set()


@pytest.mark.parametrize("group", sorted({name.partition("@")[0] for name in STAGES}))
def test_a_stage_depends_on_no_other_code(group: str, graph: grimp.ImportGraph) -> None:
    names = [name for name in STAGES if name.partition("@")[0] == group]
    files = {file for name in names for file in closure(name, graph)}
    named = {each for name in names for each in STAGES[name][1] if each.parts[0] == "stages"}
    assert {each for each in named if not any(holds(each, file) for file in files)} == set()


def test_what_a_stage_runs_is_a_module_of_its_name() -> None:
    assert all(module == f"stages.{name.partition('@')[0]}" for name, (module, _) in STAGES.items())
