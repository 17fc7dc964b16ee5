"""A UNet of the diffusers library that writes and reads reference features.

Reference attention and kept cross-attention live in the attention processors set once per UNet.
They hold nothing but their block's name: what one call reads and writes comes in by
cross_attention_kwargs and goes with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from realishuman.diffusion.networks import Condition, FeatureBank
from realishuman.errors import BackboneError


@dataclass(frozen=True)
class _Call:
    """What one forward reads and, as a reference, writes."""

    condition: Condition
    bank: FeatureBank | None = None
    written: dict[str, Tensor] | None = None
    stop: bool = True  # once all is written


class DiffusersUnet:
    """A UNet2DConditionModel as networks.Unet. Replaces the module's attention processors."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._cross: dict[str, Any] = {}
        names = list(module.attn_processors)
        blocks = _in_running_order(n for n in names if n.endswith(".attn1.processor"))
        self._blocks = [name.removesuffix(".attn1.processor") for name in blocks]
        processors: dict[str, Any] = {}
        for name in self._blocks:
            processors[f"{name}.attn1.processor"] = _SelfAttention(name, name == self._blocks[-1])
            processors[f"{name}.attn2.processor"] = _CrossAttention(name)
            self._cross[name] = module.get_submodule(f"{name}.attn2")
        module.set_attn_processor(processors)

    def condition(self, tokens: Tensor, pose: Tensor | None = None) -> Condition:
        """Project the tokens to every block's keys and values."""
        tokens = self._cast(tokens)
        cross = {name: (at.to_k(tokens), at.to_v(tokens)) for name, at in self._cross.items()}
        return Condition(tokens, None if pose is None else self._cast(pose), cross)

    def predict(
        self, latents: Tensor, timestep: Tensor, condition: Condition, bank: FeatureBank | None
    ) -> Tensor:
        """See networks.Unet. Raises BackboneError if the bank is of other blocks."""
        if bank is not None and bank.features.keys() != set(self._blocks):
            raise BackboneError(
                f"the reference has features of {len(bank.features)} blocks and the UNet "
                f"{len(self._blocks)} blocks of other names: they must be of the same shape."
            )
        return self._forward(latents, timestep, _Call(condition, bank=bank)).float()

    def features(self, latents: Tensor, timestep: Tensor, condition: Condition) -> FeatureBank:
        """See networks.Unet; what follows the last block's norm1 is not computed."""
        written: dict[str, Tensor] = {}
        # a block that is run again to save memory must run the same way twice, so to its end
        stop = not self._module.is_gradient_checkpointing
        with suppress(_AllWritten):
            self._forward(latents, timestep, _Call(condition, written=written, stop=stop))
        return FeatureBank(written)

    def _forward(self, latents: Tensor, timestep: Tensor, call: _Call) -> Tensor:
        pose = call.condition.pose
        handle = None
        if pose is not None:
            handle = self._module.conv_in.register_forward_hook(lambda _m, _args, out: out + pose)
        try:
            result: Tensor = self._module(
                self._cast(latents),
                timestep,
                encoder_hidden_states=call.condition.tokens,
                cross_attention_kwargs={"call": call},
                return_dict=False,
            )[0]
        finally:
            if handle is not None:
                handle.remove()
        return result

    def _cast(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._module.device, self._module.dtype)


class _AllWritten(Exception):  # noqa: N818 - no error: ends a reference pass early
    """The last block's features are written."""


class _SelfAttention:
    """Self-attention that writes its input, or whose last rows attend to a bank as well."""

    def __init__(self, block: str, last: bool) -> None:
        self._block = block
        self._last = last

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *,
        call: _Call,
    ) -> Tensor:
        """hidden_states (B, N, C) is norm1's output."""
        if call.written is not None:
            call.written[self._block] = hidden_states
            if self._last and call.stop:
                raise _AllWritten
        query, key, value = (to(hidden_states) for to in (attn.to_q, attn.to_k, attn.to_v))
        if call.bank is None:
            return _out(attn, _attend(query, key, value, attn.heads))
        features = call.bank.features[self._block]
        plain = len(query) - len(features)
        mixed = _attend(
            query[plain:],
            torch.cat([key[plain:], attn.to_k(features)], dim=1),
            torch.cat([value[plain:], attn.to_v(features)], dim=1),
            attn.heads,
        )
        if plain:
            own = _attend(query[:plain], key[:plain], value[:plain], attn.heads)
            mixed = torch.cat([own, mixed])
        return _out(attn, mixed)


class _CrossAttention:
    """Cross-attention with keys and values made beforehand."""

    def __init__(self, block: str) -> None:
        self._block = block

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *,
        call: _Call,
    ) -> Tensor:
        """hidden_states (B, N, C) is norm2's output."""
        key, value = call.condition.cross[self._block]
        return _out(attn, _attend(attn.to_q(hidden_states), key, value, attn.heads))


def _attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Attention of (B, N, C) to (B, M, C)."""
    query, key, value = (
        each.view(*each.shape[:2], heads, -1).transpose(1, 2) for each in (query, key, value)
    )
    return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


def _out(attn: Any, mixed: Tensor) -> Tensor:
    result: Tensor = attn.to_out[0](mixed)  # [1] is dropout
    return result


def _in_running_order(names: Iterable[str]) -> list[str]:
    """Down, middle, up; within each as the modules list them."""
    stages = ("down_blocks", "mid_block", "up_blocks")
    return sorted(names, key=lambda name: stages.index(name.split(".", 1)[0]))
