"""What MLflow should contain, and how it comes to contain exactly that. The only module that imports MLflow."""

from __future__ import annotations

import json
import logging
import math
import os
import sqlite3
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from tqdm import tqdm

from stages.errors import UserError, public
from stages.files import alone

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

STORE = "sqlite:///mlflow.db"
"""Where runs go unless MLFLOW_TRACKING_URI says otherwise: the file that a plain ``mlflow ui`` opens in this folder."""
LOCK = Path(".cache/track.lock")
CONTENT = "content_hash"
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # By default MLflow keeps trying a server that is down for some four minutes.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}
"""Set unless the user has set them."""
BATCH = 800
"""Metrics in one call; MLflow takes up to 1000 values, parameters among them."""


@dataclass(frozen=True)
class TrackedData:
    """The data that a run was given."""

    name: str
    digest: str
    source: str
    profile: Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """One run as MLflow should contain it. Its content hash covers every field but ``provenance``."""

    name: str
    tags: Mapping[str, str]
    note: str
    """Markdown, shown at the top of the run's page."""
    parent: str | None = None
    """Name of the record that this one is shown under."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Values that are not finite are left out: MLflow would draw infinity as 1.8e308."""
    curves: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    """For each metric its values by epoch, those measured."""
    data: TrackedData | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Artifacts by relative path."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Tags that say where and from what the run was made, without being part of the result."""

    def content(self) -> str:
        """sha256 of everything that makes up the result, the same on every machine and at every time."""
        fields = {key: value for key, value in vars(self).items() if key not in ("provenance", "data", "files")}
        fields["data"] = self.data and asdict(self.data)
        fields["files"] = {path: sha256(content).hexdigest() for path, content in self.files.items()}
        return sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class TrackingOutcome:
    """How many runs were new, took the place of older ones, were there already, or are no longer wanted."""

    contents: Mapping[str, str]
    """The content hash of every run by its name."""
    added: int
    replaced: int
    kept: int
    removed: int
    page: str
    """Where to look at them."""


def synchronise(name: str, note: str, records: Sequence[Record]) -> TrackingOutcome:
    """Make the experiment hold one finished run for each record, and none of ours besides.

    Parents stand before their children. Raises ``UserError`` if the store cannot be reached or used; what was logged
    until then is kept, and the next call continues from there.
    """
    address = os.environ.get("MLFLOW_TRACKING_URI") or STORE
    if address.startswith("sqlite") and address.partition(":///")[2] in ("", ":memory:"):
        raise UserError(f"MLFLOW_TRACKING_URI={address} names no file; write {STORE}, or unset it")
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
    from sqlalchemy.exc import SQLAlchemyError

    for chatter in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(chatter).setLevel(logging.ERROR)
    if _database(address):
        event.listen(Engine, "connect", _hasten)
    # Several processes that meet a new sqlite file at once break it for good.
    with alone(LOCK, "another process is writing runs to MLflow"):
        try:
            try:
                client = MlflowClient(address)
                experiment = _experiment(client, address, name, note)
            except (ValueError, ImportError) as error:  # of an address that cannot be read, or whose driver is missing
                raise _unusable(address, error) from error
            return _fill(client, experiment.experiment_id, records, _page(address, experiment.experiment_id))
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise _unusable(address, error) from error


def _hasten(connection: sqlite3.Connection, _: object) -> None:
    """Let commits not wait for the disk: there are thousands, and the waits take half as long as all else.

    Only a machine that goes down meanwhile can damage the file, and it is rebuilt from data/.
    """
    with suppress(sqlite3.DatabaseError):  # MLflow says what is wrong with a file that is damaged already
        connection.execute("PRAGMA synchronous = OFF")


def _fill(client: MlflowClient, experiment: str, records: Sequence[Record], page: str) -> TrackingOutcome:
    """Delete the runs that are outdated or half written, log those that are missing."""
    contents = {record.content(): record for record in records}
    kept: dict[str, Run] = {}
    outdated = []
    for run in _runs(client, experiment):
        record = contents.get(run.data.tags[CONTENT])
        # A run that an interruption cut off never got the status FINISHED.
        if record and record.name not in kept and run.info.status == "FINISHED":
            kept[record.name] = run
        else:
            outdated.append(run)
    for run in tqdm(outdated, "outdated runs", disable=None if outdated else True, leave=False):
        client.delete_run(run.info.run_id)
    ids = {name: run.info.run_id for name, run in kept.items()}
    missing = len(records) - len(kept)
    with tqdm(total=missing, desc="runs to MLflow", disable=None if missing else True, leave=False) as progress:
        for content, record in contents.items():
            parent = {PARENT: ids[record.parent]} if record.parent else {}
            if record.name not in kept:
                ids[record.name] = _log(client, experiment, record, {CONTENT: content, **parent})
                progress.update()
            elif parent and kept[record.name].data.tags.get(PARENT) != parent[PARENT]:
                client.set_tag(ids[record.name], PARENT, parent[PARENT])
    gone = {run.info.run_name for run in outdated} - set(kept)
    replaced = len(gone & {record.name for record in records})
    hashes = {record.name: content for content, record in contents.items()}
    return TrackingOutcome(hashes, missing - replaced, replaced, len(kept), len(gone) - replaced, page)


