"""One idea per file. A file here with a ``Regularizer`` subclass is known to ``params.yaml`` by the file's name."""

from __future__ import annotations

import importlib
import pkgutil

from stages.regularizers.base import Regularizer


def _find() -> dict[str, type[Regularizer]]:
    found = {}
    for module in pkgutil.iter_modules(__path__):
        content = vars(importlib.import_module(f"{__name__}.{module.name}"))
        for value in content.values():
            if isinstance(value, type) and issubclass(value, Regularizer) and value is not Regularizer:
                found[module.name] = value
    return found


__all__ = ["REGULARIZERS", "Regularizer"]

REGULARIZERS: dict[str, type[Regularizer]] = _find()
"""Regularizer classes by the name of their file."""
