"""Repaint a malformed hand with the picture's own skin on its corrected mesh, without networks.

The mesh gives each spot of skin a place in the picture as it is and one in the picture as it should
be. Fingers that are wrong are painted where they belong with the skin from where they are, at the
picture's own resolution; what is left over of the malformed ones is filled from the background.
The palm and the fingers that are right stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.mesh.base import Mesh
from realishuman.paint.faults import Faults, find_faults, find_nails, find_wrong_fingers
from realishuman.paint.fields import Floats, Mask, blur, grow, resize, shrink, touching
from realishuman.paint.grain import continue_grain
from realishuman.paint.reading import Reading, read
from realishuman.paint.scene import FINE, FINGERS, PALM, Scene, set_scene
from realishuman.paint.sharpness import edge_blur
from realishuman.paint.skin import blend, layer
from realishuman.paint.tones import to_srgb

Pixels = NDArray[np.uint8]

FLOATING = 0.001, 0.06  # of L squared: a smaller piece is a speck, a larger one background
ROUNDED = 1.3  # outlines of real hands are softer than the mesh's by this; measured
BLUR = 0.6  # pixels, of the picture's own edges, where they do not tell
EVERY_FINGER = np.arange(FINGERS) > PALM
FADE = 0.006  # of L, over which the repainted fades into what stays


@dataclass(frozen=True)
class Repainted:
    """A window of the picture with the hand repaired.

    left, top  of the window in the picture.
    pixels     (h, w, 3) uint8 RGB.
    allowed    (h, w) bool, what may have changed: m_d, and stray tips that hang on it.
    changed    (h, w) bool, what was repainted; it fades into what is around it.
    torn       whether a piece of the malformed hand would be left floating beside the good one.
    """

    left: int
    top: int
    pixels: Pixels
    allowed: Mask
    changed: Mask
    torn: bool

    def onto(self, picture: Pixels) -> Pixels:
        """The picture (H, W, 3) with the window in its place."""
        whole = picture.copy()
        whole[self._place] = self.pixels
        return whole

    def allowed_in(self, shape: tuple[int, ...]) -> Mask:
        """`allowed` at the pixels of a picture of this height and width."""
        whole = np.zeros(shape, bool)
        whole[self._place] = self.allowed
        return whole

    @property
    def _place(self) -> tuple[slice, slice]:
        height, width = self.allowed.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def transplant(
    picture: Pixels,
    mesh: Mesh,
    allowed: Mask,
    *,
    wrong: NDArray[np.bool_] | None = None,
    origins: NDArray[np.integer] | None = None,
) -> Repainted | None:
    """Repair the hand of this mesh; None if the window shows nothing of it.

    picture  (H, W, 3) uint8 RGB.
    mesh     the good hand, and in `seen` the same surface as the picture shows it.
    allowed  (H, W) bool, m_d.
    wrong    (6,) the fingers to repaint, EVERY_FINGER or some; None repaints those found wrong.
    origins  (V,) the template's vertex that each of the mesh is; None where they are the same.
    Raises   ModelError if the mesh is not finite.
    """
    if not allowed.any():
        return None
    scene = set_scene(picture, mesh, allowed, origins)
    if not len(scene.good.pixels):
        return None
    scene, reading = read(scene, wrong)
    layers = layer(scene, reading)
    if wrong is None:
        wrong = find_wrong_fingers(scene, reading, layers)
    colours, own = blend(scene, layers, wrong)
    kept = _mean(scene, own)
    own_blur = ROUNDED * edge_blur(scene.lab, reading.hand, BLUR)
    painted, alpha = _reduce(scene, colours, layers.contour, own_blur)
    painted += kept[..., None] * (scene.linear - painted)
    faults = find_faults(scene, reading, wrong, alpha > 0.5, kept)
    pixels = scene.pixels.copy()
    composed = _compose(scene, reading, faults, painted, alpha, own_blur)
    pixels[scene.allowed] = composed[scene.allowed]
    torn = _is_torn(scene, reading, faults, alpha > 0.5)
    return Repainted(scene.left, scene.top, pixels, scene.allowed, faults.repaint, torn)


def _is_torn(scene: Scene, reading: Reading, faults: Faults, painted: Mask) -> bool:
    """Whether what is kept of a finger beside the repainted hangs on nothing any more.

    That happens where the finger leaves what may change; skin-coloured background touches the
    repainted as well, and is no piece of a finger. A nail that hung on what is erased is one.
    """
    repaint = faults.repaint
    stays = ~repaint & ~painted & ~scene.beyond
    kept = touching((reading.hand | (reading.skinlike > 0.5)) & stays, grow(repaint, 2))
    nails = find_nails(scene, reading, faults.remains, stays)
    erased = faults.remains | (reading.hand & repaint)
    cut, outside = kept & grow(erased, 5), kept & ~scene.allowed
    kept, cut, outside = (each | nails for each in (kept, cut, outside))
    count, pieces = cv2.connectedComponents(grow(kept | painted, 1).astype(np.uint8))
    areas, cuts, leaving, held = (
        np.bincount(pieces[each], minlength=count) for each in (kept, cut, outside, painted)
    )
    sizes = areas[(cuts > 0) & (leaving > 0) & (held == 0)] / scene.length**2
    return bool(((sizes > FLOATING[0]) & (sizes < FLOATING[1])).any())


def _reduce(scene: Scene, colours: Floats, contour: Mask, own_blur: float) -> tuple[Floats, Floats]:
    """The painted hand at the picture's resolution, as sharp as the picture: linear RGB and alpha.

    Skin from the picture is as sharp as it was; only edges that the mesh drew are blurred, as the
    picture's own are.
    """
    fine, size = scene.fine, scene.allowed.shape
    sigma = own_blur * FINE
    picture, covered = np.asarray(fine.fill(colours)), fine.coverage.astype(np.float32)
    soft = blur(picture, sigma) / np.maximum(blur(covered, sigma), 1e-6)[..., None]
    edge = blur(np.asarray(fine.fill(contour)), sigma)[..., None]
    picture = ((picture + edge * (soft - picture)) * covered[..., None]).astype(np.float32)
    # beyond its outline the blurred hand has the colour of its nearest edge
    inside = resize(covered, size)
    alpha = resize(blur(covered, sigma), size)
    around = resize(blur(picture, sigma), size) / np.maximum(alpha, 1e-6)[..., None]
    coloured = resize(picture, size) + np.maximum(1 - inside, 0)[..., None] * around
    return coloured.astype(np.float32), alpha


def _mean(scene: Scene, values: Floats) -> Floats:
    """Values of the fine surface's pixels as means over the window's."""
    size = scene.allowed.shape
    covered = resize(scene.fine.coverage, size)
    means = resize(np.asarray(scene.fine.fill(values)), size) / np.maximum(covered, 1e-6)
    return means.astype(np.float32)


def _compose(
    scene: Scene,
    reading: Reading,
    faults: Faults,
    painted: Floats,
    alpha: Floats,
    own_blur: float,
) -> Pixels:
    """The window with background in the hole and the painted hand before it, where it is dirty."""
    picture = scene.pixels / np.float32(255)
    # all of the hole, and softly what is beside it: a hand that stays ends there
    open_share = np.minimum(2 * blur(faults.hole, own_blur), 1)
    background = _background(scene, reading, faults, alpha)
    behind = picture + open_share[..., None] * (background - picture)
    seen = alpha[..., None] * to_srgb(painted) + (1 - alpha[..., None]) * behind
    weight = blur(shrink(faults.repaint, 1), max(FADE * scene.length, 0.7))
    weight = np.maximum(weight, open_share)[..., None]
    mixed = picture * (1 - weight) + weight * seen
    return np.rint(np.clip(mixed, 0, 1) * 255).astype(np.uint8)


def _background(scene: Scene, reading: Reading, faults: Faults, alpha: Floats) -> Floats:
    """What lies behind the hand, in [0, 1]: filled from no hand, or skin would bleed in."""
    hand = reading.hand | (alpha > 0.5)
    unknown = grow(hand | scene.seen.coverage, 3) & scene.allowed
    unknown |= faults.hole | grow(hand, max(2, 0.012 * scene.length))
    filled = cv2.inpaint(scene.pixels, unknown.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    known = ~unknown & ~reading.maybe
    grained = filled + continue_grain(scene.pixels, known, unknown)
    return np.asarray(grained / np.float32(255), np.float32)
