"""Splits what a stage trains over its processes (FSDP2), and puts it together for files.

Each process keeps a share of the weights, their gradients, what the optimizer remembers and the
averages. While a step runs it holds all weights and, until they are added up, all gradients.
Files hold whole tensors, so a run may go on with another number of processes, or unsplit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from realishuman.errors import SettingsError


def split(module: nn.Module, device: torch.device, processes: int) -> None:
    """Replace the module's parameters by this process's share of them.

    Raises SettingsError if this torch cannot do that; 2.6 is the first that can.
    """
    try:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard
    except ImportError as error:
        raise SettingsError(
            f"shard = true needs torch 2.6 or newer, and this is {torch.__version__}: install a "
            "newer one, or train without it."
        ) from error
    fully_shard(module.to(device), mesh=init_device_mesh(device.type, (processes,)))


def whole(value: Any) -> Any:
    """A tensor, or all tensors in dictionaries and lists, put together on the CPU if split.

    What is not split comes back as it is. Every process must call this with the same tensors.
    """
    if isinstance(value, dict):
        return {name: whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [whole(each) for each in value]
    return value.full_tensor().cpu() if hasattr(value, "full_tensor") else value


def share(value: Tensor, like: Tensor) -> Tensor:
    """A whole tensor split as `like` is; itself if that is not split."""
    if not hasattr(like, "full_tensor"):
        return value
    from torch.distributed.tensor import distribute_tensor

    place: Any = like
    return distribute_tensor(value.to(place.device), place.device_mesh, place.placements)


def local(value: Tensor) -> Tensor:
    """This process's part of a tensor, in the same memory; itself if it is not split."""
    part: Any = value
    own: Tensor = part.to_local() if hasattr(part, "to_local") else part
    return own


def shared_state(state: dict[str, Any], live: Sequence[Tensor]) -> dict[str, Any]:
    """An optimizer's whole state, split as its parameters `live` are."""
    shared = {
        number: {
            name: share(value, live[number])
            if isinstance(value, Tensor) and value.shape == live[number].shape
            else value
            for name, value in each.items()
        }
        for number, each in state["state"].items()
    }
    return {**state, "state": shared}


@contextmanager
def together(module: nn.Module) -> Iterator[None]:
    """Within the block every process has all weights, for uses other than a training step."""
    unshard, reshard = (getattr(module, name, None) for name in ("unshard", "reshard"))
    if unshard is None or reshard is None:
        yield
        return
    unshard()
    try:
        yield
    finally:
        reshard()
