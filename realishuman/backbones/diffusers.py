"""Stable Diffusion by the diffusers library, with all weights from the pack.

Reference attention and kept cross-attention live in the attention processors set when a UNet is
built. They hold nothing but their block's name: what one call reads and writes comes in by
cross_attention_kwargs and goes with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor
from torch.nn import functional as F

from realishuman.backbones.loading import Place, fill, load, load_conditioners
from realishuman.diffusion.networks import (
    Condition,
    FeatureBank,
    StageOneNetworks,
    StageTwoNetworks,
)
from realishuman.errors import BackboneError
from realishuman.weights.pack import Pack, UnetShape, VaeShape

SMALL_PACK = 2**30  # bytes
LARGE_DEVICE = 15 * 2**30  # bytes; a card sold as 16 GB has a little less than 16 GiB


class DiffusersBackbone:
    """The networks of one pack, loaded when their stage is first entered.

    device       where to compute.
    dtype        float16 on CUDA and float32 elsewhere, if not given.
    keep_loaded  keep a stage's networks for the next run. Otherwise they are freed when the stage
                 ends, and the most memory used is that of one stage. None decides by the pack's
                 size and the device's memory.
    """

    def __init__(
        self,
        pack: Pack,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
        *,
        keep_loaded: bool | None = None,
    ) -> None:
        place = torch.device(device)
        if dtype is None:
            dtype = torch.float16 if place.type == "cuda" else torch.float32
        self._place = Place(place, dtype)
        self._pack = pack
        self._keep_loaded = _fits(pack, place) if keep_loaded is None else keep_loaded
        self._one: StageOneNetworks | None = None
        self._two: StageTwoNetworks | None = None
        self._autoencoder: DiffusersAutoencoder | None = None

    @property
    def device(self) -> torch.device:
        """Where the networks compute."""
        return self._place.device

    @property
    def dtype(self) -> torch.dtype:
        """In which precision the networks compute."""
        return self._place.dtype

    @contextmanager
    def stage_one(self) -> Iterator[StageOneNetworks]:
        """Networks of stage one. Raises PackError if the pack's tensors do not fit its header."""
        self._one = self._one or self._load_one()
        try:
            yield self._one
        finally:
            if not self._keep_loaded:
                self._one = self._autoencoder = None

    @contextmanager
    def stage_two(self) -> Iterator[StageTwoNetworks]:
        """Networks of stage two, likewise."""
        self._two = self._two or self._load_two()
        try:
            yield self._two
        finally:
            if not self._keep_loaded:
                self._two = self._autoencoder = None

    def _load_one(self) -> StageOneNetworks:
        small = load_conditioners(self._pack, self._place)
        header = self._pack.header
        return StageOneNetworks(
            unet=load_unet(self._pack, "stage_one.unet.", header.unet, self._place),
            reference=load_unet(self._pack, "stage_one.reference.", header.unet, self._place),
            pose_guider=small.pose_guider,
            image_encoder=small.image_encoder,
            projector=small.projector,
            no_context=small.no_context,
            autoencoder=self._shared_autoencoder(),
            schedule=header.schedule,
        )

    def _load_two(self) -> StageTwoNetworks:
        header, prompt = self._pack.header, self._pack.tensors("prompt.")
        own = self._pack.has("stage_two.vae.")
        return StageTwoNetworks(
            unet=load_unet(self._pack, "stage_two.unet.", header.stage_two_unet, self._place),
            context=prompt["conditional"],
            no_context=prompt["unconditional"],
            autoencoder=load_autoencoder(self._pack, "stage_two.vae.", self._place)
            if own
            else self._shared_autoencoder(),
            schedule=header.schedule,
        )

    def _shared_autoencoder(self) -> DiffusersAutoencoder:
        self._autoencoder = self._autoencoder or load_autoencoder(self._pack, "vae.", self._place)
        return self._autoencoder


def _fits(pack: Pack, device: torch.device) -> bool:
    """Whether both stages of two such packs, hand and face, may stay in memory between runs.

    A converted pack has 5.9 GB. On a CPU its stages take minutes, so loading anew costs little.
    """
    if pack.path.stat().st_size < SMALL_PACK:
        return True
    if device.type != "cuda":
        return False
    return torch.cuda.get_device_properties(device).total_memory >= LARGE_DEVICE


def build_unet(shape: UnetShape, in_channels: int) -> UNet2DConditionModel:
    """A Stable Diffusion 1.x UNet without weights, on the meta device."""
    down = ["CrossAttnDownBlock2D" if has else "DownBlock2D" for has in shape.attention]
    up = ["CrossAttnUpBlock2D" if has else "UpBlock2D" for has in reversed(shape.attention)]
    with torch.device("meta"):
        return UNet2DConditionModel(
            in_channels=in_channels,
            down_block_types=tuple(down),
            up_block_types=tuple(up),
            block_out_channels=shape.channels,
            layers_per_block=shape.layers,
            cross_attention_dim=shape.context,
            attention_head_dim=shape.heads,  # the library's name for the number of heads
            norm_num_groups=shape.groups,
        )


def load_unet(pack: Pack, prefix: str, shape: UnetShape, place: Place) -> DiffusersUnet:
    """Build a UNet of these sizes from the pack's tensors. Raises PackError if they do not fit."""
    tensors = pack.tensors(prefix)
    first = tensors.get("conv_in.weight", torch.empty(0, 4))  # fill reports a missing one
    module = build_unet(shape, in_channels=first.shape[1])
    return DiffusersUnet(fill(module, tensors, place, f"{pack.path}: {prefix}"))


def load_autoencoder(pack: Pack, prefix: str, place: Place) -> DiffusersAutoencoder:
    """Build the autoencoder from the pack's tensors. Raises PackError if they do not fit."""
    shape: VaeShape = pack.header.vae
    levels = len(shape.channels)
    with torch.device("meta"):
        module = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=shape.channels,
            layers_per_block=shape.layers,
            latent_channels=shape.latent_channels,
            norm_num_groups=shape.groups,
        )
    return DiffusersAutoencoder(load(module, pack, prefix, place), shape.scaling)


class DiffusersAutoencoder:
    """An AutoencoderKL as networks.Autoencoder."""

    def __init__(self, module: AutoencoderKL, scaling: float) -> None:
        self._module = module
        self._scaling = scaling

    def encode(self, images: Tensor) -> Tensor:
        """(P, 3, R, R) in [-1, 1] to scaled latents (P, C, R/8, R/8) float32, the mode."""
        latents: Tensor = self._module.encode(self._cast(images)).latent_dist.mode()
        return latents.float() * self._scaling

    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents (P, C, h, w) to pictures (P, 3, 8h, 8w) float32 in [0, 1]."""
        images: Tensor = self._module.decode(self._cast(latents / self._scaling)).sample
        return (images.float() / 2 + 0.5).clamp(0, 1)

    def _cast(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._module.device, self._module.dtype)


@dataclass(frozen=True)
class _Call:
    """What one forward reads and, as a reference, writes."""

    condition: Condition
    bank: FeatureBank | None = None
    written: dict[str, Tensor] | None = None


class DiffusersUnet:
    """A UNet2DConditionModel as networks.Unet. Replaces the module's attention processors."""

    def __init__(self, module: UNet2DConditionModel) -> None:
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
        with suppress(_AllWritten):
            self._forward(latents, timestep, _Call(condition, written=written))
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
            if self._last:
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
