"""What the outcome of a training depends on besides its parameters and data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from stages import ARITHMETIC, files
from stages.artefacts import read_json, versions
from stages.config import Params
from stages.training.device import device_name

PLAN = Path("data/plan")
CODE = tuple(
    Path("stages", name)
    for name in ("training", "networks", "regularizers/base.py", "streams.py", "history.py", "rng.py")
)
"""The code that the training of all variants uses."""


def conditions(params: Params, device: torch.device) -> dict[str, dict[str, Any]]:
    """For each variant its device, arithmetic and versions, and the hashes of the code that all share and of its own
    methods.

    Raises ``UserError`` if what the stage `plan` has found of those is missing or damaged.
    """
    shared = files.sha256(*CODE)
    return {
        name: {
            "device": device_name(device),
            "arithmetic": ARITHMETIC,
            "versions": versions(),
            "code": {"training": shared, **_methods(PLAN / f"{name}.json")},
        }
        for name in params.variants
    }


def _methods(file: Path) -> dict[str, str]:
    found: dict[str, str] = read_json(file)["methods"]
    return found
