"""Finished work on disk, from which an interrupted run resumes: each file is complete, with a checksum, or absent.

A rename survives a killed process. After a power cut, or on a bad disk, a file may be empty or have a flipped bit.
The checksum tells, so nothing waits for the disk, which would take a minute for every ten thousand files.
"""

from __future__ import annotations

import json
import shutil
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load, save
from torch import Tensor

from stages.files import replacing

CHECKSUM = sha256().digest_size
"""Bytes of the checksum, with which a file begins."""


def packed(tensors: dict[str, Tensor]) -> bytes:
    """Tensors as `keep` writes them."""
    return save(tensors)


def unpacked(payload: bytes) -> dict[str, Tensor]:
    """The tensors of `packed`, by name, for safetensors gives them in any order."""
    return dict(sorted(load(payload).items()))


def keep(path: Path, payload: bytes) -> None:
    """Write packed tensors, after their checksum."""
    with replacing(path, wait=False) as temporary:
        temporary.write_bytes(sha256(payload).digest() + payload)


def kept(path: Path) -> dict[str, Tensor] | None:
    """The tensors that are kept there, or None if there are none. What is damaged is deleted, and a line says so."""
    if path.is_file():
        content = path.read_bytes()
        checksum, payload = content[:CHECKSUM], content[CHECKSUM:]
        if sha256(payload).digest() == checksum:
            path.touch()  # what is in use is not old
            return unpacked(payload)
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        return None
    print(f"{path} was damaged and is deleted; its content is trained again", flush=True)
    return None


def address(inputs: Any, *arrays: np.ndarray) -> str:
    """A name for work that depends on these inputs alone, given as JSON and as arrays."""
    digest = sha256(json.dumps(inputs, sort_keys=True).encode())
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()[:32]


def forget(folder: Path, days: float = 30) -> None:
    """Delete the files below a folder that have not been used for so long."""
    for path in folder.rglob("*"):
        if path.is_file() and time.time() - path.stat().st_mtime > days * 86400:
            path.unlink(missing_ok=True)
