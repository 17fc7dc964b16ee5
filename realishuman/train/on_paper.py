"""What a stage would need on a GPU that is not here: from shapes alone, on torch's meta device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.variable import Variable
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from realishuman.errors import SettingsError
from realishuman.train.config import Stage, TrainConfig
from realishuman.train.dry import (
    count_kept_bytes,
    count_saved_bytes,
    duration,
    make_untrained,
    random_batch,
)
from realishuman.train.gpus import Gpu, peak

UTILISATION = 0.35  # share of the peak; an assumption
FREE = 0.1  # share of a GPU's memory for CUDA itself, working space and gaps
GIB = 2**30
# What CUDA's autocast computes in half precision, and what in float32, of what we use.
_HALF = ("linear", "conv2d", "scaled_dot_product_attention")
_FULL = ("group_norm", "layer_norm", "mse_loss")


@dataclass(frozen=True)
class Need:
    """What a stage's step needs.

    parameters   numbers in its networks; live of them are trained.
    operations   of a step, forward and backward.
    kept, saved  bytes of weights and all that belongs to them; of what one part of a batch leaves
                 for the gradient.
    """

    parameters: int
    live: int
    operations: int
    kept: int
    saved: int


def count_need(config: TrainConfig, task: str, stage: Stage) -> Need:
    """Count what a step of a stage needs on a GPU; no weights are read or made.

    Raises SettingsError if this torch cannot compute shapes alone.
    """
    module = _shapes(config, task, stage)
    rows = stage.batch // stage.accumulate
    batch = random_batch(config, task, rows, torch.device("meta"))
    if task == "stage-one":  # a step counts these, so they need values
        batch = replace(batch, keep=torch.ones(rows, dtype=torch.bool))
    with FlopCounterMode(display=False) as counter, _AsOnGpu(stage.precision):
        try:
            loss, saved = count_saved_bytes(module, lambda: module(batch))
            _backward(loss)
        except NotImplementedError as error:  # older releases lack attention on the meta device
            raise SettingsError(
                f"torch {torch.__version__} cannot estimate {task} for another GPU: install a "
                "newer torch, or leave out --gpu to measure here."
            ) from error
    every = sum(p.numel() for p in module.parameters())
    live = sum(p.numel() for p in module.parameters() if p.requires_grad)
    operations = counter.get_total_flops() * stage.accumulate
    return Need(every, live, operations, count_kept_bytes(every, live), saved)


def estimate(config: TrainConfig, task: str, stage: Stage, gpu: Gpu) -> list[str]:
    """Lines that say how long a stage would take on one GPU, and whether it fits.

    Raises  SettingsError if the GPU lacks the precision.
    """
    most = peak(gpu, stage.precision)
    need = count_need(config, task, stage)
    seconds = need.operations / (UTILISATION * most)
    total, room = (need.kept + need.saved) / GIB, (1 - FREE) * gpu.memory
    advice = "raise accumulate, set gradient_checkpointing, or use half precision"
    if need.kept / GIB > room:
        advice = "shard = true on several GPUs, or a larger one"
    return [
        f"{task} on one {gpu.name} ({gpu.memory} GiB), {stage.precision}: estimated, not measured",
        f"parameters          {need.parameters / 1e6:.2f} M, {need.live / 1e6:.2f} M of them "
        "trained",
        f"operations          {need.operations / 1e12:.4g} TFLOP a step of {stage.batch} samples",
        f"a step              {seconds:.3g} s, if {UTILISATION:.0%} of {most / 1e12:.4g} TFLOPS "
        "are reached (assumed)",
        f"{stage.steps} steps".ljust(20) + duration(stage.steps * seconds),
        f"memory              {total:.1f} GiB: {need.kept / GIB:.1f} for weights, gradients, AdamW "
        f"and average, {need.saved / GIB:.1f} for what {stage.batch // stage.accumulate} samples "
        "leave for the gradient",
        "fits                "
        + ("yes" if total <= room else f"no: {advice}")
        + f" ({room:.1f} GiB counted as free)",
    ]


def _shapes(config: TrainConfig, task: str, stage: Stage) -> nn.Module:
    """The module a task trains, with shapes and without numbers."""
    unread: dict[str, Any] = {
        task.replace("-", "_"): replace(stage, initial=None, encoder=None, prompt=None)
    }
    with torch.device("meta"):
        return make_untrained(replace(config, **unread), task).to("meta")


def _backward(loss: Tensor) -> None:
    """As loss.backward(), which would leave _AsOnGpu before it computes a block again."""
    engine = Variable._execution_engine
    one = (torch.ones_like(loss),)
    engine.run_backward(
        (loss,), one, False, False, (), allow_unreachable=True, accumulate_grad=True
    )


class _AsOnGpu(TorchFunctionMode):
    """Computes with the types of CUDA's autocast, and attention without its table of weights."""

    def __init__(self, precision: str) -> None:
        super().__init__()
        self._half = None if precision == "float32" else getattr(torch, precision)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        name = getattr(func, "__name__", "")
        if self._half is not None and name in (*_HALF, *_FULL):
            kind = self._half if name in _HALF else torch.float32
            args = tuple(each.to(kind) if isinstance(each, Tensor) else each for each in args)
        if func is F.scaled_dot_product_attention:
            efficient = torch.ops.aten._scaled_dot_product_efficient_attention
            return efficient(*args[:3], None, True)[0]
        return func(*args, **(kwargs or {}))
