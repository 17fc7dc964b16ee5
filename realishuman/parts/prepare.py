"""From found parts to what both stages work on: crop, mesh, pose image and masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realishuman.detect.base import Part
from realishuman.detect.parts import crop_box
from realishuman.imaging.boxes import Box, around, hull, intersection
from realishuman.imaging.crop import Crop, extract
from realishuman.imaging.masks import Masks, make_masks, mesh_mask
from realishuman.mesh.base import Mesh
from realishuman.mesh.normals import vertex_normals
from realishuman.parts.found import FoundPart
from realishuman.parts.kinds import KINDS
from realishuman.parts.layers import find_front
from realishuman.render.raster import Raster, interpolate, rasterise
from realishuman.render.shade import depth_image
from realishuman.settings import PRESETS, MaskRule, Settings

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class PreparedPart:
    """A part, seen in its own square crop of side R.

    found    which part it is.
    picture  (H, W, 3) uint8 RGB, all of the picture.
    image    (3, R, R) float32 in [0, 1], the crop.
    pose     (3, R, R) float32 in [0, 1], the render that steers stage one.
    masks    m, m_d, m_e, m_f of the crop.
    rule     what the masks follow where settings say nothing.
    others   (R, R) bool, where other parts lie in the crop.
    front    (R, R) bool, where parts lie that are before this one: they stay untouched.
    covered  how many parts are before this one.
    """

    found: FoundPart
    picture: NDArray[np.uint8]
    crop: Crop
    image: Tensor
    pose: Tensor
    masks: Masks
    rule: MaskRule
    others: Mask
    front: Mask
    covered: int = 0

    @property
    def number(self) -> int:
        """The part's number in its picture."""
        return self.found.number

    @property
    def part(self) -> Part:
        """The part as it was found."""
        return self.found.part

    @property
    def mesh(self) -> Mesh:
        """The mesh that is to be followed."""
        return self.found.mesh


def prepare(
    picture: NDArray[np.uint8],
    parts: Sequence[FoundPart],
    chosen: Sequence[FoundPart],
    settings: Settings,
    *,
    preset: str,
    pose: str,
    resolution: int,
    margin: float | None = None,
    erode: int | None = None,
) -> list[PreparedPart]:
    """Crop, render and mask each part on its own; parts of one picture do not touch each other.

    Where two parts overlap, only the one in front may be repainted; layers.find_front says which.

    picture     (H, W, 3) uint8 RGB.
    parts       every part of the picture, of all kinds: a ring never repaints another part, so all
                must be known.
    chosen      those of them to prepare; the result has their order.
    preset      whose mask constants hold where settings do not say otherwise.
    pose        "shaded" or "depth".
    resolution  side R of the crops in pixels.
    margin      side of the crops, in longer sides of the part, unless settings say; None takes
                the preset's.
    erode       kernel that makes m_e, in pixels of a 512 crop, unless settings say; None takes
                the preset's rule.
    """
    side = settings.margin or margin or PRESETS[preset].margin
    in_front = find_front(picture, parts) if chosen else {}
    prepared = []
    for found in chosen:
        part, mesh = found.part, found.mesh
        crop = Crop(crop_box(_whole(part, mesh), side), resolution)
        condition, m = pose_and_mask(mesh, part, crop, preset, pose)
        rule = PRESETS[preset].masks[part.kind]
        if erode is not None:
            rule = replace(rule, erode=erode, erode_of="kernel")
        own = settings.of(part.kind)
        masks = make_masks(m, rule, own.dilate, own.erode, also=_seen(mesh, crop))
        others = _coverage([one.mesh for one in parts if one.number != found.number], crop)
        nearer = in_front[found.number]
        front = _coverage([one.mesh for one in parts if one.number in nearer], crop)
        prepared.append(
            PreparedPart(
                found,
                picture,
                crop,
                extract(picture, crop),
                condition,
                _spare(masks, others, front),
                rule,
                others,
                front,
                covered=len(nearer),
            )
        )
    return prepared


def _whole(part: Part, mesh: Mesh) -> Part:
    """The part with all of a corrected mesh's joints in its box, which the found ones may miss."""
    return part if mesh.seen is None else replace(part, box=hull(part.box, around(mesh.joints)))


def pose_and_mask(
    mesh: Mesh, part: Part, crop: Crop, preset: str, pose: str
) -> tuple[Tensor, Mask]:
    """Render a mesh in a crop of side R: (3, R, R) float32 in [0, 1], and m, (R, R) bool.

    part, preset, pose  as in prepare; of the part only kind and side are read.
    """
    raster = _render(mesh, crop)
    condition = _pose_image(mesh, raster, crop, part, pose)
    threshold = PRESETS[preset].masks[part.kind].threshold
    if pose == "shaded" and threshold is not None:
        return condition, mesh_mask(condition, threshold)
    return condition, raster.coverage.numpy()


def with_ring(one: PreparedPart, settings: Settings) -> PreparedPart:
    """The part with masks for other kernels, as prepare would make them; nothing is rendered."""
    own = settings.of(one.part.kind)
    seen = _seen(one.mesh, one.crop)
    masks = make_masks(one.masks.m, one.rule, own.dilate, own.erode, also=seen)
    return replace(one, masks=_spare(masks, one.others, one.front))


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
        pixels = KINDS[part.kind].shade(normals, raster.coverage, part.side)
    return pixels.permute(2, 0, 1).float() / 255


def _coverage(meshes: Sequence[Mesh], crop: Crop) -> Mask:
    """Where any of these meshes lies in the crop, (R, R) bool."""
    covered = np.zeros((crop.size, crop.size), dtype=bool)
    for mesh in meshes:
        (x0, y0), (x1, y1) = mesh.vertices[:, :2].min(axis=0), mesh.vertices[:, :2].max(axis=0)
        if intersection(Box(float(x0), float(y0), float(x1), float(y1)), crop.box) > 0:
            covered |= _render(mesh, crop).coverage.numpy()
    return covered


def _seen(mesh: Mesh, crop: Crop) -> Mask | None:
    """Where the picture shows the part, if the mesh was corrected; see Mesh.seen."""
    return None if mesh.seen is None else _coverage([replace(mesh, vertices=mesh.seen)], crop)


def _spare(masks: Masks, others: Mask, front: Mask) -> Masks:
    """Keep other parts out of what may change: of the ring all, of m those that are in front."""
    spared = (others & ~masks.m) | front
    return replace(masks, m_d=masks.m_d & ~spared, m_e=masks.m_e & ~spared, m_f=masks.m_f & ~spared)
