"""Products of the matrices of a stack.

On a CPU they are NumPy's, so OpenBLAS's: of the libraries at hand its products alone are as fast as any and, with the
kernels that `stages/__init__.py` asks for, the same on every processor. They do not depend on where a matrix begins.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def product(a: Tensor, b: Tensor) -> Tensor:
    """Matrices (R, l, m) times matrices (R, m, n): (R, l, n). Can be differentiated any number of times."""
    if a.device.type != "cpu":
        return torch.bmm(a, b)
    result: Tensor = _Product.apply(a, b)
    return result


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        with np.errstate(all="ignore"):  # networks that diverge are noted by their loss
            return torch.from_numpy(np.matmul(_array(a), _array(b)))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        left, right = ctx.needs_input_grad
        return product(gradient, b.mT) if left else None, product(a.mT, gradient) if right else None


def _array(matrices: Tensor) -> NDArray[Any]:
    """The same numbers for NumPy, which leaves a matrix to OpenBLAS only if its rows or its columns lie in a row."""
    rows, columns = matrices.stride()[1:]
    in_a_row = (columns == 1 and rows >= matrices.shape[2]) or (rows == 1 and columns >= matrices.shape[1])
    return (matrices if in_a_row else matrices.contiguous()).detach().numpy()
