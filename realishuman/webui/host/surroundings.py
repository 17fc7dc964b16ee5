"""What differs from one WebUI to another when networks of ours run beside the loaded model.

`a1111.A1111` and `forge.Forge` have this form; host.Host is the same on top of either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from realishuman.backbones.loading import Place
from realishuman.backbones.moving import Turns
from realishuman.diffusion.schedule import NoiseTable


@dataclass(frozen=True)
class Template:
    """The loaded model's UNet to make twins of, or None and why not, in half a sentence."""

    module: nn.Module | None
    why_not: str = ""


class Lent(Protocol):
    """The loaded model itself, as far as repainting with it needs more than `loaded_model`."""

    def unet(self) -> Template:
        """Its UNet, wherever it lies now."""

    def place(self) -> Place:
        """Device and precision in which its UNet computes."""

    def noise(self) -> NoiseTable:
        """The schedule it was trained with."""

    def bring(self, activations: int) -> None:
        """Let its UNet be where it computes, as the user's LoRAs made it, with bytes to spare."""

    def autoencode(self, call: Callable[[Tensor], Any], given: Tensor) -> Any:
        """Call its encode_first_stage or decode_first_stage."""

    def set_aside(self) -> AbstractContextManager[None]:
        """Inside, nothing of what the host's running job has put on the model, but its LoRAs."""


class Surroundings(Protocol):
    """The program around us: where networks compute, how they get there, what a run disturbs."""

    @property
    def name(self) -> str:
        """The program, as its users call it."""

    def place(self) -> Place:
        """Device of all networks and precision of UNets."""

    def autoencoder_dtype(self) -> torch.dtype:
        """Precision of autoencoders."""

    def template(self) -> Template:
        """The loaded model's UNet."""

    def lent(self) -> Lent:
        """The loaded model itself."""

    def computing(self) -> AbstractContextManager[object]:
        """The program's autocast, entered around each forward of a twin."""

    def resident(
        self, unets: Sequence[nn.Module], others: Sequence[nn.Module], activations: int
    ) -> AbstractContextManager[Turns | None]:
        """Networks on the device inside, with so many bytes to spare; the host's own may go away.

        Gives Turns where they do not fit at once: the caller then brings each before it runs.
        After, also after an exception, the host's networks are back and ours on the CPU.
        """

    def undisturbed(self) -> AbstractContextManager[None]:
        """Around every run: this program's own state is afterwards as it was, however it ends."""

    def empty_cache(self) -> None:
        """Give the device memory back that nothing uses any more."""


def loaded_model() -> Any:
    """The host's model, None or a stand-in before there is one; shared.sd_model would load it."""
    from modules import sd_models

    return sd_models.model_data.sd_model


def is_loaded() -> bool:
    """Whether there is a model, not a stand-in."""
    return hasattr(loaded_model(), "sd_checkpoint_info")


def uncompiled(unet: Any) -> Any:
    """The module that torch.compile made a compiled one of; any other as it is."""
    return getattr(unet, "_orig_mod", unet)
