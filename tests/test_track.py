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

from stages import compare, config, files, track, tracking
from stages.errors import UserError
from stages.metrics import METRICS, VERDICTS
from tests import small

PROJECT = Path(__file__).parents[1]
SEEDS, EPOCHS = 2, 12
README = (PROJECT / "README.md").read_text(encoding="utf-8")
TASKS = ("clean", "partly_random", "random")
RUNS_OF_A_VARIANT = len(TASKS) * (1 + SEEDS)
SOURCES = itertools.count()
"""Every test has an experiment of its own: experiments are named after the source of the data."""


def write_params(root: Path, variants: list[str]) -> None:
    params = loads_yaml((PROJECT / "params.yaml").read_text())
    params["mlflow"] = {"replicas": True}
    params["variants"] = {name: params["variants"][name] for name in variants}
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
    (root / "reports" / "timing" / "index.html").write_text("<h1>Timing</h1>")
    rows = [write_variant(root, variant, seeds, epochs) for variant in variants]
    write_evaluation(pd.concat(rows, ignore_index=True), root)


def write_evaluation(table: pd.DataFrame, root: Path) -> None:
    """The rows of the evaluation, and what is made of them."""
    params = config.load(root / "params.yaml")
    files.write_parquet(root / track.EVALUATION, table)
    compared = compare.compare(table, params.claims, params.evaluation.confidence)
    files.write_parquet(root / track.COMPARISONS, compared)


