"""Stage ``track``: every result as an MLflow run, and ``data/tracked.json``, the content hashes of those runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import product
from pathlib import Path
from statistics import median_low
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from safetensors import safe_open

from stages import config, files, tasks
from stages.artefacts import checked, read_json, read_parquet, recorded
from stages.config import DEFAULT, TRACKS, Params, Variant
from stages.errors import UserError, stage
from stages.tasks import POOL
from stages.tracking import Record, TrackedData, synchronise

RUNS = Path("data/runs")
EVALUATION = Path("data/evaluation/runs.parquet")
COMPARISONS = Path("data/comparisons.parquet")
CARD = Path("data/card.json")
REPORTS = Path("reports")
CLAIMS = REPORTS / "claims.json"
SUMMARIES = REPORTS / "metrics.json"
TRACKED = Path("data/tracked.json")
KEY = ["variant", "task", "track", "seed", "repeat"]
HEADLINE = "test_accuracy"
OF_HEADLINE = ("improvement", "improvement_low", "improvement_high", "rank", "rank_low", "rank_high")
"""Columns of the comparisons that MLflow gets for this metric alone: every number costs it time."""


@stage
def main() -> None:
    params = config.load()
    card, evaluation, comparisons = read_json(CARD), read_parquet(EVALUATION), read_parquet(COMPARISONS)
    lock, digest = read_lock(), tasks.digest()[:8]
    records = [
        record
        for variant in reversed(list(params.variants.values()))
        for record in of_variant(variant, evaluation, comparisons, card, digest, params, lock)
    ]
    records.append(of_report(card, lock))
    experiment = f"regularization-{card['source']}"
    TRACKED.unlink(missing_ok=True)  # so that DVC runs this stage again unless it ends well
    outcome = synchronise(experiment, ABOUT.format(title=card["title"]), records)
    files.write_json(TRACKED, dict(sorted(outcome.contents.items())))
    print(
        f"{experiment}: {outcome.added} runs added, {outcome.replaced} replaced, {outcome.kept} kept, "
        f"{outcome.removed} removed; see {outcome.page}"
    )


ABOUT = """\
Methods of regularization on the data source **{title}**: one run for each variant, task and track, which sums up the
seeds (`tags.kind = 'summary'`), and a run that holds the report. On the track `default` a variant has the parameters of
`params.yaml`, on `tuned` those that searches chose by the validation labels at hand, on `tuned_clean` by clean ones.
With `mlflow.replicas: true` in `params.yaml` there is also one run for each replica, under its summary:
`tags.kind = 'replica' and tags.task = 'clean'`.

**To compare variants** choose *Model training* at the top left, search for
`tags.kind = 'summary' and tags.task = 'clean' and tags.track = 'tuned'`, and open the chart view, or show the columns
`mean/...`, `mean_half_width/...`, `difference/...`, `difference_half_width/...` and `verdict`. `mean_curve/...` are
means over seeds while the networks train. Variant, task and track are parameters, too, so that box plots and parallel
coordinates can group by them.

Metrics of a replica without a prefix are those of the finished network; `curve/...` are measured while it trains.
Accuracies are shares, losses are in nats.
"""


def of_variant(
    variant: Variant,
    evaluation: pd.DataFrame,
    comparisons: pd.DataFrame,
    card: Mapping[str, Any],
    digest: str,
    params: Params,
    lock: Mapping[str, Any],
) -> Iterator[Record]:
    """For each main task and track the summary of a variant, then its replicas if they are wanted; in reverse, for
    MLflow lists the newest first."""
    folder = RUNS / variant.name
    run, history = read_json(folder / "run.json"), read_parquet(folder / "history.parquet")
    weights = hash_weights(checked(folder / "weights.safetensors")) if params.mlflow.replicas else {}
    written = {
        f"{section}.{key}": value for section, values in run["parameters"].items() for key, value in values.items()
    }
    provenance = origin(lock, "train", "stages/train.py") | {"arithmetic": run["arithmetic"]} | run["versions"]
    for task, track in product(reversed(list(params.tasks)), reversed(TRACKS)):
        rows = of(evaluation, variant=variant.name, task=task, track=track)
        if rows.empty:
            continue
        compared = of(comparisons, variant=variant.name, task=task, track=track)
        measured = of(history, task=task, track=track)
        curves = by_epoch(measured)
        replicas = {
            (replica["seed"], replica["repeat"]): replica
            for replica in run["replicas"]
            if (replica["task"], replica["track"]) == (task, track)
        }
        chosen = {} if track == DEFAULT else {each["search"]: each["parameters"] for each in replicas.values()}
        profile = {"image": card["image"], "classes": card["classes"], **card["tasks"][task]}
        data = TrackedData(f"{card['source']}-{task}", digest, str(POOL), profile)
        groups = {"variant": variant.name, "task": task, "track": track}
        tags = groups | {"device": run["device"]}
        name = f"{variant.name} · {task} · {track}"
        yield Record(
            name=name,
            tags=tags | {"kind": "summary"} | choices(written, chosen) | verdicts(compared),
            note=SUMMARY.format(
                about=variant.about or " + ".join(r.title for r in variant.regularizers),
                **groups,
                n=rows["seed"].nunique(),
                percent=f"{100 * params.evaluation.confidence:g} %",
                origin=CHOSEN if chosen else WRITTEN,
            ),
            parameters=groups | typical(written, list(chosen.values())),
            metrics=summary(compared),
            curves=mean_curves(curves),
            data=data,
            files={"history.csv": files.csv(spread(curves)).encode(), "seeds.csv": files.csv(rows).encode()},
            provenance=provenance,
        )
        if not params.mlflow.replicas:
            continue
        for row in rows.sort_values(["seed", "repeat"], ascending=False).to_dict("records"):
            seed, repeat = row["seed"], row["repeat"]
            own = {"seed": str(seed), "repeat": str(repeat)}
            curve = of(measured, seed=seed, repeat=repeat).set_index("epoch").sort_index().drop(columns=KEY[1:])
            yield Record(
                name=f"{name} · seed {seed}" + (f" · repeat {repeat}" if repeat else ""),
                tags=tags | {"kind": "replica", "weights_hash": weights[task, track, seed, repeat]} | own,
                note=REPLICA.format(**groups, **own),
                parent=name,
                parameters=groups | own | typical(written, [replicas[seed, repeat]["parameters"]]),
                metrics=numbers(row) | best(curve),
                curves={f"curve/{metric}": dict(curve[metric]) for metric in curve.columns},
                data=data,
                provenance=provenance,
            )


SUMMARY = """\
{about}

