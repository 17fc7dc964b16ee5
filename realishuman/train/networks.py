"""The networks that are trained, each a module whose forward returns the loss of a batch.

One module holds all a stage trains, so that whatever wraps it, such as data parallelism, sees one
forward. Their tensors are named as in a pack.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from realishuman.backbones.packed import build_autoencoder, build_unet
from realishuman.diffusion.image_encoder import ImageEncoder
from realishuman.diffusion.networks import Autoencoder, StageOneNetworks, StageTwoNetworks
from realishuman.diffusion.pose_guider import PoseGuider
from realishuman.diffusion.unet import PlainUnet
from realishuman.packs.header import UnetShape
from realishuman.packs.random_pack import initial_values
from realishuman.packs.shapes import inpainting_channels, prompt_shapes
from realishuman.train.config import Stage, TrainConfig
from realishuman.train.initial import Load, fill, fits, source
from realishuman.train.losses import (
    NoiseTable,
    StageOneBatch,
    StageTwoBatch,
    autoencoder_loss,
    empty_tokens,
    stage_one_loss,
    stage_two_loss,
)


class StageOne(nn.Module):
    """Main UNet, Part Detail Encoder, pose guider, projector and image encoder.

    nothing  tokens of the empty picture, (1, T, width), if the encoder is not trained, else None.
    """

    nothing: Tensor | None

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        stage, sizes, latent = (
            config.stage_one,
            config.networks,
            config.networks.vae.latent_channels,
        )
        load = source(stage, sizes)
        self.unet = _unet(load, "stage_one.unet.", sizes.unet, latent, latent, stage)
        self.reference = _unet(load, "stage_one.reference.", sizes.unet, latent, latent, stage)
        self.pose_guider = fill(
            PoseGuider(sizes.pose, sizes.unet.channels[0]), load, "stage_one.pose_guider.", stage
        )
        width = sizes.image_encoder.width
        self.projector = fill(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, sizes.unet.context)),
            load,
            "stage_one.projector.",
            stage,
        )
        self.image_encoder = fill(
            ImageEncoder(sizes.image_encoder), load, "image_encoder.", stage
        ).requires_grad_(stage.train_encoder)
        # of an encoder that stays as it is they are always the same
        nothing = None if stage.train_encoder else empty_tokens(self.image_encoder)
        self.register_buffer("nothing", nothing, persistent=False)
        self._table = NoiseTable.of(config.schedule, stage.min_snr)
        self._schedule = config.schedule

    def networks(self, autoencoder: Autoencoder) -> StageOneNetworks:
        """The same networks as inference wants them."""
        nothing = empty_tokens(self.image_encoder) if self.nothing is None else self.nothing
        return StageOneNetworks(
            unet=self.unet,
            reference=self.reference,
            pose_guider=self.pose_guider,
            image_encoder=self.image_encoder,
            projector=self.projector,
            no_context=self.projector(nothing),
            autoencoder=autoencoder,
            schedule=self._schedule,
        )

    def forward(self, batch: StageOneBatch) -> Tensor:
        """Equation 3, a scalar."""
        return stage_one_loss(self.networks(_Absent()), batch, self._table)

    def pack_tensors(self) -> dict[str, Tensor]:
        """Tensors under their names in a pack."""
        return {
            name if name.startswith("image_encoder.") else f"stage_one.{name}": tensor
            for name, tensor in self.state_dict().items()
        }


class StageTwo(nn.Module):
    """The inpainting UNet, and the prompts it is given, which stay as they are."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        stage, sizes, latent = (
            config.stage_two,
            config.networks,
            config.networks.vae.latent_channels,
        )
        load, shape = source(stage, sizes), sizes.stage_two_unet
        self.unet = _unet(
            load, "stage_two.unet.", shape, inpainting_channels(latent), latent, stage
        )
        wanted = prompt_shapes(sizes.prompt, shape.context)
        prompts = load("prompt.") or {
            name: initial_values(f"prompt.{name}", size, stage.seed)
            for name, size in wanted.items()
        }
        fits(prompts, wanted, "prompt.", stage)
        for name in wanted:
            self.register_buffer(name, prompts[name].float())
        self._table = NoiseTable.of(config.schedule, stage.min_snr)
        self._schedule = config.schedule

    def networks(self, autoencoder: Autoencoder) -> StageTwoNetworks:
        """The same networks as inference wants them."""
        context, no_context = self.get_buffer("conditional"), self.get_buffer("unconditional")
        return StageTwoNetworks(self.unet, context, no_context, autoencoder, self._schedule)

    def forward(self, batch: StageTwoBatch) -> Tensor:
        """Equation 6, a scalar."""
        return stage_two_loss(self.networks(_Absent()), batch, self._table)

    def pack_tensors(self) -> dict[str, Tensor]:
        """Tensors under their names in a pack."""
        return {
            f"stage_two.{name}" if name.startswith("unet.") else f"prompt.{name}": tensor
            for name, tensor in self.state_dict().items()
        }


class TrainedAutoencoder(nn.Module):
    """The autoencoder."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        stage = config.autoencoder
        module = build_autoencoder(config.networks.vae).to_empty(device=torch.empty(0).device)
        self.vae = fill(module, source(stage, config.networks), "vae.", stage)

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Loss of pictures (B, 3, R, R) in [-1, 1] with noise (B, C, h, w) for the posterior."""
        images, noise = batch
        posterior = self.vae.posterior(images)
        decoded = self.vae.pictures(posterior.sample(noise))
        return autoencoder_loss(images, decoded, posterior.divergence())

    def pack_tensors(self) -> dict[str, Tensor]:
        """Tensors under their names in a pack."""
        return dict(self.state_dict())


class _Absent:
    """Stands for the autoencoder in a training step, which sees latents only."""

    def encode(self, images: Tensor) -> Tensor:
        """Refuse: latents are made before training."""
        raise AssertionError("a training step encodes no pictures")

    def decode(self, latents: Tensor) -> Tensor:
        """Refuse: a loss is taken on latents."""
        raise AssertionError("a training step decodes no latents")


def _unet(
    load: Load, prefix: str, shape: UnetShape, inputs: int, outputs: int, stage: Stage
) -> PlainUnet:
    module = build_unet(shape, inputs, outputs).to_empty(device=torch.empty(0).device)
    module.recompute = stage.gradient_checkpointing
    return fill(module, load, prefix, stage)
