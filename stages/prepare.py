"""Decode the source once: one pool of images under three label sets, a test set apart, and splits for every seed."""

from __future__ import annotations

from pathlib import Path

from stages import config
from stages.datasets.arrays import Pool, write_pool, write_splits
from stages.datasets.card import card
from stages.datasets.duplicates import among, repeats
from stages.datasets.manifest import RAW
from stages.datasets.noise import derive
from stages.datasets.sampling import draw_splits
from stages.datasets.sources import SOURCES
from stages.datasets.test_set import HeldOut, write_test
from stages.errors import stage
from stages.files import write_json

CARD = Path("data/card.json")


@stage
def main() -> None:
    params = config.load()
    data = params.data
    source = SOURCES[data.source]
    decoded = source.decode(data, RAW)

    kept = ~among(decoded.images, decoded.test_images)
    clean = decoded.labels[kept]
    noise = data.label_noise
    origins = {"clean": ("as published", 0.0)}
    if decoded.label_sets:
        noisy = {name: own.labels[kept] for name, own in decoded.label_sets.items()}
        origins |= {name: (own.origin, own.nominal_rate) for name, own in decoded.label_sets.items()}
    else:
        noisy = derive(clean, len(decoded.classes), noise)
        origins |= {name: (f"derived from seed {noise.seed}", getattr(noise, name)) for name in noisy}
    pool = Pool(decoded.images[kept], {"clean": clean, **noisy}, decoded.classes)
    splits = draw_splits(clean, pool.classes, params.splits)
    duplicates = {
        "removed_from_pool": int((~kept).sum()),
        "within_pool": repeats(pool.images),
        "within_test": repeats(decoded.test_images),
    }

    write_pool(pool)
    write_test(HeldOut(decoded.test_images, decoded.test_labels))
    write_splits(splits)
    write_json(
        CARD,
        card(data.source, source, pool, decoded.test_labels, origins, duplicates, decoded.unreadable, params.splits),
    )


if __name__ == "__main__":
    main()
