"""Document 004: a book's forum on weight decay in high dimension."""

from __future__ import annotations

from stages.config import Section, Seeds
from stages.documents.base import Document


class LinearDecaySettings(Section):
    seeds: Seeds


DOCUMENT = Document(
    number="004",
    title="Dive into Deep Learning, forum on weight decay",
    about="Readers’ answers to a chapter’s exercises on linear regression with more inputs than rows.",
    url="https://d2l.ai/chapter_linear-regression/weight-decay.html",
    settings=LinearDecaySettings,
)
