"""Every claim that is tested: by the number of its document, then as the document's folder lists them."""

from __future__ import annotations

from dataclasses import replace

from stages.documents import DOCUMENTS, module
from stages.documents.claim import Claim

CLAIMS: tuple[Claim, ...] = tuple(
    replace(claim, document=document.number)
    for name, document in DOCUMENTS.items()
    for claim in module(name, "claims").CLAIMS
)
