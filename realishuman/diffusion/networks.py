"""What both stages need of Stable Diffusion, whoever provides it.

A network takes tensors of any device and floating dtype and casts them to its own; latents,
predictions and pictures it returns are float32. Rows of a batch never influence each other. A call
leaves no trace in the network, also when it ends in an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from realishuman.packs.header import ScheduleConstants


@dataclass(frozen=True)
class Condition:
    """What a UNet is told besides latents and time; the same at every step, so made once.

    tokens  (B, T, C) for cross-attention.
    pose    (B, c, h, w) added after conv_in, or a ControlNet's picture (B, 3, R, R), or None.
    cross   keys and values, (B, T, c) each, that cross-attention makes of the tokens, by block;
            empty if the network makes them at each call.
    vector  (B, V) added to the time embedding, of Stable Diffusion XL alone.
    """

    tokens: Tensor
    pose: Tensor | None
    cross: Mapping[str, tuple[Tensor, Tensor]]
    vector: Tensor | None = None

    def rows(self, first: int, last: int) -> Condition:
        """Only rows first to last of the batch."""
        return self._each(lambda tensor: tensor[first:last])

    def repeat(self, times: int) -> Condition:
        """The whole batch, that many times over."""
        return self._each(lambda tensor: tensor.repeat(times, *[1] * (tensor.ndim - 1)))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Condition:
        return Condition(
            tokens=change(self.tokens),
            pose=None if self.pose is None else change(self.pose),
            cross={name: (change(k), change(v)) for name, (k, v) in self.cross.items()},
            vector=None if self.vector is None else change(self.vector),
        )


@dataclass(frozen=True)
class FeatureBank:
    """Features of a reference: norm1's output (B, N, C) of each transformer block, by name."""

    features: Mapping[str, Tensor]

    def rows(self, first: int, last: int) -> FeatureBank:
        """Only rows first to last of the batch."""
        return FeatureBank({name: each[first:last] for name, each in self.features.items()})


class Unet(Protocol):
    """A UNet that can write and read reference features."""

    def condition(self, tokens: Tensor, pose: Tensor | None = None) -> Condition:
        """Prepare what does not change over the steps: tokens (B, T, C), pose (B, c, h, w)."""

    def predict(
        self, latents: Tensor, timestep: Tensor, condition: Condition, bank: FeatureBank | None
    ) -> Tensor:
        """Predict the noise (or v).

        latents    (B, channels, h, w).
        timestep   int64, () or (B,).
        condition  of B rows.
        bank       of K <= B rows: in every block the last K rows attend to their own tokens and
                   to the bank's, both through this UNet's projections; the rows before see their
                   own only.
        Returns    (B, C, h, w) float32, C as the latents to be denoised.
        """

    def features(self, latents: Tensor, timestep: Tensor, condition: Condition) -> FeatureBank:
        """Run as a reference: what predict's blocks may attend to, B rows; shapes as there."""


class Autoencoder(Protocol):
    """Between pictures and the UNet's scaled latents."""

    def encode(self, images: Tensor) -> Tensor:
        """(P, 3, R, R) in [-1, 1] to the posterior's mode, (P, C, R/8, R/8)."""

    def decode(self, latents: Tensor) -> Tensor:
        """(P, C, h, w) to pictures (P, 3, 8h, 8w) in [0, 1]."""


@dataclass(frozen=True)
class StageOneNetworks:
    """What stage one runs.

    pose_guider    (P, 3, R, R) in [0, 1] to what is added after conv_in of both UNets.
    image_encoder  (P, 3, R, R) in [0, 1] to tokens (P, T, W).
    projector      tokens (P, T, W) to the UNets' context (P, T, C).
    no_context     (1, T, C), context of the all-zero normalised picture.
    """

    unet: Unet
    reference: Unet
    pose_guider: Callable[[Tensor], Tensor]
    image_encoder: Callable[[Tensor], Tensor]
    projector: Callable[[Tensor], Tensor]
    no_context: Tensor
    autoencoder: Autoencoder
    schedule: ScheduleConstants


@dataclass(frozen=True)
class StageTwoNetworks:
    """What stage two runs; both contexts are text embeddings (1, T, C)."""

    unet: Unet
    context: Tensor
    no_context: Tensor
    autoencoder: Autoencoder
    schedule: ScheduleConstants


OWN, TWIN = "own", "twin of the loaded model's"  # what a backbone's UNets may be


class Backbone(Protocol):
    """Gives out the networks of one pack, for as long as a stage runs."""

    @property
    def device(self) -> torch.device:
        """Where the networks compute."""

    @property
    def dtype(self) -> torch.dtype:
        """In which precision the networks compute."""

    @property
    def note(self) -> str:
        """A sentence when a network ran elsewhere than was asked for, else empty."""

    @property
    def unets(self) -> str:
        """What the UNets of the latest stage are, OWN or TWIN."""

    def stage_one(self) -> AbstractContextManager[StageOneNetworks]:
        """Networks of stage one; raises PackError if the pack's tensors do not fit."""

    def stage_two(self) -> AbstractContextManager[StageTwoNetworks]:
        """Networks of stage two, likewise."""
