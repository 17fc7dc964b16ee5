"""How likely a part is malformed: what the judge says, and the corrector of each finger."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realishuman.errors import ModelError

GOOD = 0.6  # a part that is malformed with less than this probability looks right; docs/real.md
REFUSED = 0.5  # from here on a repair is not kept where the judge is asked alone
# Where fingers are asked, a repair is kept that is less likely malformed by this, in log odds.
# Measured on photographs set aside: such a drop tells good repairs from bad ones better than any
# limit on what is left.
DROP = 0.75
_SURE = 1e-3  # nothing is held for surer than this


@dataclass(frozen=True)
class Opinion:
    """One view of a part.

    malformed  0 to 1. Where the corrector has an opinion, that on the likeliest finger counts half.
    fingers    whether it has.
    """

    malformed: float
    fingers: bool

    @property
    def kept_below(self) -> float:
        """How likely malformed its repair may be at most, 0 to 1, to be kept."""
        if not self.fingers:
            return min(self.malformed, REFUSED)
        return _probability(_log_odds(self.malformed) - DROP)


def mix_opinions(judged: float, wrong: NDArray[np.floating] | None) -> Opinion:
    """The opinion on a part.

    judged  what the judge network says, 0 to 1.
    wrong   (5,) what the corrector says of each finger; None where it was not asked.
    Raises  ModelError if one of them is not a number, which would pass for a good opinion.
    """
    if not (math.isfinite(judged) and (wrong is None or np.isfinite(wrong).all())):
        raise ModelError(
            "the judge or the corrector of fingers returned a value that is not a number: install "
            "the package again, or turn gate and judge off"
        )
    if wrong is None:
        return Opinion(judged, fingers=False)
    mean = (_log_odds(judged) + _log_odds(float(wrong.max()))) / 2
    return Opinion(_probability(mean), fingers=True)


def _log_odds(probability: float) -> float:
    kept = min(max(probability, _SURE), 1 - _SURE)
    return math.log(kept / (1 - kept))


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))
