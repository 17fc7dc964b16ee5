"""What the picture says of each pixel of the window: hand, background, or undecidable by colour."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.paint.fields import Floats, Mask, grow, ramp, resize_mask, shrink
from realishuman.paint.hand_mask import segment
from realishuman.paint.register import lay_on
from realishuman.paint.scene import MOVED, PALM, Pixels, Scene
from realishuman.paint.tones import WEIGHTS, to_linear, to_weighted_lab

WORKING = 110  # pixels that L is scaled down to for the backdrop, where it is longer
COVER = 0.012  # of L, around the hands, that is no backdrop either
FAR = 0.2  # of L around the meshes that the far backdrop leaves out as well
EDGE = 0.012  # of L: so near the hand's outline skin is not learnt from
LEAST_SKIN = (150, 50)  # pixels: with fewer, moved skin counts; with fewer still, all of the mesh
SPREAD = np.array([4.0, 2.0, 2.0], np.float32)  # of Lab, added to what is measured
LEEWAY = np.array([1.6, 1.3, 1.3], np.float32)
SHADING = (-14.0, 8.0)  # weighted lightness by which skin may differ from its median
ALIKE = 7.0  # weighted Lab by which skin and backdrop must differ to be told apart
UNSURE, CLEAR = 9.0, 0.35
TIP = 0.06  # of L squared: how large a stray piece may be
NAIL = 0.08  # of L around it: its nail has another colour


@dataclass(frozen=True)
class Reading:
    """What is seen; all (h, w).

    hand      pixels that show the hand.
    strict    those of it that colour can tell from what is behind.
    unsure    what may be hand or not: skin-coloured before something skin-coloured.
    maybe     all that is not surely background.
    backdrop  (h, w, 3) weighted Lab, what lies behind the hand, guessed from around it.
    apart     how far the skin is from the backdrop, in weighted Lab.
    share     0 the backdrop's colour to 1 the skin's.
    skin      (3,) weighted Lab, the median skin.
    skinlike  0 to 1, how much a pixel's colour is the skin's.
    shaded    (h, w, 3) weighted Lab, the skin as light or dark as the pixel, within reason.
    far       (h, w, 3) uint8, the backdrop without all that is near the hand.
    """

    hand: Mask
    strict: Mask
    unsure: Mask
    maybe: Mask
    backdrop: Floats
    apart: Floats
    share: Floats
    skin: Floats
    skinlike: Floats
    shaded: Floats
    far: Pixels


def read(scene: Scene, wrong: NDArray[np.bool_] | None = None) -> tuple[Scene, Reading]:
    """Read the window.

    wrong    as for register.lay_on.
    Returns  the scene with its fingers laid onto those that are seen, allowing for stray tips
             beside m_d as well, and what is seen.
    """
    hand = segment(scene)
    scene = lay_on(scene, hand, wrong)
    scene = scene.allow(_stray(scene, hand))
    backdrop, far = _behind(scene, hand)
    skin, distance = _skin(scene, hand)
    shading = np.clip(scene.lab[..., 0] - skin[0], *SHADING)
    shaded = np.broadcast_to(skin, scene.lab.shape).copy()
    shaded[..., 0] += shading
    share, apart = share_of(scene.lab, backdrop, shaded)
    hand = hand & ~((share < 0.4) & (apart > ALIKE) & ~_surely(scene))
    unsure = (apart <= UNSURE) & (distance < 3.0) & ~scene.beyond
    clear = (share < CLEAR) & (apart > UNSURE) & ~hand
    either = scene.seen.coverage | scene.good.coverage
    return scene, Reading(
        hand=hand,
        strict=hand & ~((apart <= ALIKE) & ~grow(either, 0.1 * scene.length)),
        unsure=unsure,
        maybe=hand | ((unsure | ~clear) & ~scene.beyond),
        backdrop=backdrop,
        apart=apart,
        share=share,
        skin=skin,
        skinlike=1 - ramp(distance, 2.2, 3.5),
        shaded=shaded,
        far=far,
    )


def share_of(colour: Floats, behind: Floats, skin: Floats) -> tuple[Floats, Floats]:
    """How much of a colour is skin before a backdrop, and how far these two are apart.

    All (..., 3) weighted Lab.
    """
    between = skin - behind
    square = (between * between).sum(axis=-1)
    share = ((colour - behind) * between).sum(axis=-1) / np.maximum(square, 1e-3)
    return share, np.sqrt(square)


def _stray(scene: Scene, hand: Mask) -> Mask:
    """Small pieces of the hand beside what may change that hang together with what may.

    The tip of a finger that is too long can lie beyond m_d; it would float there.
    """
    outside = hand & ~scene.allowed & ~scene.beyond
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(outside.astype(np.uint8))
    touched = set(np.unique(pieces[grow(hand & scene.allowed, 2)])) - {0}
    height, width = outside.shape
    stray = np.zeros_like(outside)
    for piece in touched & set(range(1, count)):
        x, y, wide, high, area = stats[piece]
        whole = x > 0 and y > 0 and x + wide < width and y + high < height
        if whole and 4 < area < TIP * scene.length**2:
            stray |= pieces == piece
    return grow(stray, NAIL * scene.length) if stray.any() else stray


def _behind(scene: Scene, hand: Mask) -> tuple[Floats, Pixels]:
    """The backdrop in weighted Lab, and the far one in uint8: smooth, from what is no hand."""
    either = scene.seen.coverage | scene.good.coverage
    cover = grow(hand | either, max(2, COVER * scene.length))
    near = scene.allowed & grow(either, FAR * scene.length)
    close = _inpaint(scene, cover)
    close[~cover] = scene.pixels[~cover]
    nails = grow(hand, 2 * NAIL * scene.length)  # of fingers that are too long: far from the meshes
    return to_weighted_lab(to_linear(close)), _inpaint(scene, cover | near | nails)


def _inpaint(scene: Scene, hole: Mask) -> Pixels:
    """The window with a hole filled from around it, at a size at which that is quick."""
    scale = min(1.0, WORKING / scene.length)
    height, width = (max(int(side * scale), 8) for side in hole.shape)
    small = cv2.resize(scene.pixels, (width, height), interpolation=cv2.INTER_AREA)
    mask = resize_mask(hole, (height, width)).astype(np.uint8)
    filled = cv2.inpaint(small, mask, 3, cv2.INPAINT_TELEA)
    full: Pixels = cv2.resize(filled, hole.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return full


def learnable(scene: Scene, hand: Mask) -> Mask:
    """(N,) of the good hand's pixels: which show skin in its place, to learn from."""
    shift = scene.good.spread(scene.shift[:, None])[:, 0]
    inside = shrink(hand, EDGE * scene.length).ravel()[scene.good.pixels]
    still = inside & (shift < MOVED[1])
    if still.sum() >= LEAST_SKIN[0]:
        return still
    return inside if inside.sum() >= LEAST_SKIN[1] else np.ones_like(inside)


def _skin(scene: Scene, hand: Mask) -> tuple[Floats, Floats]:
    """Median colour of the skin, weighted Lab, and each pixel's distance from it in spreads."""
    lab = scene.lab / WEIGHTS
    seen = lab.reshape(-1, 3)[scene.good.pixels][learnable(scene, hand)]
    middle = np.median(seen, axis=0)
    spread = 1.48 * np.median(np.abs(seen - middle), axis=0) + SPREAD
    distance = np.linalg.norm((lab - middle) / (spread * LEEWAY), axis=2)
    return middle * WEIGHTS, distance.astype(np.float32)


def _surely(scene: Scene) -> Mask:
    """Well inside the palm of both hands."""
    palms = [scene.fingers_of(one) == PALM for one in (scene.good, scene.seen)]
    return shrink(palms[0] & palms[1], 0.03 * scene.length)
