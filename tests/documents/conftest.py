from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from stages.documents.base import ExperimentContext

NOWHERE = ExperimentContext("cpu", Path("keeps no parts"))


@pytest.fixture(autouse=True, scope="module")
def _as_it_was() -> Iterator[None]:
    """An experiment may round denormal numbers to zero: a state of the thread and no business of later tests."""
    yield
    torch.set_flush_denormal(False)
