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

from stages import config, train
from stages.errors import UserError
from stages.history import METRICS
from stages.train import Planned
from stages.training import jobs
from stages.training.device import find_device
from stages.training.jobs import Unit
from tests import small

SEEDS = 3
FIRST = 100
TRACKS = {"clean": config.TRACKS[:2], "partly_random": config.TRACKS, "random": config.TRACKS[:2]}
TASKS = (*TRACKS, "grid-20")
CHOICES = {
    "tuned": [
        {"search": 0, "trial": 0, "parameters": {}},
        {"search": 1, "trial": 1, "parameters": {"training.lr": 0.05}},
    ],
    "tuned_clean": [
        {"search": 0, "trial": 1, "parameters": {"training.lr": 0.2}},
        {"search": 1, "trial": 0, "parameters": {}},
    ],
}
"""What the searches of every variant chose: once it as written, once another learning rate."""
RUNS = Path("data/runs")
RUN = RUNS / "everything"
STORE = Path(".cache/replicas")
TRAINS = "import sys; sys.argv = ['train']; from stages import train; train.main()"
TRAINS_NOTHING = "from stages.training import jobs; jobs.train_stack = exit"
NOTES_WHAT_IT_TRAINS = """
from stages.training import jobs
train_stack = jobs.train_stack
def noted(stack, **rest):
    with open("trained", "a") as file:
        file.writelines(f"{unit}\\n" for unit in stack)
    return train_stack(stack, **rest)
jobs.train_stack = noted
"""


def make_project(folder: Path, seeds: int) -> Path:
    small.make(folder, splits__first=FIRST, splits__seeds=seeds)
    for name in ("download", "prepare", "plan"):
        small.stage(folder, name)
    choose(folder, *small.VARIANTS)
    return folder


def choose(folder: Path, *variants: str) -> None:
    """As `tune` would."""
    own = {"clean": {"tuned": CHOICES["tuned"]}, "partly_random": CHOICES}
    (folder / "data/tuning").mkdir(exist_ok=True)
    (folder / train.CHOSEN).write_text(json.dumps(dict.fromkeys(variants, own)))
    small.accept(folder)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"), SEEDS)


@pytest.fixture(scope="module")
def planned(project: Path) -> dict[str, list[Planned]]:
    params = config.load(project / "params.yaml")
    return train.plan(params, json.loads((project / train.CHOSEN).read_text()))


@pytest.fixture(scope="module")
def crossed(project: Path) -> dict[str, list[Planned]]:
    return train.crossed(config.load(project / "params.yaml"))


@pytest.fixture(scope="module")
def units(planned: dict[str, list[Planned]], crossed: dict[str, list[Planned]]) -> set[Unit]:
    """What is trained: a replica that two tracks, or the crossed design, share once."""
    return {each.unit for own in (*planned.values(), *crossed.values()) for each in own}


@pytest.fixture(scope="module")
def trained(project: Path) -> dict[str, bytes]:
    """What an uninterrupted training writes; its replicas are kept."""
    small.stage(project, "train")
    return small.contents(project / RUNS)


@pytest.fixture
def nothing_kept(project: Path, trained: dict[str, bytes]) -> None:
    """The project as before its first training."""
    shutil.rmtree(project / RUNS, ignore_errors=True)
    shutil.rmtree(project / STORE)


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[Unit]:
    """The stage in this process, in the current folder; what it trained."""
    found: list[Unit] = []
    train_stack = jobs.train_stack

    def noted(stack: Sequence[Unit], *rest: Any, **named: Any) -> Any:
        found.extend(stack)
        return train_stack(stack, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "train_stack", noted)
        patch.setattr(train, "train_stack", noted)
        patch.setattr(sys, "argv", ["stages.train", *arguments])
        train.main()
    return found


def kept(project: Path) -> dict[Path, int]:
    """The finished replicas, and what tells a file from another in its place."""
    return {path: path.stat().st_ino for path in (project / STORE).glob("*.replica")}


