"""Paint surfaces over a background: what is seen where, in which light, through which lens.

Everything is rasterised at twice the picture's size. Colours are linear RGB until the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from realishuman.mesh.normals import vertex_normals
from realishuman.render.raster import interpolate, rasterise
from realishuman.synthetic.light import light_points
from realishuman.synthetic.posed import Surface
from realishuman.synthetic.scene import Camera, Scene
from realishuman.synthetic.skin import Look

FINER = 2
NOTHING = -99
Looks = Callable[[Tensor, Tensor, Tensor, Tensor], Look]
"""Points at rest (N, 3), metres, their normals, their share, their surface's number -> Look."""


@dataclass(frozen=True)
class Painting:
    """A picture and what is where in it.

    picture  (side, side, 3) uint8 RGB.
    number   (side, side) int64, of the surface; NOTHING where the background is.
    share    (side, side) float32, as Surface has it.
    rest     (side, side, 3) float32: metres, where on the resting body a pixel's skin is; NaN
             where there is none.
    """

    picture: NDArray[np.uint8]
    number: NDArray[np.int64]
    share: NDArray[np.float32]
    rest: NDArray[np.float32]


def paint(surfaces: list[Surface], camera: Camera, scene: Scene, looks: Looks) -> Painting:
    """Paint surfaces (camera's axes, metres, already mirrored for a left hand)."""
    side = len(scene.background)
    mesh = _join(surfaces, camera)
    raster = rasterise(mesh.pixels, mesh.faces, FINER * side, FINER * side)
    seen = raster.coverage
    attributes = interpolate(raster, mesh.faces, mesh.attributes)
    values = attributes[seen]
    points, normals, rest, rest_normals = (values[:, k : k + 3] for k in (0, 3, 6, 9))
    normals, rest_normals = F.normalize(normals, dim=1), F.normalize(rest_normals, dim=1)
    number = mesh.number[mesh.faces[raster.face[seen]][:, 0].long()]
    normals = _heal(seen, number, normals, points, FINER * side / 256)
    look = looks(rest, rest_normals, values[:, 12], number)
    per_pixel = camera.distance / camera.focal / FINER
    normals = _rough(seen, look.relief, normals, points, per_pixel)
    colour = light_points(scene, look, points, normals, number >= 0, seen, per_pixel, mesh.solid)
    layer = torch.zeros((*seen.shape, 4))
    layer[seen] = torch.cat([colour, torch.ones(len(colour), 1)], 1)
    small = F.avg_pool2d(layer.permute(2, 0, 1)[None], FINER)[0].permute(1, 2, 0).numpy()
    where = torch.full((*seen.shape, 3), torch.nan)
    where[seen] = torch.where((number >= 0)[:, None], rest, torch.nan)
    what = torch.full(seen.shape, NOTHING)
    what[seen] = number
    at_rest, surface, share = (
        values[::FINER, ::FINER].numpy() for values in (where, what, attributes[..., 12])
    )
    picture = _develop(small[..., :3] + (1 - small[..., 3:]) * scene.background, scene)
    return Painting(picture, surface, share, at_rest)


@dataclass(frozen=True)
class _Joined:
    """All surfaces as one mesh of tensors.

    pixels      (V, 3) float32 on the fine raster.
    attributes  (V, 13) point, normal, rest point, rest normal, share.
    number      (V,) which surface.
    solid       (V, 3) metres, for the shadows.
    """

    pixels: Tensor
    faces: Tensor
    attributes: Tensor
    number: Tensor

    @property
    def solid(self) -> tuple[Tensor, Tensor]:
        """Vertices in metres, and faces."""
        return self.attributes[:, :3], self.faces


