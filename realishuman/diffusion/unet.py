"""Stable Diffusion 1.x's UNet in plain torch, as networks.Unet.

Tensors have the names and the order of diffusers' UNet2DConditionModel.
Source: Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from realishuman.diffusion.blocks import Downsample, Level, Resnet, Upsample, silu
from realishuman.diffusion.networks import Condition, FeatureBank
from realishuman.diffusion.transformer import Transformer
from realishuman.errors import BackboneError
from realishuman.packs.header import UnetShape

EPSILON = 1e-5  # of the norms outside transformers


@dataclass(frozen=True)
class _Call:
    """What one forward reads and, as a reference, writes."""

    condition: Condition
    bank: FeatureBank | None = None
    written: dict[str, Tensor] | None = None


class PlainUnet(nn.Module):
    """A UNet of these sizes that writes and reads reference features.

    in_channels     of what it is given; more than out_channels when inpainting.
    recompute       keep a block's input only and compute the rest again for the gradient: less
                    memory, more time. It may be set at any time.
    """

    def __init__(self, shape: UnetShape, in_channels: int, out_channels: int = 4) -> None:
        super().__init__()
        first, time = shape.channels[0], 4 * shape.channels[0]
        self.recompute = False
        self.conv_in = nn.Conv2d(in_channels, first, 3, padding=1)
        self.time_embedding = nn.ModuleDict(
            {"linear_1": nn.Linear(first, time), "linear_2": nn.Linear(time, time)}
        )
        make = _Maker(shape)
        self.down_blocks = nn.ModuleList(make.down(level) for level in range(len(shape.channels)))
        self.up_blocks = nn.ModuleList(make.up(step) for step in range(len(shape.channels)))
        self.mid_block = make.middle()
        self.conv_norm_out = nn.GroupNorm(shape.groups, first, EPSILON)
        self.conv_out = nn.Conv2d(first, out_channels, 3, padding=1)
        levels = (*_levels(self.down_blocks), self.mid_block, *_levels(self.up_blocks))
        names = [each.name for level in levels for _, each in level.layers() if each is not None]
        self._blocks, self._last = frozenset(names), names[-1]

    def condition(self, tokens: Tensor, pose: Tensor | None = None) -> Condition:
        """Project the tokens to every block's keys and values."""
        tokens = self._cast(tokens)
        cross = {
            each.name: each.keys_values(tokens)
            for each in self.modules()
            if isinstance(each, Transformer)
        }
        return Condition(tokens, None if pose is None else self._cast(pose), cross)

    def predict(
        self, latents: Tensor, timestep: Tensor, condition: Condition, bank: FeatureBank | None
    ) -> Tensor:
        """See networks.Unet. Raises BackboneError if the bank is of other blocks."""
        if bank is not None and bank.features.keys() != self._blocks:
            raise BackboneError(
                f"the reference has features of {len(bank.features)} blocks and the UNet "
                f"{len(self._blocks)} blocks of other names: they must be of the same shape."
            )
        return self._run(latents, timestep, _Call(condition, bank=bank)).float()

    def features(self, latents: Tensor, timestep: Tensor, condition: Condition) -> FeatureBank:
        """See networks.Unet; what follows the last block's norm1 is not computed."""
        written: dict[str, Tensor] = {}
        with suppress(_AllWritten):
            self._run(latents, timestep, _Call(condition, written=written))
        return FeatureBank(written)

    def _run(self, latents: Tensor, timestep: Tensor, call: _Call) -> Tensor:
        time = self._embed(timestep)
        x = self.conv_in(self._cast(latents))
        if call.condition.pose is not None:
            x = x + call.condition.pose
        skips = [x]
        for level in _levels(self.down_blocks):
            for resnet, transformer in level.layers():
                x = self._layer(resnet, transformer, x, time, call)
                skips.append(x)
            for down in level.downsamplers:
                x = down(x)
                skips.append(x)
        for resnet, transformer in self.mid_block.layers():
            x = self._layer(resnet, transformer, x, time, call)
        for level in _levels(self.up_blocks):
            for resnet, transformer in level.layers():
                x = torch.cat([x, skips.pop()], dim=1)
                x = self._layer(resnet, transformer, x, time, call)
            for up in level.upsamplers:
                x = up(x, skips[-1].shape[2:])
        result: Tensor = self.conv_out(silu(self.conv_norm_out(x)))
        return result

    def _layer(
        self,
        resnet: nn.Module,
        transformer: Transformer | None,
        x: Tensor,
        time: Tensor,
        call: _Call,
    ) -> Tensor:
        x = self._keep(resnet, x, time)
        if transformer is None:
            return x
        name = transformer.name
        cross = call.condition.cross[name]
        if call.written is None:
            features = None if call.bank is None else call.bank.features[name]
            return self._keep(transformer, x, cross, features)
        tokens, call.written[name] = transformer.enter(x)
        if name == self._last:
            raise _AllWritten
        return self._keep(transformer.leave, x, tokens, call.written[name], cross)

    def _keep(self, run: Callable[..., Tensor], *given: object) -> Tensor:
        """Run, and keep for the gradient what `recompute` says."""
        if not (self.recompute and torch.is_grad_enabled()):
            return run(*given)
        result: Tensor = checkpoint(run, *given, use_reentrant=False, preserve_rng_state=False)
        return result

    def _embed(self, timestep: Tensor) -> Tensor:
        """Timesteps () or (B,) to what the resnets take, (1 or B, width), with its SiLU.

        Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models": cosines and sines of
        frequencies from 1 down to nearly 1/10000.
        """
        device, half = self.conv_in.weight.device, self.conv_in.out_channels // 2
        steps = torch.arange(half, dtype=torch.float32, device=device)
        phases = (
            timestep.to(device).reshape(-1, 1).float() * (steps * (-math.log(1e4) / half)).exp()
        )
        waves = self._cast(torch.cat([phases.cos(), phases.sin()], dim=1))
        hidden = silu(self.time_embedding["linear_1"](waves))
        return silu(self.time_embedding["linear_2"](hidden))

    def _cast(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.conv_in.weight)


