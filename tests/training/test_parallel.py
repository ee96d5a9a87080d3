"""Work side by side: what processes give is what this one would, and none outlives the one that started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from stages import ARITHMETIC
from stages.errors import UserError
from stages.training.parallel import cores, in_order, in_processes
from tests.small import ROOT

SMALLEST = 2.0**-140
"""A float32 that is denormal."""


@pytest.fixture(params=[1, 2], ids=["here", "beside"])
def workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    return use(request.param, monkeypatch)


@pytest.fixture
def _beside(monkeypatch: pytest.MonkeyPatch) -> None:
    use(2, monkeypatch)


def use(count: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Let so many processes work, or skip the test where there are not as many cores."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", str(count))
    if cores() < count:
        pytest.skip("this machine has one core")
    return count


def squared(item: int, plus: int = 0) -> tuple[int, int]:
    return item * item + plus, os.getpid()


def test_each_item_is_done_once_and_known_by_its_place(workers: int) -> None:
    items = list(range(20))
    done = dict(in_processes(partial(squared, plus=3), items))
    assert {place: value for place, (value, _) in done.items()} == {i: i * i + 3 for i in items}
    where = {process for _, process in done.values()}
    assert (where == {os.getpid()}) == (workers == 1)
    assert len(where) <= workers
    assert [value for value, _ in in_order(squared, items)] == [i * i for i in items]
    assert in_order(squared, []) == []
    assert {process for _, (_, process) in in_processes(squared, items, 1)} == {os.getpid()}


def state(item: int) -> dict[str, object]:
    import stages

    tiny = torch.tensor([SMALLEST])
    return {
        "threads": torch.get_num_threads(),
        "deterministic": torch.get_deterministic_debug_mode(),
        "flushed": float(tiny * 1.0) == 0.0,
        "arithmetic": stages.ARITHMETIC,
        "capability": torch.backends.cpu.get_cpu_capability(),
    }


def test_every_process_is_set_up_alike_and_this_one_is_left_as_it_was(workers: int) -> None:
    expected = {
        "threads": 1,
        "deterministic": 2,
        "flushed": True,
        "arithmetic": ARITHMETIC,
        "capability": torch.backends.cpu.get_cpu_capability(),
    }
    assert in_order(state, [0, 1, 2]) == [expected] * 3
    assert not state(0)["flushed"]


def bits(seed: int, images: np.ndarray) -> bytes:
    drawn = torch.from_numpy(np.random.default_rng(seed).standard_normal((3, 40, 50), np.float32))
    given = torch.from_numpy(images[seed : seed + 1, :50, :30]).expand(3, -1, -1)
    return bytes((drawn @ given).softmax(-1).exp().numpy().tobytes())


def test_results_are_the_same_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of arrays that are shared through a file, too."""
    images = np.random.default_rng(0).random((10, 200, 200), np.float32)
    here = in_order(partial(bits, images=images), range(8))
    use(2, monkeypatch)
    assert in_order(partial(bits, images=images), range(8)) == here


def fail(item: int) -> int:
    if item == 3:
        raise UserError("params.yaml: the third is wrong")
    time.sleep(0.01)
    return item


def test_an_error_is_raised_as_it_was_and_ends_the_rest(workers: int) -> None:
    with pytest.raises(UserError, match=r"^params.yaml: the third is wrong$"):
        in_order(fail, range(1000))
    assert in_order(fail, range(3)) == [0, 1, 2]


def die(item: int) -> int:
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


@pytest.mark.usefixtures("_beside")
def test_a_process_that_is_killed_is_named_as_that() -> None:
    with pytest.raises(UserError, match="was killed, most likely because memory ran out"):
        in_order(die, range(10))
    assert in_order(squared, [2])[0][0] == 4


def note(item: int, folder: Path) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(60)


@pytest.mark.usefixtures("_beside")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_process_outlives_the_one_that_started_it(tmp_path: Path, how: signal.Signals) -> None:
    code = (
        "from functools import partial; from pathlib import Path; from stages.training import parallel; "
        "from tests.training.test_parallel import note; "
        f"parallel.in_order(partial(note, folder=Path({json.dumps(str(tmp_path))})), range(10))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
    assert process.poll() is None
    process.send_signal(how)
    process.wait(30)
    wait_until(lambda: not any(alive(int(path.name)) for path in tmp_path.iterdir()))


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(process: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False
