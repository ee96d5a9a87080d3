"""Fetch the chosen source into `data/raw/<source>`, with a manifest of its files and their hashes."""

from __future__ import annotations

import shutil

from stages import config
from stages.artefacts import record
from stages.datasets.manifest import NAME, RAW, downloaded
from stages.datasets.sources import Source
from stages.errors import stage


@stage
def main() -> None:
    source: Source = config.load().source
    raw = RAW / source.name
    source.fetch(raw)
    keep = {NAME, *downloaded(source.name, raw).files}
    for path in raw.iterdir():  # what a killed download left behind
        if path.name not in keep:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    record(raw / NAME)


if __name__ == "__main__":
    main()
