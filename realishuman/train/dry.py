"""Networks and batches of the right sizes without any data, to measure a step before it is due."""

from __future__ import annotations

from typing import Any

import torch

from realishuman.train.config import TrainConfig
from realishuman.train.losses import StageOneBatch, StageTwoBatch
from realishuman.train.networks import StageOne, StageTwo, TrainedAutoencoder


def untrained(config: TrainConfig, task: str) -> torch.nn.Module:
    """The module a task trains, with its initial weights."""
    kinds = {"autoencoder": TrainedAutoencoder, "stage-one": StageOne, "stage-two": StageTwo}
    return kinds[task](config)


def random_batch(config: TrainConfig, task: str, rows: int, device: torch.device) -> Any:
    """A batch of random numbers as the task's module takes it."""
    side = config.pack.resolution
    place = side // config.networks.factor
    shape = (rows, config.networks.vae.latent_channels, place, place)
    latents = [torch.randn(shape, device=device) for _ in range(3)]
    if task == "autoencoder":
        return torch.rand(rows, 3, side, side, device=device) * 2 - 1, latents[0]
    timesteps = torch.randint(config.schedule.train_steps, (rows,), device=device)
    keep = torch.ones(rows, dtype=torch.bool, device=device)
    if task == "stage-one":
        picture, pose = (torch.rand(rows, 3, side, side, device=device) for _ in range(2))
        return StageOneBatch(latents[0], latents[1], picture, pose, latents[2], timesteps, keep)
    m_f = torch.ones(rows, 1, place, place, device=device)
    return StageTwoBatch(latents[0], latents[1], m_f, latents[2], timesteps, keep)
