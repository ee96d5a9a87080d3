"""`make verify` says what a run changes of the committed results, and whether a reader would conclude the same."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dvc.repo import Repo
from dvc.utils.serialize import dumps_yaml, loads_yaml
from safetensors.numpy import load_file, save_file

from stages import ARITHMETIC, verify
from stages.artefacts import versions
from stages.errors import UserError
from stages.verification import conclusions, fresh, machine, records, rule, selftest
from tests import small

PIPELINE = {
    "train": {"cmd": "true", "deps": ["stages/train.py"], "params": ["seeds"], "outs": ["data/runs"]},
    "report": {
        "cmd": "true",
        "deps": ["data/runs", "reports/verified"],
        "outs": [{name: {"cache": False}} for name in ("reports/tables", "reports/claims.json", "reports/index.html")],
    },
    "benchmark": {"cmd": "true", "outs": [{"reports/timing": {"cache": False}}]},
}
"""Stages of the names of the real ones, which have run."""
ROWS = {
    ("none", "clean", "tuned", "test_accuracy"): ("%", 88.0, 87.0, 89.0, None, None, None, None, 3, 1, 5),
    ("l1", "clean", "tuned", "test_accuracy"): ("%", 90.0, 89.0, 91.0, 2.0, 1.2, 2.8, "better", 1, 1, 3),
    ("l1", "clean", "tuned", "param_norm"): ("", 7.5, 7.0, 8.0, -2.0, -2.5, -1.5, "lower", None, None, None),
    ("l1", "clean", "tuned", "unfinished"): ("%", 0.0, 0.0, 14.0, 0.0, 0.0, 0.0, "undecided", None, None, None),
}
"""Variant, task, track and metric; mean, difference, each with its interval; verdict; rank with its interval."""
HEADLINE = ("l1", "clean", "tuned", "test_accuracy")
COUNT = ("l1", "clean", "tuned", "unfinished")
CLAIM: dict[str, Any] = {
    "id": "l1-helps",
    "verdict": "holds",
    "parts": [{"case": "l1", "text": "accuracy", "effect": 2.0, "low": 1.2, "high": 2.8, "unit": "points"}],
}
TORCH = versions()["torch"]


def table() -> pd.DataFrame:
    columns = [
        *("unit", "mean", "low", "high", "difference", "difference_low", "difference_high", "verdict"),
        *("rank", "rank_low", "rank_high"),
    ]
    index = pd.MultiIndex.from_tuples(list(ROWS), names=conclusions.KEY)
    frame = pd.DataFrame(list(ROWS.values()), index, columns).sort_index()
    frame["improvement"], frame["improvement_low"], frame["improvement_high"] = 0.9, 0.6, 1.0
    return frame


def write_report(root: Path, frame: pd.DataFrame, claim: dict[str, Any]) -> None:
    path = root / conclusions.TABLE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(conclusions.published(frame.reset_index()))
    parts = [{"verdict": claim["verdict"]} | part for part in claim["parts"]]
    (root / conclusions.CLAIMS).write_text(json.dumps({"claims": [claim | {"parts": parts}]}))


def git(*arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@b.c", *arguments], check=True)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with results that are committed."""
    root = tmp_path_factory.mktemp("verified")
    shutil.copytree(small.ROOT / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    for folder in ("stages", "data/runs/none", "reports/verified", "reports/timing"):
        (root / folder).mkdir(parents=True)
    (root / "dvc.yaml").write_text(dumps_yaml({"stages": PIPELINE}))
    params = {"arithmetic": "portable", "seeds": 2, "training": {"device": "cpu", "epochs": 4}}
    (root / "params.yaml").write_text(dumps_yaml(params))
    (root / ".gitignore").write_text("/data/\n/.dvc/tmp\n/.dvc/cache\n__pycache__\n")
    (root / "stages/train.py").write_text("# how it trains\n")
    (root / "reports/verified/.gitkeep").touch()
    (root / "reports/index.html").write_text("<p>90 %</p>")
    (root / "reports/timing/seconds.json").write_text("1.5")
    save_file({"weight": np.linspace(0, 1, 9, dtype=np.float32)}, root / "data/runs/none/weights.safetensors")
    record = {"device": "cpu", "arithmetic": ARITHMETIC, "versions": versions()}
    (root / "data/runs/none/run.json").write_text(json.dumps(record))
    write_report(root, table(), CLAIM)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        git("init", "--quiet")
        commit_run()
        git("add", "--all")
        git("commit", "--quiet", "--message", "results")
    return root


@pytest.fixture(scope="module")
def hashes() -> dict[str, str]:
    return selftest.hashes()


@pytest.fixture(autouse=True)
def project(original: Path, hashes: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in which a test verifies; the self-test has run."""
    root = tmp_path / "project"
    shutil.copytree(original, root)
    monkeypatch.chdir(root)
    monkeypatch.setattr(selftest, "hashes", lambda: dict(hashes))
    return root


def commit_run() -> None:
    """What a run leaves in `dvc.lock`, of the files as they are."""
    with Repo() as repo:
        repo.commit(force=True)


def run_verify(*arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and what it wrote."""
    verify.FILE.unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["verify", *arguments])
        with pytest.raises(SystemExit) as end:
            verify.main()
    assert isinstance(end.value.code, int)
    return end.value.code, json.loads(verify.FILE.read_text()) if verify.FILE.exists() else {}


def test_identical_results(capsys: pytest.CaptureFixture[str]) -> None:
    Path("reports/timing/seconds.json").write_text("2.5")  # timing differs between any two runs
    code, found = run_verify()
    assert (code, found["outcome"]) == (0, "identical")
    assert found["stages"] == {"same": ["train", "report"], "different": [], "left_out": ["benchmark", "timing"]}
    assert found["changed_files"] == found["changes"] == found["moves"] == []
    assert found["compared"] == {"mark": 4, "ranks": 2, "claim": 2, "number": 8}
    shown = capsys.readouterr().out
    assert "IDENTICAL. All 2 stages" in shown
    assert "benchmark, timing: they measure time" in shown
    assert "There is no record of the machine that made the published results" in shown


def test_one_weight_changed_by_a_rounding(capsys: pytest.CaptureFixture[str]) -> None:
    file = Path("data/runs/none/weights.safetensors")
    weights = load_file(file)
    weights["weight"][4] = np.nextafter(weights["weight"][4], np.float32(1))
    save_file(weights, file)
    commit_run()
    code, found = run_verify()
    assert (code, found["outcome"]) == (0, "same conclusions")
    assert found["stages"]["different"] == ["train"]
    assert found["changes"] == found["moves"] == found["changed_files"] == []
    assert "THE SAME CONCLUSIONS" in capsys.readouterr().out


def change(**values: Any) -> None:
    """Another number or word in the row of the headline, or at `row`, as another run would publish it."""
    frame, row = table(), values.pop("row", HEADLINE)
    for column, value in values.items():
        frame.loc[row, column] = value
    write_report(Path(), frame, CLAIM)
    commit_run()


def test_a_metric_changed_by_a_point(capsys: pytest.CaptureFixture[str]) -> None:
    change(mean=91.0)
    code, found = run_verify()
    assert (code, found["outcome"]) == (1, "changed")
    assert found["stages"] == {"same": ["train"], "different": ["report"], "left_out": ["benchmark", "timing"]}
    assert found["changed_files"] == [conclusions.TABLE]
    (move,) = found["moves"]
    assert (move["metric"], move["number"], move["size"], move["share"]) == ("test_accuracy", "mean", 1.0, 1.0)
    assert move["share_where"] == "l1 · clean · tuned · test_accuracy"
    assert re.search(r"mean of test_accuracy +1 points +100 % +l1 · clean · tuned", capsys.readouterr().out)


@pytest.mark.parametrize(("share", "code"), [(0.9, 0), (1.1, 1)])
@pytest.mark.parametrize(("number", "value", "half"), [("mean", 90.0, 1.0), ("difference", 2.0, 0.8)])
def test_the_rule_allows_a_share_of_the_half_width(
    number: str, value: float, half: float, share: float, code: int
) -> None:
    change(**{number: value + share * rule.SHARE * half})
    assert run_verify()[0] == code


@pytest.mark.parametrize(
    ("values", "kind", "before", "after"),
    [
        ({"verdict": "undecided"}, "mark", "better, meaningfully", "undecided, meaningfully"),
        ({"improvement_low": 0.4}, "mark", "better, meaningfully", "better"),
        ({"row": COUNT, "mean": 0.5}, "mark", "undecided", "undecided, some"),
        ({"rank_high": 4.0}, "ranks", "1 to 3", "1 to 4"),
    ],
)
def test_a_mark_or_an_interval_of_ranks_changed(
    values: dict[str, Any], kind: str, before: str, after: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(**values)
    code, found = run_verify()
    assert code == 1
    assert [(c["kind"], c["before"], c["after"]) for c in found["changes"]] == [(kind, before, after)]
    assert f"{before} → {after}" in capsys.readouterr().out


def test_a_verdict_on_a_claim_changed(capsys: pytest.CaptureFixture[str]) -> None:
    write_report(Path(), table(), CLAIM | {"verdict": "undecided"})
    commit_run()
    code, found = run_verify()
    assert code == 1
    assert {(c["where"], c["before"], c["after"]) for c in found["changes"]} == {
        ("l1-helps", "holds", "undecided"),
        ("l1-helps · l1 · accuracy", "holds", "undecided"),
    }
    assert "2 verdicts on claims and their parts: 2 changed" in capsys.readouterr().out


def test_a_row_that_is_missing_and_a_number_without_interval() -> None:
    before = conclusions.read(conclusions.published(table().reset_index()), '{"claims": []}', "here")
    fewer = conclusions.read(conclusions.published(table().drop(index=COUNT).reset_index()), '{"claims": []}', "here")
    found = conclusions.compare(before, fewer)
    assert [(each.where.split(" · ")[-1], each.after) for each in found.changes] == [("unfinished", "missing")]
    moved = table()
    moved.loc[COUNT, "difference"] = 1e-5  # its interval has no width
    after = conclusions.read(conclusions.published(moved.reset_index()), '{"claims": []}', "here")
    (move,) = conclusions.compare(before, after).moves
    assert (move.share, conclusions.compare(before, after).holds) == (np.inf, False)


def stop(*names: str) -> None:
    """Take stages out of `dvc.lock`."""
    lock = loads_yaml(Path("dvc.lock").read_text())
    for name in names:
        lock["stages"].pop(name)
    Path("dvc.lock").write_text(dumps_yaml(lock))


def commit_lock_without_a_stage() -> None:
    whole = Path("dvc.lock").read_text()
    stop("train")
    git("commit", "--quiet", "--all", "--message", "a part")
    Path("dvc.lock").write_text(whole)


def edit(path: str, before: str, after: str) -> None:
    text = Path(path).read_text()
    assert before in text
    Path(path).write_text(text.replace(before, after))


def damage_without_a_copy() -> None:
    shutil.rmtree(".dvc/cache")
    small.damage(Path("data/runs/none/run.json"), "turned")


def fresh_clone() -> None:
    shutil.rmtree(".dvc/cache")
    shutil.rmtree("data")


def no_commit() -> None:
    shutil.rmtree(".git")
    git("init", "--quiet")


def no_table_in_the_commit() -> None:
    git("rm", "--quiet", "--cached", conclusions.TABLE)
    git("commit", "--quiet", "--message", "as before there was one")


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda: stop("train"), "dvc.lock here has no results of train"),
        (commit_lock_without_a_stage, "dvc.lock of the commit .* has no results of train"),
        (lambda: shutil.rmtree("data/runs"), "missing: data/runs; run `make repro`"),
        (
            lambda: small.damage(Path("data/runs/none/run.json"), "turned"),
            "not as the stage .*: data/runs; `make repro`",
        ),
        (damage_without_a_copy, "not as the stage .*: data/runs; `make repro`"),
        (fresh_clone, "missing: data/runs; run `make repro`"),
        (lambda: small.damage(Path(conclusions.CLAIMS), "cut"), "not as the stage .*: reports/claims.json"),
        (lambda: edit("stages/train.py", "how", "why"), r"not up to date: train \(stages/train.py\)"),
        (lambda: edit("params.yaml", "epochs: 4", "epochs: 5"), r"not that of the commit \(training.epochs\)"),
        (lambda: Path("dvc.lock").write_text("schema: '2.0'\nstages:\n  tr"), "DVC cannot tell"),
        (lambda: Path("params.yaml").unlink(), "params.yaml cannot be read"),
        (no_commit, "no git repository with a commit"),
        (no_table_in_the_commit, "has no reports/tables/comparisons.csv"),
    ],
    ids=[
        *(
            "missing stage",
            "missing in the commit",
            "missing data",
            "damaged data",
            "damaged, not in cache",
            "fresh clone",
        ),
        *("damaged report", "new code", "other settings", "cut lock", "no settings", "no commit", "no table"),
    ],
)
def test_what_cannot_be_compared_is_said(
    harm: Callable[[], None], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    harm()
    assert run_verify() == (1, {})
    assert re.search(says, capsys.readouterr().err)


def test_arithmetic_and_device_may_be_others() -> None:
    edit("params.yaml", "portable", "native")
    edit("params.yaml", "device: cpu", "device: cuda")
    assert run_verify()[0] == 0


def test_without_git(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "")
    assert run_verify() == (1, {})
    assert "git is not installed" in capsys.readouterr().err


@pytest.mark.parametrize("argument", ["fresh=yes", "fresh=0", "FRESH=1", "again"])
def test_other_choices_are_refused(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_verify(argument) == (1, {})
    assert f"found '{argument}'" in capsys.readouterr().err


def test_the_first_machine_that_vouches_is_the_authors(
    monkeypatch: pytest.MonkeyPatch, hashes: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = run_verify("fresh=", "record=1")
    assert code == 0
    first = records.read()[Path(found["record"]).stem]
    assert (first.author, first.outcome, first.share, first.stages) == (True, "identical", 0, [])
    assert first.selftest == hashes
    git("add", "--all")
    git("commit", "--quiet", "--message", "record")

    other = machine.this().model_copy(update={"processor": "Another 9000"})
    monkeypatch.setattr(machine, "this", lambda: other)
    monkeypatch.setattr(selftest, "hashes", lambda: hashes | {"float64 products": "0" * 16})
    change(mean=90.02)
    code, found = run_verify("record=1")
    assert code == 0
    assert found["author"]["machine"]["processor"] == first.machine.processor
    second = records.read()[Path(found["record"]).stem]
    assert (second.author, second.outcome, second.share) == (False, "same conclusions", 0.02)
    assert second.results == first.results
    shown = capsys.readouterr().out
    assert "17 of 18 classes of operations give the same bits; not the same: float64 products" in shown
    assert re.search(rf"processor +Another 9000 +≠ {re.escape(first.machine.processor)}", shown)


def test_a_record_again_stays_the_authors(monkeypatch: pytest.MonkeyPatch) -> None:
    run_verify("record=1")
    own = machine.this()
    monkeypatch.setattr(machine, "this", lambda: own.model_copy(update={"processor": "Another 9000"}))
    run_verify("record=1")
    monkeypatch.setattr(machine, "this", lambda: own)
    run_verify("record=1")
    assert {each.machine.processor: each.author for each in records.read().values()} == {
        own.processor: True,
        "Another 9000": False,
    }


def test_nobody_vouches_for_what_has_changed(capsys: pytest.CaptureFixture[str]) -> None:
    change(mean=91.0)
    code, found = run_verify("record=1")
    assert (code, found["record"], records.read()) == (1, None, {})
    assert "Not recorded" in capsys.readouterr().out


def test_nobody_vouches_for_networks_of_another_environment(capsys: pytest.CaptureFixture[str]) -> None:
    edit("data/runs/none/run.json", TORCH, "1.0")
    commit_run()
    assert run_verify("record=1") == (1, {})
    assert "trained in another environment (torch 1.0)" in capsys.readouterr().err
    assert run_verify()[1]["trained_with"]["torch"] == ["1.0"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"results": "x"}', b"\xff"])
def test_a_damaged_record_is_named(content: bytes) -> None:
    (records.FOLDER / "mine.json").write_bytes(content)
    with pytest.raises(UserError, match=r"reports/verified/mine.json is no record of a verification: .+"):
        records.read()


def test_results_are_known_by_what_is_concluded_not_by_how_it_is_worded() -> None:
    text = conclusions.published(table().reset_index())
    entry = CLAIM | {"parts": [part | {"verdict": "holds"} for part in CLAIM["parts"]]}

    def digest(table: str, **changes: Any) -> str:
        return conclusions.read(table, json.dumps({"claims": [entry | changes]}), "here").digest

    reworded = [part | {"text": "other words"} for part in entry["parts"]]
    assert digest(text) == digest(text, section="Two", parts=reworded)
    assert digest(text) != digest(text, verdict="fails")
    assert digest(text) != digest(text.replace("88", "88.1"))


def test_the_self_test_does_not_depend_on_the_threads_of_the_process(
    hashes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.undo()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert selftest.hashes() == hashes
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert hashes.keys() >= selftest.AVOIDED


def test_ctrl_c_ends_what_runs_in_the_clone_and_deletes_it(tmp_path: Path) -> None:
    started = tmp_path / "started"
    program = f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(600)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {program!r}])"

    def interrupt() -> None:
        while not started.exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    def work(places: list[Path]) -> None:
        with fresh.clone() as project:
            places.append(project)
            assert (project / conclusions.TABLE).exists()
            assert not (project / "data").exists()
            threading.Thread(target=interrupt).start()
            fresh.run([sys.executable, "-c", child], project)

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    places: list[Path] = []
    try:
        with pytest.raises(KeyboardInterrupt):
            work(places)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert not places[0].parent.exists()
    assert program not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


def test_the_clone_has_a_shell_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://example.org")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    found = fresh.environment(tmp_path)
    assert found["PYTHONPATH"] == str(tmp_path)
    assert found["OMP_NUM_THREADS"] == "3"
    assert not {"MLFLOW_TRACKING_URI", "ATEN_CPU_CAPABILITY", "OPENBLAS_CORETYPE"} & found.keys()


def test_the_clone_runs_all_that_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small.ROOT)
    with Repo(uninitialized=True) as repo:
        names = {stage.addressing for stage in repo.index.stages}
        needed = {stage.addressing for stage in repo.stage.collect(fresh.TARGET, with_deps=True)}
    assert names - needed == set(rule.LEFT_OUT)


def test_the_readme_has_the_rule() -> None:
    text = " ".join((small.ROOT / "README.md").read_text(encoding="utf-8").replace("\n> ", "\n").split())
    assert rule.RULE in text
    assert rule.DATE in text
