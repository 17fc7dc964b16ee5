"""A checkpoint by the classes of the diffusers library: on the command line, never in a WebUI.

The only file of ours that imports diffusers and transformers, and only inside functions. Nothing
is fetched: all that is read lies in the folder or file that was named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from realishuman.advice import extra
from realishuman.backbones.attending import Attending
from realishuman.backbones.embeddings import spell
from realishuman.backbones.loading import Place
from realishuman.diffusion.networks import Condition, FeatureBank
from realishuman.diffusion.prompted import CheckpointNetworks, Prompt, Reference
from realishuman.diffusion.schedule import PREDICTIONS, NoiseTable
from realishuman.errors import PackError

INDEX = "model_index.json"  # of a folder of the library
STAGES = ("down_blocks", "mid_block", "up_blocks")  # in running order
WORDS = 75  # of a chunk, between its start and its end
TIMES = 6  # sizes and corner that Stable Diffusion XL is told: heights and widths
PIXELS = 8  # of a picture per latent


@dataclass(frozen=True)
class Control:
    """A ControlNetModel and what its effect is multiplied by."""

    network: Any
    weight: float


@dataclass(frozen=True)
class Components:
    """What the library made of a checkpoint, its networks on the CPU.

    tokenizers, encoders  one of each, or two for Stable Diffusion XL.
    noise                 the training schedule.
    words                 the user's own, by what stands for each in the vocabulary.
    """

    unet: Any
    vae: Any
    tokenizers: Sequence[Any]
    encoders: Sequence[Any]
    noise: NoiseTable
    words: Mapping[str, str] = field(default_factory=dict)
    control: Control | None = None


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

    def img2img(self) -> None:
        """Its networks can be had."""

    @contextmanager
    def networks(self) -> Iterator[CheckpointNetworks]:
        """Its networks, which stay loaded."""
        yield self._networks

    @cached_property
    def _networks(self) -> CheckpointNetworks:
        made, place, side = self._load(), self._place, self._side
        for network in (made.unet, *made.encoders):
            network.to(place.device, place.dtype).requires_grad_(False).eval()
        if made.control is not None:
            made.control.network.to(place.device, place.dtype).requires_grad_(False).eval()
        autoencoder = LibraryAutoencoder(made.vae, place)
        return CheckpointNetworks(
            unet=LibraryUnet(made.unet, place, made.control),
            inpainting=made.unet.config.in_channels == 2 * made.vae.config.latent_channels + 1,
            autoencoder=autoencoder,
            embed=lambda text, _negative: embed(made, text, place.device, side),
            noise=made.noise,
            controlled=made.control is not None,
        )


class LibraryUnet:
    """A UNet2DConditionModel as prompted.PromptedUnet; its self-attentions are wrapped."""

    def __init__(self, unet: Any, place: Place, control: Control | None = None) -> None:
        self._unet, self._place, self._control = unet, place, control
        self._attending = Attending(unet, STAGES, "encoder_hidden_states")

    def condition(self, prompt: Prompt) -> Condition:
        """See PromptedUnet."""
        vector = None if prompt.vector is None else prompt.vector.to(self._place.device)
        depth = None if prompt.depth is None else self._cast(prompt.depth)
        return Condition(self._cast(prompt.tokens), depth, {}, vector)

    def predict(
        self, latents: Tensor, timestep: Tensor, condition: Condition, reference: Reference | None
    ) -> Tensor:
        """See PromptedUnet. Raises BackboneError if the reference is of other blocks."""
        steered = self._steered(latents, timestep, condition)

        def forward() -> Tensor:
            return self._forward(latents, timestep, condition, steered)

        return self._attending.read(reference, forward).float()

    def features(self, latents: Tensor, timestep: Tensor, condition: Condition) -> FeatureBank:
        """See PromptedUnet."""
        return self._attending.write(lambda: self._forward(latents, timestep, condition, {}))

    def _steered(
        self, latents: Tensor, timestep: Tensor, condition: Condition
    ) -> Mapping[str, Any]:
        """What the ControlNet adds to the UNet's features, if there is one and it is to steer."""
        if self._control is None or condition.pose is None:
            return {}
        network = self._control.network
        down, middle = network(
            self._cast(latents[:, : network.config.in_channels]),
            timestep.to(self._place.device),
            encoder_hidden_states=condition.tokens,
            controlnet_cond=condition.pose,
            conditioning_scale=self._control.weight,
            added_cond_kwargs=self._added(condition),
            return_dict=False,
        )
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}

    def _forward(
        self, latents: Tensor, timestep: Tensor, condition: Condition, steered: Mapping[str, Any]
    ) -> Tensor:
        result: Tensor = self._unet(
            self._cast(latents),
            timestep.to(self._place.device),
            encoder_hidden_states=condition.tokens,
            added_cond_kwargs=self._added(condition),
            return_dict=False,
            **steered,
        )[0]
        return result

    def _added(self, condition: Condition) -> dict[str, Tensor] | None:
        """What Stable Diffusion XL is told besides the tokens."""
        if condition.vector is None:
            return None
        pooled, times = condition.vector[:, :-TIMES], condition.vector[:, -TIMES:]
        return {"text_embeds": self._cast(pooled), "time_ids": times}

    def _cast(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._place.device, self._place.dtype)


class LibraryAutoencoder:
    """An AutoencoderKL as networks.Autoencoder.

    It runs in float32 where its maker says that it overflows, and from the first time it does.
    """

    def __init__(self, vae: Any, place: Place) -> None:
        self._vae, self._device = vae.requires_grad_(False).eval(), place.device
        self._run_in(torch.float32 if vae.config.force_upcast else place.dtype)

    def encode(self, images: Tensor) -> Tensor:
        """See networks.Autoencoder."""

        def modes(given: Tensor) -> Tensor:
            latents: Tensor = self._vae.encode(given).latent_dist.mode()
            return latents

        return self._finite(modes, images) * float(self._vae.config.scaling_factor)

    def decode(self, latents: Tensor) -> Tensor:
        """See networks.Autoencoder."""

        def pictures(given: Tensor) -> Tensor:
            images: Tensor = self._vae.decode(given, return_dict=False)[0]
            return images

        images = self._finite(pictures, latents / self._vae.config.scaling_factor)
        return (images / 2 + 0.5).clamp(0, 1)

    def _finite(self, run: Callable[[Tensor], Tensor], given: Tensor) -> Tensor:
        """What a half of the VAE makes of this, in float32; once more where it overflows."""
        made = run(given.to(self._device, self._dtype)).float()
        overflowed = ~torch.isfinite(made).all() & torch.isfinite(given).all()
        if self._dtype == torch.float32 or not overflowed:
            return made
        self._run_in(torch.float32)
        return run(given.to(self._device, self._dtype)).float()

    def _run_in(self, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._vae.to(self._device, dtype)


def embed(made: Components, text: str, device: torch.device, side: int) -> Prompt:
    """A text of any length as the checkpoint's text encoders say it, 75 words at a time.

    Of a text of several chunks, Stable Diffusion XL's vector is the first chunk's.
    """
    text = spell(text, made.words)
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


def noise_of(scheduler: Any, prediction: str) -> NoiseTable:
    """The schedule of the library's scheduler, which knows every way to write one down."""
    config = scheduler.config
    said = prediction or config.prediction_type
    if said not in PREDICTIONS:
        raise ValueError(f"its scheduler asks for {said}; epsilon or v_prediction can be used")
    table = tuple(scheduler.alphas_cumprod.double().tolist())
    return NoiseTable(table, said, config.timestep_spacing, config.steps_offset)
