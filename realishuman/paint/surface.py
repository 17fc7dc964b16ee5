"""A mesh drawn into a window of the picture: what each pixel sees, attributes spread over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from realishuman.mesh.normals import vertex_normals
from realishuman.render.raster import rasterise

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Value = TypeVar("Value", bound=np.generic)

FAR = 1e4  # depth that stands for "nothing there"
FACING = -0.15  # z of a normal from which a vertex counts as turned to the viewer
# Radii of the occlusion, as shares of the hand's length, and how much each counts.
RADII = ((0.02, 1.0), (0.05, 1.0), (0.11, 0.7))
DIRECTIONS = [(np.cos(a), np.sin(a)) for a in np.arange(8) * np.pi / 4]


@dataclass(frozen=True)
class Surface:
    """A mesh and its raster, `scale` times as fine as the window's pixels.

    vertices  (V, 3) float32, in the window's pixels.
    faces     (F, 3) int64.
    normals   (V, 3) float32, unit, outwards.
    coverage  (h * scale, w * scale) bool.
    depth     likewise, float32 in the window's pixels; FAR where nothing is.
    pixels    (N,) flat indices of the covered pixels, in ascending order.
    corners   (N, 3) vertices of the face that each of them sees.
    shares    (N, 3) float32, their barycentric weights.
    """

    vertices: Floats
    faces: NDArray[np.int64]
    normals: Floats
    scale: int
    coverage: Mask
    depth: Floats
    pixels: NDArray[np.intp]
    corners: NDArray[np.int64]
    shares: Floats

    def spread(self, values: Floats) -> Floats:
        """Attributes (V, C) of the vertices at the covered pixels, (N, C)."""
        spread: Floats = (self.shares[:, :, None] * values[self.corners]).sum(axis=1)
        return spread

    def spread_normals(self) -> Floats:
        """Unit normals at the covered pixels, (N, 3)."""
        normals = self.spread(self.normals)
        unit: Floats = normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-6)
        return unit

    def nearest(self, values: NDArray[Value]) -> NDArray[Value]:
        """Attributes (V,) of the nearest vertex at the covered pixels, (N,)."""
        best = self.shares.argmax(axis=1)
        nearest: NDArray[Value] = values[self.corners[np.arange(len(best)), best]]
        return nearest

    def fill(self, values: NDArray[Value], empty: float = 0.0) -> NDArray[Value]:
        """Values of the covered pixels, (N,) or (N, C), as a picture (h', w') or (h', w', C)."""
        shape = self.coverage.shape
        picture = np.full((self.coverage.size, *values.shape[1:]), empty, values.dtype)
        picture[self.pixels] = values
        return picture.reshape(*shape, *values.shape[1:])

    def sees(self, points: Floats, facing: Floats, slack: float) -> Mask:
        """Whether points (M, 3) of the window are seen: none of the surface lies before them.

        facing  (M,) z of their normals.
        slack   how far behind the surface a point may lie, in pixels.
        """
        height, width = self.coverage.shape
        columns, rows = (np.floor(points[:, :2].T * self.scale)).astype(np.intp)
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        nearest = self.depth[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
        seen: Mask = inside & (facing < FACING) & (points[:, 2] <= nearest + slack)
        return seen


def draw(
    vertices: Floats, faces: NDArray[np.integer], size: tuple[int, int], scale: int = 1
) -> Surface:
    """Draw a mesh into a window of (height, width) pixels.

    vertices  (V, 3) float32, in the window's pixels.
    Raises    ModelError if a vertex is not finite.
    """
    whole = np.ascontiguousarray(faces, np.int64)
    points = np.ascontiguousarray(vertices, np.float32)
    tensor, triangles = torch.from_numpy(points), torch.from_numpy(whole)
    raster = rasterise(tensor * scale, triangles, size[0] * scale, size[1] * scale)
    coverage = raster.coverage.numpy()
    pixels = np.flatnonzero(coverage)
    depth = np.where(coverage, raster.depth.numpy() / scale, FAR).astype(np.float32)
    return Surface(
        points,
        whole,
        vertex_normals(tensor, triangles).numpy(),
        scale,
        coverage,
        depth,
        pixels,
        whole[raster.face.numpy().ravel()[pixels]],
        raster.weights.numpy().reshape(-1, 3)[pixels],
    )


def occlusion(surface: Surface, length: float) -> Floats:
    """How much of the light each pixel loses to surface before it: 0 open to 1 hidden.

    length   of the hand, in the window's pixels.
    Returns  (h', w') float32 of the surface's raster; 0 where it covers nothing.
    """
    depth, total = surface.depth, 0.0
    hidden = np.zeros_like(depth)
    for share, weight in RADII:
        radius = share * length
        for x, y in DIRECTIONS:
            step = radius * surface.scale
            shift = np.array([[1, 0, -x * step], [0, 1, -y * step]], np.float32)
            beside = cv2.warpAffine(
                depth, shift, depth.shape[::-1], flags=cv2.INTER_NEAREST, borderValue=FAR
            )
            rise = (depth - beside) / radius
            # what rises very high is another finger far before this one: it hides little
            hidden += weight * np.clip(rise - 0.3, 0, 1) * np.clip(2.2 - 0.25 * rise, 0, 1)
            total += weight
    return np.where(surface.coverage, hidden / total, 0).astype(np.float32)


def sample(picture: Floats, places: Floats) -> Floats:
    """Values of a picture (h, w) or (h, w, C) at places (M, 2); outside, those of its edge.

    Cubic for colours, linear for fields; never below 0.
    """
    wide = 4096  # remap takes pictures, no lists
    rows = -(-len(places) // wide)
    grid = np.zeros((rows * wide, 2), np.float32)
    grid[: len(places)] = places - 0.5
    x, y = (np.ascontiguousarray(grid[:, axis].reshape(rows, wide)) for axis in (0, 1))
    way = cv2.INTER_CUBIC if picture.ndim == 3 else cv2.INTER_LINEAR
    values = cv2.remap(picture, x, y, way, borderMode=cv2.BORDER_REPLICATE)
    flat = values.reshape(rows * wide, *picture.shape[2:])[: len(places)]
    sampled: Floats = np.clip(flat, 0, None)
    return sampled
