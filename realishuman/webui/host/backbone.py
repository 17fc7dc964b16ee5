"""A pack's networks inside a WebUI, on the classes of its loaded UNet wherever they fit.

All networks are built on the CPU and are on the device only while a stage runs. Between pictures
they wait in RAM as long as there is plenty. Which UNet runs is decided anew at each stage, because
the user may change the loaded model between two pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import torch
from torch import nn

from realishuman.backbones.ldm import LdmUnet
from realishuman.backbones.loading import Place, load_conditioners
from realishuman.backbones.moving import TurningAutoencoder, TurningUnet, Turns, size, turning
from realishuman.backbones.packed import load_autoencoder, load_unet
from realishuman.backbones.twin import load_twin, misfit
from realishuman.diffusion.autoencoder import PlainAutoencoder
from realishuman.diffusion.networks import OWN, TWIN, StageOneNetworks, StageTwoNetworks, Unet
from realishuman.memory import memory_left
from realishuman.packs.header import UnetShape
from realishuman.packs.pack import Pack
from realishuman.webui.host.surroundings import Surroundings

_CPU = torch.device("cpu")
_SMALL = 2 * 2**30  # bytes of weights that stay in RAM where the system says nothing of memory
_ACTIVATIONS = 2 * 2**30  # bytes that encoding, sampling and decoding a few crops of 512 px take
_Networks = TypeVar("_Networks", StageOneNetworks, StageTwoNetworks)


@dataclass(frozen=True)
class _Loaded(Generic[_Networks]):
    """Networks on the CPU, and what they were built for."""

    networks: _Networks
    key: tuple[object, ...]


class HostBackbone:
    """The networks of one pack for as long as a stage runs; networks.Backbone."""

    def __init__(self, pack: Pack, host: Surroundings) -> None:
        self._pack = pack
        self._host = host
        self._one: _Loaded[StageOneNetworks] | None = None
        self._two: _Loaded[StageTwoNetworks] | None = None
        self._unets = OWN

    @property
    def device(self) -> torch.device:
        """Where the networks compute."""
        return self._host.place().device

    @property
    def dtype(self) -> torch.dtype:
        """In which precision the networks compute."""
        return self._host.place().dtype

    @property
    def note(self) -> str:
        """Empty: a shared image encoder is asked to run on the CPU here."""
        return ""

    @property
    def unets(self) -> str:
        """What the UNets of the latest stage are."""
        return self._unets

    def release(self) -> None:
        """Let go of all networks; the next stage loads its own again."""
        self._one = self._two = None

    def why_not(self) -> str:
        """Why the loaded model's UNet cannot be used, in half a sentence; "" if it can."""
        header, found = self._pack.header, self._host.template()
        if found.module is None:
            return found.why_not
        latent = header.vae.latent_channels
        shapes = (header.unet, header.stage_two_unet)
        return next(filter(None, (misfit(found.module, shape, latent) for shape in shapes)), "")

    @contextmanager
    def stage_one(self) -> Iterator[StageOneNetworks]:
        """Networks of stage one. Raises PackError if the pack's tensors do not fit its header."""
        template, key = self._plan()
        if self._one is None or self._one.key != key:
            self._one = None
            with torch.inference_mode(False), torch.no_grad():
                self._one = _Loaded(self._load_one(template), key)
        networks = self._one.networks
        unets = [_module(networks.unet), _module(networks.reference)]
        others = [
            _module(each)
            for each in (
                networks.autoencoder,
                networks.pose_guider,
                networks.image_encoder,
                networks.projector,
            )
        ]
        try:
            with self._host.resident(unets, others, self._activations()) as turns:
                here = replace(networks, no_context=networks.no_context.to(self.device))
                yield here if turns is None else _one_in_turns(here, turns)
        finally:
            if not self._stay([*unets, *others]):
                self._one = None

    @contextmanager
    def stage_two(self) -> Iterator[StageTwoNetworks]:
        """Networks of stage two, likewise."""
        template, key = self._plan()
        if self._two is None or self._two.key != key:
            self._two = None
            with torch.inference_mode(False), torch.no_grad():
                self._two = _Loaded(self._load_two(template), key)
        networks = self._two.networks
        unets, others = [_module(networks.unet)], [_module(networks.autoencoder)]
        try:
            with self._host.resident(unets, others, self._activations()) as turns:
                yield networks if turns is None else _two_in_turns(networks, turns)
        finally:
            if not self._stay([*unets, *others]):
                self._two = None

    def _plan(self) -> tuple[nn.Module | None, tuple[object, ...]]:
        """What to make twins of, if anything, and what networks must be built for."""
        template = None if self.why_not() else self._host.template().module
        self._unets = OWN if template is None else TWIN
        place = self._host.place()
        return template, (template is None, place, self._host.autoencoder_dtype())

    def _load_one(self, template: nn.Module | None) -> StageOneNetworks:
        header, dtype = self._pack.header, self.dtype
        # in float32: no_context is computed here, and not every CPU computes in float16
        small = load_conditioners(self._pack, Place(_CPU, torch.float32))
        return StageOneNetworks(
            unet=self._unet("stage_one.unet.", header.unet, template),
            reference=self._unet("stage_one.reference.", header.unet, template),
            pose_guider=small.pose_guider.to(dtype),
            image_encoder=small.image_encoder.to(dtype),
            projector=small.projector.to(dtype),
            no_context=small.no_context.to(dtype),
            autoencoder=self._autoencoder("vae."),
            schedule=header.schedule,
        )

    def _load_two(self, template: nn.Module | None) -> StageTwoNetworks:
        header, prompt = self._pack.header, self._pack.tensors("prompt.")
        own = self._pack.has("stage_two.vae.")
        return StageTwoNetworks(
            unet=self._unet("stage_two.unet.", header.stage_two_unet, template),
            context=prompt["conditional"],
            no_context=prompt["unconditional"],
            autoencoder=self._autoencoder("stage_two.vae." if own else "vae."),
            schedule=header.schedule,
        )

    def _unet(self, prefix: str, shape: UnetShape, template: nn.Module | None) -> Unet:
        place = self._host.place()
        if template is not None:
            module = load_twin(template, self._pack, prefix, shape, place.dtype)
            return LdmUnet(module, place, self._host.computing)
        return load_unet(self._pack, prefix, shape, Place(_CPU, place.dtype))

    def _autoencoder(self, prefix: str) -> PlainAutoencoder:
        return load_autoencoder(self._pack, prefix, Place(_CPU, self._host.autoencoder_dtype()))

    def _stay(self, modules: Sequence[nn.Module]) -> bool:
        """Whether networks wait in RAM for the next picture: if as much again is free."""
        left = memory_left()
        return size(modules) <= (_SMALL if left is None else left.free)

    def _activations(self) -> int:
        return round(_ACTIVATIONS * (self._pack.header.resolution / 512) ** 2)


def _one_in_turns(networks: StageOneNetworks, turns: Turns) -> StageOneNetworks:
    unet, reference = _module(networks.unet), _module(networks.reference)
    return replace(
        networks,
        unet=TurningUnet(networks.unet, unet, turns),
        reference=TurningUnet(networks.reference, reference, turns),
        pose_guider=turning(_module(networks.pose_guider), turns),
        image_encoder=turning(_module(networks.image_encoder), turns),
        projector=turning(_module(networks.projector), turns),
        autoencoder=TurningAutoencoder(networks.autoencoder, _module(networks.autoencoder), turns),
    )


def _two_in_turns(networks: StageTwoNetworks, turns: Turns) -> StageTwoNetworks:
    return replace(
        networks,
        unet=TurningUnet(networks.unet, _module(networks.unet), turns),
        autoencoder=TurningAutoencoder(networks.autoencoder, _module(networks.autoencoder), turns),
    )


def _module(network: object) -> nn.Module:
    """The module of a network built here."""
    if isinstance(network, LdmUnet):
        return network.module
    if not isinstance(network, nn.Module):
        raise TypeError(f"{type(network).__name__} is no network of this backbone")
    return network
