"""The training losses: equations 3 and 6 of the paper, and the autoencoder's.

Both stages run the networks exactly as inference does, only with gradients: the reference's
features come from its UNet, samples without a condition are the first rows of the batch, and the
image tokens of an empty picture are what those rows see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from realishuman.diffusion.image_encoder import ImageEncoder
from realishuman.diffusion.networks import StageOneNetworks, StageTwoNetworks
from realishuman.diffusion.schedule import alphas_cumprod
from realishuman.packs.header import ScheduleConstants

GRADIENT_WEIGHT = 0.5  # of differences between neighbouring pixels, which keep edges sharp
KL_WEIGHT = 1e-6


@dataclass(frozen=True)
class NoiseTable:
    """The training schedule: signal share (alpha bar) per timestep, (train_steps,) float32.

    min_snr  gamma of min-SNR weighting, or None.
    """

    alphas: Tensor
    prediction: str
    min_snr: float | None

    @classmethod
    def of(cls, constants: ScheduleConstants, min_snr: float | None) -> NoiseTable:
        """The same table that sampling uses."""
        alphas = torch.from_numpy(alphas_cumprod(constants)).float()
        return cls(alphas, constants.prediction, min_snr)

    def add_noise(self, clean: Tensor, noise: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """Latents at their timesteps, and what the network should predict from them.

        clean, noise  (B, C, h, w); timesteps (B,) int64.
        """
        alphas = self._at(timesteps)[:, None, None, None]
        signal, spread = alphas.sqrt(), (1 - alphas).sqrt()
        latents = signal * clean + spread * noise
        if self.prediction == "epsilon":
            return latents, noise
        return latents, signal * noise - spread * clean

    def weights(self, timesteps: Tensor) -> Tensor:
        """Each sample's weight in the loss, (B,).

        Source: Hang et al. 2023, "Efficient Diffusion Training via Min-SNR Weighting Strategy":
        min(SNR, gamma) on clean latents' error, so divided by SNR on noise and by SNR + 1 on v.
        """
        if self.min_snr is None:
            return torch.ones_like(timesteps, dtype=torch.float32)
        alphas = self._at(timesteps)
        snr = alphas / (1 - alphas)
        capped = snr.clamp(max=self.min_snr)
        if self.prediction == "epsilon":
            return torch.where(snr > 0, capped / snr.clamp(min=1e-12), torch.ones_like(snr))
        return capped / (snr + 1)

    def loss(self, predicted: Tensor, target: Tensor, timesteps: Tensor) -> Tensor:
        """Mean squared error, weighted by timestep."""
        errors = (predicted.float() - target).square().flatten(1).mean(1)
        return (errors * self.weights(timesteps)).mean()

    def _at(self, timesteps: Tensor) -> Tensor:
        return self.alphas.to(timesteps.device)[timesteps]


@dataclass(frozen=True)
class StageOneBatch:
    """B samples of stage one.

    clean       (B, C, h, w) latents of what should be painted.
    reference   (B, C, h, w) latents of the picture below.
    seen        (B, 3, R, R) float32 in [0, 1]: the part as it came, black outside m; or the image
                encoder's tokens of it, (B, T, width), where they are kept.
    pose        (B, 3, R, R) float32 in [0, 1].
    noise       (B, C, h, w).
    timesteps   (B,) int64.
    keep        (B,) bool; False sees neither reference nor tokens.
    reference_pose  (B, 3, R, R) float32 in [0, 1], of the picture that is the reference; None is
                the same as pose.
    """

    clean: Tensor
    reference: Tensor
    seen: Tensor
    pose: Tensor
    noise: Tensor
    timesteps: Tensor
    keep: Tensor
    reference_pose: Tensor | None = None


@dataclass(frozen=True)
class StageTwoBatch:
    """B samples of stage two.

    clean      (B, C, h, w) latents of the picture as it should be.
    i_f        (B, C, h, w) latents of I_f.
    m_f        (B, 1, h, w) float32, 0 or 1.
    noise, timesteps, keep  as in StageOneBatch; without keep, the empty prompt is seen.
    """

    clean: Tensor
    i_f: Tensor
    m_f: Tensor
    noise: Tensor
    timesteps: Tensor
    keep: Tensor


def stage_one_loss(networks: StageOneNetworks, batch: StageOneBatch, table: NoiseTable) -> Tensor:
    """Equation 3, a scalar. `networks.no_context` must carry gradients if its makers train."""
    order = torch.argsort(batch.keep.int(), stable=True)  # those without a condition first
    given = {name: value for name, value in vars(batch).items() if value is not None}
    batch = replace(batch, **{name: value[order] for name, value in given.items()})
    dropped, count = int((~batch.keep).sum()), len(batch.keep)
    context = networks.projector(image_tokens(networks.image_encoder, batch.seen[dropped:]))
    pose = networks.pose_guider(batch.pose)
    bank = None
    if dropped < count:
        theirs = pose[dropped:]
        if batch.reference_pose is not None:
            theirs = networks.pose_guider(batch.reference_pose[dropped:])
        bank = networks.reference.features(
            batch.reference[dropped:],
            batch.timesteps[dropped:],
            networks.reference.condition(context, theirs),
        )
    tokens = torch.cat([networks.no_context.expand(dropped, -1, -1).to(context), context])
    latents, target = table.add_noise(batch.clean, batch.noise, batch.timesteps)
    predicted = networks.unet.predict(
        latents, batch.timesteps, networks.unet.condition(tokens, pose), bank
    )
    return table.loss(predicted, target, batch.timesteps)


def stage_two_loss(networks: StageTwoNetworks, batch: StageTwoBatch, table: NoiseTable) -> Tensor:
    """Equation 6, a scalar."""
    latents, target = table.add_noise(batch.clean, batch.noise, batch.timesteps)
    tokens = torch.where(batch.keep[:, None, None], networks.context, networks.no_context)
    predicted = networks.unet.predict(
        torch.cat([latents, batch.m_f, batch.i_f], dim=1),
        batch.timesteps,
        networks.unet.condition(tokens),
        None,
    )
    return table.loss(predicted, target, batch.timesteps)


def image_tokens(encoder: Callable[[Tensor], Tensor], seen: Tensor) -> Tensor:
    """Tokens (B, T, width) of what a batch has seen: pictures, or tokens already."""
    return seen if seen.ndim == 3 else encoder(seen)


def empty_tokens(encoder: ImageEncoder) -> Tensor:
    """Tokens of the all-zero normalised picture, (1, T, width), as inference makes them."""
    side = encoder.shape.side
    return encoder.tokens(torch.zeros(1, 3, side, side, device=encoder.layernorm.weight.device))


def autoencoder_loss(images: Tensor, decoded: Tensor, kl: Tensor) -> Tensor:
    """How far decoded pictures are off, in values and in edges, and how far latents from normal.

    images, decoded  (B, 3, R, R) in [-1, 1].
    kl               (B,) divergence of each posterior.
    """
    error = decoded.float() - images
    edges = (error[..., 1:] - error[..., :-1]).abs().mean()
    edges = edges + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    squared = F.mse_loss(decoded.float(), images)
    return error.abs().mean() + squared + GRADIENT_WEIGHT * edges + KL_WEIGHT * kl.mean()
