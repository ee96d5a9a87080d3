"""Where training runs, and how it is made deterministic."""

from __future__ import annotations

import os

import torch

from stages.errors import UserError


def find_device(name: str) -> torch.device:
    """The device that ``training.device`` names, made ready.

    Raises ``UserError`` for a CUDA device that this machine does not have.
    """
    make_ready()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            have = f"this machine has cuda:0 to cuda:{count - 1}" if count else "torch finds no CUDA device here"
            raise UserError(f"params.yaml: training.device: found {name!r}, but {have}; set it to auto or cpu")
    return device


def make_ready() -> None:
    """Let torch be deterministic in this process, and take one thread per operation on a CPU."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what CUDA needs to be deterministic
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing reads it
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms, less two seconds of imports
    torch.set_num_threads(1)


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
