"""Independent pieces of work in threads, which stop together."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(
    work: Callable[[Item, Callable[[], None]], Result], items: Sequence[Item], workers: int | None = None
) -> list[Result]:
    """``work(item, check)`` for each item, in as many threads as this process may use cores, or in ``workers``.

    ``check`` raises once Ctrl-C was pressed or another item has failed; ``work`` calls it often enough to end soon.
    """
    interrupted = threading.Event()

    def check() -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt

    # Numbers below 1e-38 slow a converged network down and change nothing. Each thread has to be told.
    with ThreadPoolExecutor(workers or cores(), initializer=torch.set_flush_denormal, initargs=(True,)) as pool:
        futures = [pool.submit(work, item, check) for item in items]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        finally:
            interrupted.set()
            pool.shutdown(cancel_futures=True)
    return [future.result() for future in futures]


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
