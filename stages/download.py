"""Fetch the chosen source into `data/raw`, with a manifest of its files and their hashes."""

from __future__ import annotations

from stages import config
from stages.datasets.manifest import NAME, RAW, read_manifest
from stages.datasets.sources import SOURCES
from stages.errors import stage


@stage
def main() -> None:
    data = config.load().data
    SOURCES[data.source].fetch(data, RAW)
    keep = {NAME, *read_manifest().files}
    for file in RAW.iterdir():
        if file.name not in keep:  # left by another source or by an interrupted download
            file.unlink()


if __name__ == "__main__":
    main()
