"""The moving average of trained weights, which is what a pack gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from realishuman.train.sharding import local, share, whole


class Average:
    """Exponential moving average of a module's trained parameters, float32.

    Where they are split over processes, each averages its own share.
    Early on it forgets faster, so that the initial weights do not linger: the decay of update n
    is at most (1 + n) / (10 + n).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        named = {n: p for n, p in module.named_parameters() if p.requires_grad}
        self._names, self._live = list(named), list(named.values())
        self._decay = decay
        self._average = [local(p.detach()).float().clone() for p in self._live]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the parameters as they are after step `step`, counted from 1."""
        decay = min(self._decay, (1 + step) / (10 + step)) if self._decay else 0.0
        current = [local(p.detach()).float() for p in self._live]
        torch._foreach_lerp_(self._average, current, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block the module has the averaged weights."""
        own = [local(p.detach()).clone() for p in self._live]
        self._copy(self._average)
        try:
            yield
        finally:
            self._copy(own)

    def state(self) -> dict[str, Tensor]:
        """The averages by parameter name, whole; every process takes part in gathering them."""
        if all(local(p) is p for p in self._live):
            return dict(zip(self._names, self._average, strict=True))
        with self.applied():
            return {n: whole(p.detach()) for n, p in zip(self._names, self._live, strict=True)}

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over whole averages by parameter name."""
        for name, average, p in zip(self._names, self._average, self._live, strict=True):
            average.copy_(local(share(state[name], p)))

    @torch.no_grad()
    def _copy(self, values: list[Tensor]) -> None:
        for parameter, value in zip(self._live, values, strict=True):
            local(parameter).copy_(value)