{n} seeds of `{variant}` on the task `{task}`, {origin}

`mean/...` has the half width `mean_half_width/...` of its {percent} interval; so has `difference/...`, from the
reference, paired by seed. `n/...` is the number of seeds where the metric is defined. Of test accuracy there are also
`simultaneous_half_width/...` of the interval that holds for all variants of this task and track at once, the
probability `improvement/...` to be ahead of the reference on a seed, and the `rank/...`; the tag `verdict` is its, too.
Where an interval is not symmetric, the half width is half its length. Among the artifacts, `history.csv` has mean and
standard deviation over the networks at every measured epoch, and `seeds.csv` the metrics of every network.

- Files: `data/runs/{variant}/` with `history.parquet`, `weights.safetensors` and `run.json`
- Page of the report: `reports/variants/{variant}.html`
- To retrain: `dvc repro train`
"""
WRITTEN = "with the parameters of `params.yaml`."
CHOSEN = """\
with the parameters that searches chose, which take turns with the seeds: the tags `chosen.search0` and so on. Of the
parameters of this run those have the median of the choices."""

REPLICA = """\
- Weights: `{task}/{track}/{seed}/{repeat}/...` in `data/runs/{variant}/weights.safetensors`
- Every epoch: the rows `task = {task}`, `track = {track}`, `seed = {seed}`, `repeat = {repeat}` of
  `data/runs/{variant}/history.parquet`
- Page of the report: `reports/variants/{variant}.html`
- To retrain: `dvc repro train`
"""


def of(table: pd.DataFrame, **values: Any) -> pd.DataFrame:
    """The rows that have these values in the columns of these names."""
    return table[np.logical_and.reduce([table[column] == value for column, value in values.items()])]


def choices(written: Mapping[str, Any], chosen: Mapping[int, Mapping[str, Any]]) -> dict[str, str]:
    """A tag for each search with the configuration that it chose, as JSON: the values of all parameters that any of the
    searches has changed."""
    searched = sorted({key for choice in chosen.values() for key in choice})
    return {
        f"chosen.search{search}": json.dumps({key: choice.get(key, written[key]) for key in searched})
        for search, choice in sorted(chosen.items())
    }


def typical(written: Mapping[str, Any], chosen: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Parameters as written; those that were chosen have the median of the choices, of two in the middle the lower."""
    searched = {key for choice in chosen for key in choice}
    medians = {key: median_low(choice.get(key, written[key]) for choice in chosen) for key in searched}
    return {key: str(value) for key, value in {**written, **medians}.items()}


def summary(compared: pd.DataFrame) -> dict[str, float]:
    """Every metric's mean and the difference from the reference, each with half the length of its interval, and more.

    The names differ from those of the replicas, so that a parent in a group of its children shifts no mean.
    """
    counts = compared.iloc[0]
    result = {"replicas": counts["replicas"]}
    result |= {f"replicas_{kind}": counts[kind] for kind in ("diverged", "unfinished")}
    for row in compared.to_dict("records"):
        metric, headline = row["metric"], row["metric"] == HEADLINE
        for column in ("n", "mean", "difference", *(OF_HEADLINE if headline else ())):
            result[f"{column}/{metric}"] = row[column]
        result[f"mean_half_width/{metric}"] = (row["high"] - row["low"]) / 2
        for interval in ("difference", *(("simultaneous",) if headline else ())):
            result[f"{interval}_half_width/{metric}"] = (row[f"{interval}_high"] - row[f"{interval}_low"]) / 2
    return {name: float(value) for name, value in result.items() if pd.notna(value) and np.isfinite(value)}