def write_variant(root: Path, variant: str, seeds: int, epochs: int) -> pd.DataFrame:
    """The files of one trained variant; returns its rows of the evaluation."""
    rng = np.random.default_rng(list(variant.encode()))
    replicas = pd.MultiIndex.from_product([TASKS, range(seeds)], names=["task", "seed"]).to_frame(index=False)
    history = replicas.merge(pd.DataFrame({"epoch": range(epochs + 1)}), how="cross")
    progress = 1 - np.exp(-history["epoch"] / 15)
    for metric in ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "param_norm"):
        noise = rng.normal(0, 0.02, len(history)) + rng.normal(0, 0.05)
        history[metric] = 1 - progress + noise if "loss" in metric else 0.1 + 0.7 * progress + noise
    folder = root / "data" / "runs" / variant
    files.write_parquet(folder / "history.parquet", history)
    weights = {
        f"{task}/{seed}/fc1.weight": rng.normal(size=(4, 3)).astype(np.float32)
        for task, seed in replicas.itertuples(index=False)
    }
    save_file(weights, folder / "weights.safetensors")
    run = {
        "variant": variant,
        "parameters": config.load(root / "params.yaml").variants[variant].parameters(),
        "device": "cpu",
        "versions": {"python": "3.11.7", "torch": "2.14.1"},
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


def change(metric: str, value: float, variant: str, task: str, seed: int) -> None:
    table = pd.read_parquet(track.EVALUATION)
    row = (table["variant"] == variant) & (table["task"] == task) & (table["seed"] == seed)
    table.loc[row, metric] = value
    write_evaluation(table, Path())


def test_every_result_becomes_a_run(anywhere: str) -> None:
    track.main()
    found = runs(anywhere)
    summaries = {f"{variant} · {task}" for variant in ("none", "l1") for task in TASKS}
    replicas = {f"{summary} · seed {seed}" for summary in summaries for seed in range(SEEDS)}
    assert set(found) == summaries | replicas | {"report"}
    assert tracked() == {name: found[name].data.tags["content_hash"] for name in sorted(found)}
    assert {run.info.status for run in found.values()} == {"FINISHED"}

    replica = found["l1 · random · seed 1"]
    tags = {"kind": "replica", "variant": "l1", "task": "random", "seed": "1", "device": "cpu", "torch": "2.14.1"}
    assert tags.items() <= replica.data.tags.items()
    assert replica.data.tags["mlflow.parentRunId"] == found["l1 · random"].info.run_id
    assert replica.data.params["l1.strength"] == "0.001"
    assert replica.data.params["training.epochs"] == str(config.load().training.epochs)
    table = pd.read_parquet(track.EVALUATION).set_index(["variant", "task", "seed"])
    row = table.loc[("l1", "random", 1)]
    for metric in ("test_accuracy", "train_accuracy", "accuracy_on_wrong_given", "diverged"):
        assert replica.data.metrics[metric] == pytest.approx(float(row[metric]))
    assert "accuracy_on_wrong_given" not in found["l1 · clean · seed 1"].data.metrics
    (data,) = replica.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == (
        f"{anywhere}-random",
        files.sha256(track.POOL, track.SPLITS)[:8],
    )

    history = pd.read_parquet("data/runs/l1/history.parquet").query("task == 'random'")
    curve = history.query("seed == 1").set_index("epoch")
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    points = {point.step: point.value for point in client.get_metric_history(replica.info.run_id, "curve/val_loss")}
    assert set(points) == {0, 1, 2, 5, 10, EPOCHS}
    assert points == pytest.approx(curve["val_loss"][list(points)].to_dict())
    assert replica.data.metrics["best_val_accuracy"] == pytest.approx(curve["val_accuracy"].max())
    assert replica.data.metrics["best_epoch"] == curve["val_accuracy"].idxmax()

    summary = found["l1 · random"]
    values = table.xs(("l1", "random"), level=("variant", "task"))["test_accuracy"]
    assert summary.data.metrics["mean/test_accuracy"] == pytest.approx(values.mean())
    # For two values the half width of a Student-t interval is half their distance times its quantile, 12.706 for 95 %.
    distance = abs(values.iloc[0] - values.iloc[1])
    assert summary.data.metrics["mean_half_width/test_accuracy"] == pytest.approx(12.7062 * distance / 2, rel=1e-4)
    others = table.xs(("none", "random"), level=("variant", "task"))["test_accuracy"]
    difference = (values - others).to_numpy()
    assert summary.data.metrics["difference/test_accuracy"] == pytest.approx(difference.mean())
    half = 12.7062 * abs(difference[0] - difference[1]) / 2
    assert summary.data.metrics["difference_half_width/test_accuracy"] == pytest.approx(half, rel=1e-4)
    assert summary.data.tags["verdict"] in VERDICTS
    reference = found["none · random"].data
    assert "verdict" not in reference.tags
    assert not [name for name in reference.metrics if name.startswith("difference")]
    assert not set(summary.data.metrics) & set(replica.data.metrics)
    attached = pd.read_csv(artifact(summary, "history.csv"), float_precision="round_trip")
    pd.testing.assert_frame_equal(attached, history.reset_index(drop=True), check_dtype=False)
    pages = artifact(found["report"], "")
    assert (pages / "index.html").read_text() == "<h1>Report</h1>"
    assert not (pages / "timing").exists()


def replicas(variants: Sequence[str], tasks: Sequence[str] = TASKS, seeds: Sequence[int] = range(SEEDS)) -> set[str]:
    return {f"{variant} · {task} · seed {seed}" for variant in variants for task in tasks for seed in seeds}


def summaries(variants: Sequence[str], tasks: Sequence[str] = TASKS) -> set[str]:
    return {f"{variant} · {task}" for variant in variants for task in tasks}


ALL = ["none", "l1", "dropout", "wide_dropout"]
FOUND_BY = {
    "tags.kind = 'summary'": summaries(ALL),
    "tags.kind = 'summary' and tags.task = 'random'": summaries(ALL, ["random"]),
    "tags.kind = 'summary' and tags.task = 'clean'": summaries(ALL, ["clean"]),
    "tags.kind = 'replica' and tags.task = 'random'": replicas(ALL, ["random"]),
    "tags.kind = 'replica' and tags.task = 'clean'": replicas(ALL, ["clean"]),
    "tags.variant = 'l1'": summaries(["l1"]) | replicas(["l1"]),
    "tags.variant LIKE '%dropout%'": summaries(ALL[2:]) | replicas(ALL[2:]),
    "metrics.diverged = 1": {"l1 · clean · seed 0"},
    "metrics.test_accuracy > 0.9": {"none · random · seed 1"},
    "params.l1.strength = '0.001'": summaries(["l1"]) | replicas(["l1"]),
}
"""The runs that each filter of README and of the experiment's description should find."""


@pytest.mark.parametrize("store", ["sqlite", "server"])
def test_every_filter_that_is_recommended_finds_its_runs(
    store: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = f"source{next(SOURCES)}"
    write_results(tmp_path, ALL, source=source)
    monkeypatch.chdir(tmp_path)
    address = request.getfixturevalue(store)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    change("diverged", True, "l1", "clean", 0)
    change("test_accuracy", 0.95, "none", "random", 1)
    track.main()
    client = MlflowClient(address)
    experiment = client.get_experiment_by_name(f"regularization-{source}")
    assert experiment is not None
    recommended = re.findall(r"`((?:tags|metrics|params|attributes)\.[^`\s]+\s[^`]+)`", README + track.ABOUT)
    assert set(recommended) == set(FOUND_BY)
    for text in recommended:
        found = client.search_runs([experiment.experiment_id], text, max_results=1000)
        assert {run.info.run_name for run in found} == FOUND_BY[text], text


def test_the_command_for_deleted_runs_deletes_them(source: str, tmp_path: Path) -> None:
    assert start(tmp_path).wait() == 0
    change("test_accuracy", 0.25, "l1", "clean", 0)
    assert start(tmp_path).wait() == 0
    assert clean(tmp_path).count("has been permanently deleted") == 2
    assert len(runs(source, f"sqlite:///{tmp_path}/mlflow.db")) == 2 * RUNS_OF_A_VARIANT + 1


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
    changed = {"l1 · clean", "l1 · clean · seed 0"}
    assert {name for name, run in found.items() if run.info.run_id != before[name]} == changed
    assert found["l1 · clean · seed 0"].data.metrics["test_accuracy"] == 0.25
    parents = {found[f"l1 · clean · seed {seed}"].data.tags["mlflow.parentRunId"] for seed in range(SEEDS)}
    assert parents == {found["l1 · clean"].info.run_id}


def test_changed_weights_and_history_count_as_changed_results(local: str) -> None:
    track.main()
    before = tracked()
    folder = track.RUNS / "l1"
    weights = load_file(folder / "weights.safetensors")
    weights["random/1/fc1.weight"][0, 0] += 1
    save_file(weights, folder / "weights.safetensors")
    history = pd.read_parquet(folder / "history.parquet")
    unseen = (history["task"] == "clean") & (history["seed"] == 0) & (history["epoch"] == 11)
    history.loc[unseen, "val_loss"] += 1e-9
    files.write_parquet(folder / "history.parquet", history)
    track.main()
    changed = {name for name, content in tracked().items() if content != before[name]}
    assert changed == {"l1 · random · seed 1", "l1 · clean", "l1 · clean · seed 0"}


def test_runs_of_a_removed_variant_go(local: str, tmp_path: Path) -> None:
    track.main()
    write_params(tmp_path, ["none"])
    track.main()
    assert len(runs(local)) == RUNS_OF_A_VARIANT + 1
    assert set(tracked()) == set(runs(local))


def test_without_replicas_there_are_summaries_with_mean_curves(local: str) -> None:
    path = Path("params.yaml")
    path.write_text(dumps_yaml(loads_yaml(path.read_text()) | {"mlflow": {"replicas": False}}))
    history = pd.read_parquet("data/runs/l1/history.parquet")
    stopped = (history["task"] == "random") & (history["seed"] == 1) & (history["epoch"] > 5)
    files.write_parquet(Path("data/runs/l1/history.parquet"), history[~stopped])
    track.main()
    found = runs(local)
    assert set(found) == summaries(["none", "l1"]) | {"report"}
    last = history[(history["task"] == "random") & (history["epoch"] == np.where(history["seed"] == 1, 5, EPOCHS))]
    assert len(last) == SEEDS
    assert found["l1 · random"].data.metrics["mean_curve/val_loss"] == pytest.approx(last["val_loss"].mean())


def test_a_diverged_run_is_recorded_without_its_infinities(local: str) -> None:
    change("test_loss", np.nan, "l1", "clean", 0)
    change("diverged", True, "l1", "clean", 0)
    change("unfinished", True, "l1", "clean", 1)
    history = pd.read_parquet("data/runs/l1/history.parquet")
    late = (history["task"] == "clean") & (history["seed"] == 0) & (history["epoch"] >= 6)
    history.loc[late, ["train_loss", "val_loss"]] = [np.nan, np.inf]
    files.write_parquet(Path("data/runs/l1/history.parquet"), history)
    track.main()
    found = runs(local)
    metrics = found["l1 · clean · seed 0"].data.metrics
    assert metrics["diverged"] == 1
    assert "test_loss" not in metrics
    assert metrics["curve/val_loss"] == pytest.approx(
        history.query("task == 'clean' and seed == 0")["val_loss"].iloc[5]
    )
    assert found["l1 · clean"].data.metrics["replicas_diverged"] == 1
    assert found["l1 · clean"].data.metrics["replicas_unfinished"] == 1
    assert found["l1 · clean · seed 1"].data.metrics["unfinished"] == 1
    assert found["l1 · clean"].data.metrics["n/test_loss"] == SEEDS - 1


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
    assert len(found) == 2 * RUNS_OF_A_VARIANT + 1
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    kept = {name for name, run in halfway.items() if found[name].info.run_id == run.info.run_id}
    assert len(kept) == 5


def test_a_server_that_is_down_is_a_clear_error(local: str, monkeypatch: pytest.MonkeyPatch) -> None:
    track.main()
    before = track.TRACKED.read_bytes()
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:secret@{address}")
    with pytest.raises(UserError, match=address) as caught:
        track.main.__wrapped__()
    assert "MLFLOW_TRACKING_URI" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert track.TRACKED.read_bytes() == before


def overwritten(content: bytes) -> bytes:
    return b"no database " * 1000


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


def scratched(content: bytes) -> bytes:
    third = len(content) // 3
    return content[:third] + b"\xff" * third + content[2 * third :]


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


def test_a_copy_of_the_project_leaves_the_files_of_the_original_alone(source: str, tmp_path: Path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    for name in ("params.yaml", "data", "reports"):
        shutil.move(tmp_path / name, original / name)
    assert start(original).wait() == 0
    shutil.copytree(original, copy)
    before = small.contents(original)
    (copy / "reports/index.html").write_text("<h1>Copy</h1>")
    for _ in range(2):
        assert start(copy).wait() == 0
    clean(copy)
    assert small.contents(original) == before
    found = runs(source, f"sqlite:///{copy}/mlflow.db")
    assert len(found) == 2 * RUNS_OF_A_VARIANT + 1
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
    assert "git_commit" not in runs(source)["l1 · clean"].data.tags
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    Path("dvc.lock").write_text("schema: '2.0'\nstages:\n  train@l1:\n    cmd: python -m stages.train l1\n")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    track.main()
    assert track.TRACKED.read_bytes() == content
    found = runs(source)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert {run.data.tags["git_commit"] for run in found.values()} == {commit}
    assert {name for name, run in found.items() if "dvc_lock_hash" in run.data.tags} == {
        name for name in found if name.startswith("l1")
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
