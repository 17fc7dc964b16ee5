"""One training pair per seed: a good hand or face, its malformed twin, and all known of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from realishuman.errors import SettingsError
from realishuman.synthetic import malform
from realishuman.synthetic.face import malform as face_malform
from realishuman.synthetic.face.subject import draw_face
from realishuman.synthetic.hand import draw_hand
from realishuman.synthetic.pair import Subject, SyntheticSample, pair

__all__ = ["KINDS", "LEAST_CHANGED", "SyntheticSample", "first_kind", "sample"]

LEAST_CHANGED = 0.05  # of the part's pixels; twins that differ less are drawn again
ATTEMPTS = 6
SMALLEST = 64

KINDS: Mapping[str, tuple[str, ...]] = {"hand": malform.KINDS, "face": face_malform.KINDS}
_DRAW: Mapping[str, Callable[[np.random.Generator, int, str], Subject]] = {
    "hand": draw_hand,
    "face": draw_face,
}


def sample(
    seed: int, side: int = 256, kind: str | None = None, part: str = "hand"
) -> SyntheticSample:
    """Return the pair of this seed, always the same.

    side  64 or more.
    kind  what should be wrong, one of KINDS[part]; drawn if not given.
    part  "hand" or "face".
    Raises SettingsError on a smaller side, or an unknown kind or part.
    """
    if part not in KINDS:
        raise SettingsError(
            f"a synthetic {part!r} was asked for; the part must be one of {', '.join(KINDS)}"
        )
    if side < SMALLEST or (kind is not None and kind not in KINDS[part]):
        raise SettingsError(
            f"synthetic {part}s were asked for with side {side} and kind {kind!r}; the side must "
            f"be {SMALLEST} or more, the kind one of {', '.join(KINDS[part])}, or none"
        )
    redraw = 0
    while True:  # until a pose shows the defect
        rng = np.random.default_rng((seed, redraw))
        wrong = kind or str(rng.choice(KINDS[part]))
        subject = _DRAW[part](rng, side, wrong)
        for _ in range(ATTEMPTS):
            found = pair(rng, subject, wrong, LEAST_CHANGED)
            if found is not None:
                return found
        redraw += 1


def first_kind(seed: int, part: str = "hand") -> str:
    """What is wrong in sample(seed), unless its first subject could not show the defect.

    Says so without painting; where a pair is drawn again, the kind may be another.
    """
    return str(np.random.default_rng((seed, 0)).choice(KINDS[part]))
