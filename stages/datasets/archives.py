"""Zip archives, treated as hostile until proven otherwise. Nothing is ever unpacked to disk."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.errors import UserError

MAX_ENTRIES = 100_000
MAX_BYTES = 1 << 30
"""The most bytes of an archive, and of all its files unpacked."""
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The compression methods whose output Python bounds while it unpacks."""


def names(path: Path) -> list[str]:
    """The name of each file in the archive, in the order of the archive. Raises `UserError` as `contents` does."""
    with _opened(path) as archive:
        return [entry.filename for entry in archive.infolist() if not entry.is_dir()]


def contents(path: Path, chosen: Container[str] | None = None) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file in the archive, or of those chosen by name, in the order of the archive.

    Raises `UserError` before the first one if the archive is not a complete zip file or is anything but a plain tree
    of files of bounded size; and for a damaged file when its turn comes.
    """
    with _opened(path) as archive:
        for entry in archive.infolist():
            if not entry.is_dir() and (chosen is None or entry.filename in chosen):
                with archive.open(entry) as stream:
                    # With a limit, no more is unpacked than the declared size, which was checked. Asked for
                    # everything, zipfile unpacks whatever is there before it looks at the declared size.
                    yield entry.filename, stream.read(entry.file_size + 1)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _RefusedError(f"it is larger than {MAX_BYTES:,} bytes")
        with zipfile.ZipFile(path) as archive:
            _check(archive.infolist())
            yield archive
    except zipfile.BadZipFile as error:
        raise UserError(f"{path.name} is not a complete zip archive: {error}") from None
    except (zlib.error, struct.error, EOFError, ValueError, NotImplementedError) as error:
        raise UserError(f"{path.name} is a damaged zip archive: {error}") from None
    except OSError as error:  # also for an entry that should lie before the beginning of the file
        raise UserError(f"{path.name} cannot be read: {error.strerror}") from None
    except _RefusedError as reason:
        raise UserError(f"{path.name} is rejected: {reason}") from None


class _RefusedError(Exception):
    """The reasons why an archive is not opened."""


def _check(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_ENTRIES:
        raise _RefusedError(f"it has {len(entries):,} entries; at most {MAX_ENTRIES:,} are allowed")
    size = sum(entry.file_size for entry in entries)
    if size > MAX_BYTES:
        raise _RefusedError(f"unpacked it would take {size:,} bytes; at most {MAX_BYTES:,} are allowed")
    seen = set()
    for entry in entries:
        name = entry.filename
        kind = stat.S_IFMT(entry.external_attr >> 16)  # 0 where the archive was not made on Unix
        if name in seen:
            raise _RefusedError(f"it holds {name!r} twice")
        seen.add(name)
        if not name or name != entry.orig_filename or name.startswith("/") or "\\" in name or name[1:2] == ":":
            raise _RefusedError(f"{name!r} is not a relative path with forward slashes")
        if ".." in name.split("/"):
            raise _RefusedError(f"{name!r} leads out of the archive")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _RefusedError(f"{name!r} is neither a file nor a folder but a link or a device")
        if entry.flag_bits & 0x1:
            raise _RefusedError(f"{name!r} is encrypted")
        if entry.compress_type not in COMPRESSIONS:
            raise _RefusedError(
                f"{name!r} is packed with method {entry.compress_type}; stored and deflated are allowed"
            )
