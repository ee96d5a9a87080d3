"""Files that are complete or absent: everything is written to a temporary name, reaches the disk and is renamed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


FORMULA = ("=", "+", "-", "@", "\t")
"""How a text begins that a spreadsheet may take for a formula: https://owasp.org/www-community/attacks/CSV_Injection"""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


@contextmanager
def replacing(path: Path, wait: bool = True) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well and vanishes when it does not.

    Unless one does not want to ``wait`` until the disk has it, a power cut leaves the old file or the new one, too. An
    ``OSError``, such as that of a full disk, names ``path``.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o644)
        if wait:
            _to_disk(temporary)  # or a power cut may leave the new name with nothing behind it
        temporary.replace(path)
        if wait:
            with suppress(OSError):  # not every file system can
                _to_disk(path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def alone(lock: Path, busy: str) -> Iterator[None]:
    """Hold a lock file; if another process has it, say `busy` and wait."""
    from filelock import FileLock, Timeout

    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        print(f"{busy}; waiting for it to finish", flush=True)
        held.acquire()
    try:
        yield
    finally:
        held.release()


def write_bytes(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON; NaN and infinity are rejected, because browsers cannot read them."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    with replacing(path) as temporary:
        table.to_parquet(temporary, index=False)


def csv(table: pd.DataFrame, float_format: str | None = None) -> str:
    """A table as CSV, for spreadsheets, too, which take a text that begins like a formula for one.

    Such a text, heading or cell, gets an apostrophe before it; numbers stay as they are. A carriage return, which
    would end the line, becomes a space.
    """
    safe = table.rename(columns=_plain)
    for name in safe.select_dtypes(exclude=["number", "bool"]).columns:
        safe[name] = safe[name].map(_plain)
    return safe.to_csv(index=False, float_format=float_format, lineterminator="\n")


def _plain(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.replace("\r", " ")
    return f"'{text}" if text.startswith(FORMULA) and not NUMBER.fullmatch(text) else text


def sha256sum(path: Path) -> str:
    """The sha256 of a file, as the program of this name prints it."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256(*paths: Path) -> str:
    """The sha256 over the contents of files; a folder stands for the Python files below it, in order."""
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def keep_only(folder: Path, names: Collection[str]) -> None:
    """Delete the folders in ``folder`` of other names: DVC leaves the outputs of stages that no longer exist."""
    for path in folder.iterdir():
        if path.is_dir() and path.name not in names:
            shutil.rmtree(path)
