"""What repainting with somebody's checkpoint needs of it, whoever has loaded it.

A checkpoint is a whole Stable Diffusion (1.x, 2.x or XL) that knows nothing of parts and meshes: it
is told what to paint by words, and where by a mask. The rules of diffusion.networks hold here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from realishuman.diffusion.networks import Autoencoder, Condition, FeatureBank
from realishuman.diffusion.schedule import NoiseTable


@dataclass(frozen=True)
class Prompt:
    """Words as a UNet is told them, and a picture as its ControlNet is.

    tokens  (B, T, C) for cross-attention, T a multiple of 77 in every CLIP.
    vector  (B, V) added to the time embedding, of Stable Diffusion XL alone.
    depth   (B, 3, R, R) in [0, 1], near is bright; None leaves a ControlNet out.
    """

    tokens: Tensor
    vector: Tensor | None = None
    depth: Tensor | None = None


@dataclass(frozen=True)
class Reference:
    """What self-attention may look at besides the picture that is painted.

    bank     of K rows.
    trusted  (K, N) bool by N, the tokens of a level: which of the bank's count; empty: all do.
    weight   1 attends to own and reference tokens together (paper eq. 2), 0 to own ones only;
             between, the two results are mixed.
    """

    bank: FeatureBank
    trusted: Mapping[int, Tensor] = field(default_factory=dict)
    weight: float = 1.0


def find_trusted_tokens(mask: Tensor, counts: Mapping[str, Tensor]) -> dict[int, Tensor]:
    """Which tokens of each level lie at least half in a mask, as Reference.trusted.

    mask    (K, 1, h, w) bool, square, of the latents' size or larger.
    counts  features by block, whose N is a square.
    """
    levels = {features.shape[1] for features in counts.values()}
    return {
        count: (F.adaptive_avg_pool2d(mask.float(), round(count**0.5)) >= 0.5).flatten(1)
        for count in levels
    }


class PromptedUnet(Protocol):
    """A checkpoint's UNet that can write and read reference features."""

    def condition(self, prompt: Prompt) -> Condition:
        """Prepare what does not change over the steps; before each run of predictions."""

    def predict(
        self, latents: Tensor, timestep: Tensor, condition: Condition, reference: Reference | None
    ) -> Tensor:
        """Predict the noise (or v); as networks.Unet.predict, the reference of K <= B rows."""

    def features(self, latents: Tensor, timestep: Tensor, condition: Condition) -> FeatureBank:
        """Run as a reference, as networks.Unet.features; without a ControlNet."""


@dataclass(frozen=True)
class CheckpointNetworks:
    """What a checkpoint paints with.

    inpainting  whether the UNet is also given the mask and the latents of what it does not cover.
    embed       a text, and whether it says what is not wanted, to a prompt of one row.
    noise       the schedule it was trained with.
    controlled  whether the UNet has a ControlNet, which a prompt's depth steers.
    """

    unet: PromptedUnet
    inpainting: bool
    autoencoder: Autoencoder
    embed: Callable[[str, bool], Prompt]
    noise: NoiseTable
    controlled: bool = False


@dataclass(frozen=True)
class Task:
    """A crop to repaint by img2img.

    picture  (R, R, 3) uint8 RGB, what denoising starts from.
    mask     (R, R) bool, what may change.
    prompt, negative  what is to be painted, and what is not.
    steps    of the whole schedule, of which the share `strength` is taken.
    sampler, scheduler  by the program's names for them; "" leaves them to it.
    distilled  guidance that a model is told as an input, as Flux is; None leaves it to the program.
    """

    picture: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    prompt: str
    negative: str
    seed: int
    steps: int
    strength: float
    guidance: float
    sampler: str = ""
    scheduler: str = ""
    distilled: float | None = None


class Img2Img(Protocol):
    """A program's own img2img with the model that it has loaded."""

    @property
    def name(self) -> str:
        """As reports call the model."""

    @property
    def note(self) -> str:
        """What a report must say of it, as a sentence."""

    @property
    def guidance(self) -> float | None:
        """Classifier-free scale where neither user nor picture says one; None if any will do."""

    def repaint(self, task: Task) -> NDArray[np.uint8]:
        """The crop repainted, (R, R, 3) uint8 RGB; outside the mask it may differ a little.

        Raises Interrupted if the user stopped it before it began; what he stops midway is returned.
        """


class Checkpoint(Protocol):
    """A checkpoint that somebody has loaded or named."""

    @property
    def name(self) -> str:
        """As reports call it."""

    @property
    def side(self) -> int:
        """Side of the crops it paints best, in pixels."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    def why_not(self) -> str:
        """Why it cannot repaint parts now, as a sentence; "" if it can. Loads nothing."""

    def img2img(self) -> Img2Img | None:
        """How to repaint with it where its networks cannot be had; None where they can."""

    def networks(self) -> AbstractContextManager[CheckpointNetworks]:
        """Its networks for as long as a run takes; whoever owns them finds them as they were."""
