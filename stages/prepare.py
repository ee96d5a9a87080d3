"""Decode the source once: one pool of images under three label sets, a test set apart, and splits for every seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stages import config
from stages.datasets.arrays import POOL, Pool, write_pool, write_splits
from stages.datasets.card import card
from stages.datasets.duplicates import among, repeats
from stages.datasets.manifest import RAW, downloaded
from stages.datasets.noise import derive
from stages.datasets.sampling import draw_splits
from stages.datasets.sources import SOURCES
from stages.datasets.test_set import TEST, HeldOut, write_test
from stages.errors import stage
from stages.files import write_json

CARD = Path("data/card.json")


@stage
def main() -> None:
    params = config.load()
    source = SOURCES[params.data.source]
    raw = RAW / params.data.source
    data = source.decode(params.data, raw)

    tested = among(data.images, data.test_images)
    labels = {name: replace(own, labels=own.labels[~tested]) for name, own in data.labels.items()}
    if set(labels) == {"clean"}:
        labels |= derive(labels["clean"].labels, len(data.classes), params.data.label_noise)
    data = replace(data, images=data.images[~tested], labels=labels)
    duplicates = {
        "removed_from_pool": int(tested.sum()),
        "within_pool": repeats(data.images),
        "within_test": repeats(data.test_images),
    }
    splits = draw_splits(labels["clean"].labels, data.classes, params.splits)

    write_pool(Pool(data.images, {name: own.labels for name, own in labels.items()}, data.classes))
    write_test(HeldOut(data.test_images, data.test_labels))
    write_splits(splits)
    write_json(CARD, card(source, downloaded(params.data.source, raw), data, duplicates, params.splits))
    print(f"{POOL}: {len(data.images):,} images of {len(data.classes)} classes; {TEST}: {len(data.test_images):,}")


if __name__ == "__main__":
    main()
