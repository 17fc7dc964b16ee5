"""Pictures of unusual hands, rendered: gloves, rings, drawings, hands behind glass, prostheses.

Each is made from a seed, good or with one of malform.BONES, and comes with the good hand's mesh.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from realishuman.mesh.hand_template import hand_template
from realishuman.synthetic.hand import draw_hand_for
from realishuman.synthetic.malform import BONES
from realishuman.synthetic.paint import NOTHING, paint
from realishuman.synthetic.sample import sample
from realishuman.synthetic.skin import Look
from tests.pictures import skins

SIDE = 320


def hand(seed, defect="", look=None, change=None):
    """A rendered hand: its painting, and the hand.

    defect  one of malform.BONES, or none.
    look    one of skins, of the skin; None for bare skin.
    change  _Hand -> _Hand, before it is painted.
    """
    one = draw_hand_for(np.random.default_rng((seed, 0)), SIDE, defect or "bent finger")
    one = change(one) if change else one
    anatomy = one.anatomy
    if defect:
        rng = np.random.default_rng((seed, 1))
        anatomy = BONES[defect](rng, hand_template(), anatomy).anatomy

    def looks(rest, normals, thumb, number):
        plain = one._look(rest, normals, thumb, number)
        if look is not None:
            skin = number >= 0
            bare = Look(plain.albedo[skin], plain.relief[skin], plain.gloss[skin])
            dressed = look(one, bare, rest[skin], normals[skin])
            for whole, part in zip(vars(plain).values(), vars(dressed).values(), strict=True):
                whole[skin] = part
        return plain

    return paint(one.surfaces(anatomy), one.camera, one.scene, looks), one


def of_a_child(one):
    anatomy = one.anatomy
    lengths = anatomy.lengths.copy()
    lengths[:, 1:] -= 0.12
    return replace(one, anatomy=replace(anatomy, lengths=lengths, girth=anatomy.girth * 1.15))


def with_polish(one):
    skin = replace(one.scene.skin, nail=np.array([0.6, 0.01, 0.05]), painted=True)
    return replace(one, scene=replace(one.scene, skin=skin))


def of_age(one):
    return replace(one, scene=replace(one.scene, skin=replace(one.scene.skin, age=1.0)))


def _dressed(look, change=None):
    def make(seed, defect):
        painting, one = hand(seed, defect, look, change)
        return painting.picture, one.mesh

    return make


def _redrawn(draw):
    """A maker that draws the hand's painting again."""

    def make(seed, defect):
        painting, one = hand(seed, defect)
        return np.round(np.clip(draw(painting, one, seed), 0, 255)).astype(np.uint8), one.mesh

    return make


def _ink(painting, width):
    """(side, side, 1) outlines of the hand, of its fingers and its sleeve, 0 to 1."""
    rest = np.nan_to_num(painting.rest, nan=-1.0)
    steps = np.zeros(rest.shape[:2], np.float32)
    for axis in (0, 1):
        jump = np.linalg.norm(np.diff(rest, axis=axis), axis=2) > 0.012
        edge = jump | (np.diff(painting.number, axis=axis) != 0)
        part = steps[: edge.shape[0], : edge.shape[1]]
        part[edge] = 1
    broad = cv2.dilate(steps, np.ones((width, width)))
    return np.clip(cv2.GaussianBlur(broad, (0, 0), 0.6), 0, 1)[..., None]


def comic(painting, one, seed):
    """Flat colours in two shades, and dark outlines."""
    skin, cloth = painting.number >= 0, (painting.number < 0) & (painting.number != NOTHING)
    light = cv2.GaussianBlur(cv2.cvtColor(painting.picture, cv2.COLOR_RGB2GRAY), (0, 0), 2.5)
    picture = np.full(painting.picture.shape, (226, 214, 178), np.float32)
    for where, colour in ((skin, (245, 205, 172)), (cloth, (70, 100, 190))):
        if where.any():
            shade = np.where(light[where] < np.quantile(light[where], 0.35), 0.78, 1.0)
            picture[where] = shade[:, None] * colour
    ink = _ink(painting, 3)
    return picture * (1 - ink) + ink * (30, 20, 24)