def test_it_plans_every_track_with_what_its_search_chose(planned: dict[str, list[Planned]]) -> None:
    for name, own in planned.items():
        tracks = {**TRACKS, **({"grid-20": config.TRACKS[:2]} if name == "none" else {})}
        seeds = {task: 2 if task == "grid-20" else SEEDS for task in TASKS}
        repeats = {task: 2 if name == "none" and task != "grid-20" else 1 for task in TASKS}
        assert [tuple(each.key.values()) for each in own] == [
            (task, track, FIRST + seed, repeat)
            for task in tracks
            for track in tracks[task]
            for seed in range(seeds[task])
            for repeat in range(repeats[task])
        ]
        for each in own:
            expected = None if each.track == "default" else (each.unit.seed - FIRST) % 2
            assert each.search == expected
            assert each.changes == ({} if expected is None else CHOICES[each.track][expected]["parameters"])
            assert each.unit.settings.lr == each.changes.get("training.lr", 0.1)


def test_what_leaves_a_method_out_has_the_rest_of_what_was_chosen(tmp_path: Path) -> None:
    small.make(tmp_path, variants__everything__leave_one_out=True)
    params = config.load(tmp_path / "params.yaml")
    picks = [{"search": k, "trial": 1, "parameters": {"training.lr": 0.1, "dropout.p": 0.3}} for k in range(2)]
    chosen = {task: dict.fromkeys(config.TRACKS[1:], picks) for task in TRACKS}
    planned = train.plan(params, dict.fromkeys(small.VARIANTS, chosen))
    whole, without = planned["everything"], planned["everything_without_dropout"]
    for one, other in zip(whole, without, strict=True):
        assert one.key == other.key
        assert other.changes == {key: value for key, value in one.changes.items() if key != "dropout.p"}
        assert one.unit.settings == other.unit.settings
        assert [m for m in one.unit.methods if m.key != "dropout"] == list(other.unit.methods)


def test_it_writes_every_replica(
    project: Path, trained: dict[str, bytes], planned: dict[str, list[Planned]], units: set[Unit]
) -> None:
    assert set(trained) == {
        f"{name}/{file}" for name in small.VARIANTS for file in ("history.parquet", "weights.safetensors", "run.json")
    }
    for name, own in planned.items():
        record = json.loads(trained[f"{name}/run.json"])
        keys = [each.key for each in own]
        assert [{key: r[key] for key in keys[0]} for r in record["replicas"]] == keys
        assert [(r["search"], r["parameters"]) for r in record["replicas"]] == [(e.search, e.changes) for e in own]
        plan = json.loads((project / f"data/plan/{name}.json").read_text())
        assert record["parameters"] == plan["parameters"]
        assert record["code"] == {"training": record["code"]["training"], **plan["methods"]}
        assert record["device"] == "cpu"
        history = pd.read_parquet(project / RUNS / name / "history.parquet")
        assert list(history) == [*keys[0], "epoch", *METRICS]
        rows = history.groupby(list(keys[0])).size()
        assert {key: n - 1 for key, n in rows.items()} == {
            tuple(key.values()): r["epochs"] for key, r in zip(keys, record["replicas"], strict=True)
        }
        weights = load_file(project / RUNS / name / "weights.safetensors")
        assert {name.rpartition("/")[0] + "/" for name in weights} == {each.prefix for each in own}
    assert load_file(project / RUN / "weights.safetensors")["clean/default/100/0/fc1.weight"].shape == (128, 64)
    assert json.loads(trained["everything/run.json"])["parameters"]["augmentation"] == {
        "horizontal_flip": 0.0,
        "shift": 1,
    }
    total = sum(map(len, planned.values()))
    assert len(kept(project)) == len(units) < total  # what two tracks share is trained once


