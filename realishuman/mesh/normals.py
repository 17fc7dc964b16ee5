"""Normals of a surface at its vertices."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Average the normals of the faces around each vertex, weighted by their angle there.

    vertices  (V, 3) float32.
    faces     (F, 3) integer; (v1 - v0) x (v2 - v0) points outwards.
    Returns   (V, 3) float32, unit length, outwards; 0 for a vertex without a proper face.
    Source    Thuermer and Wuethrich 1998; the default of trimesh, which pyrender shades with.
    """
    corners = vertices[faces.long()]
    to_next = corners.roll(-1, dims=1) - corners
    to_previous = corners.roll(1, dims=1) - corners
    normal = torch.linalg.cross(to_next[:, 0], to_previous[:, 0])
    twice_area = normal.norm(dim=1, keepdim=True)
    angle = torch.atan2(twice_area, (to_next * to_previous).sum(dim=2))  # (F, 3)
    unit = normal / twice_area.clamp_min(torch.finfo(normal.dtype).tiny)
    total = torch.zeros_like(vertices)
    total.index_add_(0, faces.long().flatten(), (angle[:, :, None] * unit[:, None]).flatten(0, 1))
    return F.normalize(total, dim=1)
