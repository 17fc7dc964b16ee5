"""What every painter gives back, and the one interface the pipeline knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from realishuman.imaging.paste import Patch, PixelPatch
from realishuman.parts.prepare import PreparedPart
from realishuman.progress import Clock, Progress, Viewer
from realishuman.settings import Settings

NO_WEIGHTS = "none"


@dataclass(frozen=True)
class Painted:
    """One try at a part.

    patch  as it is to be pasted, tensors on the CPU; None if there is nothing to paste.
    seed   of the noise it was painted with; None if there was none.
    fault  why it cannot be used, as a sentence; empty if it can.
    steps  intermediate pictures, (3, R, R) in [0, 1] each, by name.
    """

    patch: Patch | PixelPatch | None
    seed: int | None = None
    fault: str = ""
    steps: Mapping[str, Tensor] = field(default_factory=dict)


class Painter(Protocol):
    """Repaints prepared parts of one kind."""

    @property
    def engine(self) -> str:
        """The value of the setting `engine` that names it."""

    @property
    def weights(self) -> str:
        """ "trained", "demo" or "random": how its networks came to be; NO_WEIGHTS without any."""

    @property
    def unets(self) -> str:
        """What the UNets of the latest run were, networks.OWN or TWIN; empty without any."""

    @property
    def note(self) -> str:
        """A sentence when a network ran elsewhere than was asked for, else empty."""

    def paint(
        self, parts: Sequence[PreparedPart], settings: Settings, progress: Progress, clock: Clock
    ) -> list[list[Painted]]:
        """Return the tries at each part, at least one, in the parts' order.

        parts   of any number of pictures.
        clock   takes the time of each stage.
        Raises  RealisHumanError with a sentence for the user; Interrupted from progress.
        """


def show(images: Tensor, progress: Progress) -> None:
    """Let whoever watches see crops (N, 3, R, R) side by side."""
    if isinstance(progress, Viewer):
        side_by_side = torch.cat(list(images), dim=2).clamp(0, 1) * 255
        progress.show(side_by_side.round().byte().permute(1, 2, 0).cpu().numpy())
