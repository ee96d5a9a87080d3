"""Hostile archives in numbers, and what the reader makes of them: `python -m tests.datasets.hostile 10000`."""

from __future__ import annotations

import io
import random
import struct
import sys
import tempfile
import tracemalloc
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from stages.datasets import archives
from stages.errors import UserError

MEMORY = 24 << 20
"""Bytes that reading may take at a time: what a test lets an archive unpack to, a few times over."""
LIMIT = 4 << 20
"""`archives.MAX_BYTES` meanwhile."""
NAMES = (
    "../up",
    "/etc/passwd",
    "C:/x",
    "a\\b",
    "..",
    "a/../../b",
    "a\0b",
    "",
    "x" * 60_000,
    "ü\u202e.jpg",
    "train/cat/x",
)
LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


def plain(draw: random.Random) -> bytes:
    """An archive as it should be, of a few files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for number in range(draw.randrange(1, 6)):
            archive.writestr(f"train/cat/{number}.jpg", draw.randbytes(draw.randrange(2000)) * draw.randrange(1, 3))
    return buffer.getvalue()


def bomb(draw: random.Random) -> bytes:
    """Files of zeros, a thousand times smaller when packed; the sizes stated are true, too small or too large."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(draw.randrange(1, 4)):
            archive.writestr(f"{number}", bytes(draw.choice([1 << 16, 1 << 20, 1 << 22, 1 << 23])))
    content = buffer.getvalue()
    if draw.random() < 0.6:
        return field(content, CENTRAL, 24, struct.pack("<I", draw.choice([0, 10, 1 << 20, 0xFFFFFFFE])))
    return content


def overlap(draw: random.Random) -> bytes:
    """Many entries of the central directory that share one packed file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0000", bytes(1 << 18))
    content = buffer.getvalue()
    start, end = content.index(CENTRAL), content.index(END)
    entry, count = content[start:end], draw.randrange(2, 200)
    entries = b"".join(entry.replace(b"0000", b"%04d" % number) for number in range(count))
    tail = bytearray(content[end:])
    tail[8:20] = struct.pack("<HHII", count, count, len(entries), start)
    return content[:start] + entries + bytes(tail)


def names(draw: random.Random) -> bytes:
    """Names that lead out, that are no names, or that occur twice."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")
        for _ in range(draw.randrange(1, 5)):
            entry = zipfile.ZipInfo(draw.choice(NAMES))
            entry.filename = entry.orig_filename  # as it was given, not cut at a null byte
            entry.external_attr = draw.choice([0, 0o120777, 0o020666, 0o010666, 0o100644, 0o040755]) << 16
            archive.writestr(entry, b"x" * draw.randrange(9))
    return buffer.getvalue()


def field(content: bytes, header: bytes, offset: int, value: bytes) -> bytes:
    """With other bytes at a place of the first header of a kind."""
    start = content.index(header) + offset
    return content[:start] + value + content[start + len(value) :]


def stated(draw: random.Random) -> bytes:
    """A header field that says something else: flags (encrypted), method, checksum, sizes, lengths, offsets."""
    header = draw.choice([LOCAL, CENTRAL, CENTRAL, END])
    fields = {
        LOCAL: [(6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)],
        CENTRAL: [(6, 2), (8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (38, 4), (42, 4)],
        END: [(4, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)],
    }
    offset, length = draw.choice(fields[header])
    value = draw.choice([b"\0" * length, b"\xff" * length, b"\1" + b"\0" * (length - 1), draw.randbytes(length)])
    return field(plain(draw), header, offset, value)


def flipped(draw: random.Random) -> bytes:
    content = bytearray(plain(draw))
    for _ in range(draw.randrange(1, 9)):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    return bytes(content)


def cut(draw: random.Random) -> bytes:
    content = plain(draw)
    start, end = sorted(draw.randrange(len(content) + 1) for _ in range(2))
    return draw.choice([content[:end], content[start:], content[:start] + content[end:]])


def glued(draw: random.Random) -> bytes:
    """Two archives, or an archive and something else, behind or within each other."""
    one, other = plain(draw), draw.choice([plain(draw), draw.randbytes(100), b"<html>", zlib.compress(bytes(1 << 20))])
    place = draw.randrange(len(one) + 1)
    return draw.choice([one + other, other + one, one[:place] + other + one[place:]])


KINDS: tuple[Callable[[random.Random], bytes], ...] = (bomb, overlap, names, stated, flipped, cut, glued)


def outcome(content: bytes, path: Path) -> str:
    """`read` or `refused`; anything else, or much memory, is raised."""
    path.write_bytes(content)
    tracemalloc.reset_peak()
    said = ""
    try:
        for _ in archives.contents(path):
            pass
    except UserError as error:
        said = str(error)
    peak = tracemalloc.get_traced_memory()[1]
    assert peak < MEMORY, f"{peak:,} bytes"
    assert not said or path.name in said
    return "refused" if said else "read"


def tried(number: int, folder: Path) -> Counter[tuple[str, str]]:
    """How many of `number` archives of each kind were read and refused. Nothing else may lie in the folder then."""
    path, found = folder / "a.zip", Counter[tuple[str, str]]()
    limit, archives.MAX_BYTES = archives.MAX_BYTES, LIMIT
    tracemalloc.start()
    try:
        for seed in range(number):
            kind = KINDS[seed % len(KINDS)]
            try:
                found[kind.__name__, outcome(kind(random.Random(seed)), path)] += 1
            except Exception as error:
                error.add_note(f"archive {seed}, {kind.__name__}")
                raise
    finally:
        tracemalloc.stop()
        archives.MAX_BYTES = limit
    assert list(folder.iterdir()) == [path]
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        for (what, how), times in sorted(tried(int(sys.argv[1]), Path(place)).items()):
            print(f"{what:10} {how:8} {times:7,}")
