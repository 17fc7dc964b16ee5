"""The loaded model as the checkpoint that repaints parts: its networks, words and LoRAs.

Nothing of it is copied and nothing stays on it: its UNet runs as a second tree of modules around
the same weights (backbones.twin.share), its autoencoder and text encoders by the host's own calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from realishuman.backbones.ldm import LdmUnet
from realishuman.backbones.ldm_control import LdmControl, SteeredUnet
from realishuman.backbones.moving import size, visiting
from realishuman.backbones.twin import CONV_IN, share
from realishuman.diffusion.networks import Condition, FeatureBank
from realishuman.diffusion.prompted import CheckpointNetworks, Prompt, Reference
from realishuman.webui.host.control import HostControl
from realishuman.webui.host.img2img import HostImg2Img
from realishuman.webui.host.kept import remarks_kept, seeded
from realishuman.webui.host.surroundings import Surroundings, is_loaded, loaded_model

_ACTIVATIONS = 2 * 2**30  # bytes that sampling a few crops of 512 px takes
_PLAIN, _INPAINTING = 4, 9  # channels that a UNet is given
_REFINER = 1280  # width of the tokens that Stable Diffusion XL's refiner is told
_HOW = "To repaint with it, load a checkpoint of Stable Diffusion 1.x, 2.x or XL."


class LoadedCheckpoint:
    """Whatever model the host has loaded when it is asked; prompted.Checkpoint.

    control  the ControlNet that the user lets steer it.
    """

    def __init__(self, host: Surroundings, control: HostControl | None = None) -> None:
        self._host, self._control = host, control

    @property
    def name(self) -> str:
        """As the host calls it."""
        info = getattr(loaded_model(), "sd_checkpoint_info", None)
        name = str(getattr(info, "name_for_extra", "the loaded checkpoint"))
        return f"{name}, {self._control.chosen.name}" if self._control else name

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
        conv_in = tuple(found.module.get_parameter(CONV_IN).shape)
        if len(conv_in) == 4 and conv_in[1] not in (_PLAIN, _INPAINTING):
            what = "it is made for depth, instructions or upscaling"
            return f"The loaded model cannot repaint a part: {what}. {_HOW}"
        context = _context(found.module)
        if context == _REFINER:
            return f"The loaded model is a refiner, which only finishes what its base began. {_HOW}"
        return self._control.why_not(found.module, context) if self._control else ""

    def img2img(self) -> HostImg2Img | None:
        """See Checkpoint."""
        why = self._host.lent().unet().why_not
        if why and self._control:
            why = f"{why}, and no ControlNet steers it"
        return HostImg2Img(self._host, self.name, why) if why else None

    @contextmanager
    def networks(self) -> Iterator[CheckpointNetworks]:
        """See Checkpoint."""
        lent, module = self._host.lent(), self._host.lent().unet().module
        if module is None:  # why_not was asked before
            raise RuntimeError(lent.unet().why_not)
        channels = module.get_parameter(CONV_IN).shape[1]
        control = None
        if self._control is not None:
            place = lent.place()
            control = self._control.network(module, _context(module), place.dtype)
            lent.bring(size([control]))  # makes room for it
        unet = _LentUnet(self._host, self.side, control, self._weight)
        try:
            with visiting([] if control is None else [control], lent.place().device):
                yield CheckpointNetworks(
                    unet=unet,
                    inpainting=channels == _INPAINTING,
                    autoencoder=_LentAutoencoder(self._host),
                    embed=self._embed,
                    noise=lent.noise(),
                    controlled=control is not None,
                )
        finally:
            unet.release()
            self._host.empty_cache()

    @property
    def _weight(self) -> float:
        return self._control.chosen.weight if self._control else 0.0

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

    def __init__(
        self, host: Surroundings, side: int, control: LdmControl | None, weight: float
    ) -> None:
        self._host, self._control, self._weight = host, control, weight
        self._activations = round(_ACTIVATIONS * (side / 512) ** 2)
        self._inner: LdmUnet | SteeredUnet | None = None

    def condition(self, prompt: Prompt) -> Condition:
        """Bring the UNet, which the autoencoder may have sent away, and build on it as it is."""
        lent = self._host.lent()
        lent.bring(self._activations)
        found = lent.unet()
        if found.module is None:  # why_not was asked before
            raise RuntimeError(found.why_not)
        place, computing = lent.place(), self._host.computing
        unet = LdmUnet(share(found.module), place, computing)
        control = self._control
        self._inner = (
            SteeredUnet(unet, control, self._weight, place, computing) if control else unet
        )
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
    def _running(self) -> LdmUnet | SteeredUnet:
        if self._inner is None:
            raise RuntimeError("condition was not called")
        return self._inner


def _context(unet: nn.Module) -> int:
    """Width of the tokens that a UNet is told."""
    keys = (p for name, p in unet.named_parameters() if name.endswith("attn2.to_k.weight"))
    return next((key.shape[1] for key in keys if key.ndim == 2), 0)


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
