"""Colours of a person: skin, hair, eyes, lips, brows, beard; all linear RGB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realishuman.mesh.hand_template import Floats
from realishuman.synthetic.skin import TONES, SkinTone

_HAIRS = {  # linear RGB, share among dark skins, among light ones
    "black": ((0.008, 0.007, 0.006), 0.62, 0.12),
    "dark brown": ((0.022, 0.013, 0.008), 0.22, 0.26),
    "brown": ((0.060, 0.032, 0.017), 0.04, 0.22),
    "fair": ((0.24, 0.15, 0.075), 0.01, 0.18),
    "red": ((0.16, 0.048, 0.016), 0.01, 0.08),
    "grey": ((0.20, 0.19, 0.18), 0.05, 0.06),
    "white": ((0.55, 0.53, 0.50), 0.03, 0.04),
    "dyed": ((0.10, 0.03, 0.06), 0.02, 0.04),
}
_IRISES: tuple[tuple[float, float, float], ...] = (
    (0.045, 0.020, 0.009),
    (0.11, 0.052, 0.018),
    (0.10, 0.095, 0.03),
    (0.07, 0.13, 0.20),
    (0.13, 0.15, 0.16),
)


@dataclass(frozen=True)
class Person:
    """What is seen of a person besides shape.

    skin        the tone.
    rugged      -1 to 1: smooth to rugged.
    hair        (3,) its colour; brow (3,) that of brows and beard.
    iris        (2, 3) of the right and of the left eye.
    pupil       radians.
    lips        (3,) what lips multiply the skin's colour by.
    painted     0..1, lipstick; paint (3,) its colour.
    liner       0..1, made-up eyes.
    beard       0..1, none to full.
    lines       0..1, depth of creases.
    brow_shape  (3,) thickness, arch, density, about 1.
    freckles    0..1.
    """

    skin: SkinTone
    rugged: float
    hair: Floats
    brow: Floats
    iris: Floats
    pupil: float
    lips: Floats
    painted: float
    paint: Floats
    liner: float
    beard: float
    lines: float
    brow_shape: Floats
    freckles: float


def draw_person(rng: np.random.Generator, skin: SkinTone) -> Person:
    """Draw a person of this skin."""
    light = (skin.tone - TONES[0]) / (TONES[1] - TONES[0])
    rugged = float(rng.uniform(-1, 1))
    shares = np.array([dark + (fair - dark) * light**1.5 for _, dark, fair in _HAIRS.values()])
    name = str(rng.choice(list(_HAIRS), p=shares / shares.sum()))
    hair = np.array(_HAIRS[name][0]) * np.exp(rng.normal(0, 0.18) + rng.normal(0, 0.06, 3))
    if name == "dyed":
        hair = rng.uniform(0.01, 0.3, 3)
    brow = np.minimum(hair, [0.09, 0.06, 0.04]) * rng.uniform(0.5, 0.9)
    brow = np.minimum(brow, 0.45 * skin.back)
    blue = np.clip(1.6 * light - 0.6, 0, 1)
    odds = np.array([1.0, 0.6, 0.35 * blue, 0.7 * blue, 0.35 * blue])
    iris = np.array(_IRISES[rng.choice(len(_IRISES), p=odds / odds.sum())])
    iris = iris * np.exp(rng.normal(0, 0.2))
    made_up = bool(rng.random() < 0.45 * (1 - rugged) / 2 + 0.02)
    red = rng.uniform(0.45, 1.0)
    paint = np.array([0.35, 0.04, 0.06]) * np.exp(rng.normal(0, (0.4, 0.5, 0.4)))
    full = [0.0, rng.uniform(0.15, 0.45), rng.uniform(0.6, 1.0)]
    beard = float(rng.choice(full, p=[0.5, 0.3, 0.2])) * (rugged > 0) * (not made_up)
    return Person(
        skin,
        rugged,
        np.clip(hair, 0.004, 0.7),
        brow,
        np.stack([iris, iris]),
        float(rng.uniform(0.13, 0.22)),
        np.array([1 - 0.10 * red, 1 - 0.48 * red, 1 - 0.42 * red]),
        float(rng.uniform(0.4, 0.9)) if made_up else 0.0,
        np.clip(paint, 0.01, 0.6),
        float(rng.uniform(0.3, 1.0)) if made_up else 0.0,
        beard,
        float(np.clip(rng.beta(1.3, 2.2), 0, 1)),
        np.array([rng.uniform(0.7, 1.4), rng.uniform(-0.5, 1.5), rng.uniform(0.6, 1.0)]),
        float(max(0.0, rng.normal(-0.5, 0.6))) * light,
    )
