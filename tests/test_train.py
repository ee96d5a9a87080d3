"""The stage `train`: what it writes, and that an interruption costs nothing but the stacks under way."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from stages import config, train
from stages.errors import UserError
from stages.tasks import Material, Split, Task, read
from stages.training import parallel, replicas
from stages.training.device import find_device
from tests import small

TASKS = ("clean", "partly_random", "random")
COMMAND = (sys.executable, "-m", "stages.train")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small.make(tmp_path_factory.mktemp("project"), splits__seeds=7)
    small.stage(folder, "download")
    small.stage(folder, "prepare")
    return folder


@pytest.fixture(scope="module")
def trained(project: Path) -> dict[str, bytes]:
    """What an uninterrupted training of `everything` writes."""
    small.stage(project, "train", "everything")
    return small.contents(project / "data/runs/everything")


def test_it_writes_every_replica(project: Path, trained: dict[str, bytes]) -> None:
    folder = project / "data/runs/everything"
    assert set(trained) == {"history.parquet", "weights.safetensors", "run.json"}
    record = json.loads(trained["run.json"])
    expected = [(task, seed) for task in TASKS for seed in range(7)]
    assert [(r["task"], r["seed"]) for r in record["replicas"]] == expected
    assert record["device"] == "cpu"
    assert record["parameters"]["augmentation"] == {"horizontal_flip": 0.0, "shift": 1}
    history = pd.read_parquet(folder / "history.parquet")
    rows = history.groupby(["task", "seed"]).size()
    epochs = {(r["task"], r["seed"]): r["epochs"] for r in record["replicas"]}
    assert {key: n - 1 for key, n in rows.items()} == epochs
    weights = load_file(folder / "weights.safetensors")
    assert {tuple(name.split("/")[:2]) for name in weights} == {(task, str(seed)) for task, seed in expected}
    assert weights["clean/0/fc1.weight"].shape == (128, 64)
    assert not (project / ".cache/train/everything").exists()


def test_tasks_share_splits_and_initial_weights(project: Path, trained: dict[str, bytes]) -> None:
    first = pd.read_parquet(project / "data/runs/everything/history.parquet").query("epoch == 0")
    norms = first.pivot(index="seed", columns="task", values="param_norm")
    assert (norms.max(axis=1) - norms.min(axis=1)).max() < 1e-5  # in stacks of different sizes
    assert norms["clean"].nunique() == 7


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_training_goes_on_where_it_was(project: Path, trained: dict[str, bytes], how: int) -> None:
    shutil.rmtree(project / "data/runs/everything")
    kept = project / ".cache/train/everything"
    process = subprocess.Popen(
        [*COMMAND, "everything"], cwd=project, env=small.environment(project), stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: list(kept.rglob("*.stack")), process)
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    if how == signal.SIGINT and process.returncode != 0:
        assert process.returncode == 130
        assert "run the same command again" in errors
        assert "Traceback" not in errors
    small.stage(project, "train", "everything")
    assert small.contents(project / "data/runs/everything") == trained


def test_finished_stacks_are_not_trained_again(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    material = read()
    monkeypatch.setattr(replicas, "CPU_STACK", 5)
    variant, cpu = config.load().variant("none"), torch.device("cpu")
    expected = replicas.train_variant(variant, material, cpu, tmp_path / "whole")
    train_stack, trained = replicas.train_stack, []

    def interrupted(variant: object, material: object, stack: replicas.Stack, *rest: object) -> object:
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(stack)
        return train_stack(variant, material, stack, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(replicas, "train_stack", interrupted)
    monkeypatch.setattr(parallel, "cores", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        replicas.train_variant(variant, material, cpu, tmp_path / "parts")
    first = list(trained)
    assert len(first) == 2
    monkeypatch.setattr(replicas, "train_stack", lambda *a: trained.append(a[2]) or train_stack(*a))
    resumed = replicas.train_variant(variant, material, cpu, tmp_path / "parts")
    assert sorted(trained) == sorted(replicas.plan(variant, material, cpu))
    for a, b in zip(expected, resumed, strict=True):
        assert (a.task, a.seed) == (b.task, b.seed)
        assert np.array_equal(a.history, b.history)
        assert all(torch.equal(value, b.weights[name]) for name, value in a.weights.items())


@pytest.mark.parametrize("how", small.DAMAGES)
def test_a_damaged_stack_is_trained_again(
    project: Path,
    trained: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    how: str,
) -> None:
    monkeypatch.chdir(project)
    material = read()
    variant, cpu = config.load().variant("everything"), find_device("cpu")
    replicas.train_variant(variant, material, cpu, tmp_path)
    first = min(tmp_path.iterdir())
    whole = first.read_bytes()
    small.damage(first, how)
    train_stack, again = replicas.train_stack, []
    monkeypatch.setattr(replicas, "train_stack", lambda *a: again.append(a[2]) or train_stack(*a))
    train.write(tmp_path / "run", {}, replicas.train_variant(variant, material, cpu, tmp_path))
    assert len(again) == 1
    assert capsys.readouterr().out.count("\n") == 1
    assert first.read_bytes() == whole
    for name in ("history.parquet", "weights.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == trained[name]
    record, expected = json.loads((tmp_path / "run/run.json").read_text()), json.loads(trained["run.json"])
    assert json.dumps(record["replicas"]) == json.dumps(expected["replicas"])  # also in the same order


def test_a_kill_just_before_a_stack_gets_its_name_does_no_harm(project: Path, trained: dict[str, bytes]) -> None:
    shutil.rmtree(project / "data/runs/everything")
    killed = """
