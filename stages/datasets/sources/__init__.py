"""One source of images per file. A file here with a `Source` subclass is known to `params.yaml` by the file's name."""

from __future__ import annotations

import importlib
import pkgutil

from stages.datasets.sources.base import Source


def _find() -> dict[str, type[Source]]:
    found = {}
    for module in pkgutil.iter_modules(__path__):
        content = vars(importlib.import_module(f"{__name__}.{module.name}"))
        for value in content.values():
            if isinstance(value, type) and issubclass(value, Source) and value.__module__.endswith(f".{module.name}"):
                found[module.name] = value
    del found["base"]
    return found


__all__ = ["SOURCES", "Source"]

SOURCES: dict[str, type[Source]] = _find()
"""Source classes by the name of their file, which is the one that `data.source` gives."""
