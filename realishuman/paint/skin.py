"""The good hand painted with the picture's own skin, and how far each pixel of it is to be trusted.

Three layers, by preference: the pixel that is there already, where the hand did not move; the pixel
that the same spot of skin has in the picture, lit anew, where it moved; else a model: the skin's
own colour times the light, with the fine detail of the skin that is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.mesh.hand_template import hand_template
from realishuman.paint.albedo import spread_over
from realishuman.paint.fields import Floats, Mask, blur, disc, grow, mirror_into, ramp
from realishuman.paint.light import Light, fit_light
from realishuman.paint.marks import draw_marks, resting_normals
from realishuman.paint.reading import ALIKE, Reading, learnable, share_of
from realishuman.paint.scene import FINE, MOVED, THUMB, Scene
from realishuman.paint.surface import Surface, occlusion, sample
from realishuman.paint.tones import WEIGHTS, to_weighted_lab

SLACK = 0.03  # of L, behind a surface, that still counts as seen
SOFT = 0.008  # of L, by which hand and colours are blurred where vertices read them
STIFFNESS = 0.08  # of the albedo over the mesh
RELIT = (0.7, 1.3)  # by how much transplanted skin may be lit anew
JUMP, CONTOUR = 0.03, 0.012  # of L: a step in depth that is a contour, and half its width
SMOOTH = 0.012  # of L, over which layers fade into each other
LEAST_KNOWN = 0.02  # of L squared: fewer pixels of fingers tell no tone
NEARER = 0.7  # the share of the way that new fingers go to the colour of the others
MOST_OFF, DARK = (-0.5, 0.3), 1e-3  # log of the factors; linear RGB that counts as black
DETAIL, MOST_DETAIL = 0.03, 0.25  # of L: what is coarser is no detail; log of its strongest


@dataclass(frozen=True)
class Layers:
    """Colours (N, 3), linear RGB, and trusts (N,) in [0, 1], at the fine surface's pixels.

    own         the picture's pixel there; moved: the transplanted one; model.
    stays       how far the skin is in its place; agrees: how far its colour is what the model says;
    agrees_loosely, agrees_closely  likewise with other tolerance.
    fits        how far a transplanted pixel can be trusted.
    contour     where the good hand has an outline inside itself.
    """

    own: Floats
    moved: Floats
    model: Floats
    stays: Floats
    agrees: Floats
    agrees_loosely: Floats
    agrees_closely: Floats
    fits: Floats
    contour: Mask


@dataclass(frozen=True)
class _Lit:
    """Light, occlusion and linear colours that vertices and pixels are read from."""

    light: Light
    good: Floats  # occlusion
    seen: Floats
    hand: Floats  # soft masks
    colours: Floats


def layer(scene: Scene, reading: Reading) -> Layers:
    """Make the three layers of the good hand."""
    lit = _light(scene, reading)
    fine, seen = scene.fine, scene.seen
    albedo = _albedo(scene, reading, lit)
    normals = fine.spread_normals()
    falling = lit.light.on(normals, occlusion(fine, scene.length).ravel()[fine.pixels])
    model = fine.spread(albedo) * falling * _marks(scene, reading)
    here, there = fine.spread(fine.vertices), fine.spread(seen.vertices)
    turned = fine.spread(seen.normals)
    turned /= np.linalg.norm(turned, axis=1, keepdims=True) + 1e-6
    before = lit.light.on(turned, sample(lit.seen, there[:, :2]))
    own = sample(scene.linear, here[:, :2])
    moved = sample(scene.linear, there[:, :2]) * np.clip(falling / before, *RELIT)
    expected = to_weighted_lab(model)
    behind_here, behind_there = (
        sample(reading.backdrop + 200, places[:, :2]) - 200 for places in (here, there)
    )
    stays = 1 - ramp(fine.spread(scene.shift[:, None])[:, 0], *MOVED)
    in_hand = sample(blur(reading.hand | reading.unsure, 0.7), here[:, :2])
    facing = ramp(-turned[:, 2], 0.1, 0.4) * seen.sees(there, turned[:, 2], SLACK * scene.length)
    return Layers(
        own=own,
        moved=moved,
        model=model,
        stays=stays * ramp(in_hand, 0.5, 0.95),
        agrees=_agreement(own, expected, behind_here, 9, 18),
        agrees_loosely=_agreement(own, expected, behind_here, 14, 26),
        agrees_closely=_agreement(own, expected, behind_here, 7, 15),
        fits=facing
        * ramp(sample(lit.hand, there[:, :2]), 0.8, 0.99)
        * _agreement(moved, expected, behind_there, 7, 15),
        contour=_contours(fine, scene.length),
    )


def blend(scene: Scene, layers: Layers, wrong: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """The painted hand: its colours (N, 3), linear RGB, and how far its own pixels stay (N,).

    wrong  (6,) which fingers are malformed: there contours and what differs from the model are
           not the picture's.
    """
    fine = scene.fine
    bad = wrong[np.asarray(fine.nearest(scene.finger), np.intp)]
    closely = layers.agrees_closely * ~layers.contour
    own = layers.stays * np.where(bad, closely, layers.agrees)
    moved = (1 - own) * layers.fits * ~layers.contour
    width = max(SMOOTH * scene.length * FINE, 1.0)
    own_soft, moved_soft = (_soften(fine, trust, width) for trust in (own, moved))
    known = own_soft + moved_soft
    skin = own_soft[:, None] * layers.own + moved_soft[:, None] * layers.moved
    skin /= np.maximum(known, 1e-6)[:, None]
    model = layers.model * np.where(bad[:, None], _nearer_to_the_others(scene, layers, bad), 1)
    detailed = model * np.exp(
        _detail(fine, skin, model, np.maximum(own_soft, moved_soft), scene.length)
    )
    share = np.clip(known, 0, 1)[:, None]
    return (share * skin + (1 - share) * detailed).astype(np.float32), own


def _nearer_to_the_others(scene: Scene, layers: Layers, bad: Mask) -> Floats:
    """(3,) factors that bring new fingers nearer to the colour of those that are right and seen.

    The light is that of the whole hand, mostly of its palm; on new fingers it is often too bright.
    The thumb faces another way, and tells nothing.
    """
    finger = np.asarray(scene.fine.nearest(scene.finger), np.intp)
    known = ~bad & (finger > THUMB) & (layers.stays > 0.5)
    if not bad.any() or known.sum() < LEAST_KNOWN * scene.length**2:
        return np.ones(3, np.float32)
    right, new = (
        np.log(np.maximum(each, DARK)).mean(axis=0)
        for each in (layers.own[known], layers.model[bad])
    )
    return np.asarray(np.exp(np.clip(NEARER * (right - new), *MOST_OFF)), np.float32)


def _marks(scene: Scene, reading: Reading) -> Floats:
    """(N, 3) nails and creases of the fingers, as factors on the model's colour."""
    fine = scene.fine
    points = hand_template().vertices[scene.origins].astype(np.float32)
    normals = fine.spread(resting_normals()[scene.origins])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-6
    lightness = float((reading.skin / WEIGHTS)[0])
    return draw_marks(fine.spread(points), normals, lightness)


