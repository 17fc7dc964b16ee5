"""A checkpoint without networks: its UNet guesses, its latents are pictures at an eighth."""

from __future__ import annotations

from contextlib import contextmanager

import torch
from torch.nn import functional as F

from realishuman.diffusion.networks import Condition, FeatureBank
from realishuman.diffusion.prompted import CheckpointNetworks, Prompt
from realishuman.diffusion.schedule import NoiseTable
from realishuman.packs.header import ScheduleConstants

NOISE = NoiseTable.of(ScheduleConstants(zero_snr=False))


class PlainCheckpoint:
    """Remembers what it is asked; `why` is why it cannot repaint, `spoil` changes predictions.

    instead  the img2img that repaints instead of its networks.
    """

    name, instead = "plain.safetensors", None
    device = torch.device("cpu")

    def __init__(self, side=64, why="", spoil=None, inpainting=False, controlled=False):
        self.side, self.why, self.spoil = side, why, spoil
        self.kind = inpainting, controlled
        self.texts, self.seen, self.rows, self.opened = [], [], [], 0

    def why_not(self):
        return self.why

    def img2img(self):
        return self.instead

    @contextmanager
    def networks(self):
        self.opened += 1
        inpainting, controlled = self.kind
        yield CheckpointNetworks(self, inpainting, self, self.embed, NOISE, controlled)

    def embed(self, text, negative):
        self.texts.append((text, negative))
        return Prompt(torch.full((1, 77 * (1 + len(text) // 300), 8), float(len(text) % 7)))

    def condition(self, prompt):
        return Condition(prompt.tokens, None, {})

    def predict(self, latents, timestep, condition, reference):
        self.rows.append(len(latents))
        guess = 0.1 * latents[:, :4] + 0.01 * condition.tokens.mean((1, 2))[:, None, None, None]
        return guess if self.spoil is None else self.spoil(guess)

    def features(self, latents, timestep, condition):
        self.seen.append(timestep.tolist())
        return FeatureBank({"block": latents.flatten(2).transpose(1, 2)})

    def encode(self, images):
        small = F.avg_pool2d(images, 8)
        return torch.cat([small, small[:, :1]], dim=1)

    def decode(self, latents):
        return (F.interpolate(latents[:, :3], scale_factor=8) / 2 + 0.5).clamp(0, 1)
