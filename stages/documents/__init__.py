"""The documents that the benchmark began with. A folder here with a ``DOCUMENT`` is known by the folder's name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from stages import config
from stages.config import Params, Section
from stages.documents.base import Document
from stages.yaml_files import refused

FOLDER = Path("data/documents")
"""Where the outcome of each document's experiment lies, in a folder of the document's name."""


def _find() -> dict[str, Document]:
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.ispkg]
    found = {name: importlib.import_module(f"{__name__}.{name}").DOCUMENT for name in names}
    return dict(sorted(found.items(), key=lambda item: item[1].number))


DOCUMENTS: dict[str, Document] = _find()
"""By the name of their folder, in the order of their numbers."""


def module(name: str, part: str) -> ModuleType:
    """A module of a document's folder."""
    return importlib.import_module(f"{__name__}.{name}.{part}")


def settings(params: Params) -> Mapping[str, Section]:
    """The settings of the documents that ``params.yaml`` names, in the order of their numbers; the others are not run.

    Raises ``UserError`` that lists every mistake in the section, as ``config.load`` does for the others.
    """
    problems: list[str] = []
    allowed = ", ".join(DOCUMENTS)
    if not params.documents:
        problems.append(f"documents: names none; name one or more of {allowed}")
    problems += [f"documents.{name}: unknown key; allowed: {allowed}" for name in params.documents.keys() - DOCUMENTS]
    found = {}
    for name, document in DOCUMENTS.items():
        if name not in params.documents:
            continue
        values = params.documents[name]
        if values is None:
            problems.append(
                f"documents.{name}: found nothing; allowed: its parameters, or delete the key, and the document is "
                "not run"
            )
            continue
        found[name] = config.check(document.settings, values, ("documents", name), problems)
    if problems:
        raise refused(config.PARAMS, problems)
    return {name: section for name, section in found.items() if section is not None}
