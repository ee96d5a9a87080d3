"""Files from the network or a mirror: complete or absent, and the same as before."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pooch
from tqdm import tqdm

from stages.datasets.archives import MAX_BYTES
from stages.datasets.manifest import Entry, Manifest, read_manifest, verify, write_manifest
from stages.errors import UserError, public
from stages.files import replacing

MIRROR = "REGBENCH_MIRROR"
"""The environment variable that names a mirror: a folder or an http(s) address that holds the files by their names."""
RETRIES = 3
"""Each after a longer pause."""
REDIRECTS = 10
TIMEOUT = 30
"""Seconds until a connection is made, and between its bytes."""
CHUNK = 1 << 16
"""Bytes. A server must send as many in `PATIENCE`, or all that is left."""
PATIENCE = 60
"""Seconds."""

Accept = Callable[[Path], None]
"""Checks a file that has just arrived; raises `UserError` if it cannot be the right one, and `MismatchError` if it does
not belong to the files before it."""


class MismatchError(UserError):
    """Files that may each be right, but not together."""


def fetch(source: str, urls: Mapping[str, str], licence: str | None, accept: Accept, raw: Path) -> None:
    """Put the files named in `urls` into `raw`, each from the mirror if there is one, otherwise from its address.

    The manifest is written after each file, so that an interruption costs no more than the file under way. Files that
    the manifest knows are not fetched again. Raises `UserError` if a file cannot be had, or is not what it was before.
    Of files that do not belong together none is kept, for any may be the wrong one.
    """
    raw.mkdir(parents=True, exist_ok=True)
    entries = _known(source, urls, raw)
    for name, url in urls.items():
        target, entry = raw / name, entries.get(name)
        if entry and target.exists():
            verify(target, entry)
            continue
        try:
            address = _obtain(target, url, entry, accept, list(urls))
        except MismatchError:
            write_manifest(Manifest(source, {}), raw)
            for kept in urls:
                (raw / kept).unlink(missing_ok=True)
            raise
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
    failures, mismatch = [], False
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
                mismatch = mismatch or isinstance(error, MismatchError)
                page = "; it is a web page: open the address in a browser to see why" if _is_page(arrived) else ""
                failures.append(f"  {address}\n    {error}{page}")
            else:
                with replacing(target) as temporary:
                    arrived.replace(temporary)
                return address
    raise (MismatchError if mismatch else UserError)(
        f"{target.name} could not be fetched. Tried:\n"
        + "\n".join(failures)
        + (
            "\nIt, or a file before it, is not the right one, so none is kept: repair the mirror or choose another, "
            "and run the same command again.\n"
            if mismatch
            else "\nFiles that are complete are kept; the same command resumes from there.\n"
        )
        + f"A mirror is a folder or an http(s) address that holds {', '.join(names)}. {MIRROR} names it (now "
        + (f"{mirror!r}" if mirror else "not set")
        + f"), and it is tried before these addresses:\n  {MIRROR}=/path/to/folder dvc repro"
    )


def _is_page(arrived: Path) -> bool:
    """Whether it is what many servers send in place of a file that they do not give."""
    if not arrived.is_file():
        return False
    with arrived.open("rb") as stream:
        return stream.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _copy(origin: Path, arrived: Path) -> None:
    if not origin.is_file():
        raise UserError("no such file")
    _check_size(origin.stat().st_size)
    shutil.copyfile(origin, arrived)


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise UserError(f"it is larger than {MAX_BYTES:,} bytes")


def _download(address: str, arrived: Path) -> None:
    pooch.get_logger().setLevel("WARNING")
    client = pooch.create(
        arrived.parent, "", registry={arrived.name: None}, urls={arrived.name: address}, retry_if_failed=RETRIES
    )
    client.fetch(arrived.name, downloader=_watched)


@dataclass
class _Progress:
    at: float
    """When something last arrived, by the monotonic clock."""
    given_up: bool = False


def _watched(url: str, output_file: str, _: pooch.Pooch) -> None:
    """Download as pooch asks for it, but not for ever.

    Timeouts of a connection start anew with every byte, of the headers, too. So it is used by a thread of its own,
    which is left behind if nothing comes of it; it ends with the program at the latest.
    """
    progress, done = _Progress(time.monotonic()), Future[None]()

    def work() -> None:
        try:
            _stream(url, Path(output_file), progress)
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    Thread(target=work, daemon=True).start()
    while not done.done():
        left = progress.at + PATIENCE - time.monotonic()
        if left <= 0:
            progress.given_up = True
            raise UserError(f"the server sent less than {CHUNK:,} bytes in {PATIENCE:g} seconds; try later")
        wait([done], left)
    done.result()


def _stream(url: str, target: Path, progress: _Progress) -> None:
    """Put what the address answers into a file.

    Errors that may be gone in a moment are those of requests, after which pooch tries again: of the connection, of a
    body that ends early, of a busy server. Raises `UserError` where trying again cannot help.
    """
    from requests import Response, Session
    from requests.exceptions import ContentDecodingError, HTTPError, InvalidHeader, TooManyRedirects

    redirected = False

    def look(response: Response, **_: Any) -> None:
        nonlocal redirected
        if response.is_redirect:
            redirected = True
            response.close()  # or requests would read its body, however long
            scheme = urlsplit(response.headers["Location"]).scheme.lower()
            if scheme not in ("", "http", "https"):
                raise UserError(f"the server redirects to an address of {scheme}:, not of http: or https:")
            if scheme == "http" and urlsplit(response.url).scheme == "https":
                raise UserError("the server redirects from https: to http:, where others may change what arrives")

    try:
        with Session() as session, target.open("wb") as file:
            session.max_redirects = REDIRECTS
            plain = {"Accept-Encoding": "identity"}
            with session.get(url, stream=True, timeout=TIMEOUT, headers=plain, hooks={"response": look}) as response:
                response.raise_for_status()
                if response.status_code != 200:
                    raise UserError(f"the server answers {response.status_code} {response.reason} instead of a file")
                announced = response.raw.length_remaining
                _check_size(announced or 0)
                with tqdm(total=announced, unit="B", unit_scale=True, disable=None) as bar:
                    for chunk in response.iter_content(CHUNK):
                        if progress.given_up:
                            return
                        file.write(chunk)
                        _check_size(file.tell())
                        progress.at = time.monotonic()
                        bar.update(len(chunk))
    except HTTPError as error:
        if error.response is None or error.response.status_code in (408, 429, *range(500, 600)):
            raise
        raise UserError(str(error)) from None
    except (InvalidHeader, ContentDecodingError) as error:
        raise UserError(f"the server's answer is garbled: {error}") from None
    except TooManyRedirects:
        raise UserError(f"the server redirects more than {REDIRECTS} times, perhaps in a circle") from None
    except ValueError:  # its text may quote half of a password
        if redirected:
            raise UserError("the server redirects to an address that is not valid") from None
        raise UserError(
            "not a valid address; in a user name or password write %40 for @, %3A for :, %2F for /, %3F for ? "
            "and %23 for #, in UTF-8"
        ) from None
