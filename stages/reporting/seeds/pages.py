"""All pages on the seed documents, from the results of the replay and of the studies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from stages.errors import UserError
from stages.reporting import site
from stages.reporting.seeds.documents import DOCUMENTS
from stages.reporting.seeds.page import Page, read_record, render


def read(names: Sequence[str], data: Path) -> Iterator[tuple[Path, Page]]:
    """The pages on the replay and on the studies of these names, each with the folder of its results below `data`.

    Raises `UserError` if results are missing.
    """
    for name in (name for document in DOCUMENTS for name in document.pages):
        if name == "replay" or name in names:
            folder = data / "replay" if name == "replay" else data / "studies" / name
            try:
                page = import_module(f"stages.reporting.seeds.{name}").page(folder)
            except FileNotFoundError as error:
                raise UserError(f"{error.filename or error} is missing; `dvc repro report` makes it") from None
            yield folder, page


def build(pages: Mapping[Path, Page], claims: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, str | bytes]:
    """The pages with their tables, and the page that lists them; `claims` by the number of the document."""
    titles = {page.name: page.title for page in pages.values()}
    files: dict[str, str | bytes] = {}
    entries = []
    for document in DOCUMENTS:
        own = {folder: page for folder, page in pages.items() if page.name in document.pages}
        tested = claims.get(document.number, ())
        for folder, page in own.items():
            files |= render(page, folder, document=document, pages=titles, claims=tested)
        entries.append(
            {
                "document": document,
                "pages": [{"page": page, **_printed(folder)} for folder, page in own.items()],
                "claims": tested,
            }
        )
    return files | {"seeds/index.html": site.render("seeds/index.html", 1, page="seeds", entries=entries)}


def _printed(folder: Path) -> dict[str, Any]:
    record = read_record(folder)
    numbers = [number["same"] for number in record["printed"]]
    compared = [same for same in numbers if same is not None]
    return {
        "data": record["data"],
        "run": bool(record["parameters"]),
        "printed": len(numbers),
        "compared": len(compared),
        "same": sum(compared),
    }
