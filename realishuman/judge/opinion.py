"""How likely a part is malformed: what the judge says, and the corrector of each finger."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GOOD = 0.6  # a part that is malformed with less than this probability looks right; docs/real.md
# From here on a repair is not kept: by the judge alone, and where fingers count half.
REFUSED, REFUSED_WITH_FINGERS = 0.5, 0.7


@dataclass(frozen=True)
class Opinion:
    """One view of a part.

    malformed  0 to 1. Where the corrector has an opinion, that on the likeliest finger counts half.
    fingers    whether it has.
    """

    malformed: float
    fingers: bool

    @property
    def refused(self) -> float:
        """From here on a repair is not kept."""
        return REFUSED_WITH_FINGERS if self.fingers else REFUSED


def mix_opinions(judged: float, wrong: NDArray[np.floating] | None) -> Opinion:
    """The opinion on a part.

    judged  what the judge network says, 0 to 1.
    wrong   (5,) what the corrector says of each finger; None where it was not asked.
    """
    if wrong is None:
        return Opinion(judged, fingers=False)
    return Opinion((judged + float(wrong.max())) / 2, fingers=True)