def test_a_track_whose_search_chose_the_variant_as_written_is_the_default(
    project: Path, trained: dict[str, bytes]
) -> None:
    weights = load_file(project / RUNS / "none/weights.safetensors")
    for name, value in weights.items():
        task, track, seed, *rest = name.split("/")
        if track == "tuned":
            default = weights["/".join([task, "default", seed, *rest])]
            assert torch.equal(value, default) == (int(seed) % 2 == 0), name


def test_tasks_and_tracks_share_initial_weights_and_repeats_do_not(project: Path, trained: dict[str, bytes]) -> None:
    first = pd.read_parquet(project / RUNS / "none/history.parquet").query("epoch == 0")
    norms = first.groupby(["seed", "repeat"])["param_norm"]
    assert (norms.nunique() == 1).all()  # to the bit, in whatever stacks
    assert first["param_norm"].nunique() == SEEDS * 2
    others = pd.read_parquet(project / RUNS / "l1/history.parquet").query("epoch == 0")
    alike = first.query("repeat == 0").groupby("seed")["param_norm"].first()
    assert (others.groupby("seed")["param_norm"].first() == alike).all()


def test_the_crossed_design_has_every_split_with_the_draws_of_every_seed(
    project: Path, trained: dict[str, bytes], planned: dict[str, list[Planned]], crossed: dict[str, list[Planned]]
) -> None:
    """The same draws give the same initial weights on two splits; where both are of one seed, it is the result."""
    assert [path.name for path in (project / train.CROSSED).iterdir()] == list(crossed) == ["none"]
    folder = project / train.CROSSED / "none"
    history, weights = pd.read_parquet(folder / "history.parquet"), load_file(folder / "weights.safetensors")
    initial = history.query("epoch == 0").set_index(["seed", "repeat"])["param_norm"].unstack()
    assert initial.shape == (2, 2)
    assert (initial.loc[FIRST] == initial.loc[FIRST + 1]).all()
    assert initial.loc[FIRST, 0] != initial.loc[FIRST, 1]
    results = load_file(project / RUNS / "none/weights.safetensors")
    layer = {
        (split, k): weights[f"partly_random/default/{FIRST + split}/{k}/fc1.weight"] for split in (0, 1) for k in (0, 1)
    }
    assert len({value.sum().item() for value in layer.values()}) == 4
    for seed in (0, 1):
        assert torch.equal(layer[seed, seed], results[f"partly_random/default/{FIRST + seed}/0/fc1.weight"])
    record = json.loads((folder / "run.json").read_text())["replicas"]
    assert [(r["seed"] - FIRST, r["draws"] - FIRST) for r in record] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len({each.unit for each in crossed["none"]} - {each.unit for each in planned["none"]}) == 2


