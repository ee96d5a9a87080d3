"""A project of its own in a temporary folder: the real code, with parameters small enough for a test."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml

from stages import artefacts

ROOT = Path(__file__).parent.parent
VARIANTS = ("none", "l1", "everything")
DAMAGES = ("empty", "cut", "turned", "zeroed", "folder")
ELSEWHERE = "another place, ö/x"
"""A path with what paths seldom have."""
SURROUNDINGS = {
    "OMP_NUM_THREADS": "3",
    "MKL_NUM_THREADS": "3",
    "OPENBLAS_NUM_THREADS": "3",
    "PYTHONHASHSEED": "7",
    "TZ": "Pacific/Kiritimati",
    "LC_ALL": "C",
    "COLUMNS": "40",
}
"""What no result may depend on, and other tests leave as it is."""


def params(**changes: Any) -> dict[str, Any]:
    """The committed parameters, cut down; changes by path of keys joined with two underscores."""
    content = loads_yaml((ROOT / "params.yaml").read_text())
    content["data"] |= {"source": "digits", "folder": content["data"]["folder"] | {"path": "data/images"}}
    content["splits"] |= {"first": 100, "seeds": 2, "train": 40, "val": 40}
    content["tune"] |= {"trials": 2, "searches": 2}
    content["tasks"]["random"].pop("seeds", None)
    content["grid"] |= {"train": [20], "rate": [0.0], "variants": ["none"], "seeds": 2}
    content["crossed"] |= {"task": "partly_random", "variants": ["none"], "splits": 2, "draws": 2}
    content["training"] |= {"epochs": 4, "device": "cpu"}
    content["documents"] = {"decay_scaling": {"epochs": 50}}
    content["variants"] = {name: content["variants"][name] for name in VARIANTS}
    content["variants"]["none"]["repeats"] = 2
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = content
        for key in parents:
            place = place[key]
        place[last] = value
    return content


def make(folder: Path, **changes: Any) -> Path:
    """Copy the code into ``folder``, nothing of what stages or users have put beside it, and write small parameters."""
    shutil.copytree(
        ROOT / "stages", folder / "stages", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
    )
    (folder / "data/images").mkdir(parents=True)
    shutil.copy(ROOT / "data/README.md", folder / "data")
    for name in ("dvc.yaml", "pyproject.toml", ".gitignore", ".dvcignore", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "reports/verified").mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(dumps_yaml(params(**changes)))
    return folder


def environment(folder: Path) -> dict[str, str]:
    """The environment in which a command in ``folder`` finds its own code, not that of this checkout."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    alone = {"LOKY_MAX_CPU_COUNT": "1"}  # for starting more processes takes longer than what they do
    return {**alone, **os.environ, "PATH": path, "PYTHONPATH": str(folder)}


@contextmanager
def other_surroundings() -> Iterator[None]:
    """Commands run on one core, with other variables of the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SURROUNDINGS.items():
            patch.setenv(name, value)
        if not hasattr(os, "sched_setaffinity"):  # not Linux
            yield
            return
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(cores)})
        try:
            yield
        finally:
            os.sched_setaffinity(0, cores)


def run(folder: Path, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command there; with ``check`` a failure shows what it printed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 or not check, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done


def stage(folder: Path, name: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return run(folder, sys.executable, "-m", f"stages.{name}", *arguments, check=check)


def damage(file: Path, how: str) -> None:
    """What a power cut or a bad disk makes of a file."""
    content = file.read_bytes()
    middle = len(content) // 2
    match how:
        case "empty":
            file.write_bytes(b"")
        case "cut":
            file.write_bytes(content[:middle])
        case "turned":  # a bit of some number
            file.write_bytes(content[:-9] + bytes([content[-9] ^ 16]) + content[-8:])
        case "zeroed":
            file.write_bytes(content[:middle] + bytes(len(content) - middle))
        case "folder":
            file.unlink()
            file.mkdir()


def accept(folder: Path) -> None:
    """Take what lies in a folder for what the stages wrote."""
    with contextlib.chdir(folder):
        outputs: dict[str, list[Path]] = {}
        for place in artefacts.STAGES:
            inside = {"data/raw": "*/manifest.json", "data/documents": "*", "reports": "*"}.get(place, "")
            for path in Path().glob(f"{place}/{inside}" if inside else place):
                if path != Path("reports/timing"):
                    outputs.setdefault(artefacts.stage_of(path), []).append(path)
        for own in outputs.values():
            artefacts.record(*own)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder, by relative path."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
