"""Document 003: a notebook on MNIST, whose networks have a ReLU on the outputs."""

from __future__ import annotations

from typing import Literal

from stages.config import Address, Epochs, Section, Seeds
from stages.documents.base import Document


class MnistMlpSettings(Section):
    data: Literal["digits", "mnist"]
    url: Address
    seeds: Seeds
    epochs: Epochs


DOCUMENT = Document(
    number="003",
    title="A notebook on MNIST: Regularization in Machine Learning",
    about="Networks on MNIST without regularization, with weight decay, dropout and batch normalization.",
    url="",
    settings=MnistMlpSettings,
)
