"""What stands in a file of parameters is accepted and sane, or refused with an error that says what is wrong."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from stages import config
from stages.errors import UserError
from tests import mutations


def test_a_mutated_file_is_sane_or_refused_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred thousand by hand: ``python -m tests.mutations 100000``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["config"])
    mutations.prepare(tmp_path)
    found = Counter(mutations.outcome(random.Random(seed)) for seed in range(250))
    assert found.keys() == {"accepted", "refused"}
    assert min(found.values()) > 15


@pytest.mark.parametrize("content", mutations.WHOLE, ids=lambda content: f"{content[:9]!r}-{len(content)}")
def test_what_is_no_file_of_parameters_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"params\.yaml") as error:
        config.load(path)
    assert len(str(error.value)) < 10_000
