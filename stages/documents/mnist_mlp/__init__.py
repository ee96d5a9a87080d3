"""Document 003: a notebook on MNIST, whose networks have a ReLU on the outputs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stages.config import Address, Count, Section
from stages.documents.base import Document


class MnistMlpSettings(Section):
    data: Literal["digits", "mnist"]
    url: Address
    seeds: Annotated[int, Field(ge=2)]
    epochs: Count


DOCUMENT = Document(
    number="003",
    title="A notebook on MNIST: Regularization in Machine Learning",
    about="Networks on MNIST without regularization, with weight decay, dropout and batch normalization.",
    url="",
    settings=MnistMlpSettings,
)
