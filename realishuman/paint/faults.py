"""Which fingers are wrong, and what is left over of malformed ones."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.paint.fields import (
    Mask,
    blur,
    distance_from,
    grow,
    nearest_in,
    ramp,
    touching,
    without_specks,
)
from realishuman.paint.reading import ALIKE, Reading, share_of
from realishuman.paint.scene import FINE, FINGERS, MOVED, PALM, Scene
from realishuman.paint.skin import Layers
from realishuman.paint.surface import Surface, sample
from realishuman.paint.tones import to_linear, to_weighted_lab

LEAST_FINGER = 0.002  # of L squared: of a finger that is seen less nothing is said
# A finger is wrong when more than this share of it is missing in the picture, moved, off in
# colour, or lies beside it as a leftover.
MISSING, MOVED_AWAY, OFF, LEFT_OVER = 0.15, 0.35, 0.5, 0.15
THIN = 0.03  # of L: leftovers this near a wrong finger are noticed
APART = 0.08  # of L: near a right finger only from here on
NAIL, NAIL_AREA = 0.1, 0.03  # of L, L squared: how far a nail reaches, and how large one may be
ODD = 14.0  # weighted Lab from the far backdrop that a nail differs by, or whatever sits there
TIP = 0.15  # of L: how far remains may reach beyond what is known to be some
ZONE = 0.2  # of L around wrong fingers where remains are looked for


@dataclass(frozen=True)
class Faults:
    """What must be repainted; all (h, w) in the window.

    wrong    (6,) which fingers, the palm first, which never is.
    remains  pixels of hand where none belongs, smears included.
    repaint  where the good hand is to be seen instead of the picture.
    hole     where the background behind the hand is to be seen.
    """

    wrong: NDArray[np.bool_]
    remains: Mask
    repaint: Mask
    hole: Mask


def find_wrong_fingers(scene: Scene, reading: Reading, layers: Layers) -> NDArray[np.bool_]:
    """(6,) which fingers the picture does not show as they should be."""
    fine, length = scene.fine, scene.length
    labels = np.asarray(fine.nearest(scene.finger), np.intp)
    near_hand = blur(grow(reading.maybe, 0.018 * length), 0.7)
    shown = sample(near_hand, fine.spread(fine.vertices)[:, :2]) >= 0.5
    moved = ramp(fine.spread(scene.shift[:, None])[:, 0], *MOVED)
    outside = ~grow(scene.good.coverage, 0.03 * length) & ~scene.beyond & scene.allowed
    left = without_specks(reading.strict & (reading.apart > ALIKE) & outside, 0.01 * length)
    beside = _nearest_finger(scene, scene.good)
    wrong = np.zeros(FINGERS, bool)
    for finger in range(PALM + 1, FINGERS):
        own = labels == finger
        count = own.sum()
        area = count / FINE**2
        if area < LEAST_FINGER * length**2:
            continue
        off = ((1 - layers.agrees_loosely) * (own & shown)).sum() / count
        wrong[finger] = (
            (~shown[own]).mean() > MISSING
            or moved[own].mean() > MOVED_AWAY
            or off > OFF
            or (left & (beside == finger)).sum() / area > LEFT_OVER
        )
    return wrong


def find_faults(
    scene: Scene,
    reading: Reading,
    wrong: NDArray[np.bool_],
    covered: Mask,
    own: NDArray[np.float32],
) -> Faults:
    """Find all that must be repainted, given which fingers are wrong.

    covered  (h, w) where the good hand will be seen.
    own      (h, w) how far its own pixels stay there.
    """
    length, beyond, allowed = scene.length, scene.beyond, scene.allowed
    fingers = scene.fingers_of(scene.good)
    beside = wrong[np.maximum(_nearest_finger(scene, scene.good), 0)]
    distance = distance_from(covered)
    bad = np.isin(fingers, np.flatnonzero(wrong)) & covered
    lone = distance > np.where(beside, THIN, APART) * length
    extra = without_specks(
        reading.strict & (reading.apart > ALIKE) & lone & ~beyond & allowed, 0.01 * length
    )
    outside = ~covered & ~beyond & allowed & ~_leading_out(scene, reading, covered)
    extra &= outside
    palm_off = covered & (fingers == PALM) & (own < 0.3) & ~reading.unsure & ~beyond
    palm_off = without_specks(palm_off, 0.03 * length) & grow(bad, 0.15 * length)
    theirs = wrong[np.maximum(_nearest_finger(scene, scene.seen), 0)]
    zone = (theirs & (distance < ZONE * length)) | grow(extra, THIN * length)
    zone = zone & outside
    remains = (reading.strict | _smears(scene, reading)) & zone
    remains = (reading.strict & zone) | touching(remains, grow(reading.hand, 2))
    remains |= _hanging_on(remains, scene, reading, outside)
    dirty = grow(extra | palm_off | bad, 0.02 * length) | grow(remains, 2)
    dirty = dirty & allowed & ~(beyond & ~covered)
    rim = grow(remains | (reading.hand & bad), max(2, 0.012 * length)) & ~covered & dirty
    rim &= ~reading.hand | remains
    return Faults(wrong, remains, dirty, (remains | rim) & allowed)


def _leading_out(scene: Scene, reading: Reading, covered: Mask) -> Mask:
    """Skin beside the good hand that leads out of what may change: an arm, another hand, a face."""
    beside = (reading.hand | _smears(scene, reading)) & ~covered & ~scene.beyond
    return touching(beside & scene.allowed, grow(beside & ~scene.allowed, 2))


def _hanging_on(remains: Mask, scene: Scene, reading: Reading, where: Mask) -> Mask:
    """More of the fingers that remains are of: what looks like hand and touches them, and nails."""
    if not remains.any():
        return remains
    more = (reading.hand | _smears(scene, reading)) & where & grow(remains, TIP * scene.length)
    found = remains | touching(more, grow(remains, 2))
    return found | find_nails(scene, reading, found, where)


def find_nails(scene: Scene, reading: Reading, finger: Mask, where: Mask) -> Mask:
    """What is small, hangs on a finger and has another colour than what lies behind: (h, w)."""
    far = to_weighted_lab(to_linear(reading.far))
    odd = np.linalg.norm(scene.lab - far, axis=2) > ODD
    near = where & ~finger & grow(finger, NAIL * scene.length)
    nails = touching(odd & near, grow(finger, 2))
    return nails & ~_large(nails, NAIL_AREA * scene.length**2)


def _large(mask: Mask, area: float) -> Mask:
    """Those connected pieces of a mask that have more pixels than this."""
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    large: Mask = mask & (stats[:, cv2.CC_STAT_AREA] > area)[pieces]
    return large


def _nearest_finger(scene: Scene, surface: Surface) -> NDArray[np.intp]:
    """(h, w) the finger of one of the two hands that is nearest, -1 where it is not seen."""
    if not surface.coverage.any():
        return np.full(surface.coverage.shape, -1, np.intp)
    nearest: NDArray[np.intp] = scene.fingers_of(surface).ravel()[nearest_in(surface.coverage)]
    return nearest


def _smears(scene: Scene, reading: Reading) -> Mask:
    """Pixels whose colour lies between the backdrop's and the skin's."""
    mixed = (reading.share > 0.2) & (reading.apart > ALIKE)
    far = to_weighted_lab(to_linear(reading.far))
    share, apart = share_of(scene.lab, far, reading.shaded)
    off = np.linalg.norm(
        scene.lab - (far + share[..., None] * (reading.shaded - far)), axis=2
    )  # from the line between the two
    blended = (share > 0.25) & (apart > 9) & (off < np.maximum(0.4 * apart, 5))
    return np.asarray(mixed | blended, bool)
