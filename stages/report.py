"""Stage ``report``: the site in ``reports/``, from the results of all variants."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import safe_open

from stages import config
from stages.datasets.arrays import read_pool, read_splits
from stages.errors import UserError, stage
from stages.reporting import pages, site
from stages.reporting.results import Results, Run

DATA = Path("data")
REPORTS = Path("reports")


@stage
def main() -> None:
    results = read(config.load())
    site.publish(pages.build(results), REPORTS, pages.OWNED)
    print(f"the report on {len(results.runs)} variants is {REPORTS / 'index.html'}")


def read(params: config.Params) -> Results:
    """The results of the variants that the parameters name.

    Raises ``UserError`` if one is missing: the pipeline has not run since the parameters changed.
    """
    pool, splits = read_pool(), read_splits()
    try:
        replicas = pd.read_parquet(DATA / "evaluation/runs.parquet")
        results = Results(
            params=params,
            card=json.loads((DATA / "card.json").read_text(encoding="utf-8")),
            images=pool.images,
            labels=pool.labels,
            classes=pool.classes,
            training=np.unique(np.concatenate([split.train for split in splits.values()])),
            runs={name: read_run(DATA / "runs" / name) for name in params.variants},
            replicas=replicas,
            confusion=pd.read_parquet(DATA / "evaluation/confusion.parquet"),
            layers=pd.read_parquet(DATA / "evaluation/layers.parquet"),
            repository=repository(),
        )
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} is missing; `dvc repro report` makes it and the report") from None
    if missing := sorted(set(params.variants) - set(replicas["variant"])):
        raise UserError(f"{DATA / 'evaluation'} knows nothing of {', '.join(missing)}; run `dvc repro report`")
    return results


def read_run(folder: Path) -> Run:
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    history = pd.read_parquet(folder / "history.parquet")
    with safe_open(folder / "weights.safetensors", framework="numpy") as weights:
        first = record["replicas"][0]
        prefix = f"{first['labels']}/{first['seed']}/"
        shapes = {
            name.removeprefix(prefix): tuple(weights.get_slice(name).get_shape())
            for name in sorted(weights.keys())
            if name.startswith(prefix) and "running_" not in name  # statistics are no parameters
        }
    return Run(history, record["parameters"], record["device"], record["versions"], shapes)


def repository() -> str:
    """The project's address, from the table ``project.urls`` of ``pyproject.toml``; empty if it has none."""
    with Path("pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"].get("urls", {}).get("Repository", "")


if __name__ == "__main__":
    main()
