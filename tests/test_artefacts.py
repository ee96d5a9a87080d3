"""Whatever befalls an artefact, its reader says which file it is, which stage makes it and how, and takes it for no
result."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from dvc.repo import Repo

from stages import artefacts, claims, config, tasks, track, train
from stages.documents import claims_page, evidence
from stages.documents import pages as document_pages
from stages.errors import UserError
from stages.files import sha256sum, write_json, write_parquet, write_text
from stages.reporting import results
from tests import small

MADE = Path("data/evaluation/runs.parquet")
TABLE = pd.DataFrame({"variant": ["none", "l1"], "test_accuracy": [0.5, 0.75]})
DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    **{how: lambda path, how=how: small.damage(path, how) for how in small.DAMAGES},
    "edited": lambda path: write_parquet(path, TABLE.assign(test_accuracy=0.9)),
    "of another type": lambda path: path.write_text("[]"),
    "unlisted": lambda path: write_text(artefacts.checksums("evaluate"), ""),
    "list missing": lambda path: artefacts.checksums("evaluate").unlink(),
    **{
        f"list {how}": lambda path, how=how: small.damage(artefacts.checksums("evaluate"), how) for how in small.DAMAGES
    },
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_artefact_is_what_its_stage_wrote_or_refused(folder: Path, damage: str) -> None:
    write_parquet(MADE, TABLE)
    artefacts.record(MADE.parent)
    assert artefacts.read_parquet(MADE).equals(TABLE)
    DAMAGES[damage](MADE)
    with pytest.raises(UserError, match=r"^data/.*`.*dvc repro evaluate` makes it again$"):
        artefacts.read_parquet(MADE)


def test_a_change_that_dvc_does_not_see_is_seen_and_the_remedy_deletes_it(folder: Path) -> None:
    write_text(Path("data/documents/a b/record.json"), "{}")
    artefacts.record(Path("data/documents/a b"))
    file = Path("data/documents/a b/record.json")
    before = file.stat()
    file.write_text("[]")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(UserError, match=r"rm -rf '(.+)' '(.+)'; dvc repro document@a b`") as refused:
        artefacts.checked(file)
    assert str(file) in str(refused.value)


def test_the_list_is_that_of_sha256sum_and_of_the_contents_alone(folder: Path) -> None:
    write_json(Path("data/plan/l1.json"), {})
    write_json(Path("data/plan/deep/none.json"), {})
    artefacts.record(Path("data/plan"))
    once = artefacts.checksums("plan").read_bytes()
    assert once.decode().splitlines() == [
        f"{'ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356'}  data/plan/{name}.json"
        for name in ("deep/none", "l1")
    ]
    artefacts.record(Path("data/plan"), Path("data/plan/l1.json"))
    assert artefacts.checksums("plan").read_bytes() == once


def test_every_output_that_another_stage_reads_is_listed_by_the_stage_that_makes_it() -> None:
    with Repo(str(small.ROOT), uninitialized=True) as repo:
        stages = list(repo.index.stages)
    read = {Path(dep.def_path) for stage in stages for dep in stage.deps}
    for stage in stages:
        outputs = {Path(out.def_path) for out in stage.outs}
        if any(out in (each, *each.parents) or each in out.parents for out in outputs for each in read):
            assert artefacts.checksums(stage.addressing) in outputs
            for out in outputs - {artefacts.checksums(stage.addressing)}:
                assert artefacts.stage_of(out / "file") == stage.addressing, out


def readers() -> dict[str, Callable[[], object]]:
    """What the stages read, by the stage, of the results in the current folder."""
    params = config.load()
    return {
        "tune": tasks.read,
        "train": train.chosen,
        "claims": lambda: evidence.read(params, params.documents),
        "report": lambda: (
            results.read(params),
            claims_page.read(claims.FILE),
            document_pages.read("face_notebook", True),
        ),
        "track": lambda: track.of_report({}, {}),
    }


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["tune", "train", "claims", "report", "track"])
def test_a_stage_names_whatever_is_damaged_of_what_it_reads(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    shutil.copytree(project, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    write_json(track.SUMMARIES, {})
    small.accept(Path())
    read, opened = readers()[stage], []
    with monkeypatch.context() as patch:
        patch.setattr(artefacts, "sha256sum", lambda path: opened.append(path) or sha256sum(path))
        read()
    assert opened
    some = list(dict.fromkeys(opened))[:: 1 + len(opened) // 12]
    for path, how in zip(some, itertools.cycle(["missing", *small.DAMAGES])):
        content = path.read_bytes()
        path.unlink() if how == "missing" else small.damage(path, how)
        with pytest.raises(UserError, match=rf"^{re.escape(str(path))} is .*dvc repro {artefacts.stage_of(path)}`"):
            read()
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.write_bytes(content)
    read()
