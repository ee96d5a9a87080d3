"""A stack that is kept comes back to the bit, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stages.training.kept import CHECKSUM, keep, kept, packed, unpacked

TENSORS = {
    "weights/b": torch.tensor([[1.5, -0.0], [float("nan"), 1e-40]]),
    "diverged": torch.tensor([True, False]),
    "measured": torch.tensor([3, 4]),
    "weights/a": torch.tensor([0.1], dtype=torch.float64),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "of/a/variant.stack"


def test_what_is_kept_comes_back_to_the_bit_and_in_one_order(path: Path) -> None:
    payload = packed(TENSORS)
    keep(path, payload)
    for found in (unpacked(payload), kept(path), kept(path)):
        assert found is not None
        assert list(found) == sorted(TENSORS)
        for name, value in found.items():
            assert value.dtype == TENSORS[name].dtype
            assert value.shape == TENSORS[name].shape
            assert value.numpy().tobytes() == TENSORS[name].numpy().tobytes()
    assert list(path.parent.iterdir()) == [path]


def test_what_is_not_there_is_no_damage(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kept(path) is None
    assert capsys.readouterr().out == ""


def test_any_turned_byte_and_any_missing_end_is_damage(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(path, packed(TENSORS))
    whole = path.read_bytes()
    turned = [whole[:i] + bytes([whole[i] ^ 1 << i % 8]) + whole[i + 1 :] for i in range(len(whole))]
    shorter = [whole[:i] for i in range(len(whole))]
    longer = [whole + b"\0", whole + whole]
    for content in (*turned, *shorter, *longer, bytes(CHECKSUM), bytes(len(whole))):
        path.write_bytes(content)
        assert kept(path) is None
        assert not path.exists()
        assert capsys.readouterr().out == f"{path} was damaged and is deleted; its content is trained again\n"


def test_a_folder_in_its_place_is_damage(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path / "more").mkdir(parents=True)
    assert kept(path) is None
    assert str(path) in capsys.readouterr().out
    keep(path, packed(TENSORS))
    assert kept(path) is not None
