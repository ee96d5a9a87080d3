"""The data card: what was measured in the data, for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from stages.datasets.manifest import Manifest
from stages.datasets.sources.base import Decoded, LabelSet, Source
from stages.tasks import Labels


def card(
    source: Source,
    manifest: Manifest,
    data: Decoded,
    label_sets: Mapping[str, LabelSet],
    duplicates: Mapping[str, int],
    splits: Mapping[str, Any],
) -> dict[str, Any]:
    """Plain values for JSON; `data` is the source without duplicates, and `label_sets` the labels of each task."""
    height, width, channels = source.shape
    clean = data.clean.labels
    return {
        "source": manifest.source,
        "title": title(source, manifest),
        "description": source.description,
        "url": source.url,
        "licence": source.licence,
        "licence_url": source.licence_url,
        "citation": source.citation,
        "files": [{"name": name, **asdict(entry)} for name, entry in manifest.files.items() if entry.url],
        "image": {"height": height, "width": width, "channels": channels},
        "classes": list(data.classes),
        "counts": {"pool": _counts(clean, data.classes), "test": _counts(data.test_labels, data.classes)},
        "test_origin": data.test_origin,
        "tasks": {
            name: {
                "origin": own.origin,
                "rate": own.rate,
                "wrong_share": float(np.mean(own.labels != clean)),
                "counts": _counts(own.labels, data.classes),
            }
            for name, own in label_sets.items()
        },
        "duplicates": dict(duplicates),
        "unreadable": [{"file": file, "reason": reason} for file, reason in data.unreadable.items()],
        "splits": dict(splits),
    }


def title(source: Source, manifest: Manifest) -> str:
    """What the data are called wherever they are shown."""
    # Without known hashes a mirror's files cannot be distinguished from the real ones: the report says so.
    unknown = manifest.from_mirror and not source.hashed
    return f"Images from a mirror, not verified to be {source.title}" if unknown else source.title


def _counts(labels: Labels, classes: tuple[str, ...]) -> dict[str, int]:
    return dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))
