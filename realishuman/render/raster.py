"""Rasterise triangle meshes: which face covers each pixel, how deep, and where on the face.

A z-buffer of plain torch operations, on the CPU or CUDA device the vertices are on. Every visible
triangle is cut into pixel rows, every row into the pixels whose centres it covers (fragments), and
the nearest fragment of each pixel is kept by one scatter-min. Rows and fragments are made in
chunks, so memory is bounded by the picture and the mesh, not by their product.

Frame: x right, y down in raster pixels (continuous: pixel centres at +0.5), z away from the viewer.
It is right-handed, (v1 - v0) x (v2 - v0) points outwards and a visible face's has z < 0.
Knows neither cameras nor colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from realishuman.errors import ModelError

CHUNK = 1 << 16  # rows or fragments worked on at once: small enough to stay near the cache
EMPTY = torch.iinfo(torch.int64).max  # key of a pixel that nothing covers


@dataclass(frozen=True)
class Raster:
    """What is seen through each pixel centre.

    coverage  (H, W) bool.
    depth     (H, W) float32, z of the nearest surface; inf where empty.
    face      (H, W) int64, row of `faces`; -1 where empty.
    weights   (H, W, 3) float32, barycentric, of the face's corners in order; 0 where empty.
    """

    coverage: Tensor
    depth: Tensor
    face: Tensor
    weights: Tensor


def rasterise(
    vertices: Tensor, faces: Tensor, height: int, width: int, *, cull: bool = True
) -> Raster:
    """Find the nearest face at every pixel centre; attributes are affine over a face.

    vertices  (V, 3) float32, frame of the module; may lie outside the picture.
    faces     (F, 3) integer, rows of vertices.
    cull      drop the faces seen from behind. Faces seen edge-on are always dropped.
    Returns   a Raster on the vertices' device. A centre on an edge belongs to the face right of or
              below it (top-left rule), so faces that share an edge never both get a pixel, and
              leave none out; of equal depths the lowest face index wins.
    Raises    ModelError if a vertex is NaN or infinite.
    """
    if not bool(torch.isfinite(vertices).all()):
        count = int((~torch.isfinite(vertices)).any(dim=1).sum())
        raise ModelError(
            f"{count} of {len(vertices)} mesh vertices are NaN or infinite, a finite mesh was "
            f"expected: the mesh model failed on this part. Run it in float32 or skip the part."
        )
    faces = faces.long()
    corners = vertices.T.double()[:, faces.T]  # (xyz, 3 corners, F): long axis last is fastest
    normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], dim=0)
    seen = torch.nonzero(normal[2] < 0 if cull else normal[2] != 0).squeeze(1)
    corners, normal = corners[:, :, seen], normal[:, seen]

    keys = torch.full((height * width,), EMPTY, dtype=torch.int64, device=vertices.device)
    for pixel, depth, face in _fragments(corners, normal, height, width):
        # The smallest key is the nearest depth and, among equal depths, the lowest face.
        key = (_ordered_bits(depth).long() << 32) | seen[face]
        keys.scatter_reduce_(0, pixel, key, "amin")
    return _resolve(keys, vertices, faces, width)


def interpolate(raster: Raster, faces: Tensor, attributes: Tensor) -> Tensor:
    """Spread attributes of vertices over the pixels of a raster.

    faces       (F, 3) integer, the faces that were rasterised.
    attributes  (V, C) float32.
    Returns     (H, W, C) in the attributes' dtype; 0 where empty. Unit vectors come out shorter.
    """
    picture = attributes.new_zeros((raster.coverage.numel(), attributes.shape[1]))
    face, weights = raster.face.flatten(), raster.weights.view(-1, 3).to(attributes.dtype)
    for pixel in torch.split(torch.nonzero(raster.coverage.flatten()).squeeze(1), CHUNK):
        corners = attributes[faces[face[pixel]].long()]  # (pixels, 3, C)
        picture[pixel] = (weights[pixel, :, None] * corners).sum(dim=1)
    return picture.view(*raster.coverage.shape, -1)


def _fragments(
    corners: Tensor, normal: Tensor, height: int, width: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield pixel index, float32 depth and face for every pixel centre that a face covers.

    corners, normal  (xyz, 3 corners, F) and (xyz, F) float64.
    """
    edges, plane = _edges(corners), _plane(corners, normal)
    bounds = torch.ceil(corners[1] - 0.5).clamp(0, height).long()  # first row below a corner
    top, bottom = bounds.amin(dim=0), bounds.amax(dim=0)
    for face, row in _spread(bottom - top):
        row = row + top[face]
        start, stop = _span(edges[:, :, face], row + 0.5, width)
        first, step = _row_depth(plane[:, face], row + 0.5, start, stop)
        for span, column in _spread(stop - start):
            pixel = (row * width + start)[span] + column
            yield pixel, (first[span] + step[span] * column).float(), face[span]


