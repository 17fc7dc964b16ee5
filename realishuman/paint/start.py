"""What a checkpoint begins with: a picture of each part to start from, and what of it to keep.

A hand starts as the transplant leaves it, in the right shape and the picture's own skin; what the
transplant changed was wrong, so the checkpoint may not look at it. Where the transplant has nothing
to give, and for other parts, it starts as the picture is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from realishuman.imaging.crop import extract
from realishuman.imaging.paste import PixelPatch
from realishuman.kinds import KINDS
from realishuman.paint.base import Painted
from realishuman.paint.own_skin import STEP, OwnSkin
from realishuman.parts.prepare import PreparedPart
from realishuman.progress import Clock, Progress
from realishuman.settings import TRANSPLANT, Settings

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Start:
    """Where the repainting of a part starts, in its crop of side R.

    image    (3, R, R) float32 in [0, 1].
    trusted  (R, R) bool, what of the part as it was may be looked at.
    note     why it is the picture as it is, as a sentence; empty if it is not, or always so.
    """

    image: Tensor
    trusted: Mask
    note: str = ""


def starts(
    parts: Sequence[PreparedPart], settings: Settings, progress: Progress, clock: Clock
) -> list[Start]:
    """Where each part starts; they are of one kind."""
    if not parts or TRANSPLANT not in KINDS[parts[0].part.kind].engines:
        return [Start(one.image, one.masks.m) for one in parts]
    tries = OwnSkin().paint(parts, settings, progress, clock)
    return [_start(one, painted) for one, (painted,) in zip(parts, tries, strict=True)]


def _start(one: PreparedPart, painted: Painted) -> Start:
    if painted.fault or not isinstance(painted.patch, PixelPatch):
        note = f"Part {one.number} was repainted from the picture as it is: {painted.fault}"
        return Start(one.image, one.masks.m, note)
    changed = painted.patch.changed_in(one.picture.shape[:2]).astype(np.uint8)
    shown = extract(np.repeat(changed[..., None] * 255, 3, axis=2), one.crop)[0] > 0
    wrong = cv2.dilate(shown.numpy().astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return Start(painted.steps[STEP], one.masks.m & ~wrong)
