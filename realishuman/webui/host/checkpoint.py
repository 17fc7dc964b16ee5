"""The loaded model as the checkpoint that repaints parts: its networks, words and LoRAs.

Nothing of it is copied and nothing stays on it: its UNet runs as a second tree of modules around
the same weights (backbones.twin.share), its autoencoder and text encoders by the host's own calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from realishuman.backbones.ldm import LdmUnet
from realishuman.backbones.twin import CONV_IN, share
from realishuman.diffusion.networks import Condition, FeatureBank
from realishuman.diffusion.prompted import CheckpointNetworks, Prompt, Reference
from realishuman.webui.host.img2img import HostImg2Img
from realishuman.webui.host.kept import remarks_kept, seeded
from realishuman.webui.host.surroundings import Surroundings, is_loaded, loaded_model

_ACTIVATIONS = 2 * 2**30  # bytes that sampling a few crops of 512 px takes
_PLAIN, _INPAINTING = 4, 9  # channels that a UNet is given
_REFINER = 1280  # width of the tokens that Stable Diffusion XL's refiner is told
_HOW = "To repaint with it, load a checkpoint of Stable Diffusion 1.x, 2.x or XL."


class LoadedCheckpoint:
    """Whatever model the host has loaded when it is asked; prompted.Checkpoint."""

    def __init__(self, host: Surroundings) -> None:
        self._host = host

    @property
    def name(self) -> str:
        """As the host calls it."""
        info = getattr(loaded_model(), "sd_checkpoint_info", None)
        return str(getattr(info, "name_for_extra", "the loaded checkpoint"))

    @property
    def side(self) -> int:
        """See Checkpoint."""
        model = loaded_model()
        if getattr(model, "is_sd2", False):
            return 512 if self._host.lent().noise().prediction == "epsilon" else 768
        small = getattr(model, "is_sd1", False) and not getattr(model, "is_sdxl", False)
        return 512 if small else 1024

    @property
    def device(self) -> torch.device:
        """See Checkpoint."""
        return self._host.lent().place().device

    def why_not(self) -> str:
        """See Checkpoint."""
        found = self._host.lent().unet()
        if found.module is None:
            why_not = f"{found.why_not[:1].upper()}{found.why_not[1:]}. {_HOW}"
            return "" if is_loaded() else why_not  # img2img takes any model
        shapes = {name: tuple(p.shape) for name, p in found.module.named_parameters()}
        conv_in = shapes.get(CONV_IN, ())
        if len(conv_in) == 4 and conv_in[1] not in (_PLAIN, _INPAINTING):
            what = "it is made for depth, instructions or upscaling"
            return f"The loaded model cannot repaint a part: {what}. {_HOW}"
        widths = {shape[1] for name, shape in shapes.items() if name.endswith("attn2.to_k.weight")}
        if _REFINER in widths:
            return f"The loaded model is a refiner, which only finishes what its base began. {_HOW}"
        return ""

    def img2img(self) -> HostImg2Img | None:
        """See Checkpoint."""
        why = self._host.lent().unet().why_not
        return HostImg2Img(self._host, self.name, why) if why else None

    @contextmanager
    def networks(self) -> Iterator[CheckpointNetworks]:
        """See Checkpoint."""
        lent, module = self._host.lent(), self._host.lent().unet().module
        channels = 0 if module is None else module.get_parameter(CONV_IN).shape[1]
        unet = _LentUnet(self._host, self.side)
        try:
            yield CheckpointNetworks(
                unet=unet,
                inpainting=channels == _INPAINTING,
                autoencoder=_LentAutoencoder(self._host),
                embed=self._embed,
                noise=lent.noise(),
            )
        finally:
            unet.release()
            self._host.empty_cache()

    def _embed(self, text: str, negative: bool) -> Prompt:
        """A text by the host's own rules: emphasis, embeddings, clip skip, any length."""
        from modules import prompt_parser

        model, side = loaded_model(), self.side
        [schedule] = prompt_parser.get_learned_conditioning_prompt_schedules([text], 1)
        words = prompt_parser.SdConditioning(
            [schedule[-1][1]], is_negative_prompt=negative, width=side, height=side
        )
        with remarks_kept(), self._host.computing():
            made: Any = model.get_learned_conditioning(words)
        if isinstance(made, dict):
            return Prompt(made["crossattn"].float(), made["vector"].float())
        return Prompt(made.float())


class _LentUnet:
    """The loaded model's UNet; prompted.PromptedUnet."""

    def __init__(self, host: Surroundings, side: int) -> None:
        self._host = host
        self._activations = round(_ACTIVATIONS * (side / 512) ** 2)
        self._inner: LdmUnet | None = None

    def condition(self, prompt: Prompt) -> Condition:
        """Bring the UNet, which the autoencoder may have sent away, and build on it as it is."""
        lent = self._host.lent()
        lent.bring(self._activations)
        found = lent.unet()
        if found.module is None:  # why_not was asked before
            raise RuntimeError(found.why_not)
        self._inner = LdmUnet(share(found.module), lent.place(), self._host.computing)
        return self._inner.prompted(prompt)

    def predict(
        self, latents: Tensor, timestep: Tensor, condition: Condition, reference: Reference | None
    ) -> Tensor:
        """See PromptedUnet."""
        return self._running.predict(latents, timestep, condition, reference)

    def features(self, latents: Tensor, timestep: Tensor, condition: Condition) -> FeatureBank:
        """See PromptedUnet."""
        return self._running.features(latents, timestep, condition)

    def release(self) -> None:
        """Let go of the host's weights."""
        self._inner = None

    @property
    def _running(self) -> LdmUnet:
        if self._inner is None:
            raise RuntimeError("condition was not called")
        return self._inner


class _LentAutoencoder:
    """The loaded model's autoencoder, by the host's calls; networks.Autoencoder."""

    def __init__(self, host: Surroundings) -> None:
        self._lent = host.lent()

    def encode(self, images: Tensor) -> Tensor:
        """See Autoencoder; where a host gives no mode, a sample that is always the same."""
        return torch.cat([self._encode(one) for one in torch.split(images, 1)])

    def _encode(self, image: Tensor) -> Tensor:
        model = loaded_model()
        with seeded(0):
            found = self._lent.autoencode(model.encode_first_stage, image.to(self._device))
            if isinstance(found, Tensor):
                found = model.get_first_stage_encoding(found)
            else:  # a posterior
                found = found.mode() * model.scale_factor
        latents: Tensor = found.to(self._device, torch.float32)
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """See Autoencoder."""
        made = [
            self._lent.autoencode(loaded_model().decode_first_stage, one)
            for one in torch.split(latents, 1)
        ]
        return (torch.cat(made).float() / 2 + 0.5).clamp(0, 1)

    @property
    def _device(self) -> torch.device:
        return self._lent.place().device
