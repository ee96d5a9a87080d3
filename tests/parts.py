"""Stages and documents one after the other, in one process and cut short, for processors that are emulated.

`python -m tests.parts NAME ...` runs them in a project that `tests.small` has made, and says which are done.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import stages  # noqa: F401  # before NumPy and torch, whose arithmetic it chooses

DOCUMENTS: dict[str, dict[str, Any]] = {
    "decay_scaling": {"epochs": 20},
    "face_notebook": {"seeds": 2, "steps": 500},
    "linear_decay": {"seeds": 2},
    "logistic_decay": {"data": "generated", "url": "https://example.org/toydata.txt", "seeds": 2},
    "mnist_mlp": {"data": "digits", "url": "https://example.org/mnist", "seeds": 2, "epochs": 3},
}
"""Small settings of all documents, as `params.yaml` has them."""
SHORTER: dict[str, dict[str, Any]] = {
    "decay_scaling.experiment": {"SEEDS": 2},
    "face_notebook.toy_dropout": {"UNITS": (1, 60, 100, 1)},
    "linear_decay.experiment": {"EPOCHS": 5, "CHAPTER_EPOCHS": 2, "STEEP_EPOCHS": 5, "EXACT_STEPS": 20},
    "logistic_decay.experiment": {"SHUFFLES": 2, "EPOCHS": 5, "ADAM_EPOCHS": 20, "FAIR_EPOCHS": 20, "FRESH_TEST": 1000},
    "mnist_mlp.experiment": {"REPORTED_STEP": 2},
}
"""What the experiments themselves take time for, which no setting changes."""


def run(stage: str, *arguments: str) -> Callable[[], None]:
    def main() -> None:
        sys.argv = [stage, *arguments]
        import_module(f"stages.{stage}").main()

    return main


def replay() -> None:
    notebook = import_module("stages.documents.face_notebook.replay")
    notebook.EXPERIMENTS = {name: replace(one, epochs=2) for name, one in notebook.EXPERIMENTS.items()}
    run("replay")()


PARTS = {
    "tune": run("tune"),
    "train": run("train"),
    "evaluate": run("evaluate"),
    "compare": run("compare"),
    "replay": replay,
    **{name: run("document", name) for name in DOCUMENTS},
    "claims": run("claims"),
}
"""In an order in which each finds what it needs."""


def sort_without_gathers() -> None:
    """Where scikit-learn and pandas ask NumPy for the order of numbers, it uses instructions of AVX2 that crash QEMU
    7.2. A stable order leads to the same here, without them."""
    import numpy as np
    from pandas.core import sorting

    unique = np.unique

    def unique_by_stable_order(values: Any, *arguments: Any, **options: Any) -> Any:
        if not arguments and options == {"return_inverse": True}:
            return unique(values, return_index=True, return_inverse=True)[::2]
        return unique(values, *arguments, **options)

    def reorder(uniques: Any, labels: Any) -> tuple[Any, Any]:
        order = uniques.argsort(kind="stable")
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        return uniques[order], np.where(labels < 0, -1, places[labels])

    np.unique = unique_by_stable_order
    sorting._reorder_by_uniques = reorder


def main(names: list[str]) -> None:
    import torch

    sort_without_gathers()
    for place, values in SHORTER.items():
        vars(import_module(f"stages.documents.{place}")).update(values)
    for name in names:
        torch.set_flush_denormal(False)  # as it is where a process begins
        PARTS[name]()
        print("done:", name, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
