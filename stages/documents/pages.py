"""All pages on the documents, from the results of their experiments."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.documents import DOCUMENTS, FOLDER, module
from stages.documents.page import DocumentPage, read_record, render
from stages.reporting import site
from stages.reporting.figures import Drawing


@dataclass(frozen=True)
class MadePage:
    """A page of a document, with what else is needed to render it."""

    page: DocumentPage
    template: str
    folder: Path
    """The results that it shows."""


def build(
    names: Collection[str], claims: Mapping[str, Sequence[Mapping[str, Any]]], drawing: Drawing
) -> dict[str, str | bytes]:
    """The pages of all documents with their tables, and the page that lists them; their figures are drawn.

    `names` are the documents that `params.yaml` names; the claims are by the number of their document. Raises
    `UserError` if results are missing.
    """
    made: dict[str, list[MadePage]] = {}
    for name in DOCUMENTS:
        made[name] = read(name, name in names)
        for each in made[name]:
            drawing.add(each.page.figures.values())
    titles = {each.page.name: each.page.title for own in made.values() for each in own}
    files: dict[str, str | bytes] = {}
    entries = []
    for name, document in DOCUMENTS.items():
        tested = claims.get(document.number, ())
        for each in made[name]:
            files |= render(each.page, each.template, each.folder, document=document, pages=titles, claims=tested)
        shown = [{"page": each.page, **_printed(each.folder)} for each in made[name]]
        entries.append({"document": document, "pages": shown, "claims": tested})
    index = site.render("documents/index.html", 1, page="documents", entries=entries)
    return files | {"documents/index.html": index}


def read(name: str, run: bool) -> list[MadePage]:
    """The pages of a document: of what other stages ran of it and, if it was `run` itself, of its experiment.

    Raises `UserError` if results are missing.
    """
    made = []
    for part, data in DOCUMENTS[name].pages.items():
        if data is None and not run:
            continue
        folder = data or FOLDER / name
        made.append(MadePage(module(name, part).page(folder), f"{name}/{part}.html", folder))
    return made


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
