from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def _as_it_was() -> Iterator[None]:
    """A study may round denormal numbers to zero, which is a state of the thread and no business of later tests."""
    yield
    torch.set_flush_denormal(False)
