"""Products of the matrices of a stack."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from stages.networks.products import product

VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "rows": lambda m: m.contiguous(),
    "columns": lambda m: m.mT.contiguous().mT,
    "part of larger rows": lambda m: torch.cat([m, m], -1)[..., : m.shape[-1]],
    "every other number": lambda m: torch.stack([m, -m], -1)[..., 0],
    "stack in the middle": lambda m: m.transpose(0, 1).contiguous().transpose(0, 1),
}


def matrices(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


@pytest.mark.parametrize("left", VIEWS)
@pytest.mark.parametrize("right", VIEWS)
@pytest.mark.parametrize("shape", [(3, 5, 7, 4), (1, 1, 6, 1), (2, 8, 1, 3), (2, 16, 64, 100)], ids=str)
def test_a_product_is_that_of_torch_however_its_factors_lie_in_memory(
    shape: tuple[int, int, int, int], left: str, right: str
) -> None:
    replicas, rows, inner, columns = shape
    a, b = matrices(replicas, rows, inner), matrices(replicas, inner, columns)
    found = product(VIEWS[left](a), VIEWS[right](b))
    torch.testing.assert_close(found, torch.bmm(a.double(), b.double()).float(), rtol=1e-5, atol=1e-5)
    assert torch.equal(found, product(a, b))


def test_a_factor_may_repeat_one_matrix_or_one_number() -> None:
    a, b = matrices(1, 4, 6).expand(3, 4, 6), matrices(3, 6, 1).expand(3, 6, 5)
    torch.testing.assert_close(product(a, b), torch.bmm(a, b))
    ones = torch.ones(()).expand(3, 6, 5)
    torch.testing.assert_close(product(a, ones), torch.bmm(a, ones))


def test_its_derivatives_are_right_to_any_order() -> None:
    a = matrices(2, 3, 4, dtype=torch.float64).requires_grad_()
    b = matrices(2, 4, 5, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(product, (a, b))
    assert torch.autograd.gradgradcheck(product, (a, b))
    assert torch.autograd.gradcheck(lambda m: product(m, m.mT), (a,))


def test_what_needs_no_gradient_gets_none() -> None:
    a, b = matrices(2, 3, 4), matrices(2, 4, 5).requires_grad_()
    product(a, b).sum().backward()
    assert a.grad is None
    torch.testing.assert_close(b.grad, a.mT @ torch.ones(2, 3, 5))
    with torch.no_grad():
        assert not product(a, b).requires_grad


@pytest.mark.filterwarnings("error")
def test_numbers_that_are_not_finite_pass_without_a_warning() -> None:
    a = torch.full((1, 2, 2), torch.inf)
    assert product(a, -a).isneginf().all()
    assert product(a, torch.zeros(1, 2, 2)).isnan().all()
    assert product(torch.full((1, 2, 2), 1e38), a).isposinf().all()


def test_on_a_gpu_it_is_torchs() -> None:
    with FakeTensorMode():
        found = product(torch.empty(2, 3, 4, device="cuda"), torch.empty(2, 4, 5, device="cuda"))
    assert found.device.type == "cuda"
    assert found.shape == (2, 3, 5)
