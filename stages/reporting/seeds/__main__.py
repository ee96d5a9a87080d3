"""``python -m stages.reporting.seeds NAME FOLDER``: one page alone, to look at while it is written."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from stages.reporting import figures, site
from stages.reporting.seeds.documents import DOCUMENTS
from stages.reporting.seeds.page import render

if __name__ == "__main__":
    name, out = sys.argv[1], Path(sys.argv[2])
    folder = Path("data/replay" if name == "replay" else f"data/studies/{name}")
    page = import_module(f"stages.reporting.seeds.{name}").page(folder)
    document = next(document for document in DOCUMENTS if name in document.pages)
    files: dict[str, str | bytes] = render(page, folder, document=document, pages={name: page.title}, claims=[])
    files |= {f"figures/{figure.name}.csv": figure.csv for figure in page.figures.values()}
    drawn = figures.draw(list(page.figures.values()))
    files |= {f"figures/{figure.name}.svg": svg for figure, svg in zip(page.figures.values(), drawn, strict=True)}
    site.publish(files | site.assets(), out, ())
    print(out / f"seeds/{name}.html")
