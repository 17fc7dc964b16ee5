"""ViT-H as HaMeR uses it: the backbone of ViTPose, 192 tokens of a crop 256 pixels high, 192 wide.

Module names are those of the official state dict.
Source  Xu et al. 2022, ViTPose; hamer/models/backbones/vit.py of geopavlakos/hamer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

PATCH, PADDING = 16, 2
ROWS, COLUMNS = 16, 12  # patches of 256 x 192 pixels
TOKENS = ROWS * COLUMNS


@dataclass(frozen=True)
class VitShape:
    """Sizes of the backbone; the defaults are the released ones."""

    width: int = 1280
    depth: int = 32
    heads: int = 16
    hidden: int = 5120


class Attention(nn.Module):
    """Self-attention with one matrix for queries, keys and values."""

    def __init__(self, shape: VitShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.qkv = nn.Linear(shape.width, 3 * shape.width)
        self.proj = nn.Linear(shape.width, shape.width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, TOKENS, width) to the same."""
        width = x.shape[-1]
        parts = self.qkv(x).reshape(-1, TOKENS, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q * (width // self.heads) ** -0.5) @ k.transpose(-2, -1)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(-1, TOKENS, width)
        projected: Tensor = self.proj(mixed)
        return projected


class Mlp(nn.Module):
    """Two layers with GELU between."""

    def __init__(self, shape: VitShape) -> None:
        super().__init__()
        self.fc1 = nn.Linear(shape.width, shape.hidden)
        self.fc2 = nn.Linear(shape.hidden, shape.width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same."""
        out: Tensor = self.fc2(nn.functional.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, shape: VitShape) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(shape.width, eps=1e-6)
        self.attn = Attention(shape)
        self.norm2 = nn.LayerNorm(shape.width, eps=1e-6)
        self.mlp = Mlp(shape)

    def forward(self, x: Tensor) -> Tensor:
        """(B, TOKENS, width) to the same."""
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class PatchEmbed(nn.Module):
    """Patches to tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, stride=PATCH, padding=PADDING)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, 256, 192) to (B, TOKENS, width), row by row."""
        patches: Tensor = self.proj(x)
        return patches.reshape(-1, self.proj.out_channels, TOKENS).transpose(1, 2)


class Vit(nn.Module):
    """The backbone."""

    def __init__(self, shape: VitShape) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(shape.width)
        self.pos_embed = nn.Parameter(torch.zeros(1, TOKENS + 1, shape.width))
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.last_norm = nn.LayerNorm(shape.width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Features of a crop.

        x        (B, 3, 256, 192) float32 RGB, ImageNet's mean and deviation taken out.
        Returns  (B, TOKENS, width) float32, row by row.
        """
        x = self.patch_embed(x)
        # There is no class token, but its position is added to every token all the same.
        x = x + self.pos_embed[:, 1:] + self.pos_embed[:, :1]
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.last_norm(x)
        return out
