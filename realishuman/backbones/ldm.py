"""An ldm-shaped UNet of our own (see twin) that writes and reads reference features.

Its self-attentions and its first convolution are wrapped once; the host's class does the computing.
What a call reads and writes lies in a slot that is filled for the call only. The host's forward
knows nothing of kept keys and values, so cross-attention makes them at each call, for 257 tokens
under 1 % of the operations.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from realishuman.backbones.loading import Place
from realishuman.diffusion.networks import Condition, FeatureBank
from realishuman.errors import BackboneError

_STAGES = ("input_blocks", "middle_block", "output_blocks")  # in running order
_SELF = ".attn1"


@dataclass(frozen=True)
class _Call:
    """What one forward reads and, as a reference, writes."""

    pose: Tensor | None
    bank: FeatureBank | None = None
    written: dict[str, Tensor] | None = None


class _Slot:
    """Where the wrapped modules find the running call."""

    call: _Call | None = None


class LdmUnet:
    """An ldm-shaped UNet as networks.Unet. Wraps modules of `module`, which must be ours.

    place      where it computes, and the dtype of its weights; parts of the module may wait
               elsewhere when the host brings them in layer by layer.
    computing  entered around each forward: the host's autocast.
    Raises     BackboneError if the module has no transformer blocks.
    """

    def __init__(
        self,
        module: nn.Module,
        place: Place,
        computing: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self._module = module
        self._place = place
        self._computing = computing
        self._slot = _Slot()
        names = [n for n, _ in module.named_modules() if n.endswith(_SELF)]
        names.sort(key=lambda name: _STAGES.index(name.split(".", 1)[0]))
        if not names:
            raise BackboneError("the UNet has no transformer blocks, so it is no ldm UNet.")
        self._blocks = [name.removesuffix(_SELF) for name in names]
        for block in self._blocks:
            parent: Any = module.get_submodule(block)
            last = block == self._blocks[-1]
            parent.attn1 = _SelfAttention(parent.attn1, block, last, self._slot)
        first: Any = module.get_submodule("input_blocks.0")
        first[0] = _FirstConvolution(first[0], self._slot)

    @property
    def module(self) -> nn.Module:
        """The wrapped module, for moving it between devices."""
        return self._module

    def condition(self, tokens: Tensor, pose: Tensor | None = None) -> Condition:
        """Only cast: keys and values are made at each call."""
        return Condition(self._cast(tokens), None if pose is None else self._cast(pose), {})

    def predict(
        self, latents: Tensor, timestep: Tensor, condition: Condition, bank: FeatureBank | None
    ) -> Tensor:
        """See networks.Unet. Raises BackboneError if the bank is of other blocks."""
        if bank is not None and bank.features.keys() != set(self._blocks):
            raise BackboneError(
                f"the reference has features of {len(bank.features)} blocks and the UNet "
                f"{len(self._blocks)} blocks of other names: they must be of the same shape."
            )
        call = _Call(condition.pose, bank=bank)
        return self._forward(latents, timestep, condition.tokens, call).float()

    def features(self, latents: Tensor, timestep: Tensor, condition: Condition) -> FeatureBank:
        """See networks.Unet; what follows the last block's norm1 is not computed."""
        written: dict[str, Tensor] = {}
        with suppress(_AllWritten):
            call = _Call(condition.pose, written=written)
            self._forward(latents, timestep, condition.tokens, call)
        # under autocast norms return float32; attention casts it to the weights' dtype anyway
        return FeatureBank({name: each.to(self._place.dtype) for name, each in written.items()})

    def _forward(self, latents: Tensor, timestep: Tensor, tokens: Tensor, call: _Call) -> Tensor:
        times = timestep.to(self._place.device, torch.float32).expand(len(latents))
        self._slot.call = call
        try:
            with self._computing():
                # Forge writes into these options and shares its default between calls
                result: Tensor = self._module(
                    self._cast(latents), times, context=tokens, transformer_options={}
                )
        finally:
            self._slot.call = None
        return result

    def _cast(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._place.device, self._place.dtype)


class _AllWritten(Exception):  # noqa: N818 - no error: ends a reference pass early
    """The last block's features are written."""


class _SelfAttention(nn.Module):
    """Self-attention that writes its input, or whose last rows attend to a bank as well."""

    def __init__(self, inner: nn.Module, block: str, last: bool, slot: _Slot) -> None:
        super().__init__()
        self.inner = inner
        self._block = block
        self._last = last
        self._slot = slot

    def forward(self, x: Tensor, context: Tensor | None = None, **others: Any) -> Tensor:
        """x (B, N, C) is norm1's output; `others` is whatever the host's block passes on."""
        call = self._slot.call
        if call is not None and call.written is not None:
            call.written[self._block] = x
            if self._last:
                raise _AllWritten
        if call is None or call.bank is None:
            return self.inner(x, context=context, **others)  # type: ignore[no-any-return]
        features = call.bank.features[self._block].to(x.dtype)
        plain = len(x) - len(features)
        both = torch.cat([x[plain:], features], dim=1)
        mixed: Tensor = self.inner(x[plain:], context=both, **others)
        if plain:
            mixed = torch.cat([self.inner(x[:plain], context=context, **others), mixed])
        return mixed


class _FirstConvolution(nn.Module):
    """conv_in, to whose output the pose is added."""

    def __init__(self, inner: nn.Module, slot: _Slot) -> None:
        super().__init__()
        self.inner = inner
        self._slot = slot

    def forward(self, x: Tensor) -> Tensor:
        """x (B, channels, h, w)."""
        result: Tensor = self.inner(x)
        call = self._slot.call
        return result if call is None or call.pose is None else result + call.pose