def _spread(counts: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (i, k) for every i and every k < counts[i], about CHUNK pairs at a time."""
    ends = counts.cumsum(0)
    begin = 0
    while begin < len(counts):
        done = int(ends[begin - 1]) if begin else 0
        limit = torch.tensor(done + CHUNK, device=counts.device)
        end = max(begin + 1, int(torch.searchsorted(ends, limit, right=True)))
        part = counts[begin:end]
        index = torch.repeat_interleave(torch.arange(begin, end, device=counts.device), part)
        within = torch.arange(len(index), device=counts.device) + done - (ends - counts)[index]
        yield index, within
        begin = end


def _edges(corners: Tensor) -> Tensor:
    """Return (4, 3 edges, F): upper y, lower y, upper x and dx/dy.

    An edge runs from its upper to its lower end whichever face it belongs to, so both faces get
    the very same numbers: this is what makes the top-left rule exact.
    """
    begin, end = corners[:2], corners[:2].roll(-1, dims=1)
    flip = begin[1] > end[1]
    upper, lower = torch.where(flip, end, begin), torch.where(flip, begin, end)
    delta = lower - upper
    slope = delta[0] / delta[1]  # a level edge divides by 0 and is never crossed
    return torch.stack([upper[1], lower[1], upper[0], slope])


def _span(edges: Tensor, y: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Return the first column and the column after the last of each row: two edges cross it."""
    upper, lower, x, slope = edges
    crossing = x + (y - upper) * slope
    crossed = (upper <= y) & (y < lower)
    left = torch.where(crossed, crossing, torch.inf).amin(dim=0)
    right = torch.where(crossed, crossing, -torch.inf).amax(dim=0)
    start, stop = (torch.ceil(side - 0.5).clamp(0, width).long() for side in (left, right))
    return start, torch.maximum(start, stop)


def _plane(corners: Tensor, normal: Tensor) -> Tensor:
    """Return (5, F): dz/dx, dz/dy, z at the origin, least and greatest z of the corners."""
    x, y, z = corners
    slope_x, slope_y = -normal[:2] / normal[2]
    origin = z[0] - slope_x * x[0] - slope_y * y[0]
    return torch.stack([slope_x, slope_y, origin, z.amin(dim=0), z.amax(dim=0)])


def _row_depth(plane: Tensor, y: Tensor, start: Tensor, stop: Tensor) -> tuple[Tensor, Tensor]:
    """Return depth at the first pixel of each row and its increase per pixel.

    Clamped to the depths of the corners: the plane of a face seen nearly edge-on is so steep that
    rounding alone would carry it far away.
    """
    slope_x, slope_y, origin, nearest, farthest = plane
    row = origin + slope_y * y
    first, last = (
        (row + slope_x * (column + 0.5)).clamp(nearest, farthest) for column in (start, stop - 1)
    )
    return first, (last - first) / (stop - 1 - start).clamp_min(1)


def _ordered_bits(depth: Tensor) -> Tensor:
    """Return int32 in the order of float32: its own bits, the lower 31 flipped if negative."""
    bits = depth.view(torch.int32)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def _resolve(keys: Tensor, vertices: Tensor, faces: Tensor, width: int) -> Raster:
    """Read the winners out of the keys and find where on its face each pixel centre lies."""
    coverage = keys != EMPTY
    bits = (keys >> 32).int()
    depth = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(torch.float32)
    face = keys & 0xFFFFFFFF
    weights = torch.zeros((len(keys), 3), device=keys.device)
    corner_x, corner_y = vertices.T[:2].double()
    for pixel in torch.split(torch.nonzero(coverage).squeeze(1), CHUNK):
        corner = faces.T[:, face[pixel]]
        x = corner_x[corner] - (pixel % width + 0.5)
        y = corner_y[corner] - (pixel // width + 0.5)
        area = x.roll(-1, 0) * y.roll(1, 0) - x.roll(1, 0) * y.roll(-1, 0)  # opposite each corner
        share = (area / area.sum(dim=0)).clamp_min(0)
        weights[pixel] = (share / share.sum(dim=0)).float().T
    shape = (-1, width)
    return Raster(
        coverage.view(shape),
        depth.masked_fill(~coverage, torch.inf).view(shape),
        face.masked_fill(~coverage, -1).view(shape),
        weights.view(*shape, 3),
    )
