"""Stage ``track``: every result as an MLflow run, and ``data/tracked.json``, the content hashes of those runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from safetensors import safe_open

from stages import config, files
from stages.config import Params, Variant
from stages.errors import UserError, stage
from stages.tasks import POOL, SPLITS
from stages.tracking import Record, TrackedData, synchronise

RUNS = Path("data/runs")
EVALUATION = Path("data/evaluation/runs.parquet")
COMPARISONS = Path("data/comparisons.parquet")
CARD = Path("data/card.json")
REPORTS = Path("reports")
TRACKED = Path("data/tracked.json")
KEY = ["variant", "task", "seed"]


@stage
def main() -> None:
    params = config.load()
    for file in (CARD, POOL, SPLITS, EVALUATION, COMPARISONS, *(RUNS / name / "run.json" for name in params.variants)):
        if not file.exists():
            raise UserError(f"{file} is missing: there is no result to track yet; run `dvc repro`, which makes it")
    card = json.loads(CARD.read_text(encoding="utf-8"))
    evaluation, comparisons = pd.read_parquet(EVALUATION), pd.read_parquet(COMPARISONS)
    lock = read_lock()
    records = [
        record
        for variant in reversed(list(params.variants.values()))
        for record in of_variant(variant, evaluation, comparisons, card, params, lock)
    ]
    records.append(of_report(card, lock))
    experiment = f"regularization-{card['source']}"
    outcome = synchronise(experiment, ABOUT.format(title=card["title"]), records)
    files.write_json(TRACKED, dict(sorted(outcome.contents.items())))
    print(
        f"{experiment}: {outcome.added} runs added, {outcome.replaced} replaced, {outcome.kept} kept, "
        f"{outcome.removed} removed; see {outcome.page}"
    )


ABOUT = """\
Methods of regularization on the data source **{title}**: one run for each variant and task, which sums up the seeds
(`tags.kind = 'summary'`), and a run that holds the report. With `mlflow.replicas: true` in `params.yaml` there is also
one for each seed, under its summary: `tags.kind = 'replica' and tags.task = 'clean'`.

**To compare variants** choose *Model training* at the top left, search for
`tags.kind = 'summary' and tags.task = 'clean'`, and open the chart view, or show the columns `mean/...`,
`mean_half_width/...`, `difference/...`, `difference_half_width/...` and `verdict`. `mean_curve/...` are means over
seeds while the networks train.

Metrics of a replica without a prefix are those of the finished network; `curve/...` are measured while it trains.
Accuracies are shares, losses are in nats.
"""


def of_variant(
    variant: Variant,
    evaluation: pd.DataFrame,
    comparisons: pd.DataFrame,
    card: Mapping[str, Any],
    params: Params,
    lock: Mapping[str, Any],
) -> Iterator[Record]:
    """For each task the summary of a variant, then its replicas if they are wanted; in reverse, for MLflow lists the
    newest first."""
    folder = RUNS / variant.name
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    history = pd.read_parquet(folder / "history.parquet")
    weights = hash_weights(folder / "weights.safetensors")
    parameters = {
        f"{section}.{key}": str(value) for section, values in run["parameters"].items() for key, value in values.items()
    }
    digest = files.sha256(POOL, SPLITS)[:8]
    provenance = origin(lock, f"train@{variant.name}", "stages/train.py") | run["versions"]
    for task in reversed(card["tasks"]):
        rows = evaluation[(evaluation["variant"] == variant.name) & (evaluation["task"] == task)]
        compared = comparisons[(comparisons["variant"] == variant.name) & (comparisons["task"] == task)]
        curves = history[history["task"] == task].sort_values(["seed", "epoch"])
        profile = {"image": card["image"], "classes": card["classes"], **card["tasks"][task]}
        data = TrackedData(f"{card['source']}-{task}", digest, str(POOL), profile)
        tags = {"variant": variant.name, "task": task, "device": run["device"]}
        name = f"{variant.name} · {task}"
        yield Record(
            name=name,
            tags=tags | {"kind": "summary"} | verdicts(compared),
            note=SUMMARY.format(
                about=variant.about or " + ".join(r.title for r in variant.regularizers),
                variant=variant.name,
                task=task,
                n=len(rows),
                percent=f"{100 * params.evaluation.confidence:g} %",
            ),
            parameters=parameters,
            metrics=summary(compared),
            curves=mean_curves(curves),
            data=data,
            files={
                "history.csv": curves.to_csv(index=False, lineterminator="\n").encode(),
                "seeds.csv": rows.to_csv(index=False, lineterminator="\n").encode(),
            },
            provenance=provenance,
        )
        if not params.mlflow.replicas:
            continue
        for row in rows.sort_values("seed", ascending=False).to_dict("records"):
            seed = row["seed"]
            curve = curves[curves["seed"] == seed].drop(columns=["task", "seed"]).set_index("epoch")
            yield Record(
                name=f"{name} · seed {seed}",
                tags=tags | {"kind": "replica", "seed": str(seed), "weights_hash": weights[task, seed]},
                note=REPLICA.format(variant=variant.name, task=task, seed=seed),
                parent=name,
                parameters=parameters,
                metrics=numbers(row) | best(curve),
                curves={f"curve/{metric}": dict(curve[metric]) for metric in curve.columns},
                data=data,
                provenance=provenance,
            )


SUMMARY = """\
{about}

