"""`data/raw/<source>/manifest.json`: which files a source consists of, and their hashes, checked from then on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.errors import UserError
from stages.files import sha256sum, write_json

RAW = Path("data/raw")
"""Each source has a folder of its own here, so that going back to one downloads nothing again."""
NAME = "manifest.json"


@dataclass(frozen=True)
class Entry:
    """One file as it was served."""

    url: str | None
    """Where it is published; None for a user's own file."""
    sha256: str
    size: int
    """In bytes."""
    licence: str | None
    from_mirror: bool = False
    """True if it came from a mirror, which may hold other files than the publisher's by the same names."""

    @classmethod
    def of(cls, path: Path, url: str | None, licence: str | None, from_mirror: bool = False) -> Entry:
        return cls(url, sha256sum(path), path.stat().st_size, licence, from_mirror)


@dataclass(frozen=True)
class Manifest:
    source: str
    files: Mapping[str, Entry]

    @property
    def from_mirror(self) -> bool:
        """Whether any file came from a mirror."""
        return any(entry.from_mirror for entry in self.files.values())


def read_manifest(raw: Path) -> Manifest | None:
    """None if there is none yet."""
    path = raw / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Manifest(content["source"], {name: Entry(**entry) for name, entry in content["files"].items()})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error}); delete {raw} and run `dvc repro` again") from None


def write_manifest(manifest: Manifest, raw: Path) -> None:
    write_json(raw / NAME, asdict(manifest))


def downloaded(source: str, raw: Path) -> Manifest:
    """What `download` left for a source. Raises `UserError` if `download` has not put exactly this source there."""
    manifest = read_manifest(raw)
    if manifest is None or manifest.source != source:
        found = "nothing" if manifest is None else f"the source {manifest.source!r}"
        raise UserError(f"{raw} holds {found}, data.source is {source!r}; run `dvc repro download`")
    return manifest


def verify(path: Path, entry: Entry) -> None:
    """Raise `UserError` unless the file is the one in the manifest."""
    if not path.is_file():
        raise UserError(f"{path} is missing, though the manifest names it; run `dvc repro download`")
    if (found := sha256sum(path)) != entry.sha256:
        raise UserError(
            f"{path.name} is not the file that was downloaded first: expected sha256 {entry.sha256}, found {found}. "
            f"Delete it, or all of {path.parent} if the publisher has changed it, and run `dvc repro` again"
        )
