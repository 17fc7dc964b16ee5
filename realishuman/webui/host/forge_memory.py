"""How Forge's memory manager is asked: the one thing that Forge and Forge Neo do differently.

Both are called by what they offer, never by a name or version: Forge Neo took over ComfyUI's
memory manager in 2026, forks may follow, and some will mix the two.

Source: backend/memory_management.py and backend/patcher/base.py of both.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from backend import memory_management
from backend.patcher.base import ModelPatcher
from torch import nn

_PARAMETERS = 860_000_000  # of a Stable Diffusion 1.x UNet; precisions are picked by it
_CPU = torch.device("cpu")


def computation_dtype(device: torch.device) -> torch.dtype:
    """What the host computes a Stable Diffusion 1.x UNet with float16 weights in."""
    dtype: torch.dtype
    if hasattr(memory_management, "get_computation_dtype"):
        dtype = memory_management.get_computation_dtype(device, _PARAMETERS)
    else:
        stored = memory_management.unet_dtype(device, _PARAMETERS, weight_dtype=torch.float16)
        dtype = memory_management.inference_cast(stored, device)
    return dtype


def can_stream(module: nn.Module) -> bool:
    """Whether the manager can leave weights on the CPU and cast them layer by layer.

    Only the host's own layers know how. Forge Neo leaves others where they are if room is short,
    and they would fail at the first forward.
    """
    return any(hasattr(each, "parameters_manual_cast") for each in module.modules())


def patcher_for(module: nn.Module) -> ModelPatcher:
    """What the manager takes: a model that lives on the CPU and runs on the host's device."""
    return ModelPatcher(module, memory_management.get_torch_device(), _CPU)


def load(patchers: Sequence[ModelPatcher], activations: int, others: int) -> None:
    """Let the manager bring models to the device, and keep room there.

    activations   bytes that computing takes.
    others        bytes that networks unknown to the manager take.
    """
    accepted = inspect.signature(memory_management.load_models_gpu).parameters
    if "hard_memory_preservation" in accepted:
        memory_management.load_models_gpu(
            list(patchers), memory_required=activations, hard_memory_preservation=others
        )
    else:
        memory_management.load_models_gpu(list(patchers), memory_required=activations + others)


def make_room(wanted: int, device: torch.device) -> bool:
    """Let models of the host leave the device; whether so many bytes are free there now."""
    if device.type == "cpu":
        return True
    memory_management.free_memory(wanted, device)
    free: float = memory_management.get_free_memory(device)
    return free >= wanted


def unload(patcher: ModelPatcher) -> None:
    """Let the manager forget a model of ours.

    Forge Neo's unload_model only strikes it off the list: without detach before, the model would
    count as loaded for ever, and a second load would leave it on the CPU.
    """
    if hasattr(memory_management, "unload_model_clones"):
        memory_management.unload_model_clones(patcher)
    else:
        patcher.detach()
        memory_management.unload_model(patcher)
