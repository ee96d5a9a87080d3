"""What comes from others is what was looked at, and files are data: hashes, commits, advisories, no pickles."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from dvc.utils.serialize import loads_yaml

from tests.small import ROOT

PICKLING = {
    *("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "skops"),
    *("joblib.load", "joblib.dump", "joblib.Memory"),
    *("mlflow.sklearn", "mlflow.pytorch", "mlflow.pyfunc", "mlflow.models", "mlflow.transformers", "torch.hub"),
}
"""Modules that read pickles, or what runs as they do."""
CALLS = {"read_pickle", "to_pickle", "Unpickler", "log_model", "load_model", "save_model"}


def pickling(code: str) -> list[str]:
    """What in a module reads or writes pickles, or might."""
    found = []
    for node in ast.walk(ast.parse(code)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        if isinstance(node, ast.Name | ast.Attribute):
            names = [ast.unparse(node)]
        if any(f"{name}.".startswith(f"{module}.") for name in names for module in PICKLING):
            found.append(ast.unparse(node))
        if any(name.rpartition(".")[2] in CALLS for name in names):
            found.append(ast.unparse(node))
        if isinstance(node, ast.ImportFrom) and "torch.load" in names:  # so that its calls are recognized
            found.append(ast.unparse(node))
        if isinstance(node, ast.Call):
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            only_weights = given.get("weights_only") == "True"
            if given.get("allow_pickle", "False") != "False" or (
                ast.unparse(node.func) == "torch.load" and not only_weights
            ):
                found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize(
    ("code", "safe"),
    [
        ("import pickle", False),
        ("from joblib import load", False),
        ("from joblib import Parallel, delayed", True),  # between processes of one machine, from no file
        ("from torch import load", False),
        ("import torch\ntorch.load(file)", False),
        ("import torch\ntorch.load(file, weights_only=False)", False),
        ("import torch\ntorch.load(file, weights_only=True)", True),
        ("import numpy as np\nnp.load(file, allow_pickle=True)", False),
        ("import numpy as np\nnp.load(file, allow_pickle=wanted)", False),
        ("import numpy as np\nnp.load(file, allow_pickle=False)\nnp.load(file)", True),
        ("import pandas as pd\npd.read_pickle(file)", False),
        ("table.to_pickle(file)", False),
        ("from pandas import read_pickle", False),
        ("import mlflow.pytorch", False),
        ("from mlflow import pyfunc", False),
        ("import mlflow\nmlflow.sklearn.log_model(model)", False),
        ("import mlflow\nmlflow.log_metric('a', 1)", True),
        ("from safetensors.torch import load_file", True),
    ],
)
def test_pickles_are_recognized(code: str, safe: bool) -> None:
    assert (pickling(code) == []) == safe


def test_no_stage_reads_or_writes_a_pickle() -> None:
    files = sorted(ROOT.glob("stages/**/*.py"))
    assert len(files) > 100
    found = {str(file.relative_to(ROOT)): pickling(file.read_text(encoding="utf-8")) for file in files}
    assert {file: places for file, places in found.items() if places} == {}


@pytest.mark.parametrize("name", ["requirements.lock", "audit.lock"])
def test_every_locked_package_has_hashes(name: str) -> None:
    text = re.sub(r"^\s*#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    packages = re.split(r"\n(?=\S)", text.strip())
    assert len(packages) > 20
    for package in packages:
        assert re.match(r"[a-z0-9.-]+==\S+ (; .+ )?\\\n( +--hash=sha256:[0-9a-f]{64}( \\\n)?)+$", package), package


def test_another_index_of_torch_spares_what_belongs_to_cuda() -> None:
    """And nothing else: `make setup TORCH_INDEX=...` leaves these lines of the lock file out."""
    program = re.search(r"awk '(.+)' requirements.lock", (ROOT / "Makefile").read_text())
    assert program
    kept = subprocess.run(["awk", program[1], ROOT / "requirements.lock"], capture_output=True, text=True, check=True)
    names = [
        set(re.findall(r"^([a-z0-9.-]+)==", text, re.M))
        for text in ((ROOT / "requirements.lock").read_text(), kept.stdout)
    ]
    left_out = names[0] - names[1]
    assert {"torch", "torchvision", "triton", "nvidia-cublas", "cuda-toolkit"} <= left_out
    assert all(re.match("torch|triton|nvidia|cuda", name) for name in left_out)
    assert kept.stdout.count("--hash") > 1000


def test_actions_are_named_by_commit_and_may_write_nothing_but_pages() -> None:
    files = list(ROOT.glob(".github/workflows/*"))
    assert files
    for file in files:
        content = loads_yaml(file.read_text())
        assert content["permissions"] == {"contents": "read"}
        for job in content["jobs"].values():
            assert {key for key, right in job.get("permissions", {}).items() if right == "write"} <= {
                "pages",
                "id-token",
            }
            for step in job["steps"]:
                if "uses" in step:
                    assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"]), step
                if step.get("uses", "").startswith("actions/checkout@"):
                    assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize(
    ("says", "code", "expected"),
    [
        ("No known vulnerabilities found", 0, "No known vulnerabilities found"),
        ("Found 1 known vulnerability in 1 package", 1, "Found 1 known vulnerability in 1 package"),
        ("requests.exceptions.ConnectionError: no route", 1, "error: nothing was audited"),
        ("ERROR:pip_audit._cli:six: Dependency not found on PyPI", 1, "error: nothing was audited"),
    ],
)
def test_an_audit_says_whether_it_took_place(tmp_path: Path, says: str, code: int, expected: str) -> None:
    """With another program in place of pip-audit, whose own words these are."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    audit = tmp_path / ".venv/audit/bin/pip-audit"
    audit.parent.mkdir(parents=True)
    audit.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {code}\n")
    audit.chmod(0o755)
    command = ["make", "--assume-old=.venv/audit/.ready", "audit"]
    (tmp_path / ".venv/audit/.ready").touch()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (code == 0)
    assert expected in done.stdout + done.stderr
    assert says in done.stdout + done.stderr
