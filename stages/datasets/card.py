"""The data card: what was measured of the data, for the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from stages.config import Splits
from stages.datasets.arrays import Labels, Pool
from stages.datasets.source import Source


def card(
    name: str,
    source: Source,
    pool: Pool,
    test_labels: Labels,
    origins: Mapping[str, tuple[str, float]],
    duplicates: Mapping[str, int],
    unreadable: Mapping[str, str],
    splits: Splits,
) -> dict[str, Any]:
    """Everything the report's data page shows, as plain values; `origins` gives origin and nominal rate per label set."""
    height, width, channels = pool.images.shape[1:]
    clean = pool.labels["clean"]
    return {
        "source": name,
        "title": source.title,
        "description": source.description,
        "url": source.url,
        "licence": source.licence,
        "licence_url": source.licence_url,
        "citation": source.citation,
        "image": {"height": height, "width": width, "channels": channels},
        "classes": list(pool.classes),
        "counts": {"pool": _counts(clean, pool.classes), "test": _counts(test_labels, pool.classes)},
        "label_sets": {
            label_set: {
                "origin": origins[label_set][0],
                "nominal_rate": origins[label_set][1],
                "wrong_share": float(np.mean(labels != clean)),
                "counts": _counts(labels, pool.classes),
            }
            for label_set, labels in pool.labels.items()
        },
        "duplicates": dict(duplicates),
        "unreadable": [{"file": file, "reason": reason} for file, reason in unreadable.items()],
        "splits": splits.model_dump(),
    }


def _counts(labels: Labels, classes: tuple[str, ...]) -> dict[str, int]:
    return dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))
