"""The stage `train`: what it writes, and that nothing is trained twice, after an interruption or for new seeds."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from dvc.utils.serialize import dumps_yaml, loads_yaml
from filelock import FileLock
from safetensors.torch import load_file, save_file

from stages import train
from stages.errors import UserError
from stages.training import jobs, parallel
from stages.training.device import find_device
from stages.training.jobs import Unit
from tests import small

TASKS = ("clean", "partly_random", "random")
SEEDS = 7
REPLICAS = [(task, seed) for task in TASKS for seed in range(SEEDS)]
RUN = Path("data/runs/everything")
STORE = Path(".cache/replicas")
TRAINS = "import sys; sys.argv = ['train', 'everything']; from stages import train; train.main()"
TRAINS_NOTHING = "from stages.training import jobs; jobs.train_stack = None"
NOTES_WHAT_IT_TRAINS = """
from stages.training import jobs
train_stack = jobs.train_stack
def noted(stack, *rest):
    with open("trained", "a") as file:
        file.writelines(f"{unit.task} {unit.seed}\\n" for unit in stack)
    return train_stack(stack, *rest)
jobs.train_stack = noted
"""


def make_project(folder: Path, seeds: int) -> Path:
    small.make(folder, splits__seeds=seeds)
    for name in ("download", "prepare", "plan"):
        small.stage(folder, name)
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"), SEEDS)


@pytest.fixture(scope="module")
def trained(project: Path) -> dict[str, bytes]:
    """What an uninterrupted training of `everything` writes; its replicas are kept."""
    small.stage(project, "train", "everything")
    return small.contents(project / RUN)


@pytest.fixture
def nothing_kept(project: Path, trained: dict[str, bytes]) -> None:
    """The project as before its first training."""
    shutil.rmtree(project / RUN, ignore_errors=True)
    shutil.rmtree(project / STORE)


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[tuple[str, int]]:
    """The stage in this process, in the current folder; which replicas it trained."""
    found: list[tuple[str, int]] = []
    train_stack = jobs.train_stack

    def noted(stack: Sequence[Unit], *rest: Any) -> Any:
        found.extend((unit.task, unit.seed) for unit in stack)
        return train_stack(stack, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "train_stack", noted)
        patch.setattr(train, "train_stack", noted)
        patch.setattr(sys, "argv", ["stages.train", *arguments])
        train.main()
    return found


def kept(project: Path) -> dict[Path, int]:
    """The finished replicas, and what tells a file from another in its place."""
    return {path: path.stat().st_ino for path in (project / STORE).glob("*.replica")}


def test_it_writes_every_replica(project: Path, trained: dict[str, bytes]) -> None:
    folder = project / RUN
    assert set(trained) == {"history.parquet", "weights.safetensors", "run.json"}
    record = json.loads(trained["run.json"])
    assert [(r["task"], r["seed"]) for r in record["replicas"]] == REPLICAS
    assert record["device"] == "cpu"
    assert record["parameters"]["augmentation"] == {"horizontal_flip": 0.0, "shift": 1}
    plan = json.loads((project / "data/plan/everything.json").read_text())
    assert record["parameters"] == plan["parameters"]
    assert record["code"] == {"training": record["code"]["training"], **plan["methods"]}
    history = pd.read_parquet(folder / "history.parquet")
    rows = history.groupby(["task", "seed"]).size()
    epochs = {(r["task"], r["seed"]): r["epochs"] for r in record["replicas"]}
    assert {key: n - 1 for key, n in rows.items()} == epochs
    weights = load_file(folder / "weights.safetensors")
    assert {tuple(name.split("/")[:2]) for name in weights} == {(task, str(seed)) for task, seed in REPLICAS}
    assert weights["clean/0/fc1.weight"].shape == (128, 64)
    assert len(kept(project)) == len(REPLICAS)


def test_tasks_share_splits_and_initial_weights(project: Path, trained: dict[str, bytes]) -> None:
    first = pd.read_parquet(project / RUN / "history.parquet").query("epoch == 0")
    norms = first.pivot(index="seed", columns="task", values="param_norm")
    assert (norms.max(axis=1) == norms.min(axis=1)).all()  # to the bit, in whatever stacks
    assert norms["clean"].nunique() == SEEDS


def test_finished_replicas_are_found_again(
    project: Path, trained: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    before = kept(project)
    shutil.rmtree(RUN)  # as DVC does before it runs a stage
    assert call(monkeypatch, "everything") == []
    assert small.contents(RUN) == trained
    assert kept(project) == before


@pytest.mark.usefixtures("nothing_kept")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_training_goes_on_where_it_was(project: Path, trained: dict[str, bytes], how: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.train", "everything"],
        cwd=project,
        env=small.environment(project),
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: kept(project), process)
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    if how == signal.SIGINT and process.returncode != 0:
        assert process.returncode == 130
        assert "run the same command again" in errors
        assert "Traceback" not in errors
    before = kept(project)
    assert before
    small.stage(project, "train", "everything")
    assert small.contents(project / RUN) == trained
    assert before.items() <= kept(project).items()


@pytest.mark.usefixtures("nothing_kept")
@pytest.mark.parametrize("before", [0, 1, 11, 20])
def test_a_kill_costs_only_the_stacks_under_way(
    project: Path, trained: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    """Killed just before a replica gets its name, when so many have theirs."""
    killed = f"""