def _levels(modules: nn.ModuleList) -> Iterator[Level]:
    """The same, which a type checker cannot know."""
    return cast("Iterator[Level]", iter(modules))


class _AllWritten(Exception):  # noqa: N818 - no error: ends a reference pass early
    """The last block's features are written."""


class _Maker:
    """Makes the levels of a UNet."""

    def __init__(self, shape: UnetShape) -> None:
        self._shape = shape
        self._time = 4 * shape.channels[0]

    def down(self, level: int) -> Level:
        """Of the way down, finest first."""
        shape, width = self._shape, self._shape.channels[level]
        below = shape.channels[max(level - 1, 0)]
        inputs = [below if layer == 0 else width for layer in range(shape.layers)]
        ends = level == len(shape.channels) - 1
        return Level(
            [self._resnet(each, width) for each in inputs],
            self._transformers(f"down_blocks.{level}", level, shape.layers),
            down=[] if ends else [Downsample(width, symmetric=True)],
        )

    def middle(self) -> Level:
        """Between the ways."""
        width = self._shape.channels[-1]
        resnets = [self._resnet(width, width) for _ in range(2)]
        return Level(resnets, [self._transformer("mid_block.attentions.0", width)])

    def up(self, step: int) -> Level:
        """Of the way up, coarsest first."""
        shape = self._shape
        level = len(shape.channels) - 1 - step
        width, below = (
            shape.channels[level],
            shape.channels[min(level + 1, len(shape.channels) - 1)],
        )
        # the last skip is what the level above handed down
        above = shape.channels[max(level - 1, 0)]
        skips = [width] * shape.layers + [above]
        inputs = [(below if layer == 0 else width) + skip for layer, skip in enumerate(skips)]
        return Level(
            [self._resnet(each, width) for each in inputs],
            self._transformers(f"up_blocks.{step}", level, shape.layers + 1),
            up=[Upsample(width)] if level else [],
        )

    def _resnet(self, inputs: int, outputs: int) -> Resnet:
        return Resnet(inputs, outputs, self._shape.groups, EPSILON, self._time)

    def _transformers(self, name: str, level: int, count: int) -> list[Transformer]:
        count *= self._shape.attention[level]
        width = self._shape.channels[level]
        return [self._transformer(f"{name}.attentions.{i}", width) for i in range(count)]

    def _transformer(self, name: str, width: int) -> Transformer:
        shape = self._shape
        return Transformer(name, width, shape.context, shape.heads, shape.groups)
