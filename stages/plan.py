"""Stage ``plan``: for each variant, in ``data/plan/<variant>.json``, what its training depends on and others' does not.

Its parameters and the contents of its own methods' files. So a new method trains nothing but itself, and an edited one
only the variants that use it.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from stages import config, files
from stages.config import Variant
from stages.errors import stage
from stages.regularizers.base import Regularizer, Work

PLAN = Path("data/plan")


@stage
def main() -> None:
    params = config.load()
    for variant in params.variants.values():
        files.write_json(PLAN / f"{variant.name}.json", plan(variant))
    for path in PLAN.glob("*.json"):
        if path.stem not in params.variants:
            path.unlink()
    print(f"{PLAN}: {len(params.variants)} variants")


def plan(variant: Variant) -> dict[str, Any]:
    """What decides how a variant is trained, besides the code that all share."""
    return {
        "parameters": variant.parameters(),
        "methods": {str(path): files.sha256(path) for path in own_files(variant)},
    }


def own_files(variant: Variant) -> list[Path]:
    """The files that hold a variant's methods, and what these inherit from, but for the base of all."""
    classes = {kind for method in variant.regularizers for one in (type(method), method.work) for kind in one.__mro__}
    root = Path.cwd()
    paths = {
        Path(inspect.getfile(kind)).resolve().relative_to(root)
        for kind in classes
        if issubclass(kind, Regularizer | Work) and kind not in (Regularizer, Work)
    }
    return sorted(paths)


if __name__ == "__main__":
    main()
