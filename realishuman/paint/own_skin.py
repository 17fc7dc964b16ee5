"""The painter without weights: malformed hands are repaired with the picture's own skin.

It works at the picture's own pixels, whatever the size of the crops, and always paints the same.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from realishuman.errors import RealisHumanError
from realishuman.imaging.crop import extract, in_picture
from realishuman.imaging.paste import PixelPatch
from realishuman.mesh.base import Mesh
from realishuman.mesh.hand_corrector import WRONG
from realishuman.mesh.hand_template import hand_template
from realishuman.paint.base import NO_WEIGHTS, Painted, show
from realishuman.paint.scaled import repaint_hand
from realishuman.parts.prepare import PreparedPart
from realishuman.progress import Clock, Progress
from realishuman.settings import TRANSPLANT, Settings

Pixels = NDArray[np.uint8]

STEP = "4-own-skin"  # the intermediate picture
UNSEEN = "The picture does not show its mesh, so there is nothing to repaint."
NOTHING = "The transplant finds none of its fingers wrong."
TORN = (
    "The transplant would leave a piece of a finger floating beside the hand: try dilate, so that "
    "more of the picture may change."
)
OTHER_MESH = (
    "The transplant needs the built-in mesh, and this is another one: choose the mesh auto or "
    "embedded, and look for the parts again."
)

log = logging.getLogger("realishuman")


@dataclass(frozen=True)
class OwnSkin:
    """The transplant as a Painter, for hands."""

    engine: str = TRANSPLANT
    weights: str = NO_WEIGHTS
    unets: str = ""
    note: str = ""

    def paint(
        self, parts: Sequence[PreparedPart], settings: Settings, progress: Progress, clock: Clock
    ) -> list[list[Painted]]:
        """As Painter.paint, with one try at each part; what fails on one part is its fault."""
        progress.begin("transplant", len(parts))
        tries = []
        for one in parts:
            with clock.timed("transplant"):
                tries.append([_try(one)])
            progress.step()
        if steps := [painted.steps[STEP] for (painted,) in tries if painted.steps]:
            show(torch.stack(steps), progress)
        return tries


def _try(one: PreparedPart) -> Painted:
    """The part repainted, or why it is not."""
    try:
        return _paint(one)
    except RealisHumanError as error:
        return Painted(None, fault=str(error))
    except Exception as error:
        log.exception("RealisHuman: the transplant failed on part %d", one.number)
        what = f"{type(error).__name__}: {error}".removesuffix(": ")
        return Painted(None, fault=f"The transplant failed on it: unexpected {what}.")


def _paint(one: PreparedPart) -> Painted:
    """Repaint all hands of a crop, one after the other."""
    before = one.picture
    allowed = in_picture(one.masks.m_d, one.crop, before.shape[:2])
    after, shown = before, False
    for found in (one.found, *one.joined):
        if not is_built_in(found.mesh):
            return Painted(None, fault=OTHER_MESH)
        repainted = repaint_hand(after, found.mesh, allowed, pick_wrong(found.mesh))
        if repainted is not None and repainted.torn:
            return Painted(None, fault=TORN)
        if repainted is not None:
            after, shown = repainted.onto(after), True
    changed = (before != after).any(axis=2)
    if not changed.any():
        return Painted(None, fault=NOTHING if shown else UNSEEN)
    rows, columns = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    place = slice(top, int(rows[-1]) + 1), slice(left, int(columns[-1]) + 1)
    patch = PixelPatch(
        one.number, left, top, before[place], after[place], one.covered, one.numbers[1:]
    )
    return Painted(patch, steps={STEP: extract(after, one.crop)})


def pick_wrong(mesh: Mesh) -> NDArray[np.bool_] | None:
    """(6,) the fingers to repaint, the palm first, which never is.

    None where the corrector has no opinion or calls no finger wrong, and the hand is repainted all
    the same: then those are repainted that do not look as the mesh says.
    """
    if mesh.wrong is None or mesh.wrong.max() < WRONG:
        return None
    return np.concatenate([[False], mesh.wrong >= WRONG])


def is_built_in(mesh: Mesh) -> bool:
    """Whether it is the mesh that the transplant knows."""
    return len(mesh.vertices) == len(hand_template().vertices)
