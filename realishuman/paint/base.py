"""What every painter gives back, and the one interface the pipeline knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from realishuman.parts.prepare import PreparedPart
from realishuman.progress import Clock, Progress
from realishuman.settings import Settings


@dataclass(frozen=True)
class Painted:
    """One try at a part.

    image    (3, R, R) float32 in [0, 1]: the part's crop as it is to be pasted inside m_d.
    seed     of the noise it was painted with; None if there was none.
    matched  (R, R) bool, where it has the picture's colours already; None is nowhere.
    fault    why it cannot be used, as a sentence; empty if it can.
    steps    intermediate pictures, (3, R, R) in [0, 1] each, by name.
    """

    image: Tensor
    seed: int | None = None
    matched: NDArray[np.bool_] | None = None
    fault: str = ""
    steps: Mapping[str, Tensor] = field(default_factory=dict)


class Painter(Protocol):
    """Repaints prepared parts of one kind."""

    @property
    def engine(self) -> str:
        """The value of the setting `engine` that names it."""

    @property
    def weights(self) -> str:
        """ "trained", "demo" or "random": what its networks were made from."""

    @property
    def unets(self) -> str:
        """What the UNets of the latest run were, networks.OWN or TWIN."""

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
