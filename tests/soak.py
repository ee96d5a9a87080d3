"""Interrupts every stage of a small pipeline at random moments, many times; whatever happens, it ends the same.

``python -m tests.soak ROUNDS [SEED]`` prints a line for each round and a table at the end, and exits with 1 if an
outcome differs from that of an undisturbed run.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from tests import small

TARGET = "track"
STAGES = (
    "download",
    "prepare",
    "plan",
    "tune",
    "train",
    "evaluate",
    "compare",
    "replay",
    "document@decay_scaling",
    "claims",
    "report",
    "track",
)


def ctrl_c(process: subprocess.Popen[bytes]) -> None:
    """What a terminal does: DVC and the stage both get it."""
    os.killpg(process.pid, signal.SIGINT)


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """What a power cut or the end of a container does."""
    os.killpg(process.pid, signal.SIGKILL)


def kill_pipeline(process: subprocess.Popen[bytes]) -> None:
    """DVC alone; the stage goes on without it."""
    process.kill()


def kill_stage(process: subprocess.Popen[bytes]) -> None:
    """What Linux does when memory runs out: the stage alone, if there is one by now."""
    for child in psutil.Process(process.pid).children(recursive=True):
        child.kill()


FAULTS: dict[str, Callable[[subprocess.Popen[bytes]], None]] = {
    "Ctrl-C": ctrl_c,
    "SIGKILL of all": kill_all,
    "SIGKILL of DVC": kill_pipeline,
    "SIGKILL of the stage": kill_stage,
}


def make(folder: Path) -> Path:
    """A repository in which the pipeline has run once, undisturbed."""
    small.make(folder)
    shutil.copytree(small.ROOT / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    small.run(folder, "git", "init", "--quiet")
    small.run(folder, "dvc", "repro", TARGET)
    return folder


def outcome(folder: Path) -> dict[str, bytes]:
    """All that the pipeline makes but what MLflow keeps."""
    made = {name: small.contents(folder / name) for name in ("data", "reports")}
    found = {f"{name}/{path}": content for name, files in made.items() for path, content in files.items()}
    return found | {"dvc.lock": (folder / "dvc.lock").read_bytes()}


def disturb(folder: Path, stage: str, fault: str, delay: float) -> bool:
    """Run a stage again and interrupt it after some seconds; whether it was still running."""
    process = subprocess.Popen(
        ["dvc", "repro", "--force", "--single-item", stage],
        cwd=folder,
        env=small.environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's `&` has it ignored
    )
    time.sleep(delay)
    running = process.poll() is None
    if running:
        FAULTS[fault](process)
    process.wait()
    return running


def recover(folder: Path) -> str:
    """What `make repro` does; what it said if it failed, else nothing."""
    for command in ([sys.executable, "-m", "stages.start"], ["dvc", "repro", TARGET]):
        done = small.run(folder, *command, check=False)
        if done.returncode:
            return f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return ""


def soak(folder: Path, rounds: int, seed: int) -> int:
    """How many of so many rounds ended otherwise than undisturbed."""
    rng, lasted, counts, failed = random.Random(seed), {}, Counter[tuple[str, str]](), 0
    for stage in STAGES:
        start = time.monotonic()
        small.run(folder, "dvc", "repro", "--force", "--single-item", stage)
        lasted[stage] = time.monotonic() - start
    before = outcome(folder)
    for number in range(rounds):
        stage, fault = STAGES[number % len(STAGES)], rng.choice(list(FAULTS))
        if rng.random() < 0.5:  # finished networks are trained again
            for store in ("trials", "replicas"):
                shutil.rmtree(folder / ".cache" / store, ignore_errors=True)
        running = disturb(folder, stage, fault, rng.uniform(0, lasted[stage]))
        said, after = recover(folder), outcome(folder)
        other = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        if running:
            counts[stage, fault] += 1
        if said or other:
            failed += 1
        state = f"failed: {said} {other}" if said or other else "the same"
        print(f"{number + 1}: {stage}, {fault if running else 'ended before'}: {state}", flush=True)
    print("\n| stage | " + " | ".join(FAULTS) + " |\n|" + " --- |" * (len(FAULTS) + 1))
    for stage in STAGES:
        print(f"| `{stage}` | " + " | ".join(str(counts[stage, fault]) for fault in FAULTS) + " |")
    print(f"\n{counts.total()} interruptions, {failed} outcomes that differ", flush=True)
    return failed


def main() -> None:
    with TemporaryDirectory() as folder:
        sys.exit(bool(soak(make(Path(folder)), int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)))


if __name__ == "__main__":
    main()
