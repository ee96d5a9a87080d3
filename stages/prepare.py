"""Decode the source once: one pool of images with the labels of every task, a test set apart, and splits by seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stages import config, tasks
from stages.artefacts import checked, record
from stages.datasets.card import card
from stages.datasets.duplicates import among, repeats
from stages.datasets.manifest import NAME, RAW, downloaded
from stages.datasets.noise import label_set
from stages.datasets.sampling import draw_splits
from stages.datasets.sources.base import Decoded, LabelSet
from stages.datasets.test_set import TEST, HeldOut, write_test
from stages.errors import UserError, stage
from stages.files import write_json
from stages.tasks import Material, TaskData

CARD = Path("data/card.json")


@stage
def main() -> None:
    params = config.load()
    source, splits = params.source, params.splits
    raw = RAW / source.name
    checked(raw / NAME)
    manifest = downloaded(source.name, raw)
    data = source.decode(raw)

    tested = among(data.images, data.test_images)
    clean, *noisy = (replace(own, labels=own.labels[~tested]) for own in (data.clean, *data.noisy.values()))
    data = replace(data, images=data.images[~tested], clean=clean, noisy=dict(zip(data.noisy, noisy, strict=True)))
    duplicates = {
        "removed_from_pool": int(tested.sum()),
        "within_pool": repeats(data.images),
        "within_test": repeats(data.test_images),
    }
    label_sets = {
        name: labels_of(task, name, data, params.data.label_noise.seed) for name, task in params.all_tasks.items()
    }
    sizes = {name: task.train for name, task in params.all_tasks.items()}
    seeds = [*params.final_seeds, *params.tune.seeds]
    try:
        drawn = draw_splits(clean.labels, data.classes, seeds, splits.train, splits.val, sizes)
    except UserError as error:
        same = f"\n{tested.sum():,} more are left out, because they are also in the test set" if tested.any() else ""
        raise UserError(f"{error}{same}") from None

    learnt = {name: TaskData(name, own.labels, drawn[name]) for name, own in label_sets.items()}
    tasks.write(Material(data.images, data.classes, learnt))
    write_test(HeldOut(data.test_images, data.test_labels))
    write_json(CARD, card(source, manifest, data, label_sets, duplicates, splits.model_dump()))
    record(tasks.POOL, tasks.SPLITS, TEST, CARD)
    pool, test = len(data.images), len(data.test_images)
    print(f"{tasks.POOL}: {pool:,} images of {len(data.classes)} classes; {TEST}: {test:,}")


def labels_of(task: config.Task, name: str, data: Decoded, seed: int) -> LabelSet:
    """The labels of a task: the true ones, those that the source brings under this name, or noisy ones."""
    if task.noise is None:
        return data.clean
    if name in data.noisy:
        return data.noisy[name]
    kind, rate = task.noise.kind, task.noise.rate
    return label_set(name, kind, rate, seed, data.images, data.clean.labels, len(data.classes))


if __name__ == "__main__":
    main()