import os, pathlib, signal
rename, named = pathlib.Path.replace, []
def replace(path, target):
    if ".replica" in path.name:
        named.append(path)
        if len(named) > {before}:
            os.kill(os.getpid(), signal.SIGKILL)
    return rename(path, target)
pathlib.Path.replace = replace
"""
    done = small.run(project, sys.executable, "-c", killed + TRAINS, check=False)
    assert done.returncode == -signal.SIGKILL
    files = kept(project)
    assert len(files) >= min(before, 1)
    left = [path for path in (project / STORE).iterdir() if path not in files and path.suffix != ".lock"]
    assert left
    assert all(path.name.startswith(".") for path in left)  # under a temporary name, which nothing reads
    assert not (project / RUN).exists()
    monkeypatch.chdir(project)
    again = call(monkeypatch, "everything")
    assert len(again) == len(set(again)) == len(REPLICAS) - len(files)
    assert small.contents(project / RUN) == trained
    assert files.items() <= kept(project).items()


@pytest.mark.parametrize("how", small.DAMAGES)
def test_a_damaged_replica_is_trained_again(
    project: Path,
    trained: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    how: str,
) -> None:
    monkeypatch.chdir(project)
    damaged = min(STORE.glob("*.replica"))
    whole = damaged.read_bytes()
    small.damage(damaged, how)
    assert len(call(monkeypatch, "everything")) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert f"{damaged} was damaged" in first
    assert last == f"everything: {len(REPLICAS)} replicas on cpu"
    assert damaged.read_bytes() == whole
    assert small.contents(RUN) == trained


def test_more_seeds_train_only_the_new_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_project(tmp_path, 2)
    monkeypatch.chdir(folder)
    content = loads_yaml(Path("params.yaml").read_text())

    def outcome() -> tuple[pd.DataFrame, dict[str, torch.Tensor], dict[str, Any]]:
        run = Path("data/runs/l1")
        return (
            pd.read_parquet(run / "history.parquet"),
            load_file(run / "weights.safetensors"),
            json.loads((run / "run.json").read_text()),
        )

    def with_seeds(seeds: int) -> list[tuple[str, int]]:
        content["splits"]["seeds"] = seeds
        Path("params.yaml").write_text(dumps_yaml(content))
        small.stage(folder, "prepare")
        return call(monkeypatch, "l1")

    assert sorted(with_seeds(2)) == [(task, seed) for task in TASKS for seed in range(2)]
    few, files = outcome(), small.contents(Path("data/runs/l1"))
    assert sorted(with_seeds(3)) == [(task, 2) for task in TASKS]
    more = outcome()
    pd.testing.assert_frame_equal(more[0].query("seed < 2").reset_index(drop=True), few[0], check_exact=True)
    assert {name for name in more[1] if name.split("/")[1] != "2"} == set(few[1])
    assert all(torch.equal(value, more[1][name]) for name, value in few[1].items())
    assert [replica for replica in more[2]["replicas"] if replica["seed"] < 2] == few[2]["replicas"]
    assert with_seeds(2) == []
    assert small.contents(Path("data/runs/l1")) == files


def test_another_variant_of_the_same_parameters_trains_nothing(
    project: Path, trained: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finished replica belongs to what made it, not to a name."""
    before = (project / "params.yaml").read_text()
    content = loads_yaml(before)
    content["variants"] = {"none": {}, "renamed": content["variants"]["everything"]}
    monkeypatch.chdir(project)
    try:
        Path("params.yaml").write_text(dumps_yaml(content))
        shutil.copytree("data/plan", "data/plan-before")
        small.stage(project, "plan")
        assert call(monkeypatch, "renamed") == []
        for name in ("history.parquet", "weights.safetensors"):
            assert (project / "data/runs/renamed" / name).read_bytes() == trained[name]
    finally:
        Path("params.yaml").write_text(before)
        shutil.rmtree("data/plan")
        Path("data/plan-before").rename("data/plan")


