"""Dropout: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from stages.regularizers.base import Regularizer

if TYPE_CHECKING:
    from stages.models import Network


class Dropout(Regularizer):
    """Zeroes each hidden unit with probability ``p`` in training, after the linear map and before the activation."""

    title: ClassVar[str] = "Dropout"
    paper: ClassVar[str] = "Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html"

    p: float = Field(ge=0, lt=1)

    def build(self, network: Network) -> None:
        network.set_dropout(self.p)
