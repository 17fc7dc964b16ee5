"""Light on skin: soft diffuse that reddens at its edge, two lobes of gloss, shadows, occlusion."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from realishuman.mesh.hand_template import Floats
from realishuman.render.raster import rasterise
from realishuman.synthetic.scene import Light, Scene
from realishuman.synthetic.skin import Look

WRAP = (0.38, 0.20, 0.14)  # how far light creeps round into the shade, per channel of skin
SHADOW_SIZE = 224
BIAS = 0.0035
_RING = [(1.0, 0.0), (0.5, 0.87), (-0.5, 0.87), (-1.0, 0.0), (-0.5, -0.87), (0.5, -0.87)]


def light_points(
    scene: Scene,
    look: Look,
    points: Tensor,
    normals: Tensor,
    skin: Tensor,
    seen: Tensor,
    pixel: float,
    solid: tuple[Tensor, Tensor],
) -> Tensor:
    """Return the light (N, 3) that seen points send to the viewer.

    points, normals  (N, 3) metres and unit, camera's axes.
    skin             (N,) bool, False for cloth.
    seen             (H, W) bool, the pixels of the N points.
    pixel            metres per pixel.
    solid            vertices in metres and faces, of all that throws shadows.
    """
    open_ = _openness(seen, points[:, 2], pixel)[:, None]
    up = 0.5 - 0.5 * normals[:, 1:2]
    around = torch.lerp(_colour(scene.floor), _colour(scene.sky), up)
    # Light between fingers has met skin before: it is red.
    total = look.albedo * around * open_ ** torch.tensor([0.8, 1.1, 1.2])
    toward = F.normalize(-points - torch.tensor([0.0, 0.0, 0.6]), dim=1)
    wrap = torch.tensor(WRAP) * skin[:, None]
    for light in scene.lights:
        total = total + _one(light, look, points, normals, toward, wrap, open_, solid, scene.reach)
    rim = (1 - (normals * toward).sum(1, keepdim=True).clamp(0, 1)) ** 4
    return total + 0.10 * look.gloss[:, None] * rim * around * open_


def _one(
    light: Light,
    look: Look,
    points: Tensor,
    normals: Tensor,
    toward: Tensor,
    wrap: Tensor,
    open_: Tensor,
    solid: tuple[Tensor, Tensor],
    around: float,
) -> Tensor:
    direction = _colour(light.direction)
    colour = _colour(light.colour)
    cosine = (normals @ direction)[:, None]
    diffuse = ((cosine + wrap) / (1 + wrap)).clamp_min(0) ** 1.25
    free = _unshadowed(light, points, normals, solid, around)[:, None]
    red = torch.where(wrap > 0, torch.tensor([0.75, 1.08, 1.15]), torch.ones(3))
    total = look.albedo * diffuse * free**red * (0.45 + 0.55 * open_)

    half = F.normalize(toward + direction, dim=1)
    n_h = (normals * half).sum(1, keepdim=True).clamp(0, 1)
    fresnel = 0.028 + 0.972 * (1 - (half * toward).sum(1, keepdim=True).clamp(0, 1)) ** 5
    gloss = look.gloss[:, None]
    broad, sharp = 10 + 14 * gloss, 40 + 90 * gloss**2
    lobes = 0.65 * (broad + 2) / 8 * n_h**broad + 0.38 * gloss * (sharp + 2) / 8 * n_h**sharp
    shine = fresnel * lobes * cosine.clamp_min(0) * gloss * free * open_
    return (total + 1.6 * shine) * colour


def _openness(seen: Tensor, depth: Tensor, pixel: float) -> Tensor:
    """How much of the surroundings each point sees, 0..1, guessed from the depths around it."""
    rows, columns = torch.nonzero(seen.any(1)).flatten(), torch.nonzero(seen.any(0)).flatten()
    window = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    image = torch.full(seen.shape, 9.0)
    image[seen] = depth
    image = image[window]
    hidden, weights = torch.zeros_like(image), 0.0
    for radius, weight in ((0.004, 1.0), (0.010, 1.0), (0.022, 0.7)):
        reach = max(1, round(radius / pixel))
        padded = F.pad(image, (reach,) * 4, value=9.0)
        for x, y in _RING:
            left, top = reach + round(x * reach), reach + round(y * reach)
            other = padded[top : top + image.shape[0], left : left + image.shape[1]]
            rise = (image - other) / radius
            # What stands far before a point hides less of its surroundings.
            hidden += weight * (rise - 0.35).clamp(0, 1) * (2.2 - 0.25 * rise).clamp(0, 1)
        weights += weight * len(_RING)
    return (1 - 1.15 * hidden[seen[window]] / weights).clamp(0.12, 1)


def _unshadowed(
    light: Light, points: Tensor, normals: Tensor, solid: tuple[Tensor, Tensor], around: float
) -> Tensor:
    """Share (N,) of the lamp that each point sees past all else within `around` metres."""
    vertices, faces = solid
    turn = _axes(light.direction)
    scale = SHADOW_SIZE / (2 * around)
    middle = SHADOW_SIZE / 2
    seen_by = vertices @ turn.T
    centre = (points @ turn.T).mean(0)
    centre[2] = 0
    flat = (seen_by - centre) * torch.tensor([scale, scale, 1.0])
    flat[:, :2] += middle
    depth = rasterise(flat, faces, SHADOW_SIZE, SHADOW_SIZE, cull=False).depth
    depth = depth.clamp(max=9.0)[None, None]
    at = (points + 0.0015 * normals) @ turn.T - centre
    reach = light.softness
    total = torch.zeros(len(points))
    places = [(0.0, 0.0), *_RING, *((0.5 * y, 0.5 * x) for x, y in _RING)]
    for x, y in places:
        place = (at[:, :2] + reach * torch.tensor([x, y])) / around
        near = F.grid_sample(
            depth,
            place.view(1, 1, -1, 2),
            mode="nearest",
            padding_mode="border",
            align_corners=False,
        ).flatten()
        total += ((near - at[:, 2] + BIAS + 0.6 * reach * (x * x + y * y)) / 0.004 + 1).clamp(0, 1)
    return total / len(places)


def _axes(direction: Floats) -> Tensor:
    """Rotation (3, 3) into a frame whose z runs from the lamp to the hand."""
    away = -_colour(direction)
    helper = (
        torch.tensor([0.0, 1.0, 0.0])
        if abs(float(away[1])) < 0.9
        else torch.tensor([1.0, 0.0, 0.0])
    )
    right = F.normalize(torch.linalg.cross(helper, away), dim=0)
    return torch.stack([right, torch.linalg.cross(away, right), away])


def _colour(values: Floats) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)
