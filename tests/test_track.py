"""The stage ``track`` against real MLflow stores: a sqlite file, and a server over HTTP."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from safetensors.numpy import load_file, save_file

from stages import config, files, tasks, track, tracking
from stages.errors import UserError
from stages.history import METRICS as HISTORY
from stages.metrics import METRICS
from tests import small

PROJECT = Path(__file__).parents[1]
SEEDS, EPOCHS = 2, 12
README = (PROJECT / "README.md").read_text(encoding="utf-8")
TASKS = ("clean", "partly_random", "random")
TRACKS = {"clean": ("default", "tuned"), "partly_random": ("tuned_clean",), "random": ("default", "tuned")}
"""A few of those that there are: every run takes its time."""
GROUPS = [(task, track) for task in TASKS for track in TRACKS[task]]
REPEATS = {"none": 2}
"""How many networks there are for each split, if there are several."""
CHOSEN = [{"training.lr": 0.1, "l1.strength": 0.02}, {"training.lr": 0.2, "l1.strength": 0.003}]
"""What each of two searches chose for l1."""
SOURCES = itertools.count()
"""Every test has an experiment of its own: experiments are named after the source of the data."""


def write_params(root: Path, variants: list[str]) -> None:
    params = loads_yaml((PROJECT / "params.yaml").read_text())
    params["mlflow"] = {"replicas": True}
    params["variants"] = {name: params["variants"][name] for name in variants}
    params["grid"]["variants"], params["crossed"]["variants"] = "all", ["none"]
    (root / "params.yaml").write_text(dumps_yaml(params))


def write_results(
    root: Path, variants: list[str], seeds: int = SEEDS, epochs: int = EPOCHS, source: str = "digits"
) -> None:
    """Made-up results of the same form as those of the stages `prepare`, `train`, `evaluate` and `report`."""
    write_params(root, variants)
    data = root / "data"
    data.mkdir()
    for name in ("pool.npz", "splits.json"):
        (data / name).write_bytes(name.encode())
    tasks = {task: {"wrong_share": 0.1 * i} for i, task in enumerate(TASKS)}
    image = {"height": 8, "width": 8, "channels": 1}
    card = {"source": source, "title": "Digits", "image": image, "classes": ["0", "1"], "tasks": tasks}
    files.write_json(data / "card.json", card)
    (root / "reports" / "timing").mkdir(parents=True)
    (root / "reports" / "index.html").write_text("<h1>Report</h1>")
    for name in ("claims.json", "metrics.json"):
        (root / "reports" / name).write_text("{}")
    (root / "reports" / "timing" / "index.html").write_text("<h1>Timing</h1>")
    rows = [write_variant(root, variant, seeds, epochs) for variant in variants]
    write_evaluation(pd.concat(rows, ignore_index=True), root)


def write_evaluation(table: pd.DataFrame, root: Path) -> None:
    """The rows of the evaluation and made-up comparisons, whose intervals are no more symmetric than they need be.

    A task of the grid is among them, which MLflow does not get.
    """
    files.write_parquet(root / track.EVALUATION, table)
    compared = []
    for (variant, task, name), own in table.groupby(["variant", "task", "track"]):
        for metric in METRICS:
            values = own[metric].astype(float)
            mean, judged = values.mean(), (variant, name) != ("none", "tuned") and metric == "test_accuracy"
            row = {"variant": variant, "track": name, "task": task, "metric": metric, "n": values.count()}
            row |= {"mean": mean, "low": mean - 0.01, "high": mean + 0.03, "replicas": len(own)}
            row |= {f"{kind}": own[kind].sum() for kind in ("diverged", "unfinished")}
            if judged:
                row |= {"difference": mean - 0.5, "difference_low": mean - 0.6, "difference_high": mean - 0.3}
                row |= {"simultaneous_low": mean - 0.7, "simultaneous_high": mean - 0.3, "verdict": "undecided"}
                row |= {"improvement": 0.75, "improvement_low": 0.5, "improvement_high": 1.0}
                row |= {"rank": 2, "rank_low": 1, "rank_high": 3}
            compared.append(row)
    compared.append({**compared[0], "task": "grid-30", "mean": -1.0})
    files.write_parquet(root / track.COMPARISONS, pd.DataFrame(compared))
    small.accept(root)


def write_variant(root: Path, variant: str, seeds: int, epochs: int) -> pd.DataFrame:
    """The files of one trained variant; returns its rows of the evaluation."""
    rng = np.random.default_rng(list(variant.encode()))
    keys = [
        (task, name, seed, repeat)
        for task, name in GROUPS
        for seed, repeat in itertools.product(range(seeds), range(REPEATS.get(variant, 1)))
    ]
    replicas = pd.DataFrame(keys, columns=["task", "track", "seed", "repeat"])
    history = replicas.merge(pd.DataFrame({"epoch": range(epochs + 1)}), how="cross")
    progress = 1 - np.exp(-history["epoch"] / 15)
    for metric in HISTORY:
        noise = rng.normal(0, 0.02, len(history)) + rng.normal(0, 0.05)
        history[metric] = 1 - progress + noise if "loss" in metric else 0.1 + 0.7 * progress + noise
    history.loc[history["task"] == "clean", ["wrong_given", "wrong_true"]] = np.nan
    folder = root / "data" / "runs" / variant
    files.write_parquet(folder / "history.parquet", history)
    weights = {
        f"{task}/{name}/{seed}/{repeat}/fc1.weight": rng.normal(size=(4, 3)).astype(np.float32)
        for task, name, seed, repeat in keys
    }
    save_file(weights, folder / "weights.safetensors")
    records = []
    for task, name, seed, repeat in keys:
        tuned = name != "default"
        own = {
            "search": seed % 2 if tuned else None,
            "parameters": CHOSEN[seed % 2] if tuned and variant == "l1" else {},
        }
        records.append({"task": task, "track": name, "seed": seed, "repeat": repeat, **own})
    run = {
        "variant": variant,
        "parameters": config.load(root / "params.yaml").variants[variant].parameters(),
        "device": "cpu",
        "arithmetic": "portable",
        "versions": {"torch": "2.14.1"},
        "replicas": records,
    }
    files.write_json(folder / "run.json", run)
    rows = replicas.assign(variant=variant, **{metric: rng.uniform(0.5, 0.9, len(replicas)) for metric in METRICS})
    rows.loc[rows["task"] == "clean", "accuracy_on_wrong_given"] = np.nan
    rows["epochs_to_fit"] = pd.array([7, *[None] * (len(rows) - 1)], dtype="Int64")
    rows["diverged"] = rows["unfinished"] = False
    return rows


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('sqlite')}/mlflow.db"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/health", timeout=5)
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Results of two variants in the current folder; returns the name of their source."""
    name = f"source{next(SOURCES)}"
    write_results(tmp_path, ["none", "l1"], source=name)
    monkeypatch.chdir(tmp_path)
    for key, value in tracking.QUIET.items():
        monkeypatch.setenv(key, value)
    return name