import os, pathlib, signal, sys
from stages import train
rename = pathlib.Path.replace
def replace(path, target):
    if ".stack" in path.name:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(path, target)
pathlib.Path.replace = replace
sys.argv = ["train", "everything"]
train.main()
"""
    done = small.run(project, sys.executable, "-c", killed, check=False)
    assert done.returncode == -signal.SIGKILL
    left = [path for path in (project / ".cache/train/everything").rglob("*") if path.is_file()]
    assert left
    assert all(path.name.startswith(".") for path in left)  # under the temporary name, which nothing reads
    small.stage(project, "train", "everything")
    assert small.contents(project / "data/runs/everything") == trained
    assert not (project / ".cache/train/everything").exists()


@pytest.mark.parametrize("cores", [1, 3])
def test_the_number_of_cores_does_not_matter(
    project: Path, trained: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    monkeypatch.chdir(project)
    material = read()
    monkeypatch.setattr(parallel, "cores", lambda: cores)
    outcome = replicas.train_variant(config.load().variant("everything"), material, find_device("cpu"), tmp_path)
    written = load_file(project / "data/runs/everything/weights.safetensors")
    for replica in outcome:
        for name, value in replica.weights.items():
            assert torch.equal(value, written[f"{replica.task}/{replica.seed}/{name}"])


OUTLIVES_ITS_PIPELINE = "import itertools, os; os.getppid = itertools.count().__next__"
TRAINS_NOTHING = "from stages.training import replicas; del replicas.train_stack"
TRAINS = "import sys; sys.argv = ['train', 'everything']; from stages import train; train.main()"


@pytest.mark.parametrize("same_data", [True, False])
def test_two_trainings_of_a_variant_take_turns(project: Path, trained: dict[str, bytes], same_data: bool) -> None:
    splits = project / "data/splits.json"
    now = splits.read_bytes()
    if not same_data:  # the other training was started on splits that have changed since
        splits.write_bytes(now + b"\n")
    small.run(project, sys.executable, "-c", f"{OUTLIVES_ITS_PIPELINE}; {TRAINS}")
    splits.write_bytes(now)
    lock = FileLock(project / ".cache/train/everything.lock")
    lock.acquire()
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", f"{TRAINS_NOTHING}; {TRAINS}" if same_data else TRAINS],
        cwd=project,
        env=small.environment(project),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "another process is at it" in process.stdout.readline()
    lock.release()
    # What the other has trained is there, though its outcome may be gone: nothing is trained twice.
    assert process.wait() == 0
    process.stdout.close()
    assert small.contents(project / "data/runs/everything") == trained
    assert not (project / ".cache/train/everything").exists()


def test_mistakes_are_told_without_a_traceback(project: Path) -> None:
    unknown = small.stage(project, "train", "lasso", check=False)
    assert unknown.returncode == 1
    assert "there is no variant 'lasso'; there are none, l1, everything" in unknown.stderr
    assert "Traceback" not in unknown.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_asking_for_cuda_where_there_is_none(name: str) -> None:
    with pytest.raises(UserError, match=r"training\.device: found 'cuda.*no CUDA device here; set it to auto or cpu"):
        find_device(name)
    assert find_device("auto") == torch.device("cpu")


def test_a_gpu_takes_as_many_replicas_as_its_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    material = blank((32, 32, 3), dict.fromkeys(TASKS, 100))

    def sizes(memory: int) -> list[int]:
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=memory))
        return [len(stack) for stack in replicas.plan(config.load().variant("none"), material, torch.device("cuda"))]

    assert sizes(80 * 2**30) == [30]
    small_memory = sizes(2**30)
    assert sum(small_memory) == 30
    assert len(small_memory) > 1
    assert sizes(2**20) == [1] * 30


def test_on_a_cpu_small_networks_share_a_stack() -> None:
    variant, cpu = config.load().variant("none"), torch.device("cpu")
    for shape, expected in (((8, 8, 1), [15, 15]), ((32, 32, 3), [2] * 15), ((64, 64, 3), [1] * 30)):
        material = blank(shape, dict.fromkeys(TASKS, 100))
        assert [len(stack) for stack in replicas.plan(variant, material, cpu)] == expected


def test_tasks_of_other_sizes_have_stacks_of_their_own() -> None:
    material = blank((8, 8, 1), {"clean": 100, "few": 30, "random": 100})
    stacks = replicas.plan(config.load().variant("none"), material, torch.device("cpu"))
    assert [sorted({task for task, _ in stack}) for stack in stacks] == [["clean", "random"], ["random"], ["few"]]


def blank(shape: tuple[int, ...], sizes: dict[str, int]) -> Material:
    """One black image, which each task of ten seeds has as often as its size says."""
    images, labels = np.zeros((1, *shape), np.uint8), np.zeros(1, np.int64)
    tasks = {
        name: Task(name, labels, {seed: Split(np.arange(size), np.arange(300)) for seed in range(10)})
        for name, size in sizes.items()
    }
    return Material(images, ("a", "b", "c"), tasks)


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, "it ended before there was anything to interrupt"
        time.sleep(0.01)
