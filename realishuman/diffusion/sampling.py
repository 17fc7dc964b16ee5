"""How a stage is sampled, and what both stages do alike around their loops."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How both stages are sampled.

    steps            DDIM steps of each stage.
    guidance         classifier-free scale; 1 means no unconditional rows at all.
    reference_every  reference features are computed anew every so many steps; above 1 is an
                     approximation.
    guidance_share   share of the steps, from the first, that use guidance; below 1 is an
                     approximation.
    max_batch        parts that go through the networks together.
    """

    steps: int
    guidance: float
    reference_every: int = 1
    guidance_share: float = 1.0
    max_batch: int = 4


def in_chunks(
    parts: int, size: int, denoise: Callable[[slice], Tensor], decode: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Paint `parts` parts, at most `size` at a time.

    denoise   rows of the batch to latents (P, C, h, w).
    decode    those to images (P, 3, R, R) in [0, 1].
    Returns   images (parts, 3, R, R) float32 and finite (parts,) bool, both on the CPU. A part
              whose values left the range of numbers is not finite; its image is black.
    """
    images, finite = [], []
    for first in range(0, parts, size):
        latents = denoise(slice(first, min(first + size, parts)))
        painted = decode(latents)
        good = torch.isfinite(latents).flatten(1).all(1) & torch.isfinite(painted).flatten(1).all(1)
        painted = torch.where(good[:, None, None, None], painted, torch.zeros_like(painted))
        images.append(painted.float().cpu())
        finite.append(good.cpu())
    return torch.cat(images), torch.cat(finite)


def total_steps(parts: int, sampling: Sampling) -> int:
    """Denoising steps that this many parts take, all chunks together."""
    return sampling.steps * math.ceil(parts / sampling.max_batch)
