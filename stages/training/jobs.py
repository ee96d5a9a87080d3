"""Long work in parts, which an interruption does not lose and which one process at a time does.

This is what DVC cannot do: it deletes a stage's outputs before it runs the stage, and a stage outlives a killed
``dvc repro``.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from stages import files

CACHE = Path(".cache")


@contextmanager
def job(name: str) -> Iterator[Path]:
    """Wait until no other process does the job of that name, and give the folder in which it keeps finished parts.

    The block must write the outcome of the job. The parts are deleted when it ends well, unless the process that
    started this one has ended by then: a killed ``dvc repro`` does not record the outcome and will start the job again.
    """
    parent, parts = os.getppid(), CACHE / name
    with files.alone(CACHE / f"{name}.lock", f"{name}: another process is at it"):
        yield parts
        if os.getppid() == parent:
            shutil.rmtree(parts, ignore_errors=True)


def key(inputs: Any, *arrays: np.ndarray) -> str:
    """A name for parts that depend on these inputs, given as JSON and as arrays: others must not be taken for them."""
    digest = sha256(json.dumps(inputs).encode())
    for array in arrays:
        digest.update(array.data)
    return digest.hexdigest()[:16]
