"""Random numbers for a stack of replicas, each replica drawing from streams of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stages import rng


class Streams:
    """One random stream per replica and purpose.

    Numbers are drawn on the CPU and moved, so they are the same on every device, and the same whether a replica
    trains alone or in a stack.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device):
        self.seeds, self.device = tuple(seeds), device
        self._generators: dict[tuple[int, str], torch.Generator] = {}
        self._numpys: dict[tuple[int, str], np.random.Generator] = {}

    def generator(self, replica: int, purpose: str) -> torch.Generator:
        """The replica's CPU generator for a purpose, such as ``init`` or ``batch_order``."""
        key = replica, purpose
        if key not in self._generators:
            state = rng.sequence(self.seeds[replica], purpose).generate_state(1, "uint64")
            self._generators[key] = torch.Generator().manual_seed(int(state[0] >> 1))
        return self._generators[key]

    def _numpy(self, replica: int, purpose: str) -> np.random.Generator:
        """For draws that NumPy makes faster than torch, or whose last bits in torch depend on the processor."""
        key = replica, purpose
        if key not in self._numpys:
            self._numpys[key] = rng.generator(self.seeds[replica], purpose)
        return self._numpys[key]

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        """Uniform draws on [0, 1): (R, *shape)."""
        return self._drawn(np.random.Generator.random, purpose, shape)

    def normal(self, purpose: str, *shape: int) -> Tensor:
        """Standard normal draws: (R, *shape)."""
        return self._drawn(np.random.Generator.standard_normal, purpose, shape)

    def _drawn(self, draw: Callable[..., Any], purpose: str, shape: Sequence[int]) -> Tensor:
        draws = np.empty((len(self.seeds), *shape), np.float32)
        for r, own in enumerate(draws):
            draw(self._numpy(r, purpose), dtype=np.float32, out=own)
        return torch.from_numpy(draws).to(self.device)

    def beta(self, purpose: str, alpha: Sequence[float], *shape: int) -> Tensor:
        """Draws from Beta(alpha, alpha), a positive alpha for each replica: (R, *shape)."""
        draws = [self._numpy(r, purpose).beta(a, a, shape) for r, a in enumerate(alpha)]
        return torch.from_numpy(np.stack(draws)).float().to(self.device)

    def permutation(self, purpose: str, n: int) -> Tensor:
        """An order of n things for each replica: (R, n)."""
        draws = [torch.randperm(n, generator=self.generator(r, purpose)) for r in range(len(self.seeds))]
        return torch.stack(draws).to(self.device)
