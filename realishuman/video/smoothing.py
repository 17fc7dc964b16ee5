"""Meshes of a track, smoothed over time without lag: each frame's from those before and after it.

Where a part is, how large and how turned follows a parabola through nearby frames, so that quick
movements stay quick. What is left, its shape, follows a line through twice as many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from realishuman.imaging.boxes import around
from realishuman.mesh.hand_corrector import WRONG
from realishuman.paint.scene import finger_of_vertices
from realishuman.parts.found import FoundPart

Floats = NDArray[np.float64]
Points = NDArray[np.float32]

REACH = 0.25  # seconds on each side that the place is smoothed over
HAND = 21  # joints
FIRM = (0, 5, 9, 13, 17)  # of them the palm's: they say where a hand is
FINGER_OF_JOINT = np.array([0, *np.repeat([1, 2, 3, 4, 5], 4)])  # 0 is the palm
OUTLIER, USUAL = 3.0, 0.03  # distances beyond which a shape is not believed: medians, of the size
ROUNDS = 12  # of the robust fit of a parabola
UNLIKE = 0.02  # weight of what is not believed, or shows a finger otherwise than was decided


@dataclass(frozen=True)
class Shot:
    """A part as one frame of its track shows it, `apart` frames from the one that is smoothed."""

    apart: int
    found: FoundPart


@dataclass(frozen=True)
class _Place:
    """Where a part is: points are x + iy, and `turn` turns and scales them."""

    centre: complex
    turn: complex

    def remove(self, points: Points) -> tuple[NDArray[np.complex128], Floats]:
        """Points (N, 3) without their place, and their depth."""
        flat = points[:, 0].astype(np.float64) + 1j * points[:, 1]
        return (flat - self.centre) / self.turn, points[:, 2].astype(np.float64) / abs(self.turn)

    def put(self, flat: NDArray[np.complex128], depth: Floats) -> Points:
        """The inverse of remove."""
        placed = flat * self.turn + self.centre
        depth = depth * abs(self.turn)
        return np.column_stack([placed.real, placed.imag, depth]).astype(np.float32)


def smooth_part(shots: Sequence[Shot], reach: int, wrong: NDArray[np.float32] | None) -> FoundPart:
    """The part of a frame, smoothed.

    shots  of the frames up to 2 `reach` away, at least one, all of one side; one whose `apart` is
           0 is the frame's own, and without it the part is filled in.
    wrong  (5,) how likely each finger is wrong, as it was decided for this frame.
    """
    nearest = min(shots, key=lambda one: abs(one.apart))
    shots = [one for one in shots if _alike(one.found, nearest.found)]
    places = [_locate(one.found, nearest.found) for one in shots]
    apart = np.array([one.apart for one in shots], np.float64)
    trust = _trust(shots, places)
    wide = trust * _tricube(apart / (2 * reach + 1))
    place = _smooth_place(places, apart, trust * _tricube(apart / (reach + 1)), wide)

    def smooth(take: Callable[[FoundPart], Points], fingers: NDArray[np.intp] | None) -> Points:
        weights = _weigh(shots, wide, fingers, wrong)
        bare = [p.remove(take(one.found)) for one, p in zip(shots, places, strict=True)]
        flat, depth = (np.array([one[k] for one in bare]) for k in (0, 1))
        flat = _line(flat.real, apart, weights) + 1j * _line(flat.imag, apart, weights)
        return place.put(flat, _line(depth, apart, weights))

    return _rebuild(nearest, smooth, wrong)


def _rebuild(
    nearest: Shot,
    smooth: Callable[[Callable[[FoundPart], Points], NDArray[np.intp] | None], Points],
    wrong: NDArray[np.float32] | None,
) -> FoundPart:
    """The nearest frame's part with smoothed points; what it shows stays as it was seen there."""
    found = nearest.found
    part, mesh = found.part, found.mesh
    knows_fingers = wrong is not None and len(mesh.joints) == HAND
    vertices = finger_of_vertices() if knows_fingers else None
    if vertices is not None and len(vertices) != len(mesh.vertices):
        vertices = None
    seen = mesh.seen
    if seen is not None and nearest.apart:
        seen = smooth(lambda one: _seen(one), None)
    mesh = replace(
        mesh,
        vertices=smooth(lambda one: one.mesh.vertices, vertices),
        joints=smooth(lambda one: one.mesh.joints, FINGER_OF_JOINT if knows_fingers else None),
        seen=seen,
        wrong=mesh.wrong if wrong is None else wrong,
    )
    keypoints = smooth(lambda one: one.part.keypoints, None)
    part = replace(part, keypoints=keypoints, box=around(keypoints))
    return replace(found, part=part, mesh=mesh)


def _seen(one: FoundPart) -> Points:
    return one.mesh.vertices if one.mesh.seen is None else one.mesh.seen


def _alike(one: FoundPart, other: FoundPart) -> bool:
    """Whether two parts have the same points."""
    return (
        one.mesh.vertices.shape == other.mesh.vertices.shape
        and one.mesh.joints.shape == other.mesh.joints.shape
        and one.part.keypoints.shape == other.part.keypoints.shape
    )


