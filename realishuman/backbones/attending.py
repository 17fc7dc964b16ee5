"""Self-attention of a UNet built of somebody else's classes that writes and reads features.

Its self-attentions are wrapped once; their class does the computing. What a call reads and writes
lies in a slot that is filled for the call only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from realishuman.diffusion.networks import FeatureBank
from realishuman.diffusion.prompted import Reference
from realishuman.errors import BackboneError

SELF = ".attn1"
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class _Call:
    """What one forward reads and, as a reference, writes."""

    reference: Reference | None = None
    written: dict[str, Tensor] | None = None


class _Slot:
    """Where the wrapped modules find the running call."""

    call: _Call = _Call()


class Attending:
    """The wrapped self-attentions of `module`, which must be ours.

    stages  the names that its blocks begin with, in running order.
    keyword of the attention's forward that takes what is attended to, if it is not the input.
    Raises  BackboneError if the module has no transformer blocks.
    """

    def __init__(self, module: nn.Module, stages: Sequence[str], keyword: str) -> None:
        self._slot = _Slot()
        names = [n for n, _ in module.named_modules() if n.endswith(SELF)]
        names.sort(key=lambda name: stages.index(name.split(".", 1)[0]))
        if not names:
            raise BackboneError("the UNet has no transformer blocks.")
        self._blocks = [name.removesuffix(SELF) for name in names]
        for block in self._blocks:
            parent: Any = module.get_submodule(block)
            last = block == self._blocks[-1]
            parent.attn1 = _SelfAttention(parent.attn1, block, last, keyword, self._slot)

    def read(self, reference: Reference | None, forward: Callable[[], Tensor]) -> Tensor:
        """Run `forward`: in every block the last K rows attend to the reference's K rows as well.

        Raises BackboneError if the reference is of other blocks.
        """
        if reference is not None and reference.bank.features.keys() != set(self._blocks):
            raise BackboneError(
                f"the reference has features of {len(reference.bank.features)} blocks and the UNet "
                f"{len(self._blocks)} blocks of other names: they must be of the same shape."
            )
        return self._during(_Call(reference), forward)

    def write(self, forward: Callable[[], object]) -> FeatureBank:
        """Run `forward` until the last block's norm1; what the self-attentions saw."""
        written: dict[str, Tensor] = {}
        with suppress(_AllWritten):
            self._during(_Call(written=written), forward)
        return FeatureBank(written)

    def _during(self, call: _Call, forward: Callable[[], _Result]) -> _Result:
        self._slot.call = call
        try:
            return forward()
        finally:
            self._slot.call = _Call()


class _AllWritten(Exception):  # noqa: N818 - no error: ends a reference pass early
    """The last block's features are written."""


class _SelfAttention(nn.Module):
    """Self-attention that writes its input, or whose last rows attend to a reference as well."""

    def __init__(self, inner: nn.Module, block: str, last: bool, keyword: str, slot: _Slot) -> None:
        super().__init__()
        self.inner = inner
        self._block, self._last = block, last
        self._keyword, self._slot = keyword, slot

    def forward(self, x: Tensor, *args: Any, **others: Any) -> Tensor:
        """x (B, N, C) is norm1's output; the rest is whatever the block passes on."""
        call = self._slot.call
        if call.written is not None:
            call.written[self._block] = x
            if self._last:
                raise _AllWritten
        if call.reference is None:
            return self.inner(x, *args, **others)  # type: ignore[no-any-return]
        features = call.reference.bank.features[self._block].to(x.dtype)
        plain = len(x) - len(features)
        mixed = self._referring(x[plain:], features, call.reference, others)
        if plain:
            mixed = torch.cat([self.inner(x[:plain], *args, **others), mixed])
        return mixed

    def _referring(
        self, x: Tensor, features: Tensor, reference: Reference, others: dict[str, Any]
    ) -> Tensor:
        """Attention of K rows to their own tokens and to the trusted ones of K references."""

        def joint(own: Tensor, seen: Tensor) -> Tensor:
            given = {**others, self._keyword: torch.cat([own, seen], dim=1)}
            return self.inner(own, **given)  # type: ignore[no-any-return]

        if reference.weight == 0:
            return self.inner(x, **others)  # type: ignore[no-any-return]
        if not reference.trusted:
            both = joint(x, features)
        else:  # each row trusts another number of tokens
            trusted = reference.trusted[features.shape[1]].to(features.device)
            rows = zip(torch.split(x, 1), torch.split(features, 1), trusted, strict=True)
            both = torch.cat([joint(own, seen[:, kept]) for own, seen, kept in rows])
        return both if reference.weight == 1 else self.inner(x, **others).lerp(
            both, reference.weight
        )  # fmt: skip
