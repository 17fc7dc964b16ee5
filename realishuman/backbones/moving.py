"""Takes networks to the device for as long as they run, and off it without copying anything back.

Weights do not change while a network runs, so the CPU's copy stays valid: bringing copies it over,
leaving only lets go of the device's. Where not all fit at once they take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from realishuman.diffusion.networks import Autoencoder, Condition, FeatureBank, Unet


def size(modules: Sequence[nn.Module]) -> int:
    """Bytes of all parameters and buffers."""
    return sum(t.numel() * t.element_size() for module in modules for t in _tensors(module))


class Home:
    """Where the weights of networks lie now, so that they can be put back there.

    Puts the parameters back too, should a host have replaced them. Takes no memory while the
    networks are at home, and keeps the CPU's copy alive while they are away.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        tables: list[dict[str, Any]] = [
            table
            for module in modules
            for each in module.modules()
            for table in (each._parameters, each._buffers)
        ]
        self._places = [
            (table, name, tensor, tensor.data)
            for table in tables
            for name, tensor in table.items()
            if tensor is not None
        ]

    def restore(self) -> None:
        """Let the weights be as and where they were."""
        for table, name, tensor, data in self._places:
            table[name] = tensor
            tensor.data = data


@contextmanager
def visiting(modules: Sequence[nn.Module], device: torch.device) -> Iterator[None]:
    """Networks whose weights lie on the CPU are on `device` inside, and on the CPU again after.

    Also after an exception, in bringing them or inside.
    """
    if device.type == "cpu":
        yield
        return
    home = Home(modules)
    try:
        # Forge calls us in inference mode, and what is made there cannot be changed outside it
        with torch.inference_mode(False), torch.no_grad():
            for module in modules:
                module.to(device)
        yield
    finally:
        home.restore()


class Turns:
    """Networks that visit the device one at a time: each comes when it is needed.

    A context manager: at its end the last one leaves.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stay = ExitStack()
        self._guest: nn.Module | None = None

    def bring(self, module: nn.Module) -> None:
        """Let `module` be on the device, and no other."""
        if self._guest is not module:
            self.clear()
            self._stay.enter_context(visiting([module], self._device))
            self._guest = module

    def clear(self) -> None:
        """Let whoever is there leave."""
        self._guest = None
        self._stay.close()

    def __enter__(self) -> Turns:
        return self

    def __exit__(self, *_reason: object) -> None:
        self.clear()


@dataclass(frozen=True)
class TurningUnet:
    """A UNet that comes to the device when it is called."""

    inner: Unet
    module: nn.Module
    turns: Turns

    def condition(self, tokens: Tensor, pose: Tensor | None = None) -> Condition:
        """See networks.Unet."""
        self.turns.bring(self.module)
        return self.inner.condition(tokens, pose)

    def predict(
        self, latents: Tensor, timestep: Tensor, condition: Condition, bank: FeatureBank | None
    ) -> Tensor:
        """See networks.Unet."""
        self.turns.bring(self.module)
        return self.inner.predict(latents, timestep, condition, bank)

    def features(self, latents: Tensor, timestep: Tensor, condition: Condition) -> FeatureBank:
        """See networks.Unet."""
        self.turns.bring(self.module)
        return self.inner.features(latents, timestep, condition)


@dataclass(frozen=True)
class TurningAutoencoder:
    """An autoencoder that comes to the device when it is called."""

    inner: Autoencoder
    module: nn.Module
    turns: Turns

    def encode(self, images: Tensor) -> Tensor:
        """See networks.Autoencoder."""
        self.turns.bring(self.module)
        return self.inner.encode(images)

    def decode(self, latents: Tensor) -> Tensor:
        """See networks.Autoencoder."""
        self.turns.bring(self.module)
        return self.inner.decode(latents)


def turning(module: nn.Module, turns: Turns) -> Callable[[Tensor], Tensor]:
    """A call of `module` before which it comes to the device."""

    def call(given: Tensor) -> Tensor:
        turns.bring(module)
        result: Tensor = module(given)
        return result

    return call


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()
