"""Document 000: the code of a lecture, logistic regression with weight decay."""

from __future__ import annotations

from typing import Literal

from stages.config import Address, Section, Seeds
from stages.documents.base import Document


class LogisticDecaySettings(Section):
    data: Literal["generated", "published"]
    url: Address
    seeds: Seeds
    """Number of fresh data sets."""


DOCUMENT = Document(
    number="000",
    title="Lecture 7: Regularization in Neural Networks, code",
    about="Logistic regression on two features, with weight decay by the optimizer and as a penalty in the loss.",
    url="https://github.com/DL4CV-NPTEL/Deep-Learning-For-Computer-Vision",
    settings=LogisticDecaySettings,
)
