"""Fetch the chosen source into `data/raw`, with a manifest of its files and their hashes."""

from __future__ import annotations

import shutil

from stages import config
from stages.datasets.manifest import NAME, RAW, downloaded
from stages.datasets.sources import SOURCES
from stages.errors import stage


@stage
def main() -> None:
    data = config.load().data
    SOURCES[data.source].fetch(data, RAW)
    keep = {NAME, *downloaded(data.source, RAW).files}
    for path in RAW.iterdir():  # what another source or a killed download left behind
        if path.name not in keep:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    main()
