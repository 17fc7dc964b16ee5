"""Everything a picture shows besides anatomy: skin, sleeve, light, place, camera, sensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from realishuman.mesh.hand_template import Floats
from realishuman.synthetic.background import draw_background
from realishuman.synthetic.body import Body, sleeve
from realishuman.synthetic.canvas import Image
from realishuman.synthetic.cloth import Fabric, draw_dyes, draw_fabric
from realishuman.synthetic.noise import draw_lattice
from realishuman.synthetic.skin import SkinTone, draw_skin

MARGIN = 0.04  # of the side that stays free around the hand
NEAREST = 0.06  # metres; what is nearer to the camera is drawn there


@dataclass(frozen=True)
class Light:
    """A lamp far away.

    direction  (3,) unit, towards the lamp: x right, y down, z away from the viewer.
    colour     (3,) linear RGB, strength included.
    softness   metres over which its shadows blur.
    """

    direction: Floats
    colour: Floats
    softness: float


@dataclass(frozen=True)
class Cloth:
    """A sleeve: its surface, and what it is made of."""

    body: Body
    fabric: Fabric


@dataclass(frozen=True)
class Camera:
    """A pinhole: `focal` pixels, `distance` metres to the wrist, `centre` (2,) pixels."""

    focal: float
    distance: float
    centre: Floats

    def project(self, points: Floats) -> Floats:
        """Return points (N, 3), metres, in picture pixels; z in pixels at the wrist's distance."""
        depth = np.maximum(points[:, 2] + self.distance, NEAREST)
        flat = self.focal * points[:, :2] / depth[:, None] + self.centre
        return np.column_stack([flat, self.focal / self.distance * points[:, 2]])


@dataclass(frozen=True)
class Scene:
    """A person in a place, before a camera.

    background  (side, side, 3) linear RGB.
    sky, floor  (3,) linear RGB: light from above and below, without direction.
    lattice     noise of skin and cloth.
    lens        blur of the whole picture, pixels at 256.
    grain       (side, side, 3) float32 sensor noise, of 255.
    reach       metres around the middle of what is seen that throw shadows on it.
    """

    left: bool
    skin: SkinTone
    cloth: Cloth | None
    lights: tuple[Light, ...]
    sky: Floats
    floor: Floats
    background: Image
    lattice: Tensor
    lens: float
    grain: Image
    reach: float = 0.17


def draw_scene(rng: np.random.Generator, side: int) -> Scene:
    """Draw a scene for a picture of this side."""
    background = draw_background(rng, side)
    halves = np.array_split(background, 2)  # upper and lower
    mean = np.array([half.mean(axis=(0, 1)) for half in halves], np.float64)
    level = rng.uniform(0.16, 0.42)
    sky, floor = (
        _pale(colour) * level * share for colour, share in zip(mean, (1.25, 0.7), strict=True)
    )
    return Scene(
        bool(rng.random() < 0.5),
        draw_skin(rng),
        _draw_cloth(rng) if rng.random() < 0.5 else None,
        _draw_lights(rng, _pale(mean.mean(0))),
        sky,
        floor,
        background,
        draw_lattice(rng),
        float(rng.uniform(0.35, 0.75)),
        _draw_grain(np.random.default_rng(rng.integers(1 << 32)), side),
    )


def draw_camera(
    rng: np.random.Generator,
    part: Floats,
    side: int,
    distances: tuple[float, float] = (0.42, 1.1),
    shares: tuple[float, float] = (0.42, 0.75),
    places: tuple[float, float] = (0.2, 0.8),
) -> Camera:
    """Put the camera so that a part, points (N, 3) in metres, takes a share of the side.

    distances  least and most metres from the camera; `shares` of the side likewise.
    places     least and most of the room around the part that lies before it.
    """
    distance = float(rng.uniform(*distances))
    seen = part[:, :2] / (part[:, 2:] + distance)
    low, high = seen.min(0), seen.max(0)
    focal = side * rng.uniform(*shares) / float((high - low).max())
    room = side * (1 - 2 * MARGIN) - focal * (high - low)
    corner = side * MARGIN + room * rng.uniform(*places, 2)
    return Camera(focal, distance, corner - focal * low)


def _draw_grain(rng: np.random.Generator, side: int) -> Image:
    """Sensor noise; from its own generator, so that the side changes nothing else of a scene."""
    strength = rng.uniform(0.3, 1.6)
    colour = rng.normal(0, 1, (side, side, 3)) * np.array([0.66, 0.48, 0.78])
    return np.asarray(strength * (rng.normal(0, 1, (side, side, 1)) + colour), np.float32)


def _pale(colour: Floats) -> Floats:
    """Return the tint of a colour at brightness 1, a good third as strong."""
    return np.asarray((colour / max(float(colour.mean()), 1e-3)) ** 0.37, np.float64)


def _draw_lights(rng: np.random.Generator, tint: Floats) -> tuple[Light, ...]:
    """A key light from above, often a weaker one from the other side, sometimes one from behind."""
    turn = rng.uniform(-80, 80)
    warm = rng.normal(0.02, 0.07)
    white = np.array([1 + warm, 1.0, 1 - 1.3 * warm])
    key = Light(
        _towards(turn, rng.uniform(15, 60)),
        white * rng.uniform(0.75, 1.25),
        float(rng.uniform(0.004, 0.02)),
    )
    lights = [key]
    if rng.random() < 0.7:
        fill = _towards(-np.sign(turn) * rng.uniform(30, 90), rng.uniform(-10, 40))
        lights.append(Light(fill, tint * rng.uniform(0.1, 0.4), 0.03))
    if rng.random() < 0.4:
        back = _towards(rng.choice([-1, 1]) * rng.uniform(115, 160), rng.uniform(10, 60))
        lights.append(Light(back, tint * white * rng.uniform(0.4, 1.3), 0.015))
    return tuple(lights)


def _towards(turn: float, height: float) -> Floats:
    """Direction to a lamp: degrees to the right of the viewer's, and above."""
    turn, height = np.radians(turn), np.radians(height)
    flat = np.cos(height)
    return np.array([flat * np.sin(turn), -np.sin(height), -flat * np.cos(turn)])


def _draw_cloth(rng: np.random.Generator) -> Cloth:
    start = float(rng.uniform(0.022, 0.11))
    dyes = draw_dyes(rng)
    body = sleeve(rng, start, float(rng.uniform(0.004, 0.013)))
    return Cloth(body, draw_fabric(rng, dyes))