def _join(surfaces: list[Surface], camera: Camera) -> _Joined:
    pixels, faces, attributes, number, count = [], [], [], [], 0
    for item in surfaces:
        points = torch.tensor(item.vertices, dtype=torch.float32)
        rest = torch.tensor(item.rest, dtype=torch.float32)
        corner = torch.tensor(np.ascontiguousarray(item.faces)).long()
        turned = torch.tensor(item.rest_faces).long()
        share = torch.tensor(item.share, dtype=torch.float32)[:, None]
        normals = vertex_normals(points, corner)
        columns = [points, normals, rest, vertex_normals(rest, turned), share]
        attributes.append(torch.cat(columns, 1))
        pixels.append(torch.tensor(FINER * camera.project(item.vertices), dtype=torch.float32))
        faces.append(corner + count)
        number.append(torch.full((len(points),), item.number))
        count += len(points)
    return _Joined(torch.cat(pixels), torch.cat(faces), torch.cat(attributes), torch.cat(number))


def _spread(seen: Tensor, values: Tensor) -> Tensor:
    """Put (N, C) values of seen pixels into a picture (1, C, H, W), 0 elsewhere."""
    image = torch.zeros((*seen.shape, values.shape[1]))
    image[seen] = values
    return image.permute(2, 0, 1)[None]


def _heal(seen: Tensor, number: Tensor, normals: Tensor, points: Tensor, scale: float) -> Tensor:
    """Smooth the shading over the seam where a graft grows out of the skin."""
    if int(number.max()) < 1:
        return normals
    reach = 2 * max(1, round(2.0 * scale)) + 1
    skin = (number >= 0).float()[:, None]
    graft = (number > 0).float()[:, None]
    z = points[:, 2:]
    sums = F.avg_pool2d(
        _spread(seen, torch.cat([skin, graft, z * skin, z * graft, normals * skin], 1)),
        reach,
        1,
        reach // 2,
    )[0].permute(1, 2, 0)[seen]
    share, grafted = sums[:, :1], sums[:, 1:2]
    base = (share - grafted).clamp_min(1e-6)
    gap = (sums[:, 3:4] / grafted.clamp_min(1e-6) - (sums[:, 2:3] - sums[:, 3:4]) / base).abs()
    mixed = (grafted / share.clamp_min(1e-6)).clamp(0, 1)
    weight = (4 * mixed * (1 - mixed)).sqrt() * skin * torch.exp(-((gap / 0.005) ** 2))
    smooth = F.normalize(sums[:, 4:7], dim=1)
    return F.normalize(torch.lerp(normals, smooth, 0.9 * weight), dim=1)


def _rough(seen: Tensor, relief: Tensor, normals: Tensor, points: Tensor, pixel: float) -> Tensor:
    """Tilt normals by the slope of the relief, as seen; `pixel` is metres per pixel."""
    columns = torch.stack([relief, points[:, 2], torch.ones(len(relief))], 1)
    image = _spread(seen, columns)[0]
    slopes = []
    for axis in (2, 1):  # along x, then y
        ahead, behind = image.roll(-1, axis), image.roll(1, axis)
        flat = (ahead[1] - behind[1]).abs() < 8 * pixel
        slope = (ahead[0] - behind[0]) / (2 * pixel) * flat * ahead[2] * behind[2]
        slopes.append(slope[seen].clamp(-0.8, 0.8))
    tilt = torch.stack([*slopes, torch.zeros(len(relief))], 1)
    tilt = tilt - (tilt * normals).sum(1, keepdim=True) * normals
    return F.normalize(normals - tilt, dim=1)


def _develop(linear: NDArray[np.float32], scene: Scene) -> NDArray[np.uint8]:
    """Lens, tone curve, noise: from light to a picture."""
    blur = scene.lens * (len(linear) / 256) ** 0.5
    soft = cv2.GaussianBlur(np.ascontiguousarray(linear, np.float32), (0, 0), blur)
    bright = soft * (1 + 0.06 * soft) / (1 + 0.22 * soft) * 1.12
    coded = np.where(
        bright <= 0.0031308, 12.92 * bright, 1.055 * np.maximum(bright, 1e-6) ** (1 / 2.4) - 0.055
    )
    return np.asarray(np.clip(np.round(255 * coded + scene.grain), 0, 255), np.uint8)
