"""How a stage is sampled, and what both stages do alike around their loops."""

from __future__ import annotations

from collections.abc import Iterator
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


def chunks(parts: int, size: int) -> Iterator[tuple[int, int]]:
    """First and one past the last of each run of at most `size` parts."""
    for first in range(0, parts, size):
        yield first, min(first + size, parts)


def checked(latents: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Images on the CPU, black where a part came out as NaN or infinity, and which did not.

    latents   (P, C, h, w), images (P, 3, R, R) in [0, 1].
    Returns   images (P, 3, R, R) float32 and finite (P,) bool.
    """
    finite = torch.isfinite(latents).flatten(1).all(1) & torch.isfinite(images).flatten(1).all(1)
    images = torch.where(finite[:, None, None, None], images, torch.zeros_like(images))
    return images.float().cpu(), finite.cpu()
