"""What lies in and at the face: eyeballs, mouth, teeth, ears. Metres, frame of head.py."""

from __future__ import annotations

import numpy as np

from realishuman.mesh.hand_template import Floats
from realishuman.synthetic.body import Faces, grid
from realishuman.synthetic.face import points
from realishuman.synthetic.posed import Surface

RADIUS = 0.0124  # of an eyeball
BEHIND = 0.0004  # how far it lies behind the lids
HEAD, EAR, NECK = 0, 1, 2  # numbers of surfaces: skin
CLOTH, HAIR, RIGHT_EYE, LEFT_EYE, MOUTH, TEETH = -1, -2, -3, -4, -5, -6
EYEBALLS = (RIGHT_EYE, LEFT_EYE)
# Share of the ear's outline and cm out of its plane: bowl, ridge, furrow, rim, back.
_EAR: tuple[tuple[float, float], ...] = ((0, -0.25), (0.3, -0.3), (0.5, -0.1), (0.62, 0.32))
_EAR += ((0.78, 0.16), (0.9, 0.5), (1.0, 0.42), (1.02, 0.1), (0.8, -0.35), (0.45, -0.9))


def eyeball(face: Floats, side: int, gaze: Floats, size: float = 1.0) -> Surface:
    """Return the front of an eyeball that fits behind the lids.

    face  (V, 3) with the eye open as it usually is.
    side  0 for the right eye.
    gaze  (2,) radians; the texture's -z points there.
    """
    contour = np.array(points.EYES[side])
    lids = face[np.concatenate([contour[3:6], contour[11:14]])]
    radius = RADIUS * size
    centre = face[contour[list(points.CORNERS)]].mean(0)
    centre[1] = lids[:, 1].mean()
    off = np.square(lids[:, :2] - centre[:2]).sum(1)
    centre[2] = (lids[:, 2] + np.sqrt(np.maximum(radius**2 - off, 0))).mean() + BEHIND
    tilt, turn = np.meshgrid(np.linspace(0.02, 1.5, 18), np.arange(32) * np.pi / 16, indexing="ij")
    unit = np.stack([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), -np.cos(tilt)], -1)
    unit = unit.reshape(-1, 3)
    faces = _facing(unit, grid(18, 32))
    cos, sin = np.cos(gaze), np.sin(gaze)
    about_y = np.array([[cos[0], 0, sin[0]], [0, 1, 0], [-sin[0], 0, cos[0]]])
    about_x = np.array([[1, 0, 0], [0, cos[1], sin[1]], [0, -sin[1], cos[1]]])
    return surface(centre + radius * unit, faces, unit @ about_y.T @ about_x.T, EYEBALLS[side])


def mouth(face: Floats, open_: float) -> list[Surface]:
    """Return the cavity and, if there is a gap to see them through, the teeth."""
    rim = face[np.array(points.INNER_LIPS[::-1])]
    centre = rim.mean(0)
    ring = centre + (rim - centre) * [1.25, 1.6, 1] + [0, 0, 0.010]
    vertices = np.concatenate([ring, centre[None] + [0, 0, 0.022]])
    count = len(ring)
    order = np.arange(count)
    fan = np.stack([order, np.roll(order, -1), np.full(count, count)], 1)
    result = [surface(vertices, _facing(vertices, fan), (vertices - centre), MOUTH)]
    upper, lower = face[13], face[14]
    if lower[1] - upper[1] > 0.0012:
        width = 0.42 * float(np.ptp(rim[:, 0]))
        result.append(_teeth(upper + np.array([0, 0.0025, 0.0055]), 0.0075, width, 0))
        if open_ > 0.006:
            result.append(_teeth(lower + np.array([0, 0.0005, 0.0075]), 0.006, 0.8 * width, 1))
    return result


def ears(size: float, out: float) -> list[Surface]:
    """Return both ears on the template's head.

    size  1 is 6 cm.
    out   radians they stand off the head.
    """
    turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    back, down = np.cos(turn), np.sin(turn)
    wide = 1.0 + 0.18 * np.clip(-down, 0, 1) - 0.32 * np.clip(down, 0, 1) ** 2
    outline = np.stack([1.75 * back * wide - 0.25 * down, 3.1 * down, 0 * turn], -1)
    rings = []
    for share, height in _EAR:
        low = height * (1 - 0.75 * np.clip(down, 0, 1) ** 2) if height > 0 else height
        low = low * np.where(back < -0.5, 0.5, 1.0)
        rings.append(np.stack([share * outline[:, 0], share * outline[:, 1], low + 0 * turn], -1))
    local = np.concatenate(rings) * size
    cos, sin = np.cos(out), np.sin(out)
    root = local[:, 0] + 1.6 * size  # cm behind the ear's front
    x = sin * root + cos * local[:, 2] + 7.3
    z = cos * root - sin * local[:, 2] + 2.5
    right_way = 0.01 * np.column_stack([x, local[:, 1] - 0.9 + 0.12 * root, z])
    faces = grid(len(_EAR), 32)
    result = []
    for mirror in (-1, 1):
        vertices = right_way * [mirror, 1, 1]
        turned = faces if mirror < 0 else faces[:, ::-1]
        result.append(surface(vertices, turned, vertices, EAR))
    return result


def surface(
    vertices: Floats, faces: Faces, rest: Floats, number: int, share: Floats | None = None
) -> Surface:
    """Put a surface together; `share` is 0 if not given."""
    flat = np.zeros(len(vertices)) if share is None else share
    faces = np.ascontiguousarray(faces, np.int32)
    return Surface(vertices, faces, rest, faces, flat, number)


def _teeth(middle: Floats, height: float, width: float, row: int) -> Surface:
    """A bent strip; its texture counts in teeth along x, and up to 1 along y."""
    across, up = np.meshgrid(np.linspace(-1, 1, 25), np.linspace(-0.6, 0.4, 3), indexing="xy")
    if row:
        up = up + 0.3
    bent = np.stack([width * across, height * up, 0.6 * width * across**2 + 0 * up], -1)
    vertices = middle + bent.reshape(-1, 3)
    index = np.arange(75).reshape(3, 25)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    faces = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (b, d, c))])
    rest = np.column_stack([across.ravel() * width, up.ravel(), np.full(75, float(row))])
    return surface(vertices, _facing(vertices, faces), rest, TEETH)


def _facing(vertices: Floats, faces: Faces) -> Faces:
    """Turn faces round if they do not look forwards, along -z."""
    corner = vertices[faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    return faces if normal[:, 2].sum() < 0 else faces[:, ::-1]
