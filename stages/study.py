"""Stage ``study``: an experiment of a seed document, reproduced and then done fairly, into ``data/studies/<name>/``."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from stages import config, files
from stages.config import Params
from stages.errors import UserError, stage
from stages.studies import outcome
from stages.studies.outcome import Data, Outcome
from stages.training.device import find_device

FOLDER = Path("data/studies")
KEPT = Path(".cache/studies")
"""Finished runs of unfinished studies. DVC, which deletes a stage's outputs before it runs, does not know of it."""


@stage
def main() -> None:
    params = config.load()
    names = params.studies.names
    if len(sys.argv) != 2 or sys.argv[1] not in names:
        raise UserError(f"usage: python -m stages.study NAME; params.yaml names {', '.join(names) or 'none'}")
    name = sys.argv[1]
    pipeline = os.getppid()
    # A study outlives a killed `dvc repro`.
    with files.alone(KEPT / f"{name}.lock", f"{name}: another process is at it"):
        result = run(name, params)
        outcome.write(result, FOLDER / name)
        if os.getppid() == pipeline:  # else `dvc repro` was killed and will not know of this outcome
            shutil.rmtree(KEPT / name, ignore_errors=True)
    print(f"{name}: {result.data.title}; {result.reproduced}")


def run(name: str, params: Params) -> Outcome:
    """Run the study of that name. Each process imports only what its study needs."""
    find_device("cpu")  # one thread per operation, and deterministic
    settings = getattr(params.studies, name)
    match name:
        case "logistic_decay":
            from stages.datasets import toydata
            from stages.datasets.manifest import RAW
            from stages.studies import logistic_decay

            points = toydata.load(settings, RAW / "toydata")
            data = Data(points.title, points.published, points.description)
            return logistic_decay.run(settings, points.features, points.labels, data)
        case "decay_scaling":
            from stages.studies import decay_scaling

            return decay_scaling.run(settings)
        case "mnist_mlp":
            from stages.datasets import mnist
            from stages.datasets.manifest import RAW
            from stages.studies import mnist_mlp

            device = find_device(params.training.device)
            parts = mnist.load(settings, RAW / "mnist")
            return mnist_mlp.run(settings, parts, mnist.ORIGINS[settings.data], device, KEPT / name)
        case "toy_dropout":
            from stages.studies import toy_dropout

            return toy_dropout.run(settings)
        case "linear_decay":
            from stages.studies import linear_decay

            return linear_decay.run(settings)
    raise NotImplementedError(name)


if __name__ == "__main__":
    main()
