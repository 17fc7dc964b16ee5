"""Stable Diffusion by networks of our own, of the sizes the pack's header says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from realishuman.backbones.loading import Place, fill, load, load_conditioners
from realishuman.backbones.shared_encoder import SharedEncoder
from realishuman.diffusion.autoencoder import PlainAutoencoder
from realishuman.diffusion.networks import OWN, StageOneNetworks, StageTwoNetworks
from realishuman.diffusion.unet import PlainUnet
from realishuman.packs.header import UnetShape, VaeShape
from realishuman.packs.pack import Pack


class PackedBackbone:
    """The networks of one pack, loaded when their stage is first entered.

    device       where to compute.
    dtype        float16 on CUDA and float32 elsewhere, if not given.
    keep_loaded  keep a stage's networks for the next run. Otherwise they are freed when the stage
                 ends, and the most memory used is that of one stage.
    """

    def __init__(
        self,
        pack: Pack,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
        *,
        keep_loaded: bool = True,
    ) -> None:
        place = torch.device(device)
        if dtype is None:
            dtype = torch.float16 if place.type == "cuda" else torch.float32
        self._place = Place(place, dtype)
        self._pack = pack
        self._keep_loaded = keep_loaded
        self._one: StageOneNetworks | None = None
        self._two: StageTwoNetworks | None = None
        self._autoencoder: PlainAutoencoder | None = None
        self._note = ""

    @property
    def device(self) -> torch.device:
        """Where the networks compute."""
        return self._place.device

    @property
    def dtype(self) -> torch.dtype:
        """In which precision the networks compute."""
        return self._place.dtype

    @property
    def note(self) -> str:
        """A sentence when the shared image encoder ran elsewhere than was asked for, else empty."""
        return self._note

    @property
    def unets(self) -> str:
        """The networks are always this package's own."""
        return OWN

    @contextmanager
    def stage_one(self) -> Iterator[StageOneNetworks]:
        """Networks of stage one. Raises PackError if the pack's tensors do not fit its header."""
        networks = self._one = self._one or self._load_one()
        try:
            yield networks
        finally:
            encoder = networks.image_encoder
            self._note = encoder.note if isinstance(encoder, SharedEncoder) else ""
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

    def _shared_autoencoder(self) -> PlainAutoencoder:
        self._autoencoder = self._autoencoder or load_autoencoder(self._pack, "vae.", self._place)
        return self._autoencoder


def build_unet(shape: UnetShape, in_channels: int, out_channels: int = 4) -> PlainUnet:
    """A UNet without weights, on the meta device."""
    with torch.device("meta"):
        return PlainUnet(shape, in_channels, out_channels)


def build_autoencoder(shape: VaeShape) -> PlainAutoencoder:
    """An autoencoder without weights, on the meta device."""
    with torch.device("meta"):
        return PlainAutoencoder(shape)


def load_unet(pack: Pack, prefix: str, shape: UnetShape, place: Place) -> PlainUnet:
    """Build a UNet of these sizes from the pack's tensors. Raises PackError if they do not fit."""
    tensors = pack.tensors(prefix, place.device, place.dtype)
    first = tensors.get("conv_in.weight", torch.empty(0, 4))  # fill reports a missing one
    module = build_unet(shape, first.shape[1], pack.header.vae.latent_channels)
    return fill(module, tensors, place, f"{pack.path}: {prefix}")


def load_autoencoder(pack: Pack, prefix: str, place: Place) -> PlainAutoencoder:
    """Build the autoencoder from the pack's tensors. Raises PackError if they do not fit."""
    return load(build_autoencoder(pack.header.vae), pack, prefix, place)
