"""What Stable Diffusion's UNet and autoencoder are both built of: resnets, levels, resampling.

Modules have the names, and parameters the order, of the diffusers library: packs are stored under
these names, and an optimizer's state in a training checkpoint goes by the order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Resnet(nn.Module):
    """Twice norm, SiLU and 3x3 convolution, added to the input; the time's place is between.

    time  width of the time embedding, or 0 where there is none.
    """

    def __init__(
        self, inputs: int, outputs: int, groups: int, epsilon: float, time: int = 0
    ) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inputs, epsilon)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time_emb_proj = nn.Linear(time, outputs) if time else None
        self.norm2 = nn.GroupNorm(groups, outputs, epsilon)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h, w); time, (B or 1, time), has its SiLU behind it."""
        hidden = self.conv1(silu(self.norm1(x)))
        if self.time_emb_proj is not None:
            hidden = hidden + self.time_emb_proj(time)[:, :, None, None]
        hidden = self.conv2(silu(self.norm2(hidden)))
        result: Tensor = (x if self.conv_shortcut is None else self.conv_shortcut(x)) + hidden
        return result


class Downsample(nn.Module):
    """3x3 convolution of stride 2.

    symmetric  pad all edges by a pixel, as UNets do; autoencoders pad right and bottom only.
    """

    def __init__(self, width: int, symmetric: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2, padding=1 if symmetric else 0)
        self._symmetric = symmetric

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to half the sides."""
        result: Tensor = self.conv(x if self._symmetric else F.pad(x, (0, 1, 0, 1)))
        return result


class Upsample(nn.Module):
    """Nearest neighbour, then a 3x3 convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor, size: Sequence[int] | None = None) -> Tensor:
        """(B, C, h, w) to these sides, or to twice its own."""
        height, width = size or (2 * x.shape[2], 2 * x.shape[3])
        result: Tensor = self.conv(F.interpolate(x, size=(height, width), mode="nearest"))
        return result


class Level(nn.Module):
    """The modules of one level: resnets, what attends after each, and a change of size at the end.

    attentions  as many as resnets, fewer, or none.
    down, up    at most one of each.
    """

    def __init__(
        self,
        resnets: Sequence[nn.Module],
        attentions: Sequence[nn.Module] = (),
        down: Sequence[Downsample] = (),
        up: Sequence[Upsample] = (),
    ) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(attentions)
        self.resnets = nn.ModuleList(resnets)
        self.downsamplers = nn.ModuleList(down)
        self.upsamplers = nn.ModuleList(up)

    def layers(self) -> Iterator[tuple[nn.Module, Any]]:
        """Each resnet with what attends after it, or None."""
        return zip_longest(self.resnets, self.attentions)

    def forward(self, x: Tensor) -> Tensor:
        """All of it, where the modules need to know nothing but x, (B, C, h, w)."""
        for resnet, attention in self.layers():
            x = resnet(x)
            if attention is not None:
                x = attention(x)
        for sampler in (*self.downsamplers, *self.upsamplers):
            x = sampler(x)
        return x


def silu(x: Tensor) -> Tensor:
    """SiLU of a tensor that nobody else needs: in its memory unless gradients do."""
    return F.silu(x, inplace=not torch.is_grad_enabled())
