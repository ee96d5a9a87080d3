"""Stage ``plan``: for each variant, in ``data/plan/<variant>.json``, what its training depends on and others' does not.

These are its parameters and the contents of its own methods' files. So adding or editing a method retrains only the
variants that use it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from stages import artefacts, config, files, regularizers
from stages.config import Variant
from stages.errors import stage
from stages.regularizers import base

PLAN = Path("data/plan")


@stage
def main() -> None:
    params = config.load()
    for variant in params.variants.values():
        files.write_json(PLAN / f"{variant.name}.json", plan(variant))
    for path in PLAN.glob("*.json"):
        if path.stem not in params.variants:
            path.unlink()
    artefacts.record(PLAN)
    print(f"{PLAN}: {len(params.variants)} variants")


def plan(variant: Variant) -> dict[str, Any]:
    """What determines how a variant is trained, besides the code that all share."""
    return {
        "parameters": variant.parameters(),
        "methods": {str(path): files.sha256(path) for path in own_files(variant)},
    }


def own_files(variant: Variant) -> list[Path]:
    """The files that hold a variant's methods, and those beside them that these import from."""
    shared = {regularizers.__name__, base.__name__}  # what all methods import is part of the training code
    found: set[str] = set()
    new = {type(method).__module__ for method in variant.regularizers}
    while new := new - found - shared:
        found |= new
        used = {getattr(value, "__module__", "") for name in new for value in vars(sys.modules[name]).values()}
        new = {str(name) for name in used if str(name).startswith(f"{regularizers.__name__}.")}
    return sorted(Path(*name.split(".")).with_suffix(".py") for name in found)


if __name__ == "__main__":
    main()