def _log(client: MlflowClient, experiment: str, record: Record, tags: Mapping[str, str]) -> str:
    """Log one run in as few calls as there can be, and finish it; returns its id."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

    now = int(time.time() * 1000)
    tags = {**record.tags, **record.provenance, **tags, NOTE: record.note}
    run = client.create_run(experiment, run_name=record.name, tags=tags).info.run_id
    points = [(key, value, 0) for key, value in record.metrics.items()]
    points += [(key, value, epoch) for key, curve in record.curves.items() for epoch, value in _thinned(curve)]
    metrics = [Metric(key, value, now, epoch) for key, value, epoch in points if math.isfinite(value)]
    parameters = [Param(key, value) for key, value in record.parameters.items()]
    client.log_batch(run, metrics[:BATCH], parameters, synchronous=True)
    for start in range(BATCH, len(metrics), BATCH):
        client.log_batch(run, metrics[start : start + BATCH], synchronous=True)
    if record.data:
        data = record.data
        source, profile = json.dumps({"uri": data.source}), json.dumps(data.profile)
        dataset = Dataset(data.name, data.digest, "local", source, profile=profile)
        client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
    if record.files:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in record.files.items():
                file = Path(folder, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            client.log_artifacts(run, folder)
    client.set_terminated(run)
    return str(run)


def _thinned(curve: Mapping[int, float]) -> Iterator[tuple[int, float]]:
    """The part of a curve that MLflow is given: epochs about equally far apart on a logarithmic scale, and the last.

    They are the same whatever the length, for MLflow averages over runs that stopped early and runs that did not. A
    point costs it 0.12 ms and some 100 bytes. The whole history is attached to the parent run as a file.
    """
    epochs = sorted(curve)
    steps = (1, 1.5, 2, 3, 5, 7)
    wanted = [0, *(int(step * 10**power) for power in range(len(str(epochs[-1]))) for step in steps), epochs[-1]]
    for epoch in sorted({epochs[bisect_left(epochs, each)] for each in wanted if each <= epochs[-1]}):
        yield epoch, curve[epoch]


def _experiment(client: MlflowClient, address: str, name: str, note: str) -> Experiment:
    """The active experiment of this name, made or brought back if need be."""
    found = client.get_experiment_by_name(name)
    if found and found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    if found and (database := _database(address)):
        # MLflow stores the folder of the files as an absolute path.
        here, folder = Path.cwd(), _folder(found.artifact_location)
        if not folder.exists():
            # The project has moved, or the folder was deleted: the old runs have lost their files, so they make room
            # for new ones.
            client.rename_experiment(found.experiment_id, f"{name} (lost files, {found.experiment_id})")
            client.delete_experiment(found.experiment_id)
            found = None
        elif database.is_relative_to(here) and not folder.is_relative_to(here):
            # The project is a copy, and the folder is that of the original. The old runs are only set aside, for of
            # deleted ones `mlflow gc` would delete the files.
            client.rename_experiment(found.experiment_id, f"{name} (files elsewhere, {found.experiment_id})")
            found = None
    if not found:
        found = client.get_experiment(client.create_experiment(name))
        if _database(address):
            _folder(found.artifact_location).mkdir(parents=True, exist_ok=True)  # there if a database was moved away
    if found.tags.get(NOTE) != note:
        client.set_experiment_tag(found.experiment_id, NOTE, note)
    return found


def _database(address: str) -> Path | None:
    """The file of a local store; None for a server."""
    return Path(address.partition(":///")[2]).resolve() if address.startswith("sqlite") else None


def _folder(location: str) -> Path:
    """The folder of a local artifact location, which MLflow gives as a path or as a file URI."""
    return Path(url2pathname(urlparse(location).path) if location.startswith("file:") else location).resolve()


def _runs(client: MlflowClient, experiment: str) -> Iterator[Run]:
    """All active runs of the experiment that came from here."""
    page = None
    while page is None or page.token:
        page = client.search_runs([experiment], max_results=1000, page_token=page.token if page else None)
        yield from (run for run in page if CONTENT in run.data.tags)


def _page(address: str, experiment: str) -> str:
    """The page of the runs; without its last parameter MLflow shows traces of language models instead."""
    page = f"/#/experiments/{experiment}/runs?workflowType=machine_learning"
    if address.startswith("http"):
        return f"{public(address).rstrip('/')}{page}"
    return f"{page} of `make ui`, from {public(address)}"


def _unusable(address: str, error: Exception) -> UserError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if isinstance(error, ImportError):
        reason, first = f"the driver for such a database is missing ({reason})", "Install it into the environment"
    else:
        first = "Start that server"
    if database := _database(address):
        cure = f"If {database} is damaged, move it away and run the same command again: it is rebuilt from data/."
    else:
        cure = (
            f"{first}, or correct MLFLOW_TRACKING_URI, or unset it to use the local store, "
            "then run the same command again."
        )
    return UserError(
        f"MLflow at {address} (MLFLOW_TRACKING_URI) cannot be used: {reason}\n"
        f"Nothing is lost: all results are files in data/ and reports/, and runs logged so far are kept.\n{cure}"
    )
