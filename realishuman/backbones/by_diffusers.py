"""A checkpoint by the classes of the diffusers library: on the command line, never in a WebUI.

The only file of ours that imports diffusers and transformers, and only inside functions. Nothing
is fetched: all that is read lies in the folder or file that was named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from realishuman.advice import extra
from realishuman.backbones.attending import Attending
from realishuman.backbones.loading import Place
from realishuman.diffusion.networks import Condition, FeatureBank
from realishuman.diffusion.prompted import CheckpointNetworks, Prompt, Reference
from realishuman.diffusion.schedule import NoiseTable
from realishuman.errors import PackError

STAGES = ("down_blocks", "mid_block", "up_blocks")  # in running order
WORDS = 75  # of a chunk, between its start and its end
TIMES = 6  # sizes and corner that Stable Diffusion XL is told: heights and widths
PIXELS = 8  # of a picture per latent


@dataclass(frozen=True)
class Components:
    """What the library made of a checkpoint, its networks on the CPU.

    tokenizers, encoders  one of each, or two for Stable Diffusion XL.
    noise                 the training schedule.
    """

    unet: Any
    vae: Any
    tokenizers: Sequence[Any]
    encoders: Sequence[Any]
    noise: NoiseTable


class LibraryCheckpoint:
    """A checkpoint of the command line; prompted.Checkpoint.

    open  loads its components, at the first use.
    side  of the crops it paints best.
    """

    def __init__(self, name: str, side: int, place: Place, load: Callable[[], Components]) -> None:
        self._name, self._side, self._place, self._load = name, side, place, load

    @property
    def name(self) -> str:
        """Of its file or folder."""
        return self._name

    @property
    def side(self) -> int:
        """See prompted.Checkpoint."""
        return self._side

    @property
    def device(self) -> torch.device:
        """See prompted.Checkpoint."""
        return self._place.device

    def why_not(self) -> str:
        """Nothing speaks against it: it was looked at when it was named."""
        return ""

    @contextmanager
    def networks(self) -> Iterator[CheckpointNetworks]:
        """Its networks, which stay loaded."""
        yield self._networks

    @cached_property
    def _networks(self) -> CheckpointNetworks:
        made, place, side = self._load(), self._place, self._side
        for network in (made.unet, *made.encoders):
            network.to(place.device, place.dtype).requires_grad_(False).eval()
        autoencoder = LibraryAutoencoder(made.vae, place)
        return CheckpointNetworks(
            unet=LibraryUnet(made.unet, place),
            inpainting=made.unet.config.in_channels == 2 * made.vae.config.latent_channels + 1,
            autoencoder=autoencoder,
            embed=lambda text, _negative: embed(made, text, place.device, side),
            noise=made.noise,
        )


class LibraryUnet:
    """A UNet2DConditionModel as prompted.PromptedUnet; its self-attentions are wrapped."""

    def __init__(self, unet: Any, place: Place) -> None:
        self._unet, self._place = unet, place
        self._attending = Attending(unet, STAGES, "encoder_hidden_states")

    def condition(self, prompt: Prompt) -> Condition:
        """See PromptedUnet."""
        vector = None if prompt.vector is None else prompt.vector.to(self._place.device)
        return Condition(self._cast(prompt.tokens), None, {}, vector)

    def predict(
        self, latents: Tensor, timestep: Tensor, condition: Condition, reference: Reference | None
    ) -> Tensor:
        """See PromptedUnet. Raises BackboneError if the reference is of other blocks."""

        def forward() -> Tensor:
            return self._forward(latents, timestep, condition)

        return self._attending.read(reference, forward).float()

    def features(self, latents: Tensor, timestep: Tensor, condition: Condition) -> FeatureBank:
        """See PromptedUnet."""
        return self._attending.write(lambda: self._forward(latents, timestep, condition))

    def _forward(self, latents: Tensor, timestep: Tensor, condition: Condition) -> Tensor:
        added = None
        if condition.vector is not None:
            pooled, times = condition.vector[:, :-TIMES], condition.vector[:, -TIMES:]
            added = {"text_embeds": self._cast(pooled), "time_ids": times}
        result: Tensor = self._unet(
            self._cast(latents),
            timestep.to(self._place.device),
            encoder_hidden_states=condition.tokens,
            added_cond_kwargs=added,
            return_dict=False,
        )[0]
        return result

    def _cast(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._place.device, self._place.dtype)


class LibraryAutoencoder:
    """An AutoencoderKL as networks.Autoencoder; in float32 where its maker says it overflows."""

    def __init__(self, vae: Any, place: Place) -> None:
        dtype = torch.float32 if vae.config.force_upcast else place.dtype
        self._vae = vae.to(place.device, dtype).requires_grad_(False).eval()
        self._place = Place(place.device, dtype)

    def encode(self, images: Tensor) -> Tensor:
        """See networks.Autoencoder."""
        posterior = self._vae.encode(images.to(self._place.device, self._place.dtype)).latent_dist
        latents: Tensor = posterior.mode().float() * self._vae.config.scaling_factor
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """See networks.Autoencoder."""
        scaled = (latents / self._vae.config.scaling_factor).to(
            self._place.device, self._place.dtype
        )
        images: Tensor = self._vae.decode(scaled, return_dict=False)[0]
        return (images.float() / 2 + 0.5).clamp(0, 1)


def embed(made: Components, text: str, device: torch.device, side: int) -> Prompt:
    """A text of any length as the checkpoint's text encoders say it, 75 words at a time.

    Of a text of several chunks, Stable Diffusion XL's vector is the first chunk's.
    """
    each = [_chunks(tokenizer, text) for tokenizer in made.tokenizers]
    if len(made.encoders) == 1:
        tokens = made.encoders[0](each[0].to(device))[0]
        return Prompt(tokens.reshape(1, -1, tokens.shape[-1]))
    said, pooled = [], torch.empty(0)
    for encoder, ids in zip(made.encoders, each, strict=True):
        out = encoder(ids.to(device), output_hidden_states=True)
        pooled = out[0]  # the last encoder's is the one that counts
        said.append(out.hidden_states[-2])
    tokens = torch.cat(said, dim=-1)
    sizes = torch.tensor([[side, side, 0, 0, side, side]], dtype=torch.float32, device=device)
    vector = torch.cat([pooled[:1].float(), sizes], dim=1)
    return Prompt(tokens.reshape(1, -1, tokens.shape[-1]), vector)


def _chunks(tokenizer: Any, text: str) -> Tensor:
    """The numbers of a text's words, (chunks, 77), one chunk at least."""
    words = tokenizer(text, add_special_tokens=False, truncation=False).input_ids
    rows = []
    for first in range(0, max(len(words), 1), WORDS):
        chunk = [tokenizer.bos_token_id, *words[first : first + WORDS], tokenizer.eos_token_id]
        rows.append(chunk + [tokenizer.pad_token_id] * (WORDS + 2 - len(chunk)))
    return torch.tensor(rows)


def libraries() -> tuple[Any, Any]:
    """The modules diffusers and transformers, which say only what went wrong.

    Raises PackError if they are not installed.
    """
    try:
        import diffusers
        import transformers
    except ImportError as error:
        raise PackError(
            "a checkpoint on the command line needs the packages diffusers and transformers "
            f"({error}): install them with `{extra('checkpoint')}`."
        ) from error
    for module in (diffusers, transformers):
        module.utils.logging.set_verbosity_error()
        module.utils.logging.disable_progress_bar()
    return diffusers, transformers
