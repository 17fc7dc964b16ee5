"""What is changed in the host for a while and is as before afterwards, however that ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import torch

from realishuman.webui.host.surroundings import loaded_model

_REMARKS = ("comments", "extra_generation_params")


@contextmanager
def changed(values: MutableMapping[str, Any], new: Mapping[str, Any]) -> Iterator[None]:
    """Some of these values are others inside."""
    before = {name: values[name] for name in new if name in values}
    values.update(new)
    try:
        yield
    finally:
        for name in new:
            values.pop(name, None)
        values.update(before)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's global random numbers, which hosts sample latents with, begin anew inside."""
    cuda: Any = torch.cuda  # not all of it is typed
    gpus = list(range(cuda.device_count())) if cuda.is_initialized() else []
    with torch.random.fork_rng(devices=gpus):
        torch.manual_seed(seed)
        yield


@contextmanager
def remarks_kept() -> Iterator[None]:
    """What the host remarks on a prompt, to be said under the pictures, stays as it was."""
    hijack = getattr(sys.modules.get("modules.sd_hijack"), "model_hijack", None)  # A1111's
    kept = [
        (owner, name, getattr(owner, name))
        for owner in (hijack, loaded_model())  # Forge's
        for name in _REMARKS
        if hasattr(owner, name)
    ]
    for owner, name, value in kept:
        setattr(owner, name, value.copy())
    try:
        yield
    finally:
        for owner, name, value in kept:
            setattr(owner, name, value)
