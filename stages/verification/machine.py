"""What a machine is, as far as results may depend on it."""

from __future__ import annotations

import platform
from importlib.metadata import version

import torch

from stages import ARITHMETIC
from stages.verification.records import Machine

INSTRUCTIONS = ("avx2", "fma3", "avx512_f", "avx512_bf16", "amx_tile", "sve", "sve2", "neon", "bf16")
"""Those by which libraries choose their kernels."""
LIBRARIES = ("numpy", "scipy", "scikit-learn", "pandas", "pyarrow", "vl-convert-python")


def this() -> Machine:
    """The machine that this process runs on, by what the processor says of itself."""
    found = torch.cpu.get_capabilities()
    return Machine(
        processor=str(found.get("cpu_name") or platform.processor() or "unknown"),
        architecture=platform.machine(),
        system=platform.system(),
        instructions=[name for name in INSTRUCTIONS if found.get(name)],
        arithmetic=ARITHMETIC,
        kernels=torch.backends.cpu.get_cpu_capability(),
        versions={"python": platform.python_version(), "torch": torch.__version__}
        | {name: version(name) for name in LIBRARIES},
    )