def test_finished_replicas_are_found_again(
    project: Path, trained: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    before = kept(project)
    shutil.rmtree(RUNS)  # as DVC does before it runs a stage
    assert call(monkeypatch) == []
    assert small.contents(RUNS) == trained
    assert kept(project) == before


@pytest.mark.usefixtures("nothing_kept")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_training_goes_on_where_it_was(project: Path, trained: dict[str, bytes], how: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.train"],
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
    small.stage(project, "train")
    assert small.contents(project / RUNS) == trained
    assert before.items() <= kept(project).items()


@pytest.mark.usefixtures("nothing_kept")
@pytest.mark.parametrize("before", [0, 1, 20, 50])
def test_a_kill_costs_only_the_stacks_under_way(
    project: Path, trained: dict[str, bytes], units: set[Unit], monkeypatch: pytest.MonkeyPatch, before: int
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
    assert not (project / RUNS).exists()
    monkeypatch.chdir(project)
    again = call(monkeypatch)
    assert len(again) == len(set(again)) == len(units) - len(files)
    assert small.contents(project / RUNS) == trained
    assert files.items() <= kept(project).items()


@pytest.mark.parametrize("moment", ["weights.safetensors", "train.sha256", "31.replica"])
def test_a_kill_before_dvc_records_the_outcome_trains_nothing_twice(
    project: Path, trained: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Killed as it writes its results, has written the last of them, or deletes a replica that nothing uses."""
    killed = f"""
import os, pathlib, signal
for name in ("replace", "unlink"):
    def act(path, *rest, name=name, own=getattr(pathlib.Path, name), **more):
        found = own(path, *rest, **more)
        if "{moment}" in path.name:
            os.kill(os.getpid(), signal.SIGKILL)
        return found
    setattr(pathlib.Path, name, act)
"""
    monkeypatch.chdir(project)
    old = STORE / "31.replica"
    old.write_bytes(b"of another variant")
    os.utime(old, (0, time.time() - 31 * 86400))
    before = kept(project)
    done = small.run(project, sys.executable, "-c", killed + TRAINS, check=False)
    assert done.returncode == -signal.SIGKILL
    for folder in (RUNS, train.CROSSED):
        shutil.rmtree(folder)  # as DVC does before it runs a stage that it has no record of
    assert call(monkeypatch) == []
    assert small.contents(RUNS) == trained
    assert kept(project).items() == before.items() - {(project / old, before[project / old])}


@pytest.mark.parametrize("how", small.DAMAGES)
def test_a_damaged_replica_is_trained_again(
    project: Path,
    trained: dict[str, bytes],
    planned: dict[str, list[Planned]],
    crossed: dict[str, list[Planned]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    how: str,
) -> None:
    monkeypatch.chdir(project)
    damaged = min(STORE.glob("*.replica"))
    whole = damaged.read_bytes()
    small.damage(damaged, how)
    assert len(call(monkeypatch)) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert f"{damaged} was damaged" in first
    total = sum(map(len, (*planned.values(), *crossed.values())))
    assert last == f"{RUNS}, {train.CROSSED}: {total} networks of 3 variants, 0 diverged"
    assert damaged.read_bytes() == whole
    assert small.contents(RUNS) == trained


@pytest.mark.slow
def test_a_seed_or_a_repeat_more_and_an_edited_variant_train_only_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_project(tmp_path, 2)
    monkeypatch.chdir(folder)
    content = loads_yaml(Path("params.yaml").read_text())

    def trains() -> list[Unit]:
        Path("params.yaml").write_text(dumps_yaml(content))
        for name in ("prepare", "plan"):
            small.stage(folder, name)
        return call(monkeypatch)

    trains()
    files = small.contents(RUNS)
    few = pd.read_parquet(RUNS / "none/history.parquet"), load_file(RUNS / "none/weights.safetensors")
    content["splits"]["seeds"] = 3
    assert {(unit.task, unit.seed) for unit in trains()} == {(task, FIRST + 2) for task in TRACKS}
    more = pd.read_parquet(RUNS / "none/history.parquet"), load_file(RUNS / "none/weights.safetensors")
    pd.testing.assert_frame_equal(more[0].query("seed < 102").reset_index(drop=True), few[0], check_exact=True)
    assert {name for name in more[1] if name.split("/")[2] != "102"} == set(few[1])
    assert all(torch.equal(value, more[1][name]) for name, value in few[1].items())
    content["splits"]["seeds"] = 2
    assert trains() == []
    assert small.contents(RUNS) == files
    content["variants"]["l1"]["repeats"] = 2
    assert {(unit.variant, unit.draws - unit.seed) for unit in trains()} == {("l1", train.REPEAT)}
    del content["variants"]["l1"]["repeats"]
    content["variants"]["l1"]["l1"]["strength"] = 0.5
    assert {unit.variant for unit in trains()} == {"l1"}
    after = small.contents(RUNS)
    assert {name for name in files if files[name] != after[name]} == {name for name in files if name.startswith("l1/")}


def test_another_variant_of_the_same_parameters_trains_nothing(
    project: Path, trained: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finished replica belongs to what made it, not to a name."""
    before = (project / "params.yaml").read_text()
    content = loads_yaml(before)
    content["variants"] = {"none": content["variants"]["none"], "renamed": content["variants"]["everything"]}
    monkeypatch.chdir(project)
    try:
        Path("params.yaml").write_text(dumps_yaml(content))
        shutil.copytree("data/plan", "data/plan-before")
        small.stage(project, "plan")
        choose(project, "none", "renamed")
        assert call(monkeypatch) == []
        assert {path.name for path in RUNS.iterdir()} == {"none", "renamed"}
        for name in ("history.parquet", "weights.safetensors"):
            assert (RUNS / "renamed" / name).read_bytes() == trained[f"everything/{name}"]
    finally:
        Path("params.yaml").write_text(before)
        shutil.rmtree("data/plan")
        Path("data/plan-before").rename("data/plan")
        choose(project, *small.VARIANTS)
        call(monkeypatch)
    assert small.contents(RUNS) == trained


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
    assert call(monkeypatch) == []
    assert kept(project).keys() - used.keys() == {project / STORE / "29.replica"}
    assert used.keys() <= kept(project).keys()
    (STORE / "29.replica").unlink()


@pytest.mark.parametrize("cores", [1, 3])
def test_the_number_of_cores_does_not_matter(
    project: Path,
    trained: dict[str, bytes],
    units: set[Unit],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".cache", "runs", "crossed"))
    monkeypatch.chdir(copy)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", str(cores))
    if cores == 1:
        again = call(monkeypatch)
        assert len(again) == len(units)
        assert set(again) == units
    else:  # in processes, which cannot tell this one what they train
        small.stage(copy, "train")
        assert len(kept(copy)) == len(units)
    assert small.contents(RUNS) == trained


def test_a_training_waits_for_another(project: Path, trained: dict[str, bytes]) -> None:
    with FileLock(project / STORE / "train.lock"):
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", f"{TRAINS_NOTHING}; {TRAINS}"],
            cwd=project,
            env=small.environment(project),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert "another process is training; waiting" in process.stdout.readline()
        shutil.rmtree(project / RUNS)  # the outcome of the other may be gone, what it has trained is there
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert small.contents(project / RUNS) == trained


@pytest.mark.usefixtures("nothing_kept")
def test_two_trainings_train_nothing_twice(project: Path, trained: dict[str, bytes], units: set[Unit]) -> None:
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
    assert sorted(notes.read_text().splitlines()) == sorted(map(str, units))
    assert small.contents(project / RUNS) == trained
    notes.unlink()


# One replica alone.


def test_a_replica_trained_alone_comes_out_the_same(
    project: Path, trained: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    before = small.contents(project / STORE)
    for task, track, seed in (
        ("clean", "default", 100),
        ("random", "tuned", 101),
        ("partly_random", "tuned_clean", 102),
    ):
        (unit,) = call(monkeypatch, "everything", task, track, str(seed))  # though it is kept
        assert (unit.task, unit.seed, unit.draws) == (task, seed, seed)
        answer = capsys.readouterr().out
        assert f"everything, {task}, {track}, seed {seed}: trained alone it is bit-identical" in answer
    call(monkeypatch, "none", "clean", "default", "100")
    assert "bit-identical" in capsys.readouterr().out
    assert small.contents(project / RUNS) == trained
    assert small.contents(project / STORE) == before


@pytest.fixture
def weights(project: Path, trained: dict[str, bytes]) -> Any:
    """The weights that are written, to be changed; they are as they were when the test is over."""
    file = project / RUN / "weights.safetensors"
    yield load_file(file)
    file.write_bytes(trained["everything/weights.safetensors"])
    small.accept(project)


def refused(project: Path, *arguments: str) -> str:
    """What the stage says when it fails; never a traceback."""
    done = small.stage(project, "train", *arguments, check=False)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert done.stderr.lstrip().startswith("error: ")
    return done.stderr


def test_another_result_is_told(project: Path, weights: dict[str, torch.Tensor]) -> None:
    weights["clean/default/101/0/fc2.bias"][5] += 0.25
    weights["clean/default/101/0/fc1.weight"][7, 11] = torch.nextafter(
        weights["clean/default/101/0/fc1.weight"][7, 11], torch.tensor(9.0)
    )
    save_file(weights, project / RUN / "weights.safetensors")
    small.accept(project)
    answer = refused(project, "everything", "clean", "default", "101")
    count = sum(name.startswith("clean/default/101/0/") for name in weights)
    assert "everything, clean, default, seed 101: trained alone it differs" in answer
    assert f"2 of {count} tensors differ, by at most 0.25 in fc2.bias" in answer
    assert "dvc repro train` " in answer
    assert "bit-identical" in small.stage(project, "train", "everything", "clean", "default", "102").stdout


OTHERWISE = {
    "of fewer seeds": lambda weights: {n: v for n, v in weights.items() if not n.startswith("clean/default/101/0/")},
    "of a network of another size": lambda weights: {n: v[:-1].clone() for n, v in weights.items()},
    "of a network without a layer": lambda weights: {n: v for n, v in weights.items() if "fc2" not in n},
    "of a network with a layer more": lambda weights: weights | {"clean/default/101/0/fc9.bias": torch.zeros(3)},
}


@pytest.mark.parametrize("how", OTHERWISE)
def test_a_result_of_other_parameters_is_another_result(
    project: Path, weights: dict[str, torch.Tensor], how: str
) -> None:
    save_file(OTHERWISE[how](weights), project / RUN / "weights.safetensors")
    small.accept(project)
    answer = refused(project, "everything", "clean", "default", "101")
    assert "dvc repro train` " in answer


@pytest.mark.parametrize(
    ("task", "track", "seed"),
    [
        ("odd", "tuned", "100"),
        ("clean", "tuned", "103"),
        ("clean", "tuned", "0"),
        ("clean", "tuned", "first"),
        ("clean", "tuned_clean", "100"),
        ("grid-20", "tuned", "100"),  # not of this variant
    ],
)
def test_a_replica_that_there_is_not(
    project: Path, trained: dict[str, bytes], task: str, track: str, seed: str
) -> None:
    answer = refused(project, "everything", task, track, seed)
    assert f"there is no task {task!r} with track {track!r} and seed {seed}" in answer
    available = (
        "the tasks clean, partly_random, random, the tracks default, tuned, tuned_clean and the seeds from 100 to"
    )
    assert f"{available} 102" in answer


def test_a_replica_without_a_result(project: Path, trained: dict[str, bytes]) -> None:
    folder = project / RUNS / "l1"
    folder.rename(project / "l1")
    try:
        answer = refused(project, "l1", "clean", "default", "100")
        assert "data/runs/l1/weights.safetensors is missing; `dvc repro train` makes it" in answer
    finally:
        (project / "l1").rename(folder)


# Mistakes.


def test_mistakes_are_told_without_a_traceback(project: Path) -> None:
    answer = refused(project, "lasso", "clean", "default", "100")
    assert "there is no variant 'lasso'; there are none, l1, everything" in answer
    for arguments in (("none",), ("none", "clean", "100"), ("none", "clean", "default", "100", "1")):
        assert "usage: python -m stages.train [VARIANT TASK TRACK SEED]" in refused(project, *arguments)


def test_searches_that_are_missing_are_named(project: Path) -> None:
    chosen = project / train.CHOSEN
    try:
        choose(project, "none", "l1")
        assert "has nothing for everything on clean; `dvc repro tune` makes it" in refused(project)
        chosen.unlink()
        assert f"{train.CHOSEN} is missing; `dvc repro tune` makes it" in refused(project)
    finally:
        choose(project, *small.VARIANTS)


def test_a_plan_that_is_missing_is_named(project: Path) -> None:
    plan = project / "data/plan/l1.json"
    content = plan.read_bytes()
    plan.unlink()
    try:
        assert "data/plan/l1.json is missing; `dvc repro plan` makes it" in refused(project)
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