def test_what_no_training_used_for_long_goes(
    project: Path, trained: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    used = kept(project)
    for path in used:
        os.utime(path, (0, 0))
    for days in (29, 31):
        (STORE / f"{days}.replica").write_bytes(b"of another variant")
        os.utime(STORE / f"{days}.replica", (0, time.time() - days * 86400))
    assert call(monkeypatch, "everything") == []
    assert kept(project).keys() - used.keys() == {project / STORE / "29.replica"}
    assert used.keys() <= kept(project).keys()
    (STORE / "29.replica").unlink()


@pytest.mark.parametrize("cores", [1, 3])
def test_the_number_of_cores_does_not_matter(
    project: Path, trained: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    monkeypatch.chdir(project)
    for module in (parallel, jobs):
        monkeypatch.setattr(module, "cores", lambda: cores)
    monkeypatch.setattr(train, "STORE", tmp_path / "store")
    monkeypatch.setattr(train, "RUNS", tmp_path / "runs")
    assert sorted(call(monkeypatch, "everything")) == REPLICAS
    assert small.contents(tmp_path / "runs/everything") == trained


def test_a_training_waits_for_another_of_the_same_variant(project: Path, trained: dict[str, bytes]) -> None:
    with FileLock(project / STORE / "everything.lock"):
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", f"{TRAINS_NOTHING}; {TRAINS}"],
            cwd=project,
            env=small.environment(project),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert "everything: another process is training it; waiting" in process.stdout.readline()
        shutil.rmtree(project / RUN)  # the outcome of the other may be gone, what it has trained is there
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert small.contents(project / RUN) == trained


@pytest.mark.usefixtures("nothing_kept")
def test_two_trainings_of_a_variant_train_nothing_twice(project: Path, trained: dict[str, bytes]) -> None:
    notes = project / "trained"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", NOTES_WHAT_IT_TRAINS + TRAINS],
            cwd=project,
            env=small.environment(project),
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert sorted(notes.read_text().splitlines()) == sorted(f"{task} {seed}" for task, seed in REPLICAS)
    assert small.contents(project / RUN) == trained
    notes.unlink()


# One replica alone.


def test_a_replica_trained_alone_comes_out_the_same(
    project: Path, trained: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    before = small.contents(project / STORE)
    for task, seed in (("clean", 0), ("random", 6)):
        assert call(monkeypatch, "everything", task, str(seed)) == [(task, seed)]  # though it is kept
        assert f"everything, {task}, seed {seed}: trained alone it is bit-identical" in capsys.readouterr().out
    assert small.contents(project / RUN) == trained
    assert small.contents(project / STORE) == before


@pytest.fixture
def weights(project: Path, trained: dict[str, bytes]) -> Any:
    """The weights that are written, to be changed; they are as they were when the test is over."""
    file = project / RUN / "weights.safetensors"
    yield load_file(file)
    file.write_bytes(trained["weights.safetensors"])


def refused(project: Path, *arguments: str) -> str:
    """What the stage says when it fails; never a traceback."""
    done = small.stage(project, "train", *arguments, check=False)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert done.stderr.lstrip().startswith("error: ")
    return done.stderr


def test_another_result_is_told(project: Path, weights: dict[str, torch.Tensor]) -> None:
    weights["clean/3/fc2.bias"][5] += 0.25
    weights["clean/3/fc1.weight"][7, 11] = torch.nextafter(weights["clean/3/fc1.weight"][7, 11], torch.tensor(9.0))
    save_file(weights, project / RUN / "weights.safetensors")
    answer = refused(project, "everything", "clean", "3")
    count = sum(name.startswith("clean/3/") for name in weights)
    assert "everything, clean, seed 3: trained alone it differs" in answer
    assert f"2 of {count} tensors differ, by at most 0.25 in fc2.bias" in answer
    assert "dvc repro train@everything" in answer
    assert "bit-identical" in small.stage(project, "train", "everything", "clean", "2").stdout


OTHERWISE = {
    "of fewer seeds": lambda weights: {n: v for n, v in weights.items() if not n.startswith("clean/3/")},
    "of a network of another size": lambda weights: {n: v[:-1].clone() for n, v in weights.items()},
    "of a network without a layer": lambda weights: {n: v for n, v in weights.items() if "fc2" not in n},
    "of a network with a layer more": lambda weights: weights | {"clean/3/fc9.bias": torch.zeros(3)},
}


@pytest.mark.parametrize("how", OTHERWISE)
def test_a_result_of_other_parameters_is_another_result(
    project: Path, weights: dict[str, torch.Tensor], how: str
) -> None:
    save_file(OTHERWISE[how](weights), project / RUN / "weights.safetensors")
    answer = refused(project, "everything", "clean", "3")
    assert "dvc repro train@everything" in answer


@pytest.mark.parametrize(("task", "seed"), [("odd", "0"), ("clean", "7"), ("clean", "-1"), ("clean", "first")])
def test_a_replica_that_there_is_not(project: Path, trained: dict[str, bytes], task: str, seed: str) -> None:
    answer = refused(project, "everything", task, seed)
    assert f"there is no task {task!r} with seed {seed}" in answer
    assert f"the tasks {', '.join(TASKS)} and the seeds 0 to 6" in answer


def test_a_replica_without_a_result(project: Path) -> None:
    answer = refused(project, "l1", "clean", "0")
    assert "data/runs/l1/weights.safetensors is missing; `dvc repro train@l1` makes it" in answer


# Mistakes.


def test_mistakes_are_told_without_a_traceback(project: Path) -> None:
    assert "there is no variant 'lasso'; there are none, l1, everything" in refused(project, "lasso")
    for arguments in ((), ("none", "clean"), ("none", "clean", "0", "1")):
        answer = refused(project, *arguments)
        assert "usage: python -m stages.train VARIANT [TASK SEED]; variants: none, l1, everything" in answer


def test_a_plan_that_is_missing_is_named(project: Path) -> None:
    plan = project / "data/plan/l1.json"
    content = plan.read_bytes()
    plan.unlink()
    try:
        assert "data/plan/l1.json is missing; `dvc repro plan` makes it" in refused(project, "l1")
    finally:
        plan.write_bytes(content)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_asking_for_cuda_where_there_is_none(name: str) -> None:
    with pytest.raises(UserError, match=r"training\.device: found 'cuda.*no CUDA device here; set it to auto or cpu"):
        find_device(name)
    assert find_device("auto") == torch.device("cpu")


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, "it ended before there was anything to interrupt"
        time.sleep(0.01)