def _light(scene: Scene, reading: Reading) -> _Lit:
    good = scene.good
    shadow = occlusion(good, scene.length)
    use = learnable(scene, reading.hand)
    weights = use * (0.05 + reading.skinlike.ravel()[good.pixels])
    colours = scene.linear.reshape(-1, 3)[good.pixels]
    light = fit_light(good.spread_normals(), shadow.ravel()[good.pixels], colours, weights)
    width = max(SOFT * scene.length, 0.8)
    return _Lit(
        light,
        shadow,
        occlusion(scene.seen, scene.length),
        blur(reading.hand | reading.unsure, width),
        blur(scene.linear, width),
    )


def _albedo(scene: Scene, reading: Reading, lit: _Lit) -> Floats:
    """(V, 3) the skin's colour over the mean skin's, on each vertex."""
    away = ramp(scene.shift, *MOVED)
    logs, weights = [], []
    for surface, shadow, trust in (
        (scene.good, lit.good, 1 - away),
        (scene.seen, lit.seen, 0.5 * away),
    ):
        places = surface.vertices[:, :2]
        falling = lit.light.on(surface.normals, sample(shadow, places))
        albedo = np.clip(sample(lit.colours, places) / falling, 0.3, 2.5)
        visible = surface.sees(surface.vertices, surface.normals[:, 2], SLACK * scene.length)
        skinlike = 0.002 + sample(reading.skinlike, places)
        logs.append(albedo)
        weights.append(visible * trust * ramp(sample(lit.hand, places), 0.7, 0.98) * skinlike)
    total = weights[0] + weights[1]
    mixed = sum(w[:, None] * a for w, a in zip(weights, logs, strict=True))
    mixed = np.maximum(mixed / np.maximum(total, 1e-6)[:, None], 1e-3)
    spread = spread_over(scene.good.faces, np.log(mixed), np.minimum(total, 1.0), STIFFNESS)
    return np.exp(spread).astype(np.float32)


def _agreement(
    colours: Floats, expected: Floats, behind: Floats, close: float, off: float
) -> Floats:
    """How far colours are what was expected, and nearer to it than to what lies behind.

    colours   (N, 3) linear RGB.
    expected, behind  (N, 3) weighted Lab.
    """
    lab = to_weighted_lab(colours)
    like = 1 - ramp(np.linalg.norm(lab - expected, axis=1), close, off)
    share, apart = share_of(lab, behind, expected)
    return like * np.where(apart > ALIKE, ramp(share, 0.5, 0.8), 1).astype(np.float32)


def _contours(fine: Surface, length: float) -> Mask:
    """(N,) near a step in depth, outline of one finger before another."""
    jump = cv2.dilate(fine.depth, np.ones((3, 3))) - cv2.erode(fine.depth, np.ones((3, 3)))
    near: Mask = grow(jump > JUMP * length, CONTOUR * length * FINE).ravel()[fine.pixels]
    return near


def _soften(surface: Surface, trust: Floats, width: float) -> Floats:
    """Trust that fades before it ends, inside the surface."""
    picture = np.asarray(surface.fill(np.asarray(trust, np.float32), 1.0), np.float32)
    covered = surface.coverage.astype(np.float32)
    low = cv2.erode(picture, disc(width)) * covered
    return (blur(low, width) / (blur(covered, width) + 1e-6)).ravel()[surface.pixels]


def _detail(fine: Surface, skin: Floats, model: Floats, known: Floats, length: float) -> Floats:
    """(N, 3) fine structure of the known skin as a log factor, mirrored into what is not known."""
    sure = known > 0.9
    if not sure.any():
        return np.zeros_like(skin)
    ratio = np.log(np.maximum(skin, 1e-3) / np.maximum(model, 1e-3)) * sure[:, None]
    picture, there = np.asarray(fine.fill(ratio)), np.asarray(fine.fill(sure))
    width = DETAIL * length * FINE
    coarse = blur(picture, width) / (blur(there, width) + 1e-3)[..., None]
    fine_part = np.clip(picture - coarse, -MOST_DETAIL, MOST_DETAIL)
    rows, columns = mirror_into(there, fine.pixels)
    return np.asarray(fine_part[rows, columns] * there[rows, columns][:, None], np.float32)