def verdicts(compared: pd.DataFrame) -> dict[str, str]:
    """The verdict on the difference in test accuracy from the reference, as a tag; none for the reference itself."""
    found = compared.loc[compared["metric"] == HEADLINE, "verdict"].dropna()
    return {"verdict": found.iloc[0]} if len(found) else {}


def by_epoch(history: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """For each metric a row for each epoch, a column for each replica. One that has stopped keeps its last finite
    value."""
    table = history.drop(columns=["task", "track"]).pivot(index="epoch", columns=["seed", "repeat"]).astype(float)
    filled = table.where(np.isfinite(table)).ffill()
    return {str(metric): filled.loc[:, [metric]] for metric in filled.columns.unique(0)}


def mean_curves(curves: Mapping[str, pd.DataFrame]) -> dict[str, dict[int, float]]:
    """Means over the replicas by metric and epoch."""
    return {f"mean_curve/{metric}": dict(table.mean(axis=1)) for metric, table in curves.items()}


def spread(curves: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A row for each epoch, for each metric the mean and the standard deviation over the replicas."""
    columns: dict[str, pd.Series] = {}
    for metric, table in curves.items():
        columns |= {metric: table.mean(axis=1), f"{metric}_std": table.std(axis=1)}
    return pd.DataFrame(columns).reset_index()


def best(curve: pd.DataFrame) -> dict[str, float]:
    """The best validation values of a curve by epoch, and the first epoch of the best accuracy."""
    accuracy, loss = curve["val_accuracy"], curve["val_loss"]
    if accuracy.isna().all():
        return {}
    return {
        "best_epoch": int(curve.index.to_numpy()[np.nanargmax(accuracy)]),
        "best_val_accuracy": float(accuracy.max()),
        "best_val_loss": float(loss.min()),
    }


def numbers(row: Mapping[Any, Any]) -> dict[str, float]:
    """The metrics of a row of the evaluation, where they are defined."""
    return {key: float(value) for key, value in row.items() if key not in KEY and not pd.isna(value)}


def of_report(card: Mapping[str, Any], lock: Mapping[str, Any]) -> Record:
    """The report as it is published, without the timing: that is no result, and differs from run to run."""
    pages = [checked(path) for path in sorted([*recorded("report"), CLAIMS, SUMMARIES])]
    return Record(
        name="report",
        tags={"kind": "report"},
        note="The report on all runs of this experiment: download the artifacts and open `index.html`.",
        files={path.relative_to(REPORTS).as_posix(): path.read_bytes() for path in pages},
        provenance=origin(lock, "report", "stages/report.py"),
    )


def hash_weights(path: Path) -> dict[tuple[str, str, int, int], str]:
    """For each task, track, seed and repeat the sha256 over its tensors, by name."""
    digests: dict[tuple[str, str, int, int], Any] = {}
    with safe_open(path, framework="numpy") as tensors:
        for key in sorted(tensors.keys()):
            task, track, seed, repeat, name = key.split("/", 4)
            digest = digests.setdefault((task, track, int(seed), int(repeat)), sha256())
            digest.update(name.encode())
            digest.update(tensors.get_tensor(key).tobytes())
    return {replica: digest.hexdigest() for replica, digest in digests.items()}


def read_lock() -> Mapping[str, Any]:
    """The stages of ``dvc.lock``; none before the first ``dvc repro`` has written it.

    Raises ``UserError`` if an interruption has left a part of it.
    """
    path = Path("dvc.lock")
    try:
        return dict(YAML(typ="safe").load(path)["stages"]) if path.exists() else {}
    except (YAMLError, UnicodeDecodeError, TypeError, KeyError):
        raise UserError(f"{path} is damaged; run `make repro`, which restores it") from None


def origin(lock: Mapping[str, Any], name: str, source: str) -> dict[str, str]:
    """Tags that trace a run back to what made it.

    Of ``dvc.lock`` only the entry of the stage that made the run is hashed: it pins its code, its parameters and the
    data it read, and does not change when later stages, this one among them, are entered.
    """
    tags = {"mlflow.source.name": source, "mlflow.source.type": "LOCAL"}
    if name in lock:
        tags["dvc_lock_hash"] = sha256(json.dumps(lock[name], sort_keys=True).encode()).hexdigest()
    if commit := git_commit():
        tags |= {"git_commit": commit, "mlflow.source.git.commit": commit}
    return tags


def git_commit() -> str | None:
    """The commit checked out, or None outside a repository."""
    try:
        result = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return result.stdout.strip() if result.returncode == 0 else None


if __name__ == "__main__":
    main()