@pytest.fixture
def local(source: str, sqlite: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same, with a sqlite store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", sqlite)
    return source


@pytest.fixture(params=["sqlite", "server"])
def anywhere(request: pytest.FixtureRequest, source: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same, with a sqlite store and with a server."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", request.getfixturevalue(request.param))
    return source


def runs(source: str, address: str | None = None) -> dict[str, Run]:
    """The active runs by name; no two may share one."""
    client = MlflowClient(address or os.environ["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name(f"regularization-{source}")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], max_results=1000)
    by_name = {run.info.run_name: run for run in found}
    assert len(by_name) == len(found)
    return by_name


def ids(source: str) -> dict[str, str]:
    return {name: run.info.run_id for name, run in runs(source).items()}


def tracked() -> dict[str, str]:
    return json.loads(track.TRACKED.read_text())


def artifact(run: Run, name: str) -> Path:
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    return Path(client.download_artifacts(run.info.run_id, name, tempfile.mkdtemp(dir=".")))


def start(folder: Path) -> subprocess.Popen[str]:
    """The stage in a process of its own, with the store of that folder."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    environment["PYTHONPATH"] = str(PROJECT)
    command, pipe = [sys.executable, "-m", "stages.track"], subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


def clean(folder: Path) -> str:
    """Run the command that README names for deleted runs; what it says."""
    command = re.search(r"`([^`]*mlflow gc[^`]*)`", README)
    assert command
    return small.run(folder, "sh", "-c", command[1]).stdout


def change(
    metric: str, value: float, variant: str, task: str, seed: int, name: str = "default", repeat: int = 0
) -> None:
    table = pd.read_parquet(track.EVALUATION)
    key = {"variant": variant, "task": task, "track": name, "seed": seed, "repeat": repeat}
    table.loc[track.of(table, **key).index, metric] = value
    write_evaluation(table, Path())


def replicas(variants: Sequence[str], tasks: Sequence[str] = TASKS, tracks: Sequence[str] = config.TRACKS) -> set[str]:
    return {
        f"{summary} · seed {seed}" + (f" · repeat {repeat}" if repeat else "")
        for variant in variants
        for summary in summaries([variant], tasks, tracks)
        for seed in range(SEEDS)
        for repeat in range(REPEATS.get(variant, 1))
    }


def summaries(variants: Sequence[str], tasks: Sequence[str] = TASKS, tracks: Sequence[str] = config.TRACKS) -> set[str]:
    return {
        f"{variant} · {task} · {name}"
        for variant in variants
        for task, name in GROUPS
        if task in tasks and name in tracks
    }


BOTH = summaries(["none", "l1"]) | replicas(["none", "l1"]) | {"report"}
"""The runs of the two variants that most tests have."""


def test_every_result_becomes_a_run(anywhere: str) -> None:
    track.main()
    found = runs(anywhere)
    assert set(found) == BOTH
    assert tracked() == {name: found[name].data.tags["content_hash"] for name in sorted(found)}
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    for name, run in found.items():
        if name != "report":
            groups = dict(zip(("variant", "task", "track"), name.split(" · "), strict=False))
            assert groups.items() <= run.data.tags.items()
            assert groups.items() <= run.data.params.items()

    replica = found["l1 · random · default · seed 1"]
    tags = {"kind": "replica", "seed": "1", "repeat": "0", "device": "cpu", "torch": "2.14.1"}
    assert tags.items() <= replica.data.tags.items()
    assert {"seed": "1", "repeat": "0"}.items() <= replica.data.params.items()
    assert replica.data.tags["mlflow.parentRunId"] == found["l1 · random · default"].info.run_id
    assert replica.data.params["l1.strength"] == "0.001"
    assert replica.data.params["training.epochs"] == str(config.load().training.epochs)
    table = pd.read_parquet(track.EVALUATION).set_index(track.KEY)
    row = table.loc[("l1", "random", "default", 1, 0)]
    for metric in ("test_accuracy", "train_accuracy", "accuracy_on_wrong_given", "diverged"):
        assert replica.data.metrics[metric] == pytest.approx(float(row[metric]))
    assert "accuracy_on_wrong_given" not in found["l1 · clean · default · seed 1"].data.metrics
    (data,) = replica.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == (
        f"{anywhere}-random",
        files.sha256(tasks.POOL, tasks.SPLITS)[:8],
    )

    history = pd.read_parquet("data/runs/l1/history.parquet").query("task == 'random' and track == 'default'")
    curve = history.query("seed == 1").set_index("epoch")
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    points = {point.step: point.value for point in client.get_metric_history(replica.info.run_id, "curve/val_loss")}
    assert set(points) == {0, 1, 2, 3, 5, 7, 10, EPOCHS}
    assert points == pytest.approx(curve["val_loss"][list(points)].to_dict())
    assert replica.data.metrics["best_val_accuracy"] == pytest.approx(curve["val_accuracy"].max())
    assert replica.data.metrics["best_epoch"] == curve["val_accuracy"].idxmax()

    summary = found["l1 · random · default"]
    assert not set(summary.data.metrics) & set(replica.data.metrics)
    attached = pd.read_csv(artifact(summary, "history.csv"), float_precision="round_trip").set_index("epoch")
    by_epoch = history.groupby("epoch")["val_loss"]
    assert attached["val_loss"].to_dict() == pytest.approx(by_epoch.mean().to_dict())
    assert attached["val_loss_std"].to_dict() == pytest.approx(by_epoch.std().to_dict())
    seeds = pd.read_csv(artifact(summary, "seeds.csv"), float_precision="round_trip")
    own = track.of(table.reset_index(), variant="l1", task="random", track="default")
    assert seeds["test_accuracy"].to_list() == own["test_accuracy"].to_list()
    pages = artifact(found["report"], "")
    assert (pages / "index.html").read_text() == "<h1>Report</h1>"
    assert not (pages / "timing").exists()


def test_a_summary_has_the_comparisons_of_its_track(local: str) -> None:
    track.main()
    found = runs(local)
    table = pd.read_parquet(track.EVALUATION)
    for task, name in [("clean", "default"), ("clean", "tuned"), ("partly_random", "tuned_clean")]:
        summary = found[f"l1 · {task} · {name}"].data
        mean = track.of(table, variant="l1", task=task, track=name)["test_accuracy"].mean()
        expected = {
            "n": SEEDS,
            "mean": mean,
            "mean_half_width": 0.02,
            "difference": mean - 0.5,
            "difference_half_width": 0.15,
            "simultaneous_half_width": 0.2,
            "improvement": 0.75,
            "improvement_low": 0.5,
            "improvement_high": 1.0,
            "rank": 2,
            "rank_low": 1,
            "rank_high": 3,
        }
        suffix = "/test_accuracy"
        logged = {key.removesuffix(suffix): value for key, value in summary.metrics.items() if key.endswith(suffix)}
        assert logged == pytest.approx(expected)
        assert summary.tags["verdict"] == "undecided"
    reference = found["none · clean · tuned"].data
    assert "verdict" not in reference.tags
    assert not [
        key for key in reference.metrics if key.startswith(("difference", "simultaneous", "improvement", "rank"))
    ]
    assert reference.metrics["replicas"] == SEEDS * REPEATS["none"]


def test_what_the_searches_chose_is_in_tags_and_in_place_of_what_is_written(local: str) -> None:
    track.main()
    found = runs(local)
    default, tuned = (found[f"l1 · clean · {name}"].data for name in ("default", "tuned"))
    chosen = {key: json.loads(value) for key, value in tuned.tags.items() if key.startswith("chosen.")}
    assert chosen == {"chosen.search0": CHOSEN[0], "chosen.search1": CHOSEN[1]}
    assert (tuned.params["training.lr"], tuned.params["l1.strength"]) == ("0.1", "0.003")
    assert not [key for key in default.tags if key.startswith("chosen.")]
    written = config.load().variants["l1"].parameters()
    assert default.params["training.lr"] == str(written["training"]["lr"])
    assert default.params["l1.strength"] == str(written["l1"]["strength"])
    assert set(default.params) == set(tuned.params)
    for seed in range(SEEDS):
        params = found[f"l1 · clean · tuned · seed {seed}"].data.params
        assert {key: float(params[key]) for key in CHOSEN[seed]} == CHOSEN[seed]


def test_a_search_that_chose_the_variant_as_written_says_so() -> None:
    written = {"training.lr": 0.05, "dropout.p": 0.5, "training.network": "AnimalNet"}
    chosen = {0: {}, 3: {"training.lr": 0.2}, 1: {"training.lr": 0.01}}
    tags = {key: json.loads(value) for key, value in track.choices(written, chosen).items()}
    assert tags == {
        "chosen.search0": {"training.lr": 0.05},
        "chosen.search1": {"training.lr": 0.01},
        "chosen.search3": {"training.lr": 0.2},
    }
    assert track.typical(written, list(chosen.values())) == {key: str(value) for key, value in written.items()}


ALL = ["none", "l1", "dropout", "wide_dropout"]
FOUND_BY = {
    "tags.kind = 'summary'": summaries(ALL),
    "tags.kind = 'summary' and tags.task = 'random' and tags.track = 'tuned'": summaries(ALL, ["random"], ["tuned"]),
    "tags.kind = 'summary' and tags.task = 'clean' and tags.track = 'tuned'": summaries(ALL, ["clean"], ["tuned"]),
    "tags.kind = 'replica' and tags.task = 'random'": replicas(ALL, ["random"]),
    "tags.kind = 'replica' and tags.task = 'clean'": replicas(ALL, ["clean"]),
    "tags.variant = 'l1'": summaries(["l1"]) | replicas(["l1"]),
    "tags.variant LIKE '%dropout%'": summaries(ALL[2:]) | replicas(ALL[2:]),
    "metrics.diverged = 1": {"l1 · clean · default · seed 0"},
    "metrics.test_accuracy > 0.9": {"none · random · tuned · seed 1 · repeat 1"},
    "params.l1.strength = '0.001'": {name for name in summaries(["l1"]) | replicas(["l1"]) if " · default" in name},
}
"""The runs that each filter of README and of the experiment's description should find."""


@pytest.mark.parametrize("store", ["sqlite", pytest.param("server", marks=pytest.mark.slow)])
def test_every_filter_that_is_recommended_finds_its_runs(
    store: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = f"source{next(SOURCES)}"
    write_results(tmp_path, ALL, source=source)
    monkeypatch.chdir(tmp_path)
    address = request.getfixturevalue(store)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    change("diverged", True, "l1", "clean", 0)
    change("test_accuracy", 0.95, "none", "random", 1, "tuned", 1)
    track.main()
    client = MlflowClient(address)
    experiment = client.get_experiment_by_name(f"regularization-{source}")
    assert experiment is not None
    recommended = re.findall(r"`((?:tags|metrics|params|attributes)\.[^`\s]+\s[^`]+)`", README + track.ABOUT)
    assert set(recommended) == set(FOUND_BY)
    for text in recommended:
        found = client.search_runs([experiment.experiment_id], text, max_results=1000)
        assert {run.info.run_name for run in found} == FOUND_BY[text], text


@pytest.mark.slow
def test_the_command_for_deleted_runs_deletes_them(source: str, tmp_path: Path) -> None:
    assert start(tmp_path).wait() == 0
    change("test_accuracy", 0.25, "l1", "clean", 0)
    assert start(tmp_path).wait() == 0
    assert clean(tmp_path).count("has been permanently deleted") == 2
    assert len(runs(source, f"sqlite:///{tmp_path}/mlflow.db")) == len(BOTH)


def test_a_second_run_changes_nothing(anywhere: str, capsys: pytest.CaptureFixture[str]) -> None:
    track.main()
    before, content = ids(anywhere), track.TRACKED.read_bytes()
    capsys.readouterr()
    track.main()
    assert ids(anywhere) == before
    assert track.TRACKED.read_bytes() == content
    assert f"0 runs added, 0 replaced, {len(before)} kept, 0 removed" in capsys.readouterr().out


def test_a_changed_result_replaces_its_run_and_the_summary(local: str) -> None:
    track.main()
    before = ids(local)
    change("test_accuracy", 0.25, "l1", "clean", 0)
    track.main()
    found = runs(local)
    changed = {"l1 · clean · default", "l1 · clean · default · seed 0"}
    assert {name for name, run in found.items() if run.info.run_id != before[name]} == changed
    assert found["l1 · clean · default · seed 0"].data.metrics["test_accuracy"] == 0.25
    parents = {found[f"l1 · clean · default · seed {seed}"].data.tags["mlflow.parentRunId"] for seed in range(SEEDS)}
    assert parents == {found["l1 · clean · default"].info.run_id}


def test_changed_weights_and_history_count_as_changed_results(local: str) -> None:
    track.main()
    before = tracked()
    folder = track.RUNS / "l1"
    weights = load_file(folder / "weights.safetensors")
    weights["random/default/1/0/fc1.weight"][0, 0] += 1
    save_file(weights, folder / "weights.safetensors")
    history = pd.read_parquet(folder / "history.parquet")
    unseen = track.of(history, task="clean", track="default", seed=0, epoch=11).index
    history.loc[unseen, "val_loss"] += 1e-9
    files.write_parquet(folder / "history.parquet", history)
    small.accept(Path())
    track.main()
    changed = {name for name, content in tracked().items() if content != before[name]}
    assert changed == {"l1 · random · default · seed 1", "l1 · clean · default", "l1 · clean · default · seed 0"}


def test_runs_of_a_removed_variant_go(local: str, tmp_path: Path) -> None:
    track.main()
    write_params(tmp_path, ["none"])
    track.main()
    assert set(runs(local)) == summaries(["none"]) | replicas(["none"]) | {"report"}
    assert set(tracked()) == set(runs(local))


def test_without_replicas_there_are_summaries_with_mean_curves(local: str) -> None:
    path = Path("params.yaml")
    path.write_text(dumps_yaml(loads_yaml(path.read_text()) | {"mlflow": {"replicas": False}}))
    history = pd.read_parquet("data/runs/l1/history.parquet")
    one = track.of(history, task="random", track="default")
    stopped = one[(one["seed"] == 1) & (one["epoch"] > 5)].index
    files.write_parquet(Path("data/runs/l1/history.parquet"), history.drop(stopped))
    small.accept(Path())
    track.main()
    found = runs(local)
    assert set(found) == summaries(["none", "l1"]) | {"report"}
    last = one[one["epoch"] == np.where(one["seed"] == 1, 5, EPOCHS)]
    assert len(last) == SEEDS
    assert found["l1 · random · default"].data.metrics["mean_curve/val_loss"] == pytest.approx(last["val_loss"].mean())


def test_a_diverged_run_is_recorded_without_its_infinities(local: str) -> None:
    change("test_loss", np.nan, "l1", "clean", 0)
    change("diverged", True, "l1", "clean", 0)
    change("unfinished", True, "l1", "clean", 1)
    history = pd.read_parquet("data/runs/l1/history.parquet")
    one = track.of(history, task="clean", track="default", seed=0)
    history.loc[one[one["epoch"] >= 6].index, ["train_loss", "val_loss"]] = [np.nan, np.inf]
    files.write_parquet(Path("data/runs/l1/history.parquet"), history)
    small.accept(Path())
    track.main()
    found = runs(local)
    metrics = found["l1 · clean · default · seed 0"].data.metrics
    assert metrics["diverged"] == 1
    assert "test_loss" not in metrics
    assert metrics["curve/val_loss"] == pytest.approx(one["val_loss"].iloc[5])
    assert found["l1 · clean · default"].data.metrics["replicas_diverged"] == 1
    assert found["l1 · clean · default"].data.metrics["replicas_unfinished"] == 1
    assert found["l1 · clean · default · seed 1"].data.metrics["unfinished"] == 1
    assert found["l1 · clean · default"].data.metrics["n/test_loss"] == SEEDS - 1


def test_an_interrupted_run_is_written_anew(local: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = itertools.count(1)
    log = MlflowClient.log_batch

    def interrupted(*arguments: object, **options: object) -> None:
        if next(calls) == 6:
            raise KeyboardInterrupt
        log(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", interrupted)
        with pytest.raises(SystemExit):
            track.main()
    halfway = runs(local)
    assert sorted(run.info.status for run in halfway.values()) == 5 * ["FINISHED"] + ["RUNNING"]
    assert not track.TRACKED.exists()
    track.main()
    found = runs(local)
    assert len(found) == len(BOTH)
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    kept = {name for name, run in halfway.items() if found[name].info.run_id == run.info.run_id}
    assert len(kept) == 5


def test_a_server_that_is_down_is_a_clear_error(local: str, monkeypatch: pytest.MonkeyPatch) -> None:
    track.main()
    before = track.TRACKED.read_bytes()
    address, store = f"127.0.0.1:{free_port()}", os.environ["MLFLOW_TRACKING_URI"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:secret@{address}")
    with pytest.raises(UserError, match=address) as caught:
        track.main.__wrapped__()
    assert "MLFLOW_TRACKING_URI" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not track.TRACKED.exists()  # it would say that MLflow has these runs, and DVC that there is nothing to do
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    track.main()
    assert track.TRACKED.read_bytes() == before


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://[bad", "Invalid IPv6 URL"),
        ("http://127.0.0.1:99999", "Invalid url"),
        ("http:///nowhere", "Invalid url"),
        ("mysql://user:secret@host/runs", "driver for such a database is missing (No module named 'MySQLdb')"),
        ("postgresql://user:secret@host/runs", "driver for such a database is missing"),
        ("mysql://user:secret@host:port/runs", "'port'"),
        ("postgresql+nosuch://user:secret@host/runs", "postgresql.nosuch"),
        ("ftp://host", "unsupported URI"),
        ("./mlruns", "maintenance mode"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_an_address_of_no_use_is_a_clear_error(
    source: str, monkeypatch: pytest.MonkeyPatch, address: str, said: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(UserError) as caught:
        track.main.__wrapped__()
    for text in (said, "MLFLOW_TRACKING_URI", "unset it"):
        assert text in str(caught.value)
    assert "secret" not in str(caught.value)


def overwritten(content: bytes) -> bytes:
    return b"no database " * 1000


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


def scratched(content: bytes) -> bytes:
    third = len(content) // 3
    return content[:third] + b"\xff" * third + content[2 * third :]


@pytest.mark.slow
@pytest.mark.parametrize("damage", [overwritten, cut_short, scratched])
def test_the_advice_for_a_damaged_database_brings_all_runs_back(
    source: str, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    assert start(tmp_path).wait() == 0
    content, database = track.TRACKED.read_bytes(), tmp_path / "mlflow.db"
    database.write_bytes(damage(database.read_bytes()))
    process = start(tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "Traceback" not in errors
    advice = re.search(r"If (\S+) is damaged, move it away and run the same command again", errors)
    assert advice
    shutil.move(advice[1], tmp_path / "damaged.db")
    assert start(tmp_path).wait() == 0
    assert track.TRACKED.read_bytes() == content
    os.link(database, tmp_path / "rebuilt.db")  # MLflow remembers a database by its path
    found = runs(source, f"sqlite:///{tmp_path}/rebuilt.db")
    assert set(found) == set(tracked())
    page = Path(
        MlflowClient(f"sqlite:///{tmp_path}/rebuilt.db").download_artifacts(
            found["report"].info.run_id, "index.html", tempfile.mkdtemp(dir=tmp_path)
        )
    )
    assert page.read_text() == "<h1>Report</h1>"


@pytest.mark.slow
def test_a_copy_of_the_project_leaves_the_files_of_the_original_alone(source: str, tmp_path: Path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    for name in ("params.yaml", "data", "reports"):
        shutil.move(tmp_path / name, original / name)
    assert start(original).wait() == 0
    shutil.copytree(original, copy)
    before = small.contents(original)
    (copy / "reports/index.html").write_text("<h1>Copy</h1>")
    small.accept(copy)
    for _ in range(2):
        assert start(copy).wait() == 0
    clean(copy)
    assert small.contents(original) == before
    found = runs(source, f"sqlite:///{copy}/mlflow.db")
    assert len(found) == len(BOTH)
    for run in found.values():
        assert Path(run.info.artifact_uri).is_relative_to(copy / "mlruns")
    assert Path(found["report"].info.artifact_uri, "index.html").read_text() == "<h1>Copy</h1>"


def test_without_results_the_error_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_params(tmp_path, ["none"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="dvc repro"):
        track.main.__wrapped__()


@pytest.mark.parametrize("lock", ["", "schema: '2.0'\n", "schema: '2.0'\nstages:\n", "stages:\n  train@l1: {"])
def test_a_damaged_lock_file_is_a_clear_error(local: str, lock: str) -> None:
    Path("dvc.lock").write_text(lock)
    with pytest.raises(UserError, match="make repro"):
        track.main.__wrapped__()


def test_hashes_are_the_same_in_every_store_and_commit(
    source: str, sqlite: str, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", sqlite)
    track.main()
    content = track.TRACKED.read_bytes()
    assert "git_commit" not in runs(source)["l1 · clean · default"].data.tags
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    Path("dvc.lock").write_text("schema: '2.0'\nstages:\n  train:\n    cmd: python -m stages.train\n")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    track.main()
    assert track.TRACKED.read_bytes() == content
    found = runs(source)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert {run.data.tags["git_commit"] for run in found.values()} == {commit}
    assert {name for name, run in found.items() if "dvc_lock_hash" in run.data.tags} == {
        name for name in found if name != "report"
    }


def test_runs_whose_files_are_lost_are_made_anew(local: str) -> None:
    track.main()
    before = runs(local)
    folder = Path(before["report"].info.artifact_uri.removeprefix("file://")).parents[1]
    shutil.rmtree(folder)
    track.main()
    after = runs(local)
    assert set(after) == set(before)
    assert artifact(after["report"], "index.html").read_text() == "<h1>Report</h1>"


@pytest.mark.slow
def test_two_processes_make_one_store_and_a_deleted_one_is_rebuilt(source: str, tmp_path: Path) -> None:
    """In the store that a plain `mlflow ui` opens in this folder, and without a word from MLflow."""
    processes = [start(tmp_path), start(tmp_path)]
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert all("INFO" not in errors and "WARNING" not in errors for _, errors in outputs)
    content = track.TRACKED.read_bytes()
    database = tmp_path / "mlflow.db"
    assert set(runs(source, f"sqlite:///{database}")) == set(tracked())
    copy = shutil.move(database, tmp_path / "deleted.db")
    shutil.rmtree("mlruns")
    process = start(tmp_path)
    assert process.wait() == 0, process.communicate()
    assert track.TRACKED.read_bytes() == content
    os.link(database, tmp_path / "rebuilt.db")  # MLflow remembers a database by its path
    assert copy.exists()
    assert set(runs(source, f"sqlite:///{tmp_path}/rebuilt.db")) == set(tracked())
