import atexit
import gc
import sys
from types import TracebackType

from stages.errors import INTERRUPTED

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