def line_art(painting, one, seed):
    return np.repeat(250 - 230 * _ink(painting, 2), 3, axis=2)


def anime(painting, one, seed):
    """Softly shaded skin with thin brown outlines."""
    smooth = painting.picture
    for _ in range(4):
        smooth = cv2.bilateralFilter(smooth, 9, 30, 7)
    lab = cv2.cvtColor(smooth.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    skin = painting.number >= 0
    lab[skin] = lab[skin] * (0.45, 0.5, 0.5) + (42, 8, 9)
    ink = 0.85 * _ink(painting, 2)
    return 255 * cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * (1 - ink) + ink * (80, 40, 40)


def black_and_white(painting, one, seed):
    return np.repeat(cv2.cvtColor(painting.picture, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def behind_glass(painting, one, seed):
    """A framed pane before a part of the hand, that mirrors a window."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    window = (np.abs((x - 0.62) * 2 + (y - 0.4) * 0.5) < 0.25) & (np.abs((x * 8) % 1 - 0.5) < 0.43)
    mirror = 160 * window + 40 * (np.sin(40 * (x + 0.7 * y)) > 0.6)
    mirror = cv2.GaussianBlur(mirror.astype(np.float32), (0, 0), 2)[..., None]
    seen = np.where(x[..., None] > 0.38, 0.72 * painting.picture + 0.3 * mirror + 24,
                    painting.picture)  # fmt: skip
    return np.where(np.abs(x - 0.38)[..., None] < 0.008, 60, seen)


def behind_hair(painting, one, seed):
    picture, rng = painting.picture.copy(), np.random.default_rng((seed, 7))
    t = np.linspace(0, 1, 40)
    for _ in range(40):
        bend, turn = rng.normal(0, 0.08), rng.uniform(0, 2)
        x = rng.uniform(0.25, 0.6) + 0.18 * t + bend * np.sin(3 * t + turn)
        points = [np.round(np.stack([x, t], 1) * SIDE * 8).astype(np.int32)]
        shade = rng.uniform(0.5, 1.2)
        colour = tuple(int(c * shade) for c in (52, 34, 24))
        cv2.polylines(picture, points, False, colour, 1, cv2.LINE_AA, 3)
    return picture


def clasped(painting, one, seed):
    """The hand and its mirror image, whose fingers pass before and behind each other."""
    there = (painting.number != NOTHING).astype(np.float32)[:, ::-1]
    middle = one.mesh.joints[[6, 10, 14, 18], 0].mean()
    move = np.array([[1, 0, 2 * middle - SIDE + 14], [0, 1, 10]], np.float32)
    other = cv2.warpAffine(painting.picture[:, ::-1], move, (SIDE, SIDE),
                           borderMode=cv2.BORDER_REFLECT)  # fmt: skip
    there = cv2.warpAffine(cv2.GaussianBlur(there, (0, 0), 0.8), move, (SIDE, SIDE))
    turns = (np.arange(SIDE) // (SIDE // 14) % 2)[:, None]
    front = np.where(painting.number >= 0, turns, 1).astype(np.float32)
    share = (there * cv2.GaussianBlur(front, (0, 0), 0.8))[..., None]
    return share * other + (1 - share) * painting.picture


def on_a_face(seed, defect):
    """The hand before a face of about its colour."""
    painting, one = hand(seed, defect)
    face = sample(seed, SIDE, part="face")
    there = (painting.number != NOTHING).astype(np.float32)
    skin = np.median(painting.picture[painting.number >= 0], axis=0)
    colour = 0.25 + 0.75 * np.median(face.clean[face.mask], axis=0) / skin
    toned = np.clip(painting.picture * colour, 0, 255).astype(np.float32)
    rows, columns = np.nonzero(face.mask)
    goal = np.array([columns.mean() + 10, rows.mean() + 40])
    shift = goal - 0.8 * one.mesh.joints[:, :2].mean(axis=0)
    move = np.array([[0.8, 0, shift[0]], [0, 0.8, shift[1]]])
    toned = cv2.warpAffine(toned, move, (SIDE, SIDE), flags=cv2.INTER_AREA)
    share = cv2.warpAffine(cv2.GaussianBlur(there, (0, 0), 0.7), move, (SIDE, SIDE))[..., None]
    mixed = share * toned + (1 - share) * face.clean
    return np.round(mixed).astype(np.uint8), moved(one.mesh, 0.8, shift)


def at_the_border(seed, defect):
    """The picture ends across the fingers."""
    painting, one = hand(seed, defect)
    joints = one.mesh.joints[:, :2]
    towards = joints[9] - joints[0]
    axis = int(abs(towards[1]) > abs(towards[0]))
    cut = int(joints[[7, 11, 15, 19], axis].mean())
    kept = slice(0, cut) if towards[axis] > 0 else slice(cut, None)
    shift = np.zeros(2)
    shift[axis] = -(kept.start or 0)
    picture = painting.picture[kept] if axis else painting.picture[:, kept]
    return np.ascontiguousarray(picture), moved(one.mesh, 1, shift)


def tiny(seed, defect):
    """A hand of 20 pixels in a picture of 256."""
    painting, one = hand(seed, defect)
    scale = 20 / float(np.ptp(one.mesh.joints[:, :2], axis=0).max())
    small, there = (
        cv2.resize(each, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for each in (painting.picture, (painting.number != NOTHING).astype(np.float32))
    )
    canvas = cv2.resize(painting.picture[:40, :40], (256, 256))
    window = canvas[90 : 90 + len(small), 100 : 100 + small.shape[1]]
    window[:] = np.round(there[..., None] * small + (1 - there[..., None]) * window)
    return canvas, moved(one.mesh, scale, np.array([100, 90]))


def huge(seed, defect):
    """A hand of 2,000 pixels."""
    painting, one = hand(seed, defect)
    scale = 2000 / float(np.ptp(one.mesh.joints[:, :2], axis=0).max())
    large = cv2.resize(painting.picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(seed).normal(0, 3, large.shape)
    return np.clip(np.round(large + noise), 0, 255).astype(np.uint8), moved(one.mesh, scale, 0)


def moved(mesh, scale, shift):
    """The mesh in a picture of another size and place."""
    step = np.append(np.broadcast_to(shift, 2), 0)
    vertices, joints = ((p * scale + step).astype(np.float32) for p in (mesh.vertices, mesh.joints))
    return replace(mesh, vertices=vertices, joints=joints)


Maker = (
    Callable  # (seed, defect or "") -> the picture (H, W, 3) uint8 RGB, and the good hand's mesh
)
UNUSUAL: dict[str, Maker] = {
    "knitted glove": _dressed(skins.knitted),
    "rubber glove": _dressed(skins.rubber),
    "rings": _dressed(skins.ringed),
    "watch": _dressed(skins.watched),
    "tattoo": _dressed(skins.tattooed),
    "nail polish": _dressed(None, with_polish),
    "black and white": _redrawn(black_and_white),
    "comic": _redrawn(comic),
    "line art": _redrawn(line_art),
    "anime": _redrawn(anime),
    "behind glass": _redrawn(behind_glass),
    "behind hair": _redrawn(behind_hair),
    "clasped": _redrawn(clasped),
    "on a face": on_a_face,
    "cut by the border": at_the_border,
    "20 pixels": tiny,
    "2,000 pixels": huge,
    "child": _dressed(None, of_a_child),
    "old": _dressed(skins.aged, of_age),
    "prosthesis": _dressed(skins.metallic),
}
