"""Stable Diffusion's autoencoder in plain torch, as networks.Autoencoder.

Tensors have the names and the order of diffusers' AutoencoderKL.
Source: Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models".
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from realishuman.diffusion.blocks import Downsample, Level, Resnet, Upsample, silu
from realishuman.diffusion.transformer import attend
from realishuman.packs.header import VaeShape

EPSILON = 1e-6  # of every norm


@dataclass(frozen=True)
class Posterior:
    """A normal distribution over latents: mean, which is its mode, and log of the variance.

    Both are (P, C, h, w), not scaled.
    """

    mean: Tensor
    log_variance: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """The latents that standard normal noise of the mean's shape stands for."""
        return self.mean + (0.5 * self.log_variance).exp() * noise

    def divergence(self) -> Tensor:
        """Kullback-Leibler divergence from the standard normal distribution, (P,) in nats."""
        variance = self.log_variance.exp()
        each = self.mean.square() + variance - 1.0 - self.log_variance
        return 0.5 * each.sum(dim=(1, 2, 3))


class PlainAutoencoder(nn.Module):
    """An autoencoder of these sizes, between RGB pictures and a normal posterior over latents."""

    def __init__(self, shape: VaeShape) -> None:
        super().__init__()
        self._scaling = shape.scaling
        latent = shape.latent_channels
        self.encoder = _Encoder(shape)
        self.decoder = _Decoder(shape)
        self.quant_conv = nn.Conv2d(2 * latent, 2 * latent, 1)
        self.post_quant_conv = nn.Conv2d(latent, latent, 1)

    def encode(self, images: Tensor) -> Tensor:
        """(P, 3, R, R) in [-1, 1] to scaled latents (P, C, R/8, R/8) float32, the mode."""
        return self.posterior(images).mean.float() * self._scaling

    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents (P, C, h, w) to pictures (P, 3, 8h, 8w) float32 in [0, 1]."""
        return (self.pictures(latents / self._scaling).float() / 2 + 0.5).clamp(0, 1)

    def posterior(self, images: Tensor) -> Posterior:
        """Of pictures (P, 3, R, R) in [-1, 1]."""
        moments = self.quant_conv(self.encoder(images.to(self.quant_conv.weight)))
        mean, log_variance = moments.chunk(2, dim=1)
        return Posterior(mean, log_variance.clamp(-30.0, 20.0))

    def pictures(self, latents: Tensor) -> Tensor:
        """Latents (P, C, h, w), not scaled, to pictures (P, 3, 8h, 8w), about [-1, 1]."""
        latents = latents.to(self.quant_conv.weight)
        result: Tensor = self.decoder(self.post_quant_conv(latents))
        return result


class _Encoder(nn.Module):
    def __init__(self, shape: VaeShape) -> None:
        super().__init__()
        widths, last = shape.channels, shape.channels[-1]
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(
            Level(
                _resnets(below, width, shape.layers, shape.groups),
                down=[Downsample(width, symmetric=False)] if level < len(widths) - 1 else [],
            )
            for level, (below, width) in enumerate(pairwise((widths[0], *widths)))
        )
        self.mid_block = _middle(last, shape.groups)
        self.conv_norm_out = nn.GroupNorm(shape.groups, last, EPSILON)
        self.conv_out = nn.Conv2d(last, 2 * shape.latent_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(P, 3, R, R) to (P, 2C, R/8, R/8)."""
        x = self.conv_in(x)
        for level in self.down_blocks:
            x = level(x)
        x = self.mid_block(x)
        result: Tensor = self.conv_out(silu(self.conv_norm_out(x)))
        return result


class _Decoder(nn.Module):
    def __init__(self, shape: VaeShape) -> None:
        super().__init__()
        widths = shape.channels[::-1]
        self.conv_in = nn.Conv2d(shape.latent_channels, widths[0], 3, padding=1)
        self.up_blocks = nn.ModuleList(
            Level(
                _resnets(below, width, shape.layers + 1, shape.groups),
                up=[Upsample(width)] if step < len(widths) - 1 else [],
            )
            for step, (below, width) in enumerate(pairwise((widths[0], *widths)))
        )
        self.mid_block = _middle(widths[0], shape.groups)
        self.conv_norm_out = nn.GroupNorm(shape.groups, widths[-1], EPSILON)
        self.conv_out = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(P, C, h, w) to (P, 3, 8h, 8w)."""
        x = self.mid_block(self.conv_in(x))
        for level in self.up_blocks:
            x = level(x)
        result: Tensor = self.conv_out(silu(self.conv_norm_out(x)))
        return result


class _Attention(nn.Module):
    """Self-attention of one head."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, width, EPSILON)
        self.to_q = nn.Linear(width, width)
        self.to_k = nn.Linear(width, width)
        self.to_v = nn.Linear(width, width)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.group_norm(x).flatten(2).transpose(1, 2)
        mixed = attend(self.to_q(tokens), self.to_k(tokens), self.to_v(tokens), heads=1)
        result: Tensor = x + self.to_out[0](mixed).transpose(1, 2).reshape(x.shape)
        return result


def _resnets(inputs: int, outputs: int, count: int, groups: int) -> list[Resnet]:
    return [Resnet(outputs if i else inputs, outputs, groups, EPSILON) for i in range(count)]


def _middle(width: int, groups: int) -> Level:
    return Level(_resnets(width, width, 2, groups), [_Attention(width, groups)])
