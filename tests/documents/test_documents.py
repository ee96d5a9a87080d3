"""Documents are found by their folders, and every mistake in their settings is found before anything runs."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml

from stages import config, documents
from stages.documents import DOCUMENTS
from stages.errors import UserError
from tests import small

FOLDER = small.ROOT / "stages/documents"


def checked(keys: str, value: Any, tmp_path: Path) -> Any:
    """The settings of the committed parameters with the value at a path of keys separated by slashes replaced."""
    content = loads_yaml((small.ROOT / "params.yaml").read_text())
    *parents, last = keys.split("/")
    place = content
    for key in parents:
        place = place[key]
    place[last] = value
    (tmp_path / "params.yaml").write_text(dumps_yaml(content))
    return documents.settings(config.load(tmp_path / "params.yaml"))


def test_every_folder_is_a_document_with_a_number_of_its_own() -> None:
    folders = {path.parent.name for path in FOLDER.glob("*/__init__.py")}
    assert DOCUMENTS.keys() == folders
    numbers = [document.number for document in DOCUMENTS.values()]
    assert numbers == sorted(set(numbers))
    assert all(re.fullmatch(r"\d{3}", number) for number in numbers)


def test_every_part_of_a_document_is_there() -> None:
    for name, document in DOCUMENTS.items():
        assert documents.module(name, document.experiment).run
        assert all(documents.module(name, part).page for part in document.pages)
        assert all((FOLDER / name / f"{part}.html").exists() for part in document.pages)


def test_no_document_knows_of_another() -> None:
    for name in DOCUMENTS:
        for file in (FOLDER / name).rglob("*.py"):
            imported = set(re.findall(r"stages\.documents\.(\w+)", file.read_text()))
            assert not imported & (DOCUMENTS.keys() - {name}), file


def test_the_committed_settings_are_valid_and_in_the_order_of_the_documents() -> None:
    assert list(documents.settings(config.load())) == list(DOCUMENTS)


def test_a_document_that_is_left_out_has_no_settings() -> None:
    params = config.load()
    one = replace(params, documents={"linear_decay": params.documents["linear_decay"]})
    assert list(documents.settings(one)) == ["linear_decay"]


@pytest.mark.parametrize(
    ("keys", "value", "expected"),
    [
        ("documents", {}, ["documents: names none", "linear_decay"]),
        ("documents/linear_decay", None, ["documents.linear_decay: found nothing", "delete the key"]),
        ("documents/other", {}, ["documents.other: unknown key", "face_notebook"]),
        ("documents/other", None, ["documents.other: unknown key"]),
        ("documents/face_notebook/step", 5, ["documents.face_notebook.step: unknown key; allowed: seeds, steps"]),
        ("documents/face_notebook/steps", 1234, ["documents.face_notebook.steps: found 1234", "multiple of 500"]),
        ("documents/mnist_mlp/data", "cifar", ["documents.mnist_mlp.data: found 'cifar'", "'digits' or 'mnist'"]),
    ],
)
def test_a_mistake_names_the_key_and_what_is_allowed(
    tmp_path: Path, keys: str, value: Any, expected: list[str]
) -> None:
    with pytest.raises(UserError) as error:
        checked(keys, value, tmp_path)
    for text in ["params.yaml", *expected]:
        assert text in str(error.value)


@pytest.mark.parametrize("document", ["mnist_mlp", "logistic_decay"])
@pytest.mark.parametrize("address", ["https://me@host/a", "https://me:secret@host/a"])
def test_an_address_holds_no_user_name_and_password(tmp_path: Path, document: str, address: str) -> None:
    with pytest.raises(UserError) as error:
        checked(f"documents/{document}/url", address, tmp_path)
    for text in (f"documents.{document}.url", "without user name and password", "REGBENCH_MIRROR"):
        assert text in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("document", ["mnist_mlp", "logistic_decay"])
def test_an_address_is_not_empty(tmp_path: Path, document: str) -> None:
    with pytest.raises(UserError, match=rf"documents\.{document}\.url: found ''"):
        checked(f"documents/{document}/url", "", tmp_path)


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        checked("documents", {"other": {}, "linear_decay": {"seeds": 1}, "decay_scaling": {}}, tmp_path)
    for key in ("other", "linear_decay.seeds", "decay_scaling.epochs"):
        assert f"documents.{key}" in str(error.value)


@pytest.mark.parametrize("command", [("start",), ("document", "decay_scaling"), ("claims",), ("report",)])
def test_a_mistake_stops_what_uses_documents(tmp_path: Path, command: tuple[str, ...]) -> None:
    folder = small.make(tmp_path, documents__linear_decay={"seed": 3})
    done = small.stage(folder, *command, check=False)
    assert done.returncode == 1
    assert "documents.linear_decay.seed: unknown key; allowed: seeds" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "data/documents").exists()


def test_settings_are_checked_without_torch() -> None:
    code = "import sys; from stages import config, documents; documents.settings(config.load())"
    code += "; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=small.ROOT, check=False).returncode == 0