def _locate(found: FoundPart, like: FoundPart) -> _Place:
    """The place of a part over that of another one's joints."""
    z, base = _firm(found), _firm(like)
    centre, base = complex(z.mean()), base - base.mean()
    turn = complex(np.vdot(base, z - centre) / max(float((np.abs(base) ** 2).sum()), 1e-6))
    return _Place(centre, turn if abs(turn) > 1e-3 else 1 + 0j)


def _firm(found: FoundPart) -> NDArray[np.complex128]:
    joints = found.mesh.joints
    firm = joints[list(FIRM)] if len(joints) == HAND else joints
    return np.asarray(firm[:, 0] + 1j * firm[:, 1], np.complex128)


def _smooth_place(places: Sequence[_Place], apart: Floats, near: Floats, wide: Floats) -> _Place:
    if (near > UNLIKE).sum() < 2:
        near = wide
    centres = np.array([one.centre for one in places])
    turns = np.array([one.turn for one in places])
    angles = np.unwrap(np.angle(turns))
    values = np.column_stack([centres.real, centres.imag, np.log(np.abs(turns)), angles])
    x, y, size, angle = _parabola(values, apart, near)
    return _Place(complex(x, y), complex(np.exp(size + 1j * angle)))


def _trust(shots: Sequence[Shot], places: Sequence[_Place]) -> Floats:
    """(S,) 1, or UNLIKE where a shape is far from what most frames show."""
    bare = np.array(
        [place.remove(one.found.mesh.joints)[0] for one, place in zip(shots, places, strict=True)]
    )
    middle = np.median(bare.real, axis=0) + 1j * np.median(bare.imag, axis=0)
    off = np.abs(bare - middle).mean(axis=1)
    size = max(float(np.ptp(middle.real)), float(np.ptp(middle.imag)), 1e-6)
    limit = OUTLIER * max(float(np.median(off)), USUAL * size)
    return np.asarray(np.where(off <= limit, 1.0, UNLIKE), np.float64)


def _weigh(
    shots: Sequence[Shot],
    weights: Floats,
    fingers: NDArray[np.intp] | None,
    wrong: NDArray[np.float32] | None,
) -> Floats:
    """(S, N) how much each point of each shot counts.

    A finger counts where the frame treats it as was decided: a corrected one is elsewhere.

    fingers  (N,) which finger each point belongs to, 0 the palm; None where all count alike.
    """
    if fingers is None or wrong is None:
        return weights[:, None]
    decided = np.concatenate([[False], wrong >= WRONG])
    rows = []
    for one in shots:
        told = one.found.mesh.wrong
        own = decided if told is None else np.concatenate([[False], told >= WRONG])
        rows.append(np.where(own == decided, 1.0, UNLIKE)[fingers])
    return np.asarray(weights[:, None] * np.array(rows), np.float64)


def _tricube(share: Floats) -> Floats:
    return np.asarray(np.clip(1 - np.abs(share) ** 3, 0, 1) ** 3, np.float64)


def _line(values: Floats, apart: Floats, weights: Floats) -> Floats:
    """(N,) where a line through values (S, N) is in the frame itself; their mean at an end."""
    mass = weights.sum(axis=0)
    x = apart[:, None]
    first, second = (weights * x).sum(axis=0) / mass, (weights * x * x).sum(axis=0) / mass
    mean, slope = (weights * values).sum(axis=0) / mass, (weights * x * values).sum(axis=0) / mass
    spread = second - first**2
    tilt = np.where(spread > 1e-6, (slope - first * mean) / np.maximum(spread, 1e-6), 0)
    between = apart.min() <= 0 <= apart.max()
    return np.asarray(mean - tilt * first if between else mean, np.float64)


def _parabola(values: Floats, apart: Floats, weights: Floats) -> Floats:
    """(K,) where parabolas through values (S, K) are in the frame itself; outliers count little."""
    count = int((weights > UNLIKE).sum())
    powers = np.vander(apart, 1 + (2 if count >= 5 else 1 if count >= 2 else 0), increasing=True)
    ends = []
    for column in values.T:
        found = _solve(powers, column, weights)
        for _ in range(ROUNDS):  # least absolute deviations first: they let go of outliers
            off = np.abs(column - powers @ found)
            found = _solve(powers, column, weights / np.maximum(off, 1e-3 * off.max() + 1e-12))
        off = np.abs(column - powers @ found)
        limit = 6 * float(np.median(off[weights > UNLIKE])) + 1e-3 * float(np.ptp(column)) + 1e-12
        believed = np.clip(1 - (off / limit) ** 2, UNLIKE, 1) ** 2  # Tukey's
        found = _solve(powers, column, weights * believed)
        ends.append(float(found[0]))
    return np.array(ends)


def _solve(powers: Floats, values: Floats, weights: Floats) -> Floats:
    root = np.sqrt(weights)
    found, *_ = np.linalg.lstsq(powers * root[:, None], values * root, rcond=None)
    return np.asarray(found, np.float64)