{n} seeds of `{variant}` on the task `{task}`: `mean/...`, `mean_half_width/...` of its {percent} Student-t interval,
the number `n/...` of seeds where the metric is defined, and `difference/...` from the reference, paired by seed, with
`difference_half_width/...`. The tag `verdict` is that on test accuracy. `history.csv` and `seeds.csv` among the
artifacts hold every epoch and every seed.

- Files: `data/runs/{variant}/` with `history.parquet`, `weights.safetensors` and `run.json`
- Page of the report: `reports/variants/{variant}.html`
- To retrain: `dvc repro train@{variant}`
"""

REPLICA = """\
- Weights: `{task}/{seed}/...` in `data/runs/{variant}/weights.safetensors`
- Every epoch: the rows `task = {task}`, `seed = {seed}` of `data/runs/{variant}/history.parquet`
- Page of the report: `reports/variants/{variant}.html`
- To retrain: `dvc repro train@{variant}`
"""


def summary(compared: pd.DataFrame) -> dict[str, float]:
    """Every metric's mean and the difference from the reference, each with half the width of its interval and n.

    The names differ from those of the replicas, so that a parent in a group of its children shifts no mean.
    """
    counts = compared.iloc[0]
    result = {"replicas": counts["replicas"]}
    result |= {f"replicas_{kind}": counts[kind] for kind in ("diverged", "unfinished")}
    for row in compared.to_dict("records"):
        metric = row["metric"]
        result |= {
            f"n/{metric}": row["n"],
            f"mean/{metric}": row["mean"],
            f"mean_half_width/{metric}": row["high"] - row["mean"],
            f"difference/{metric}": row["difference"],
            f"difference_half_width/{metric}": row["difference_high"] - row["difference"],
        }
    return {name: float(value) for name, value in result.items() if np.isfinite(value)}


def verdicts(compared: pd.DataFrame) -> dict[str, str]:
    """The verdict on the difference in test accuracy from the reference, as a tag; none for the reference itself."""
    found = compared.loc[compared["metric"] == "test_accuracy", "verdict"].dropna()
    return {"verdict": found.iloc[0]} if len(found) else {}


def mean_curves(history: pd.DataFrame) -> dict[str, dict[int, float]]:
    """Means over seeds by metric and epoch. A replica that has stopped keeps its last finite value."""
    measured = history.drop(columns="task").where(np.isfinite(history.drop(columns="task")))
    by_epoch = measured.pivot(index="epoch", columns="seed").ffill()
    return {
        f"mean_curve/{metric}": dict(zip(by_epoch.index, by_epoch[metric].to_numpy(float).mean(1), strict=True))
        for metric in by_epoch.columns.unique(0)
    }


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
    timing = REPORTS / "timing"
    pages = [path for path in sorted(REPORTS.rglob("*")) if path.is_file() and timing not in path.parents]
    return Record(
        name="report",
        tags={"kind": "report"},
        note="The report on all runs of this experiment: download the artifacts and open `index.html`.",
        files={path.relative_to(REPORTS).as_posix(): path.read_bytes() for path in pages},
        provenance=origin(lock, "report", "stages/report.py"),
    )


def hash_weights(path: Path) -> dict[tuple[str, int], str]:
    """For each task and seed the sha256 over its tensors, by name."""
    digests: dict[tuple[str, int], Any] = {}
    with safe_open(path, framework="numpy") as tensors:
        for key in sorted(tensors.keys()):
            task, seed, name = key.split("/", 2)
            digest = digests.setdefault((task, int(seed)), sha256())
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
