"""The definition of a document. Importing this does not import torch, so that settings are checked quickly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stages.config import Section


@dataclass(frozen=True)
class Document:
    """The `DOCUMENT` of a folder of `stages/documents/`: what it is, and which of the folder's modules do what.

    The folder's name is that of its section in `params.yaml` and of its stage, `document@<name>`. Its module `claims`
    holds its `CLAIMS`.
    """

    number: str
    """Three digits. Documents, and their claims, are in this order."""
    title: str
    about: str
    """What it does, in a sentence."""
    url: str
    """Empty where no address is known."""
    settings: type[Section]
    """The model of its section."""
    experiment: str = "experiment"
    """The module with `run(settings, context)`, which gives an `ExperimentOutcome`."""
    pages: Mapping[str, Path | None] = field(default_factory=lambda: {"page": None})
    """The modules with `page(folder)`, which gives a `DocumentPage`; beside each lies its template, `<module>.html`.

    The value is the folder of the results that it shows, if a stage other than `document@<name>` makes them.
    """


@dataclass(frozen=True)
class ExperimentContext:
    """What an experiment is given besides its settings."""

    device: str
    """As `training.device` in `params.yaml` names it. One that ignores it runs on the CPU."""
    parts: Path
    """Where it may keep finished parts, so that an interruption does not lose them; see `stages.training.kept`."""
