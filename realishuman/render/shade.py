"""Turn a raster into the picture the diffusion model is shown as its pose condition.

Two shaders repeat what the released weights were trained on: hands drawn by pyrender, faces by
3DDFA-V3's renderer. The third picture is the depth map that the paper speaks of. All are (H, W, 3)
uint8 RGB on black, on the device of their input.

Normals are in the rasteriser's frame (x right, y down, z away from the viewer): a surface that
faces the viewer has (0, 0, -1). The formulas are in OpenGL's (x right, y up, z to the viewer).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from realishuman.render.raster import Raster

AMBIENT = 0.3
METALLIC = 0.2
ROUGHNESS = 0.8
GAMMA = 2.2
TINT = 128 / 255  # 0.5 as a uint8 vertex colour
MAIN_CHANNEL = {"right": 0, "left": 1}  # a right hand is red, a left hand green
HAND_LIGHTS = (  # a headlight and three around it, 30 degrees off
    (0.0, 0.0, 1.0),
    *(
        (0.5 * math.cos(turn), 0.5 * math.sin(turn), math.cos(math.pi / 6))
        for turn in (0.0, 2 * math.pi / 3, 4 * math.pi / 3)
    ),
)
FACE_LIGHTS = ((-1, 1, 1), (1, 1, 1), (-1, -1, 1), (1, -1, 1), (0, 0, 1))  # not normalised
FACE_LIGHT_STRENGTH = 1.7
FACE_GREY = 0.78
FARTHEST = 51  # grey of the deepest point: it must still stand out from the black around it


def shade_hand(normals: Tensor, coverage: Tensor, side: str | None) -> Tensor:
    """Shade a hand as HaMeR's renderer does.

    normals   (H, W, 3) float32, frame of the module, any length: normalised here, per pixel.
    coverage  (H, W) bool.
    side      "right" or "left", the person's own; None counts as right.
    Returns   (H, W, 3) uint8: main channel 148..255, the other two 108..197; black elsewhere.
    Source    glTF 2.0 metallic-roughness model as in pyrender's mesh.frag.
    """
    x, y, z = F.normalize(normals[coverage], dim=1).unbind(dim=1)
    light = torch.full_like(x, AMBIENT)
    for direction in HAND_LIGHTS:
        light += _reflect(x, -y, -z, direction)
    bright = light ** (1 / GAMMA)
    channels = [bright * TINT ** (1 / GAMMA)] * 3
    channels[MAIN_CHANNEL[side or "right"]] = bright
    colour = (255 * torch.stack(channels, dim=1).clamp(max=1)).round()
    return _on_black(colour, coverage)


def shade_face(normals: Tensor, coverage: Tensor, _side: str | None = None) -> Tensor:
    """Shade a face as 3DDFA-V3's renderer does.

    normals   (H, W, 3) float32, frame of the module. Vertex normals as interpolated, not normalised
              again, give the grey of the vertices interpolated, which is what the renderer does.
    coverage  (H, W) bool.
    Returns   (H, W, 3) uint8 grey, 223 where the surface faces the viewer; black elsewhere.
    Source    3DDFA-V3's render_shape.
    """
    x, y, z = normals[coverage].unbind(dim=1)
    total = torch.zeros_like(x)
    for lx, ly, lz in FACE_LIGHTS:
        cosine = (lx * x - ly * y - lz * z) / math.hypot(lx, ly, lz)
        total += cosine.clamp(0, 1) * FACE_LIGHT_STRENGTH
    grey = (255 * FACE_GREY / len(FACE_LIGHTS) * total).floor()
    return _on_black(grey[:, None].expand(-1, 3), coverage)


def depth_image(raster: Raster) -> Tensor:
    """Draw depth as grey, linear over the visible depths of this raster alone.

    Returns   (H, W, 3) uint8: the nearest pixel is 255, the farthest 51, all are 255 if no two
              differ; black where empty.
    """
    depth = raster.depth[raster.coverage]
    if depth.numel():
        nearest, farthest = torch.aminmax(depth)
        span = (farthest - nearest).clamp_min(torch.finfo(depth.dtype).tiny)
        depth = (depth - nearest) / span
    grey = (255 - (255 - FARTHEST) * depth).round()
    return _on_black(grey[:, None].expand(-1, 3), raster.coverage)


def _reflect(x: Tensor, y: Tensor, z: Tensor, light: tuple[float, float, float]) -> Tensor:
    """Return what unit normals (x, y, z) in OpenGL's frame reflect of one light to the viewer.

    The viewer is far away: in direction (0, 0, 1) from every point.
    """
    lx, ly, lz = light
    half_length = math.sqrt(2 + 2 * lz)  # of light + viewer
    v_h = (1 + lz) / half_length
    n_l = (lx * x + ly * y + lz * z).clamp(0.001, 1)
    n_v = z.abs().clamp(0.001, 1)
    n_h = ((lx * x + ly * y + (lz + 1) * z) / half_length).clamp(0, 1)

    f0 = 0.04 * (1 - METALLIC) + METALLIC  # 0.232
    fresnel = f0 + (1 - f0) * (1 - v_h) ** 5
    k = (ROUGHNESS + 1) ** 2 / 8
    shadowing = n_v / (n_v * (1 - k) + k) * n_l / (n_l * (1 - k) + k)
    a2 = ROUGHNESS**4
    facets = a2 / (math.pi * (n_h * n_h * (a2 - 1) + 1) ** 2)
    diffuse = (1 - fresnel) * (1 - 0.04) * (1 - METALLIC) / math.pi
    return n_l * (diffuse + fresnel * shadowing * facets / (4 * n_l * n_v + 0.001))


def _on_black(colour: Tensor, coverage: Tensor) -> Tensor:
    """Spread (pixels, 3) values 0..255 over the covered pixels of a black picture."""
    picture = torch.zeros((*coverage.shape, 3), dtype=torch.uint8, device=colour.device)
    picture[coverage] = colour.to(torch.uint8)
    return picture
