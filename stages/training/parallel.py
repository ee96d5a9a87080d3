"""Independent pieces of work side by side, each in a process of its own.

Threads would do, but for Python's lock: small networks would wait for each other a quarter of the time.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from stages.errors import UserError
from stages.training.device import make_ready

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_processes(
    work: Callable[[Item], Result], items: Sequence[Item], most: int | None = None
) -> Iterator[tuple[int, Result]]:
    """The place of each item and ``work(item)``, as they are finished, in as many processes as this one may use cores,
    but at most in so many; in this one if one is enough.

    Processes want to be given what can be pickled: ``work`` is a function of a module, or a ``partial`` of one, whose
    arrays joblib shares through files. What one raises is raised here, and ends the others; so does Ctrl-C.
    Raises ``UserError`` if a process was killed.
    """
    count = min(most or cores(), len(items))
    if count <= 1:
        for place, item in enumerate(items):
            yield _do(work, place, item)
        return
    from joblib import Parallel, delayed  # a tenth of a second, so only where it is needed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    tasks = (delayed(_do)(work, place, item) for place, item in enumerate(items))
    workers = Parallel(
        count,
        backend="loky",
        batch_size=1,
        mmap_mode="c",
        return_as="generator_unordered",
        initializer=_end_with,
        initargs=(os.getpid(),),
    )
    try:
        yield from workers(tasks)
    except TerminatedWorkerError:
        raise UserError(
            "a process at work for this one was killed, most likely because memory ran out; make room, or let fewer "
            "work at once (LOKY_MAX_CPU_COUNT=1 in the environment), and run the same command again"
        ) from None


def in_order(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """``work(item)`` for each item, side by side as `in_processes` does."""
    results = dict(in_processes(work, items))
    return [results[place] for place in range(len(items))]


def cores() -> int:
    """How many cores this process may use: by its affinity, its container, and ``LOKY_MAX_CPU_COUNT``."""
    from joblib import cpu_count

    return int(cpu_count())


def _end_with(parent: int) -> None:
    """Let this process end soon after the one that started it, should that be killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _do(work: Callable[[Item], Result], place: int, item: Item) -> tuple[int, Result]:
    make_ready()
    # Numbers below 1e-38 slow a converged network down and change nothing.
    torch.set_flush_denormal(True)
    try:
        return place, work(item)
    finally:
        torch.set_flush_denormal(False)  # as before, if this is the process of the stage
