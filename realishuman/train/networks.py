"""The networks that are trained, each a module whose forward returns the loss of a batch.

One module holds all a stage trains, so that whatever wraps it, such as data parallelism, sees one
forward. Their tensors are named as in a pack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from realishuman.backbones.diffusers import (
    DiffusersAutoencoder,
    build_autoencoder,
    build_unet,
)
from realishuman.backbones.diffusers_unet import DiffusersUnet
from realishuman.diffusion.image_encoder import ImageEncoder
from realishuman.diffusion.networks import Autoencoder, StageOneNetworks, StageTwoNetworks
from realishuman.diffusion.pose_guider import PoseGuider
from realishuman.errors import PackError, SettingsError
from realishuman.train.config import Stage, TrainConfig
from realishuman.train.losses import (
    NoiseTable,
    StageOneBatch,
    StageTwoBatch,
    autoencoder_loss,
    empty_context,
    stage_one_loss,
    stage_two_loss,
)
from realishuman.weights.pack import METADATA_KEY, Pack
from realishuman.weights.random_pack import initial_values
from realishuman.weights.shapes import OLD_VAE_ATTENTION, differences, inpainting_channels

# What ends a residual branch starts at 0, so that every block starts as the identity.
_ZERO = ("conv2.weight", "proj_out.weight", "proj_out.bias", "conv2.bias")
_Load = Callable[[str], Mapping[str, Tensor] | None]  # tensors of a prefix of the pack


class StageOne(nn.Module):
    """Main UNet, Part Detail Encoder, pose guider, projector and image encoder."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        stage, sizes, latent = (
            config.stage_one,
            config.networks,
            config.networks.vae.latent_channels,
        )
        source = _source(stage)
        self.unet = _unet(source, "stage_one.unet.", sizes.unet, latent, latent, stage)
        self.reference = _unet(source, "stage_one.reference.", sizes.unet, latent, latent, stage)
        self.pose_guider = _filled(
            PoseGuider(sizes.pose, sizes.unet.channels[0]), source, "stage_one.pose_guider.", stage
        )
        width = sizes.image_encoder.width
        self.projector = _filled(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, sizes.unet.context)),
            source,
            "stage_one.projector.",
            stage,
        )
        self.image_encoder = _filled(
            ImageEncoder(sizes.image_encoder), source, "image_encoder.", stage
        ).requires_grad_(stage.train_encoder)
        self._table = NoiseTable.of(config.schedule, stage.min_snr)
        self._schedule = config.schedule
        self._unets = DiffusersUnet(self.unet), DiffusersUnet(self.reference)

    def networks(self, autoencoder: Autoencoder) -> StageOneNetworks:
        """The same networks as inference wants them."""
        return StageOneNetworks(
            *self._unets,
            pose_guider=self.pose_guider,
            image_encoder=self.image_encoder,
            projector=self.projector,
            no_context=empty_context(self.image_encoder, self.projector),
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
        source, shape = _source(stage), sizes.stage_two_unet
        self.unet = _unet(
            source, "stage_two.unet.", shape, inpainting_channels(latent), latent, stage
        )
        prompts = source("prompt.") or {}
        for name in ("conditional", "unconditional"):
            size = (1, sizes.prompt, shape.context)
            value = prompts.get(name, initial_values(f"prompt.{name}", size, stage.seed))
            self.register_buffer(name, value.float())
        self._table = NoiseTable.of(config.schedule, stage.min_snr)
        self._schedule = config.schedule
        self._unet = DiffusersUnet(self.unet)

    def networks(self, autoencoder: Autoencoder) -> StageTwoNetworks:
        """The same networks as inference wants them."""
        context, no_context = self.get_buffer("conditional"), self.get_buffer("unconditional")
        return StageTwoNetworks(self._unet, context, no_context, autoencoder, self._schedule)

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
        module = build_autoencoder(config.networks.vae).to_empty(device="cpu")
        self.vae = _filled(module, _source(stage), "vae.", stage)

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Loss of pictures (B, 3, R, R) in [-1, 1] with noise (B, C, h, w) for the posterior."""
        images, noise = batch
        posterior = self.vae.encode(images).latent_dist
        decoded = self.vae.decode(posterior.mean + posterior.std * noise).sample
        return autoencoder_loss(images, decoded, posterior.kl())

    def scaled(self, scaling: float) -> DiffusersAutoencoder:
        """The same network as inference wants it."""
        return DiffusersAutoencoder(self.vae, scaling)

    def pack_tensors(self) -> dict[str, Tensor]:
        """Tensors under their names in a pack."""
        return dict(self.state_dict())


class _Absent:
    """Stands for the autoencoder in a training step, which sees latents only."""

    def encode(self, images: Tensor) -> Tensor:
        """Never called."""
        raise NotImplementedError

    def decode(self, latents: Tensor) -> Tensor:
        """Never called."""
        raise NotImplementedError


def _unet(
    source: _Load, prefix: str, shape: Any, inputs: int, outputs: int, stage: Stage
) -> nn.Module:
    module = build_unet(shape, inputs, outputs).to_empty(device="cpu")
    _filled(module, source, prefix, stage)
    if stage.gradient_checkpointing:
        module.enable_gradient_checkpointing()
    return module  # type: ignore[no-any-return]


def _filled(module: Any, source: _Load, prefix: str, stage: Stage) -> Any:
    """Give a module its initial values, from the source or at random; float32, to be trained."""
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    tensors = source(prefix)
    if tensors is None:
        tensors = {
            name: _initial(prefix + name, shape, stage.seed) for name, shape in expected.items()
        }
    else:
        tensors = _widened(tensors, expected)
    if wrong := differences({n: tuple(t.shape) for n, t in tensors.items()}, expected):
        raise PackError(f"{stage.initial}: {prefix}* does not fit the configuration: {wrong}")
    module.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return module.requires_grad_(True).train()


def _initial(name: str, shape: tuple[int, ...], seed: int) -> Tensor:
    values = initial_values(name, shape, seed)
    last = "unet.conv_out" in name or "reference.conv_out" in name or "pose_guider.conv_out" in name
    if last or (not name.startswith("vae.") and name.endswith(_ZERO)):
        return torch.zeros_like(values)
    return torch.zeros_like(values) if name.endswith(".bias") else values


def _widened(
    tensors: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]
) -> dict[str, Tensor]:
    """Give a text-to-image UNet's first convolution the inputs of inpainting, as zeros."""
    tensors, name = dict(tensors), "conv_in.weight"
    if name in tensors and name in expected and (more := expected[name][1]) > 3:
        first = tensors[name]
        missing = more - first.shape[1]
        if missing > 0:
            tensors[name] = torch.cat([first, first.new_zeros(len(first), missing, 3, 3)], dim=1)
    return tensors


def _source(stage: Stage) -> _Load:
    """Where initial weights come from: a function that has a network's tensors, or None."""
    if stage.initial is None:
        return lambda _prefix: None
    path = Path(stage.initial)
    try:
        with safe_open(path, framework="pt") as file:
            is_pack = METADATA_KEY in (file.metadata() or {})
        tensors = {} if is_pack else load_file(path)
    except (SafetensorError, OSError) as error:
        raise SettingsError(f"initial weights {path} cannot be read: {error}") from error
    if is_pack:
        pack = Pack.open(path)
        return lambda prefix: pack.tensors(prefix) or None
    return lambda prefix: _of_library(prefix, tensors)


def _of_library(prefix: str, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
    """A file of one network in diffusers' names, for the networks it fits."""
    if prefix.endswith(("unet.", "reference.")) and "time_embedding.linear_1.weight" in tensors:
        return tensors
    if prefix == "vae." and "quant_conv.weight" in tensors:
        return {_new_name(name): _matrix(name, tensor) for name, tensor in tensors.items()}
    return None


def _new_name(name: str) -> str:
    parts = name.split(".")
    if "attentions" in parts:
        old, kind = parts[-2], parts[-1]
        return ".".join([*parts[:-2], OLD_VAE_ATTENTION.get(old, old), kind])
    return name


def _matrix(name: str, tensor: Tensor) -> Tensor:
    """Attention of old autoencoders is stored as 1x1 convolutions."""
    attention = ".attentions." in name and tensor.ndim == 4
    return tensor[:, :, 0, 0] if attention else tensor
