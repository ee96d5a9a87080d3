"""Stage ``replay``: the course notebook on faces, draw for draw, defects included, into ``data/replay/``."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd

from stages import config, files
from stages.artefacts import checked
from stages.datasets import image_folder
from stages.datasets.card import title
from stages.datasets.manifest import NAME, RAW, downloaded
from stages.documents import outcome
from stages.documents.face_notebook import REPLAY
from stages.documents.face_notebook import replay as notebook
from stages.errors import stage
from stages.training.device import find_device


@stage
def main() -> None:
    params = config.load()
    source = params.source
    raw = RAW / source.name
    checked(raw / NAME)
    manifest = downloaded(source.name, raw)
    listings = image_folder.listings(source, params.data.label_noise.seed, raw)

    find_device("cpu")  # one thread per operation, and deterministic

    clean = listings["clean"]
    sizes = {name: len(listing.labels) for name, listing in listings.items()}
    height, width, _ = clean.image_shape
    described = outcome.DataNote(
        title(source, manifest),
        source.name == "afhq" and not manifest.from_mirror,
        f"{source.description} {sizes['clean']:,} images of {height}×{width} pixels outside the test set.",
    )
    if min(sizes.values()) < notebook.SMALLEST:  # the benchmark needs only what `splits` says, and continues
        nothing = pd.DataFrame(columns=["case", "seed", "metric", "value"])
        needed = f"{described.description} The notebook’s splits take {notebook.SMALLEST}."
        outcome.write(outcome.ExperimentOutcome(replace(described, description=needed), {}, nothing), REPLAY)
        print(f"{REPLAY}: not run: it needs {notebook.SMALLEST} images outside the test set; everything else runs")
        return

    splits = notebook.draw_splits(sizes, clean.image_shape, len(clean.classes))
    examples = {}
    for label_set, listing in listings.items():
        own = {name: parts for name, parts in splits.items() if notebook.SPLITS[name].labels == label_set}
        positions = np.unique(np.concatenate([part for parts in own.values() for part in parts]))
        images, labels = listing.read(positions), listing.labels[positions]
        for name, parts in own.items():
            train, val = (np.searchsorted(positions, part) for part in parts)
            examples[name] = (
                notebook.NotebookExamples(images[train], labels[train]),
                notebook.NotebookExamples(images[val], labels[val]),
            )

    result = notebook.run(examples, len(clean.classes), described, notebook.EXPERIMENTS)
    lines = [
        f'"{name}": ' + json.dumps({"train": train.tolist(), "val": val.tolist()})
        for name, (train, val) in splits.items()
    ]
    files.write_text(REPLAY / "splits.json", "{\n" + ",\n".join(lines) + "\n}\n")
    outcome.write(result, REPLAY)
    print(f"{REPLAY}: {len(result.parameters)} experiments on {described.title}; {result.reproduced}")


if __name__ == "__main__":
    main()
