"""The pipeline as a user runs it: a real `dvc repro` in a repository of its own, with small parameters."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml

from tests import small

TARGET = "track"
"""The last stage of all but `benchmark`, which takes long, and its page."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which the pipeline has run once and its outcome is committed."""
    folder = small.make(tmp_path_factory.mktemp("clone"))
    shutil.copytree(small.ROOT / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    small.run(folder, "git", "init", "--quiet", "--initial-branch=main")
    for key, value in {"user.name": "A user", "user.email": "user@example.org", "gc.auto": "0"}.items():
        small.run(folder, "git", "config", key, value)
    for kept in ("data/images", "reports/verified"):
        (folder / kept / ".gitkeep").touch()
    repro(folder)
    commit(folder)
    return folder


def repro(folder: Path, *options: str) -> list[str]:
    """Run the pipeline up to its last stage; the names of the stages that ran."""
    output = small.run(folder, "dvc", "repro", *options, TARGET).stdout
    return re.findall(r"Running stage '(.+)':", output)


def commit(folder: Path) -> None:
    small.run(folder, "git", "add", "--all")
    small.run(folder, "git", "commit", "--quiet", "--allow-empty", "--message", "results")


def edit(folder: Path, variant: str, regularizer: str, **values: float) -> None:
    content = loads_yaml((folder / "params.yaml").read_text())
    content["variants"].setdefault(variant, {})[regularizer] = values
    (folder / "params.yaml").write_text(dumps_yaml(content))


def restore(folder: Path) -> None:
    small.run(folder, "git", "checkout", "--quiet", "--", ".")
    small.run(folder, "dvc", "checkout", "--quiet")


def test_a_second_run_has_nothing_to_do(project: Path) -> None:
    assert repro(project) == []
    assert small.run(project, "git", "status", "--porcelain").stdout == ""


@pytest.mark.slow
def test_a_forced_run_elsewhere_gives_the_same_to_the_byte(project: Path, tmp_path: Path) -> None:
    """In another folder, with other surroundings and on one core."""
    clone = shutil.copytree(project, tmp_path / small.ELSEWHERE, symlinks=True)
    shutil.rmtree(clone / ".cache")  # or finished trials and replicas would be found and not trained
    with small.other_surroundings():
        assert len(repro(clone, "--force")) == 12
    assert (clone / "dvc.lock").read_bytes() == (project / "dvc.lock").read_bytes()
    assert small.contents(clone / "reports") == small.contents(project / "reports")
    assert small.run(clone, "git", "status", "--porcelain").stdout == ""


def test_a_fresh_clone_needs_no_run_to_be_checked(project: Path, tmp_path: Path) -> None:
    small.run(tmp_path, "git", "clone", "--quiet", str(project), "clone")
    assert (tmp_path / "clone/reports/index.html").exists()
    assert repro(tmp_path / "clone", "--allow-missing", "--dry") == []


@pytest.mark.slow
def test_after_a_dead_server_the_same_command_gives_mlflow_the_runs(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        failed = small.run(project, "dvc", "repro", "--force", "--single-item", TARGET, check=False)
    assert failed.returncode != 0
    assert "run the same command again" in failed.stderr
    assert repro(project) == [TARGET]


def test_training_does_not_depend_on_the_test_set(project: Path) -> None:
    lock = loads_yaml((project / "dvc.lock").read_text())["stages"]
    readers = {name for name, stage in lock.items() if any(d["path"] == "data/test.npz" for d in stage.get("deps", []))}
    assert readers == {"evaluate"}
    assert not any("evaluation" in d["path"] for name in ("tune", "train") for d in lock[name]["deps"])


@pytest.mark.slow
def test_an_experiment_with_one_variant_runs_that_variant(project: Path) -> None:
    done = small.run(project, "dvc", "exp", "run", "-S", "variants.l1.l1.strength=0.00001", TARGET)
    ran = re.findall(r"Running stage '(.+)':", done.stdout)
    assert ran == ["plan", "tune", "train", "evaluate", "compare", "claims", "report", "track"]
    params = json.loads(small.run(project, "dvc", "params", "diff", "--json").stdout)
    strength = params["params.yaml"]["variants.l1.l1.strength"]
    assert (strength["old"], strength["new"]) == (0.001, 0.00001)
    metrics = json.loads(small.run(project, "dvc", "metrics", "diff", "--json").stdout)
    changed = metrics["reports/metrics.json"]
    assert any(key.startswith("l1.") for key in changed)
    assert not any(key.startswith("none.") for key in changed)
    assert "1e-05" in (project / "reports/variants/l1.html").read_text()
    small.run(project, "dvc", "plots", "show")
    restore(project)
    assert repro(project) == []


@pytest.mark.slow
def test_a_variant_comes_and_goes(project: Path) -> None:
    before = (project / "dvc.lock").read_bytes()
    edit(project, "mine", "l2", strength=0.05)
    assert repro(project) == ["plan", "tune", "train", "evaluate", "compare", "claims", "report", "track"]
    assert (project / "reports/variants/mine.html").exists()
    small.run(project, "git", "checkout", "--quiet", "--", "params.yaml")
    assert set(repro(project)) <= {"plan", "tune", "train", "evaluate", "compare", "claims", "report", "track"}
    assert not (project / "reports/variants/mine.html").exists()
    assert not (project / "data/runs/mine").exists()
    assert not (project / "data/plan/mine.json").exists()
    assert (project / "dvc.lock").read_bytes() == before
    restore(project)


METHOD = re.search(r"```python\n(.+?)```", (small.ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def out_of_date(folder: Path) -> list[str]:
    """The variants that would be trained, once `plan` has run: all for new shared code, else those with new methods."""
    small.run(folder, "dvc", "repro", "plan")
    status = json.loads(small.run(folder, "dvc", "status", "--json", "tune", "train").stdout)
    changed = {path for stage in status.values() for change in stage for path in change.get("changed deps", {})}
    if not changed:
        return []
    if any(path.startswith("stages") for path in changed):
        return list(small.VARIANTS)
    return [name for name in small.VARIANTS if is_new(folder, name)]


def is_new(folder: Path, name: str) -> bool:
    plan = json.loads((folder / f"data/plan/{name}.json").read_text())
    run = json.loads((folder / f"data/runs/{name}/run.json").read_text())
    return not (plan["methods"].items() <= run["code"].items() and plan["parameters"] == run["parameters"])


def finished(folder: Path) -> dict[Path, int]:
    """The kept trials and replicas, and what tells a file from another in its place."""
    return {path: path.stat().st_ino for path in (folder / ".cache").glob("*/*.replica")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "used_by"),
    [
        ("regularizers/l1.py", ["l1"]),
        ("regularizers/dropout.py", ["everything"]),
        ("regularizers/l2.py", []),
        ("regularizers/base.py", list(small.VARIANTS)),
        ("networks/mlp.py", list(small.VARIANTS)),
        ("training/steps.py", list(small.VARIANTS)),
        ("metrics.py", []),
        ("reporting/charts.py", []),
        ("documents/linear_decay/experiment.py", []),
    ],
)
def test_new_code_trains_the_variants_that_use_it(project: Path, file: str, used_by: list[str]) -> None:
    assert out_of_date(project) == []
    with (project / "stages" / file).open("a") as stream:
        stream.write("# new\n")
    assert out_of_date(project) == used_by
    restore(project)
    assert out_of_date(project) == []


@pytest.mark.slow
def test_a_new_method_trains_no_variant_but_its_own(project: Path) -> None:
    assert METHOD
    file = project / "stages/regularizers/uniform_noise.py"
    file.write_text(METHOD[1])
    assert out_of_date(project) == []
    assert not [stage for stage in repro(project, "--dry") if stage.startswith(("tune", "train", "evaluate"))]
    edit(project, "noisy", "uniform_noise", amplitude=0.3)
    before, runs = finished(project), small.contents(project / "data/runs")
    small.run(project, "dvc", "repro", "train")
    assert before.items() <= finished(project).items()
    after = small.contents(project / "data/runs")
    assert {name: content for name, content in after.items() if not name.startswith("noisy/")} == runs
    assert "noisy/run.json" in after
    file.unlink()
    restore(project)
    assert out_of_date(project) == []


@pytest.mark.slow
def test_an_edited_method_is_trained_and_nothing_else(project: Path) -> None:
    before, kept = small.contents(project / "data/runs"), finished(project)
    with (project / "stages/regularizers/l1.py").open("a") as stream:
        stream.write("# new\n")
    assert {"tune", "train"} <= set(repro(project))
    after = small.contents(project / "data/runs")
    changed = {name for name, content in after.items() if before[name] != content}
    assert changed == {"l1/run.json"}  # of new code, but the results are the same
    new = finished(project).items() - kept.items()
    trials = [path for path, _ in new if path.parent.name == "trials"]
    assert len(trials) == 2 * 2 * 2  # tuned tasks, searches, trials
    tracks = [(each["task"], json.dumps(each["parameters"]), each["seed"]) for each in replicas(project, "l1")]
    assert len(new) - len(trials) == len(set(tracks))
    restore(project)
    assert repro(project) == []


def replicas(folder: Path, variant: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / f"data/runs/{variant}/run.json").read_text())["replicas"]
    return found


@pytest.mark.slow
def test_a_seed_more_trains_only_that_seed(project: Path) -> None:
    kept = finished(project)
    few = {name: replicas(project, name) for name in small.VARIANTS}
    content = loads_yaml((project / "params.yaml").read_text())
    content["splits"]["seeds"] = 3
    third = content["splits"]["first"] + 2
    (project / "params.yaml").write_text(dumps_yaml(content))
    assert "train" in repro(project)
    added = set()
    for name in small.VARIANTS:
        own = replicas(project, name)
        assert [replica for replica in own if replica["seed"] < third] == few[name]
        new = [replica for replica in own if replica["seed"] == third]
        assert {replica["task"] for replica in new} == {"clean", "partly_random", "random"}
        added |= {(name, r["task"], r["repeat"], json.dumps(r["parameters"])) for r in new}
    now = finished(project)
    assert kept.items() <= now.items()
    new = [path for path in now if path not in kept]
    assert {path.parent.name for path in new} == {"replicas"}
    assert len(new) == len(added)
    restore(project)
    assert repro(project) == []


def test_a_mistake_stops_it_before_anything_is_lost(project: Path) -> None:
    before = small.contents(project / "reports"), (project / "dvc.lock").read_bytes()
    edit(project, "l1", "l1", strenght=0.01)
    done = small.run(project, "dvc", "repro", TARGET, check=False)
    assert done.returncode != 0
    assert "variants.l1.l1.strenght: unknown key; allowed: strength" in done.stderr
    assert "Traceback" not in done.stderr
    assert (small.contents(project / "reports"), (project / "dvc.lock").read_bytes()) == before
    restore(project)
    assert repro(project) == []


def test_a_cut_lock_file_is_restored_and_nothing_runs(project: Path) -> None:
    before = (project / "dvc.lock").read_bytes()
    cut_before_the_last_stage = before.index(b"  track:")
    for position in (0, 8192, cut_before_the_last_stage):
        (project / "dvc.lock").write_bytes(before[:position])
        assert "restored from" in small.stage(project, "start").stdout
        assert repro(project) == []
        small.stage(project, "start")  # keeps a copy
    assert (project / "dvc.lock").read_bytes() == before


@pytest.mark.slow
def test_without_a_lock_file_nothing_is_trained_anew(project: Path) -> None:
    before = (project / "dvc.lock").read_bytes()
    (project / "dvc.lock").unlink()
    # All others, `compare` too, are taken from DVC's cache of runs, which holds none with outputs that git keeps.
    assert repro(project) == ["download", "evaluate", "claims", "report", "track"]
    assert (project / "dvc.lock").read_bytes() == before


def test_a_cut_list_of_files_in_use_does_not_stop_it(project: Path) -> None:
    (project / ".dvc/tmp/rwlock").write_text('{"write": {}, "re')
    assert "JSON structure is corrupted" in small.run(project, "dvc", "repro", TARGET, check=False).stderr
    assert "rwlock was damaged" in small.stage(project, "start").stdout
    assert repro(project) == []


@pytest.mark.slow
def test_a_killed_pipeline_goes_on_and_ends_the_same(project: Path) -> None:
    before = (project / "dvc.lock").read_bytes()
    environment = small.environment(project)
    process = subprocess.Popen(
        ["dvc", "repro", "--force", TARGET],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "'train'" in line:
            break
    time.sleep(1)  # somewhere in the start or the work of the training, which outlives its pipeline
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    repro(project)
    assert (project / "dvc.lock").read_bytes() == before
    assert repro(project) == []


@pytest.mark.slow
def test_a_run_in_a_temporary_clone_gives_the_same(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    status = small.run(project, "git", "status", "--porcelain").stdout
    assert "IDENTICAL. All 12 stages" in small.stage(project, "verify", "fresh=1").stdout
    assert json.loads((project / "data/verification.json").read_text())["outcome"] == "identical"
    assert list(tmp_path.glob("regbench-verify-*")) == []
    assert small.run(project, "git", "status", "--porcelain").stdout == status


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_temporary_clone_vanishes_when_it_is_interrupted(project: Path, tmp_path: Path, number: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.verify", "fresh=1"],
        cwd=project,
        env=small.environment(project) | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "'train'" in line:
            break
    time.sleep(1)  # somewhere in the start or the work of the training
    process.send_signal(number)
    said = process.stdout.read()
    assert process.wait() == 130
    process.stdout.close()
    assert "the temporary clone is deleted" in said
    assert "Traceback" not in said
    assert list(tmp_path.glob("regbench-verify-*")) == []


@pytest.mark.slow
def test_a_record_of_this_machine_is_on_the_page_and_leaves_a_clean_tree(project: Path) -> None:
    small.stage(project, "verify", "record=1")
    assert repro(project) == ["report", "track"]
    page = (project / "reports/methods.html").read_text()
    assert "on which they were made" in page
    commit(project)
    assert len(repro(project, "--force")) == 12
    assert small.run(project, "git", "status", "--porcelain").stdout == ""
    assert "IDENTICAL. All 12 stages" in small.stage(project, "verify").stdout
    small.run(project, "git", "reset", "--quiet", "--hard", "HEAD~1")
    restore(project)
