import atexit
import gc
import os
import platform
import re
import sys
from pathlib import Path
from types import TracebackType

from stages.errors import INTERRUPTED

PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own operations
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # its convolutions
    "MKL_CBWR": "COMPATIBLE",  # its products where they are not NumPy's (`networks/products.py`), its exponentials
    "OPENBLAS_CORETYPE": "Haswell",  # NumPy's and SciPy's products and decompositions
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # NumPy's own operations
}
"""What the libraries read when they are loaded, so that they compute the same bits on every x86 processor with AVX2."""


def _arithmetic() -> str:
    """Choose the arithmetic that `params.yaml` asks for, before NumPy or torch is loaded; what it is."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # sums that do not depend on the number of cores
    try:
        params = Path("params.yaml").read_text(encoding="utf-8", errors="replace")  # `config` checks it
    except OSError:
        params = ""
    wanted = not re.search(r"^arithmetic: *native\b", params, re.MULTILINE)
    chosen = all(os.environ.get(name) == value for name, value in PORTABLE.items())  # by who started this process
    if not wanted or not PORTABLE_HERE or (not chosen and {"numpy", "torch"} & set(sys.modules)):
        return "native"
    os.environ.update(PORTABLE)
    return "portable"


def _has_avx2() -> bool:
    try:
        flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:  # not Linux
        return False
    return platform.machine() == "x86_64" and flags is not None and {"avx2", "fma"} <= set(flags[1].split())


PORTABLE_HERE = _has_avx2()
"""Whether this machine can compute so."""
ARITHMETIC = _arithmetic()
"""`portable`, or `native`: then the last digits may be those of this processor."""

# Importing PyTorch creates half a million objects that live to the end. A garbage collector that scans them time
# and again, and once more at the end, takes a fifth of the time of a stage that trains small networks.
gc.set_threshold(100_000)
atexit.register(gc.freeze)


def _end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ctrl-C while a stage still imports what it needs ends it without a traceback, as later on."""
    if issubclass(kind, KeyboardInterrupt):
        print(INTERRUPTED, file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _end
