"""Measures a step before it is due, with random data of the right sizes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from realishuman.errors import SettingsError
from realishuman.train.compute import attention
from realishuman.train.config import Stage, TrainConfig
from realishuman.train.losses import StageOneBatch, StageTwoBatch
from realishuman.train.networks import StageOne, StageTwo, TrainedAutoencoder
from realishuman.train.tokens import are_kept, token_shape

TIMED_STEPS = 3


def stage_of(config: TrainConfig, task: str) -> Stage:
    """The configuration's part for a task."""
    stage: Stage = getattr(config, task.replace("-", "_"))
    return stage


def measure(config: TrainConfig, task: str, stage: Stage) -> list[str]:
    """Lines that say how large a stage is and how fast it trains here; nothing is kept.

    stage  of the configuration, or as the command line changed it.
    """
    module = make_untrained(config, task)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    module.to(device)
    every, live = (
        sum(p.numel() for p in module.parameters() if p.requires_grad or not only)
        for only in (False, True)
    )
    batch = random_batch(config, task, stage.batch // stage.accumulate, device)
    with FlopCounterMode(display=False) as counter:
        module(batch).backward()
    _, saved = count_saved_bytes(module, lambda: _loss(module, batch, stage))
    seconds = min(_time_step(module, batch, stage) for _ in range(TIMED_STEPS)) * stage.accumulate
    kept = count_kept_bytes(every, live)
    lines = [
        f"{task} on {device} with {torch.get_num_threads()} threads, {stage.precision}",
        f"parameters          {every / 1e6:.2f} M, {live / 1e6:.2f} M of them trained",
        f"memory for weights  {kept / 2**30:.2f} GiB (weights, gradients, AdamW, average)",
        f"memory for samples  {saved / 2**30:.2f} GiB (what {stage.batch // stage.accumulate} "
        "samples leave for the gradient)",
        f"operations          {counter.get_total_flops() / 1e9:.1f} GFLOP for "
        f"{stage.batch // stage.accumulate} samples, forward and backward",
        f"a step              {seconds:.3f} s, {stage.batch / seconds:.1f} samples/s",
        f"{stage.steps} steps".ljust(20) + duration(stage.steps * seconds),
    ]
    if device.type == "cuda":
        lines.insert(4, f"memory at most      {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")
    return lines


def count_kept_bytes(every: int, live: int) -> int:
    """Of `every` parameters, `live` trained: weights, gradients, AdamW's moments, average."""
    return 4 * (every + 4 * live)


def count_saved_bytes(module: torch.nn.Module, run: Callable[[], Tensor]) -> tuple[Tensor, int]:
    """What a forward pass returns, and the bytes it leaves for the gradient besides the weights.

    Tensors that share their memory count once. What gradient checkpointing computes again is not
    counted: it is there for one block at a time.
    """
    weights = {*module.parameters(), *module.buffers()}
    own = {tensor.untyped_storage()._cdata for tensor in weights}  # meta tensors have no address
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage._cdata] = storage.nbytes()
        return tensor  # kept by the graph, so no other storage gets its number

    with saved_tensors_hooks(note, lambda tensor: tensor):
        result = run()
    return result, sum(size for number, size in sizes.items() if number not in own)


def _loss(module: Any, batch: Any, stage: Stage) -> Tensor:
    kind = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(stage.precision)
    device = next(module.parameters()).device
    with torch.autocast(device.type, kind, enabled=kind is not None), attention(stage, device):
        loss: Tensor = module(batch)
    return loss


def _time_step(module: Any, batch: Any, stage: Stage) -> float:
    start = time.perf_counter()
    loss = _loss(module, batch, stage)
    torch.autograd.backward(loss)
    if not math.isfinite(float(loss.detach())):
        raise SettingsError("the loss of random data is no number: choose another precision")
    return time.perf_counter() - start


def duration(seconds: float) -> str:
    """Seconds in words: as seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{seconds / 60:.1f} min"


def make_untrained(config: TrainConfig, task: str) -> torch.nn.Module:
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
        if are_kept(config.stage_one):
            tokens = token_shape(config.networks.image_encoder)
            picture = torch.randn(rows, *tokens, device=device)
        theirs = torch.rand_like(pose) if config.stage_one.groups else None
        return StageOneBatch(
            latents[0], latents[1], picture, pose, latents[2], timesteps, keep, theirs
        )
    m_f = torch.ones(rows, 1, place, place, device=device)
    return StageTwoBatch(latents[0], latents[1], m_f, latents[2], timesteps, keep)
