"""Where and how a step is computed: processes, precision, attention."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from realishuman.errors import SettingsError
from realishuman.train.config import Stage

MIXED = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}


def attention(stage: Stage, device: torch.device) -> AbstractContextManager[None]:
    """How attention is computed: CPUs are slow at the gradient of fused bfloat16 attention.

    Plain products and softmax instead make a step of the demo's stage one 1.35 times as fast.
    """
    if device.type != "cpu" or stage.precision != "bfloat16":
        return nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    return sdpa_kernel(SDPBackend.MATH)


def accelerator_of(stage: Stage) -> Any:
    """What runs a stage's steps. Raises SettingsError on what cannot be run here."""
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs

    if stage.precision == "float16" and not torch.cuda.is_available():
        raise SettingsError("float16 needs CUDA for its loss scaling: use bfloat16 or float32")
    # what follows the reference's last features has no gradient
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    accelerator = Accelerator(
        mixed_precision=MIXED[stage.precision],
        cpu=not torch.cuda.is_available(),  # else several processes on a CPU do not join
        kwargs_handlers=[unused],
    )
    kind, world = accelerator.distributed_type.value, accelerator.num_processes
    if kind in ("FSDP", "DEEPSPEED", "MEGATRON_LM"):
        raise SettingsError(
            f"training does not run under accelerate's {kind}: start it with torchrun alone; shard "
            "= true in the stage's table splits the networks over the processes"
        )
    if stage.shard and stage.precision == "float16":
        raise SettingsError("shard = true does not go with float16: use bfloat16 or float32")
    if stage.batch % (stage.accumulate * world):
        raise SettingsError(
            f"a batch of {stage.batch} in {stage.accumulate} parts cannot be shared evenly by "
            f"{world} processes: choose a multiple of {stage.accumulate * world}"
        )
    return accelerator


def channels_last(module: torch.nn.Module) -> None:
    """Store convolutions' weights in the order a CPU is fastest with: a third for stage two."""
    for weight in module.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)


def to_device(data: Any, device: torch.device) -> Any:
    """A batch's tensors on the device; a batch is a tuple or a dataclass of tensors."""
    if isinstance(data, tuple):
        return tuple(each.to(device) for each in data)
    given = {name: value for name, value in vars(data).items() if value is not None}
    return type(data)(**{name: value.to(device) for name, value in given.items()})
