"""Draws the meshes of parts in a crop: the pose image, m, and what stage one is shown of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realishuman.detect.base import Part
from realishuman.imaging.boxes import Box, intersection
from realishuman.imaging.crop import Crop, resize_released
from realishuman.imaging.masks import mesh_mask
from realishuman.kinds import KINDS, MaskRule, load
from realishuman.mesh.base import Mesh
from realishuman.mesh.normals import vertex_normals
from realishuman.parts.cut import Cut
from realishuman.parts.found import FoundPart
from realishuman.presets import PRESETS
from realishuman.render.raster import Raster, interpolate, rasterise
from realishuman.render.shade import depth_image

Mask = NDArray[np.bool_]


def draw(parts: Sequence[FoundPart], crop: Crop, rule: MaskRule, pose: str) -> tuple[Tensor, Mask]:
    """The pose image (3, R, R) of the parts of a crop and their m, the surer part over others."""
    behind_first = sorted(parts, key=lambda one: one.part.score)
    condition, m = _pose_and_mask(behind_first[0].mesh, behind_first[0].part, crop, rule, pose)
    for one in behind_first[1:]:
        nearer, covered = _pose_and_mask(one.mesh, one.part, crop, rule, pose)
        condition, m = torch.where((nearer > 0).any(dim=0), nearer, condition), m | covered
    return condition, m


def draw_at_picture(
    cut: Cut, pixels: Tensor, shape: tuple[int, int], rule: MaskRule, pose: str, resolution: int
) -> tuple[Tensor, Mask, Tensor]:
    """The pose image (3, R, R), m (R, R) and the reference (3, N, N), by the picture's pixels.

    pixels  (3, N, N) float32 in [0, 1], what is cut out of the picture.
    shape   height and width of the picture.
    """
    drawn, covered = draw(cut.parts, Crop(cut.box, pixels.shape[-1]), rule, pose)
    within = ~cut.beyond(shape)
    drawn = drawn * torch.from_numpy(within)
    return reduce(drawn, covered & within, pixels, rule, pose, resolution)


def reduce(
    drawn: Tensor, covered: Mask, pixels: Tensor, rule: MaskRule, pose: str, resolution: int
) -> tuple[Tensor, Mask, Tensor]:
    """Cut the reference out by the pose, and bring the pose to the crop's size.

    drawn    (3, N, N) float32 in [0, 1], the pose image at the picture's size.
    covered  (N, N) bool, where the mesh lies.
    Returns  pose image (3, R, R), m (R, R), and reference (3, N, N).
    Source   the released scripts: the reference is where the render is bright enough before both
             are resized, m where it is afterwards.
    """
    condition = resize_released(drawn, resolution)
    if pose == "shaded" and rule.threshold is not None:
        bright = rule.threshold if rule.cut is None else rule.cut
        kept, m = mesh_mask(drawn, bright), mesh_mask(condition, rule.threshold)
    else:
        kept = covered
        m = resize_released(torch.from_numpy(kept)[None].float(), resolution)[0].numpy() >= 0.5
    return condition, m, pixels * torch.from_numpy(kept)


def pose_and_mask(
    mesh: Mesh, part: Part, crop: Crop, preset: str, pose: str
) -> tuple[Tensor, Mask]:
    """Render a mesh in a crop of side R: (3, R, R) float32 in [0, 1], and m, (R, R) bool.

    part, preset, pose  as prepare takes them; of the part only kind and side are read.
    """
    return _pose_and_mask(mesh, part, crop, PRESETS[preset].masks[part.kind], pose)


def _pose_and_mask(
    mesh: Mesh, part: Part, crop: Crop, rule: MaskRule, pose: str
) -> tuple[Tensor, Mask]:
    raster = _render(mesh, crop)
    condition = _pose_image(mesh, raster, crop, part, pose)
    if pose == "shaded" and rule.threshold is not None:
        return condition, mesh_mask(condition, rule.threshold)
    return condition, raster.coverage.numpy()


def _in_crop(mesh: Mesh, crop: Crop) -> tuple[Tensor, Tensor]:
    vertices = torch.from_numpy(crop.to_crop(mesh.vertices).astype(np.float32))
    return vertices, torch.from_numpy(mesh.faces.astype(np.int64))


def _render(mesh: Mesh, crop: Crop) -> Raster:
    return rasterise(*_in_crop(mesh, crop), crop.size, crop.size)


def _pose_image(mesh: Mesh, raster: Raster, crop: Crop, part: Part, pose: str) -> Tensor:
    """The condition of stage one, (3, R, R) float32 in [0, 1]."""
    if pose == "depth":
        pixels = depth_image(raster)
    else:
        vertices, faces = _in_crop(mesh, crop)
        if mesh.normals is None:
            of_vertices = vertex_normals(vertices, faces)
        else:  # a crop turns nothing
            of_vertices = torch.from_numpy(mesh.normals)
        normals = interpolate(raster, faces, of_vertices)
        shade = load(KINDS[part.kind].shade)
        pixels = shade(normals, raster.coverage, part.side)
    return pixels.permute(2, 0, 1).float() / 255


def coverage(meshes: Sequence[Mesh], crop: Crop) -> Mask:
    """Where any of these meshes lies in the crop, (R, R) bool."""
    covered = np.zeros((crop.size, crop.size), dtype=bool)
    for mesh in meshes:
        (x0, y0), (x1, y1) = mesh.vertices[:, :2].min(axis=0), mesh.vertices[:, :2].max(axis=0)
        if intersection(Box(float(x0), float(y0), float(x1), float(y1)), crop.box) > 0:
            covered |= _render(mesh, crop).coverage.numpy()
    return covered


def draw_seen(parts: Sequence[FoundPart], crop: Crop) -> Mask | None:
    """Where the picture shows parts whose mesh was corrected, None without any; see Mesh.seen."""
    meshes = [one.mesh for one in parts]
    seen = [replace(mesh, vertices=mesh.seen) for mesh in meshes if mesh.seen is not None]
    return coverage(seen, crop) if seen else None
