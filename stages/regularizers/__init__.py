"""One method per file: what ``params.yaml`` says of it and its work."""

from __future__ import annotations

import importlib
import pkgutil

from stages.regularizers.base import Regularizer


def find() -> dict[str, type[Regularizer]]:
    """The methods by their keys. Raises ``TypeError`` for a key that two classes claim."""
    found: dict[str, type[Regularizer]] = {}
    for module in pkgutil.iter_modules(__path__):
        for value in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            # A base class that methods share has no key of its own, nor has a class that is imported here one more.
            if not (isinstance(value, type) and issubclass(value, Regularizer) and "key" in vars(value)):
                continue
            if found.setdefault(value.key, value) is not value:
                raise TypeError(f"{value} and {found[value.key]} have the key {value.key!r}")
    return found


__all__ = ["REGULARIZERS", "Regularizer", "find"]

REGULARIZERS: dict[str, type[Regularizer]] = find()
"""The methods that ``params.yaml`` may name."""
