"""Document 001: a course notebook on pictures of animals' faces, and its toy, a noisy line.

The faces are the stage `replay`, on the images of the benchmark; `document@face_notebook` is the toy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from stages.config import Section, Seeds
from stages.documents.base import Document

REPLAY = Path("data/replay")
"""Where the stage `replay` writes."""


class ToyDropoutSettings(Section):
    seeds: Seeds
    steps: Annotated[int, Field(ge=500, le=1_000_000, multiple_of=500)]


DOCUMENT = Document(
    number="001",
    title="Neuromatch Academy, Regularization techniques part 2",
    about="A course notebook: penalties, dropout, augmentation and learning rates on Animal Faces, and a noisy line.",
    url="https://deeplearning.neuromatch.io/tutorials/W2D1_Regularization/student/W2D1_Tutorial2.html",
    settings=ToyDropoutSettings,
    experiment="toy_dropout",
    pages={"replay_page": REPLAY, "toy_dropout_page": None},
)
