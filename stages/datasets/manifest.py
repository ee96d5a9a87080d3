"""`data/raw/manifest.json`: which files a source consists of, and their hashes, checked from then on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.errors import UserError
from stages.files import write_json

RAW = Path("data/raw")
NAME = "manifest.json"
START_OVER = f"If the file was meant to change, delete {RAW} and run `dvc repro --force download`."


@dataclass(frozen=True)
class Entry:
    """One file as it was served, whatever mirror it came from."""

    url: str | None
    """Where it is published; None for a user's own file."""
    sha256: str
    size: int
    """In bytes."""
    licence: str | None

    @classmethod
    def of(cls, path: Path, url: str | None, licence: str | None) -> Entry:
        return cls(url, sha256(path), path.stat().st_size, licence)


@dataclass(frozen=True)
class Manifest:
    source: str
    files: Mapping[str, Entry]


def read_manifest(raw: Path = RAW) -> Manifest:
    path = raw / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Manifest(content["source"], {name: Entry(**entry) for name, entry in content["files"].items()})
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `dvc repro download` makes it") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error}); delete {raw} and run `dvc repro --force download`") from None


def write_manifest(manifest: Manifest, raw: Path = RAW) -> None:
    write_json(raw / NAME, asdict(manifest))


def sha256(path: Path) -> str:
    """As `sha256sum` prints it."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
