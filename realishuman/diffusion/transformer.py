"""The UNet's transformers: self-attention that may look at a reference, cross-attention, GEGLU.

Names and order are those of diffusers, as in blocks.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

KeysValues = tuple[Tensor, Tensor]


class Transformer(nn.Module):
    """From features to tokens, one transformer block, and back to be added to the features.

    name  of its block, which features and keys of the block go by.
    """

    def __init__(self, name: str, width: int, context: int, heads: int, groups: int) -> None:
        super().__init__()
        self.name = f"{name}.transformer_blocks.0"
        self.norm = nn.GroupNorm(groups, width, eps=1e-6)
        self.proj_in = nn.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList([_Block(width, context, heads)])
        self.proj_out = nn.Conv2d(width, width, 1)

    def keys_values(self, tokens: Tensor) -> KeysValues:
        """What cross-attention makes of the tokens (B, T, context): (B, T, C) each."""
        attention = self._block.attn2
        return attention.to_k(tokens), attention.to_v(tokens)

    def forward(self, x: Tensor, cross: KeysValues, features: Tensor | None) -> Tensor:
        """(B, C, h, w) to the same.

        cross     keys and values of the tokens, (B, T, C) each.
        features  (K, N, C), K <= B: what the last K rows attend to besides their own tokens.
        """
        return self.leave(x, *self.enter(x), cross, features)

    def enter(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The block's tokens (B, N, C), and the same after norm1: a reference's features."""
        tokens = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)
        return tokens, self._block.norm1(tokens)

    def leave(
        self,
        x: Tensor,
        tokens: Tensor,
        normed: Tensor,
        cross: KeysValues,
        features: Tensor | None = None,
    ) -> Tensor:
        """Go on from what enter gave."""
        tokens = self._block(tokens, normed, cross, features)
        result: Tensor = x + self.proj_out(tokens.transpose(1, 2).reshape(x.shape))
        return result

    @property
    def _block(self) -> _Block:
        return cast("_Block", self.transformer_blocks[0])


class _Block(nn.Module):
    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = _Attention(width, width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.attn2 = _Attention(width, context, heads)
        self.norm3 = nn.LayerNorm(width)
        self.ff = _FeedForward(width)

    def forward(
        self, x: Tensor, normed: Tensor, cross: KeysValues, features: Tensor | None
    ) -> Tensor:
        x = x + self.attn1.to_itself(normed, features)
        x = x + self.attn2(self.norm2(x), *cross)
        result: Tensor = x + self.ff(self.norm3(x))
        return result


class _Attention(nn.Module):
    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context, width, bias=False)
        self.to_v = nn.Linear(context, width, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """(B, N, C) to keys and values (B, T, C)."""
        result: Tensor = self.to_out[0](attend(self.to_q(x), key, value, self.heads))
        return result

    def to_itself(self, x: Tensor, features: Tensor | None) -> Tensor:
        """(B, N, C) to itself, and its last rows to features (K, M, C) as well."""
        query, key, value = self.to_q(x), self.to_k(x), self.to_v(x)
        if features is None:
            mixed = attend(query, key, value, self.heads)
        else:
            plain = len(x) - len(features)
            mixed = attend(
                query[plain:],
                torch.cat([key[plain:], self.to_k(features)], dim=1),
                torch.cat([value[plain:], self.to_v(features)], dim=1),
                self.heads,
            )
            if plain:
                own = attend(query[:plain], key[:plain], value[:plain], self.heads)
                mixed = torch.cat([own, mixed])
        result: Tensor = self.to_out[0](mixed)
        return result


class _FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        # the middle is the place of the library's dropout
        self.net = nn.Sequential(_Gelu(width), nn.Identity(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.net(x)
        return result


class _Gelu(nn.Module):
    """A projection gated by another. Source: Shazeer 2020, "GLU Variants Improve Transformer"."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 8 * width)

    def forward(self, x: Tensor) -> Tensor:
        hidden, gate = self.proj(x).chunk(2, dim=-1)
        result: Tensor = hidden * F.gelu(gate)
        return result


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Attention of (B, N, C) to (B, M, C)."""
    query, key, value = (
        each.reshape(*each.shape[:2], heads, -1).transpose(1, 2) for each in (query, key, value)
    )
    return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
