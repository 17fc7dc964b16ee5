"""Lays both meshes onto the hand that is seen: finger by finger, then the palm's outline.

Landmarks lie a little beside the middle of a finger, and the template's fingers are not this
hand's. Across each finger, at its joints, the hand's mask says where it really lies and how wide it
is; along it, where it ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from realishuman.mesh.hand_template import hand_template
from realishuman.paint.fields import Mask, ramp
from realishuman.paint.outline import lay_palm_on
from realishuman.paint.scene import FINGERS, PALM, Scene, finger_of_vertices

Floats = NDArray[np.float64]

STATIONS = (1.0, 2.0, 2.55)  # along a finger: its middle joint, its end joint, half of the end
PLACES = (0.6, *STATIONS, 2.9)  # with one before and one behind, which tell the finger's direction
RING = 0.18  # of a bone, around a station: these vertices tell its middle and width
STEP = 0.25  # pixels between two looks at the mask
WIDEST = 1.7  # half widths of the mesh's finger, up to which its edge is looked for
FARTHEST = 0.06  # of L that a station may move
WIDTHS = (0.6, 1.6)  # over the mesh's: another width is no finger's
TIP = 0.08  # of L that a tip may move
ROOT = 0.4  # along a finger, up to which nothing moves
IN_PLACE = 0.05  # of L: a finger of which nothing is corrected by more is where it belongs


@dataclass(frozen=True)
class _Found:
    """What the mask says of one station of a finger.

    along  of the finger, as in STATIONS.
    aside  (2,) pixels to the finger's middle; wide: its half width over the mesh's.
    """

    along: float
    aside: Floats
    wide: float


def lay_on(scene: Scene, hand: Mask, wrong: NDArray[np.bool_] | None) -> Scene:
    """The scene with its palm and its fingers moved onto those of the mask.

    hand   (h, w) bool, the hand as the picture shows it.
    wrong  (6,) fingers that are malformed: of these only the place is learnt, not width and length.
    """
    wrong = np.zeros(FINGERS, bool) if wrong is None else wrong
    good, seen = (each.vertices[:, :2].astype(np.float64) for each in (scene.good, scene.seen))
    along = along_of_vertices()[scene.origins]
    fingers = {n: np.flatnonzero(scene.finger == n) for n in range(PALM + 1, FINGERS)}
    elsewhere = {n: scene.shift[own].max(initial=0) > IN_PLACE for n, own in fingers.items()}
    silent = wrong | np.array([False, *elsewhere.values()])
    good_by, seen_by = (
        lay_palm_on(scene, surface, hand, along, silent) for surface in (scene.good, scene.seen)
    )
    labels = scene.fingers_of(scene.seen)
    for finger, own in fingers.items():
        where = along[own]
        found = _stations(seen[own], where, labels == finger, hand, scene.length)
        if not found:
            continue
        knots = [ROOT, *(one.along for one in found)]
        aside = np.column_stack(
            [np.interp(where, knots, [0.0, *(one.aside[k] for one in found)]) for k in (0, 1)]
        )
        wide = np.interp(where, knots, [1.0, *(one.wide for one in found)])
        middle = _middles(seen[own], where)
        seen_by[own] += aside + (wide - 1)[:, None] * (seen[own] - middle)
        seen_by[own] += _tip(seen[own] + seen_by[own], where, hand, scene.length)
        if elsewhere[finger]:
            continue  # there the mask tells nothing
        if wrong[finger]:
            good_by[own] += middle + aside - _middles(good[own], where)
        else:
            good_by[own] = seen[own] + seen_by[own] - good[own]
    return scene.with_fingers(good_by.astype(np.float32), seen_by.astype(np.float32))


def _stations(
    points: Floats, where: Floats, visible: Mask, hand: Mask, length: float
) -> list[_Found]:
    """What is found at the stations of one finger, in order along it."""
    middles = [_ring(points, where, at) for at in PLACES]
    found = []
    for before, here, after, at in zip(middles, middles[1:], middles[2:], STATIONS, strict=False):
        axis = after - before
        size = float(np.linalg.norm(axis))
        if not size > 0.02 * length:  # it points towards the viewer
            continue
        across = np.array([-axis[1], axis[0]]) / size
        ring = np.abs(where - at) < RING
        sides = (points[ring] - here) @ across
        half = float(np.ptp(sides)) / 2
        middle = here + across * (sides.max() + sides.min()) / 2
        if not _look_up(visible, middle[None])[0]:
            continue
        plus, minus = (_reach(hand, middle, way * across, WIDEST * half) for way in (1, -1))
        if plus is None or minus is None:
            continue
        off, wide = (plus - minus) / 2, (plus + minus) / 2 / max(half, 1e-3)
        if abs(off) < FARTHEST * length and WIDTHS[0] < wide < WIDTHS[1]:
            found.append(_Found(at, off * across, wide))
    return found


def _tip(points: Floats, where: Floats, hand: Mask, length: float) -> Floats:
    """(N, 2) how far the end of a finger moves along it, so that it ends where the mask does."""
    start, end = _ring(points, where, 2.1), _ring(points, where, 2.7)
    axis = end - start
    size = float(np.linalg.norm(axis))
    none = np.zeros_like(points)
    if not size > 0.02 * length:
        return none
    axis = axis / size
    reach = _reach(hand, end, axis, size + TIP * length + float(((points - end) @ axis).max()))
    if reach is None:
        return none
    step = reach - float(((points - end) @ axis).max())
    return none if abs(step) > TIP * length else ramp(where, 2.0, 2.9)[:, None] * step * axis


def _reach(hand: Mask, start: Floats, way: Floats, farthest: float) -> float | None:
    """How far the mask goes on from a place; None if not begun there, or farther."""
    steps = np.arange(0, farthest + STEP, STEP)
    inside = _look_up(hand, start + steps[:, None] * way)
    if not inside[0] or inside.all():
        return None
    return float(steps[inside.argmin()])


def _look_up(mask: Mask, places: Floats) -> NDArray[np.bool_]:
    """The mask at places (N, 2), False outside."""
    columns, rows = np.floor(places.T).astype(np.intp)
    height, width = mask.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    there: Mask = inside & mask[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    return there


def _ring(points: Floats, where: Floats, at: float) -> Floats:
    """(2,) the middle of a finger at one place along it."""
    weights = np.exp(-(((where - at) / RING) ** 2))
    return np.asarray((weights[:, None] * points).sum(axis=0) / weights.sum())


def _middles(points: Floats, where: Floats) -> Floats:
    """(N, 2) the middle of the finger beside each of its points."""
    at = np.linspace(0.0, 3.0, 13)
    rings = np.array([_ring(points, where, one) for one in at])
    return np.column_stack([np.interp(where, at, rings[:, k]) for k in (0, 1)])


@lru_cache(maxsize=1)
def along_of_vertices() -> NDArray[np.float64]:
    """(V,) how far along its finger each vertex of the template lies at rest.

    0 at the knuckle, 1 and 2 at the two joints, 3 at the tip.
    """
    template = hand_template()
    joints = template.landmarks[1:].reshape(5, 4, 3)
    finger = np.maximum(finger_of_vertices() - 1, 0)
    best, where = np.full(len(finger), np.inf), np.zeros(len(finger))
    for bone in range(3):
        start, end = joints[finger, bone], joints[finger, bone + 1]
        step = end - start
        share = ((template.vertices - start) * step).sum(1) / (step * step).sum(1)
        inside = np.clip(share, 0, 1.3 if bone == 2 else 1)
        apart = np.linalg.norm(template.vertices - start - inside[:, None] * step, axis=1)
        nearer = apart < best
        best, where = np.where(nearer, apart, best), np.where(nearer, bone + inside, where)
    return where
