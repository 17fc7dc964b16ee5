"""Noise that does not depend on device or batch: one CPU generator per seed, part and stage."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Noise(Protocol):
    """Where the parts of one stage draw their noise; each part's draws are its own."""

    def rows(self, first: int, last: int) -> Noise:
        """The same draws, of parts first to last only."""

    def initial(self, shape: Sequence[int]) -> Tensor:
        """What denoising starts from: standard normal, (P, *shape) float32, on the CPU."""

    def step(self, shape: Sequence[int]) -> Tensor:
        """Fresh noise of the next step, likewise."""


class PartNoise:
    """Standard normal noise, reproducible part by part.

    seed   of the picture, or one for each part.
    parts  numbers of the parts in it.
    stage  any name; stages draw different noise.
    """

    def __init__(self, seed: int | Sequence[int], parts: Sequence[int], stage: str) -> None:
        seeds = [seed] * len(parts) if isinstance(seed, int) else seed
        self._generators = [
            _generator(own, part, stage) for own, part in zip(seeds, parts, strict=True)
        ]

    def rows(self, first: int, last: int) -> PartNoise:
        """The same generators, of parts first to last only."""
        some = PartNoise(0, (), "")
        some._generators = self._generators[first:last]
        return some

    def initial(self, shape: Sequence[int]) -> Tensor:
        """Draw the noise that denoising starts from, (P, *shape) float32, on the CPU."""
        return torch.stack([torch.randn(*shape, generator=g) for g in self._generators])

    def step(self, shape: Sequence[int]) -> Tensor:
        """Draw a step's noise, likewise."""
        return self.initial(shape)


def _generator(seed: int, part: int, stage: str) -> torch.Generator:
    """Seeded with 63 bits of blake2b over "seed/part/stage": the same on every machine."""
    digest = hashlib.blake2b(f"{seed}/{part}/{stage}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
