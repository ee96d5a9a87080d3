"""Hostile and damaged archives are refused, whatever their trick, and leave nothing behind."""

from __future__ import annotations

import stat
import struct
import tracemalloc
import zipfile

import pytest

from stages.datasets import archives
from stages.errors import UserError
from tests.datasets import hostile


def _zip(path, *entries, compression=zipfile.ZIP_DEFLATED):
    """An archive of (name or ZipInfo, content) pairs."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for entry, content in entries:
            archive.writestr(entry, content)
    return path


def _entry(name, mode):
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = mode << 16
    return entry


def _patched(path, offset, value):
    """Overwrite bytes of the first entry in the central directory."""
    content = bytearray(path.read_bytes())
    start = content.index(b"PK\x01\x02") + offset
    content[start : start + len(value)] = value
    path.write_bytes(content)
    return path


def test_a_plain_archive_is_read_in_order(tmp_path):
    path = _zip(tmp_path / "a.zip", ("b/", b""), ("b/2.txt", b"two"), ("b/1.txt", b"one"))
    assert list(archives.contents(path)) == [("b/2.txt", b"two"), ("b/1.txt", b"one")]


def _encrypted(path):
    return _patched(_zip(path, ("secret.jpg", b"x")), 8, struct.pack("<H", 1))


def _twice(path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        return _zip(path, ("same.jpg", b"1"), ("same.jpg", b"2"))


def _truncated(path):
    _zip(path, ("a.jpg", b"x" * 1000))
    path.write_bytes(path.read_bytes()[:-30])
    return path


def _damaged(path):
    _zip(path, ("a.jpg", b"x" * 1000), compression=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"x" * 10, b"y" * 10, 1))
    return path


def _garbled(path):
    _zip(path, ("a.jpg", bytes(range(256)) * 4))
    content = bytearray(path.read_bytes())
    content[40:60] = b"\xff" * 20
    path.write_bytes(content)
    return path


def _page(path):
    path.write_bytes(b"<!doctype html><title>Sign in to the network</title>")
    return path


def _empty(path):
    path.write_bytes(b"")
    return path


def _before_the_file(path):
    """A middle part is missing, so that an entry's place lies before the beginning."""
    content = _zip(path, ("a.jpg", bytes(99)), compression=zipfile.ZIP_STORED).read_bytes()
    path.write_bytes(content[content.index(b"PK\x01\x02") :])
    return path


HOSTILE = {
    "no name": (lambda p: _zip(p, (_entry("", stat.S_IFREG | 0o644), b"x")), "relative path"),
    "place before the file": (_before_the_file, "a.zip"),
    "absolute path": (lambda p: _zip(p, ("/etc/passwd", b"x")), "relative path"),
    "drive": (lambda p: _zip(p, ("C:/x.jpg", b"x")), "relative path"),
    "backslashes": (lambda p: _zip(p, ("..\\x.jpg", b"x")), "relative path"),
    "parent": (lambda p: _zip(p, ("a/../../x.jpg", b"x")), "leads out"),
    "bare parent": (lambda p: _zip(p, ("..", b"x")), "leads out"),
    "symbolic link": (lambda p: _zip(p, (_entry("x.jpg", stat.S_IFLNK | 0o777), b"/etc/passwd")), "link"),
    "device": (lambda p: _zip(p, (_entry("x.jpg", stat.S_IFCHR | 0o666), b"")), "device"),
    "twice": (_twice, "twice"),
    "encrypted": (_encrypted, "encrypted"),
    "bzip2": (lambda p: _zip(p, ("x.jpg", b"x" * 99), compression=zipfile.ZIP_BZIP2), "method 12"),
    "truncated": (_truncated, "not a complete zip"),
    "wrong checksum": (_damaged, "CRC"),
    "garbled stream": (_garbled, "zip archive"),
    "web page": (_page, "not a complete zip"),
    "empty file": (_empty, "not a complete zip"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives_are_refused(tmp_path, kind):
    build, said = HOSTILE[kind]
    path = build(tmp_path / "a.zip")
    with pytest.raises(UserError, match=r"a\.zip") as error:
        list(archives.contents(path))
    assert said in str(error.value)
    assert [file.name for file in tmp_path.iterdir()] == ["a.zip"]


def test_nothing_is_read_before_all_entries_are_checked(tmp_path):
    path = _zip(tmp_path / "a.zip", ("good.jpg", b"x"), ("../bad.jpg", b"x"))
    with pytest.raises(UserError):
        next(archives.contents(path))


def test_too_many_entries(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_ENTRIES", 3)
    list(archives.contents(_zip(tmp_path / "three.zip", *((str(i), b"") for i in range(3)))))
    with pytest.raises(UserError, match=r"4 entries; at most 3"):
        list(archives.contents(_zip(tmp_path / "four.zip", *((str(i), b"") for i in range(4)))))


def test_too_many_bytes_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_BYTES", 10_000)
    list(archives.contents(_zip(tmp_path / "fits.zip", ("a", b"0" * 5000), ("b", b"0" * 5000))))
    with pytest.raises(UserError, match=r"10,001 bytes; at most 10,000"):
        list(archives.contents(_zip(tmp_path / "bomb.zip", ("a", b"0" * 5000), ("b", b"0" * 5001))))


def test_too_large_an_archive_is_not_even_listed(tmp_path, monkeypatch):
    path = _zip(tmp_path / "a.zip", ("a", b""))
    monkeypatch.setattr(archives, "MAX_BYTES", path.stat().st_size - 1)
    with pytest.raises(UserError, match="larger than"):
        list(archives.contents(path))


def test_an_entry_that_lies_about_its_size_is_not_unpacked_beyond_it(tmp_path):
    path = _zip(tmp_path / "a.zip", ("a", bytes(64 << 20)))
    _patched(path, 24, struct.pack("<I", 100))
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="CRC"):
            list(archives.contents(path))
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_name_cut_short_by_a_null_byte_is_refused(tmp_path):
    path = _zip(tmp_path / "a.zip", ("aXb.jpg", b"x"))
    path.write_bytes(path.read_bytes().replace(b"aXb.jpg", b"a\0b.jpg"))
    with pytest.raises(UserError, match="relative path"):
        list(archives.contents(path))


def test_hundreds_of_hostile_archives_are_read_or_refused(tmp_path):
    """`python -m tests.datasets.hostile 10000` tries more of them."""
    found = hostile.tried(15 * len(hostile.KINDS), tmp_path)
    for kind in hostile.KINDS:
        assert found[kind.__name__, "read"] + found[kind.__name__, "refused"] == 15
        assert found[kind.__name__, "refused"] > 2
