"""Document 002: a question on Stack Overflow, whether the decay is divided by the batch size."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stages.config import Epochs, Section
from stages.documents.base import Document


class DecayScalingSettings(Section):
    epochs: Annotated[Epochs, Field(ge=2)]
    """The first step, from zero, decays nothing."""


DOCUMENT = Document(
    number="002",
    title="Stack Overflow, a question: why L2 regularization by hand does not match PyTorch’s",
    about="Its author divides the penalty by the number of rows; the answer shows that PyTorch does not.",
    url="",
    settings=DecayScalingSettings,
)
