"""A stand-in for a WebUI's loaded UNet: ldm's module names, classes of its own, plain torch.

Only what a twin must cope with is like the original: names, order and shapes of parameters,
attention that takes its context as an argument, a forward that accepts unknown options.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F


class CrossAttention(nn.Module):
    def __init__(self, width, context, heads):
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** -0.5
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context, width, bias=False)
        self.to_v = nn.Linear(context, width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(width, width), nn.Dropout(0.0))

    def forward(self, x, context=None, mask=None, **_options):
        context = x if context is None else context
        q, k, v = (
            each.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for each in (self.to_q(x), self.to_k(context), self.to_v(context))
        )
        weights = (q @ k.transpose(-1, -2) * self.scale).softmax(-1)
        return self.to_out((weights @ v).transpose(1, 2).flatten(2))


class GEGLU(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.proj = nn.Linear(width, 8 * width)

    def forward(self, x):
        x, gate = self.proj(x).chunk(2, dim=-1)
        return x * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.net = nn.Sequential(GEGLU(width), nn.Dropout(0.0), nn.Linear(4 * width, width))

    def forward(self, x):
        return self.net(x)


class BasicTransformerBlock(nn.Module):
    def __init__(self, width, context, heads):
        super().__init__()
        self.attn1 = CrossAttention(width, width, heads)
        self.ff = FeedForward(width)
        self.attn2 = CrossAttention(width, context, heads)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))

    def forward(self, x, context=None):
        return self._forward(x, context)

    def _forward(self, x, context=None):
        x = self.attn1(self.norm1(x), context=None) + x
        x = self.attn2(self.norm2(x), context=context) + x
        return self.ff(self.norm3(x)) + x


class SpatialTransformer(nn.Module):
    def __init__(self, width, context, heads, groups):
        super().__init__()
        self.norm = nn.GroupNorm(groups, width, eps=1e-6)
        self.proj_in = nn.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList([BasicTransformerBlock(width, context, heads)])
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, x, context=None):
        tokens = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)
        for block in self.transformer_blocks:
            tokens = block(tokens, context=context)
        return x + self.proj_out(tokens.transpose(1, 2).unflatten(2, x.shape[2:]))


class ResBlock(nn.Module):
    def __init__(self, inputs, width, time, groups):
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(groups, inputs), nn.SiLU(), nn.Conv2d(inputs, width, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time, width))
        last = nn.Conv2d(width, width, 3, padding=1)
        self.out_layers = nn.Sequential(
            nn.GroupNorm(groups, width), nn.SiLU(), nn.Dropout(0.0), last
        )
        same = inputs == width
        self.skip_connection = nn.Identity() if same else nn.Conv2d(inputs, width, 1)

    def forward(self, x, emb):
        h = self.in_layers(x) + self.emb_layers(emb)[..., None, None]
        return self.skip_connection(x) + self.out_layers(h)


class Downsample(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.op = nn.Conv2d(width, width, 3, stride=2, padding=1)

    def forward(self, x):
        return self.op(x)


class Upsample(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class TimestepEmbedSequential(nn.Sequential):
    def forward(self, x, emb, context=None):
        for layer in self:
            if isinstance(layer, ResBlock):
                x = layer(x, emb)
            elif isinstance(layer, SpatialTransformer):
                x = layer(x, context)
            else:
                x = layer(x)
        return x


class UNetModel(nn.Module):
    """Of a header's UnetShape; random weights. labels: width of what SDXL is told besides."""

    def __init__(self, shape, in_channels=4, labels=0):
        super().__init__()
        self.dtype = torch.float32
        self.model_channels = first = shape.channels[0]
        self.time_embed = nn.Sequential(
            nn.Linear(first, 4 * first), nn.SiLU(), nn.Linear(4 * first, 4 * first)
        )

        self.label_emb = nn.Linear(labels, 4 * first) if labels else None

        def layers(inputs, level):
            width = shape.channels[level]
            made = [ResBlock(inputs, width, 4 * first, shape.groups)]
            if shape.attention[level]:
                made += [SpatialTransformer(width, shape.context, shape.heads, shape.groups)]
            return made

        blocks, widths = [[nn.Conv2d(in_channels, first, 3, padding=1)]], [first]
        for level, width in enumerate(shape.channels):
            for _ in range(shape.layers):
                blocks.append(layers(widths[-1], level))
                widths.append(width)
            if level < len(shape.channels) - 1:
                blocks.append([Downsample(width)])
                widths.append(width)
        self.input_blocks = nn.ModuleList(TimestepEmbedSequential(*each) for each in blocks)
        below = widths[-1]
        self.middle_block = TimestepEmbedSequential(
            ResBlock(below, below, 4 * first, shape.groups),
            SpatialTransformer(below, shape.context, shape.heads, shape.groups),
            ResBlock(below, below, 4 * first, shape.groups),
        )
        blocks = []
        for level in reversed(range(len(shape.channels))):
            for layer in range(shape.layers + 1):
                made = layers(below + widths.pop(), level)
                below = shape.channels[level]
                ends = level > 0 and layer == shape.layers
                blocks.append([*made, Upsample(below)] if ends else made)
        self.output_blocks = nn.ModuleList(TimestepEmbedSequential(*each) for each in blocks)
        self.out = nn.Sequential(
            nn.GroupNorm(shape.groups, first), nn.SiLU(), nn.Conv2d(first, 4, 3, padding=1)
        )

    def forward(self, x, timesteps=None, context=None, y=None, **_options):
        half = self.model_channels // 2
        frequencies = torch.exp(-math.log(10000) * torch.arange(half, device=x.device) / half)
        angles = timesteps[:, None].float() * frequencies
        emb = self.time_embed(torch.cat([angles.cos(), angles.sin()], dim=-1).to(x.dtype))
        if self.label_emb is not None:
            emb = emb + self.label_emb(y)
        skips, h = [], x
        for block in self.input_blocks:
            h = block(h, emb, context)
            skips.append(h)
        h = self.middle_block(h, emb, context)
        for block in self.output_blocks:
            h = block(torch.cat([h, skips.pop()], dim=1), emb, context)
        return self.out(h)
