"""Files from the network or a mirror: complete or absent, and the same as before."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pooch

from stages.datasets.manifest import Entry, Manifest, read_manifest, verify, write_manifest
from stages.errors import UserError, public

MIRROR = "REGBENCH_MIRROR"
"""The environment variable that names a mirror: a folder or an http(s) address that holds the files by their names."""
RETRIES = 3
"""Each after a longer pause."""

Accept = Callable[[Path], None]
"""Checks a file that has just arrived; raises `UserError` if it cannot be the right one."""


def fetch(source: str, urls: Mapping[str, str], licence: str | None, accept: Accept, raw: Path) -> None:
    """Put the files named in `urls` into `raw`, each from the mirror if there is one, otherwise from its address.

    The manifest is written after each file, so that an interruption costs no more than the file under way. Files that
    the manifest knows are not fetched again. Raises `UserError` if a file cannot be had, or is not what it was before.
    """
    raw.mkdir(parents=True, exist_ok=True)
    entries = _known(source, urls, raw)
    for name, url in urls.items():
        target, entry = raw / name, entries.get(name)
        if entry and target.exists():
            verify(target, entry)
            continue
        address = _obtain(target, url, entry, accept, list(urls))
        from_mirror = entry.from_mirror if entry else address != url  # with the same hash it is the same file
        entries[name] = Entry.of(target, url, licence, from_mirror)
        write_manifest(Manifest(source, {name: entries[name] for name in urls if name in entries}), raw)


def _known(source: str, urls: Mapping[str, str], raw: Path) -> dict[str, Entry]:
    """What the manifest says about these files, if anything, and if they are still published at the same place."""
    manifest = read_manifest(raw)
    if manifest is None or manifest.source != source:
        return {}
    return {name: entry for name, entry in manifest.files.items() if entry.url == urls.get(name)}


def _obtain(target: Path, url: str, expected: Entry | None, accept: Accept, names: list[str]) -> str:
    """Put one file in its place; the address that it came from."""
    mirror = os.environ.get(MIRROR, "").strip()
    addresses = [f"{mirror.rstrip('/')}/{target.name}", url] if mirror else [url]
    failures = []
    for address in addresses:
        print(f"{target.name} from {public(address)}", flush=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as folder:
            arrived = Path(folder) / target.name
            try:
                if address.startswith(("http://", "https://")):
                    _download(address, arrived)
                else:
                    _copy(Path(address).expanduser(), arrived)
                if expected:
                    verify(arrived, expected)
                accept(arrived)
            except (UserError, OSError) as error:  # what requests raises is an OSError too
                failures.append(f"  {address}\n    {error}")
            else:
                arrived.chmod(0o644)
                arrived.replace(target)
                return address
    raise UserError(
        f"{target.name} could not be fetched. Tried:\n"
        + "\n".join(failures)
        + "\nFiles that are complete are kept; the same command resumes from there.\n"
        + f"A mirror is a folder or an http(s) address that holds {', '.join(names)}. {MIRROR} names it (now "
        + (f"{mirror!r}" if mirror else "not set")
        + f"), and it is tried before these addresses:\n  {MIRROR}=/path/to/folder dvc repro"
    )


def _copy(origin: Path, arrived: Path) -> None:
    if not origin.is_file():
        raise UserError("no such file")
    shutil.copyfile(origin, arrived)


def _download(address: str, arrived: Path) -> None:
    pooch.get_logger().setLevel("WARNING")
    client = pooch.create(
        arrived.parent, "", registry={arrived.name: None}, urls={arrived.name: address}, retry_if_failed=RETRIES
    )
    client.fetch(arrived.name, downloader=_Downloader(progressbar=True, chunk_size=1 << 16))


class _Downloader(pooch.HTTPDownloader):
    """Ends at once where retrying cannot help.

    pooch tries again after errors of the server and of the connection, a body that ends early among them; but also
    after those that mean that nothing is available.
    """

    def __call__(self, url: str, output_file: Any, pooch: Any, check_only: bool = False) -> Any:
        from requests.exceptions import HTTPError

        try:
            return super().__call__(url, output_file, pooch, check_only)
        except ValueError:  # its text may quote half of a password
            raise UserError(
                "not a valid address; in a user name or password write %40 for @, %3A for :, %2F for /, %3F for ? "
                "and %23 for #, in UTF-8"
            ) from None
        except HTTPError as error:
            if error.response is None or error.response.status_code in (408, 429, *range(500, 600)):
                raise
            raise UserError(str(error)) from None
