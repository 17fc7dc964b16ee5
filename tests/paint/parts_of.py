"""Prepared faces: their repainting starts as the picture is."""

from __future__ import annotations

import numpy as np
import torch

from realishuman.detect.base import Part
from realishuman.imaging.boxes import Box
from realishuman.imaging.crop import Crop
from realishuman.imaging.masks import make_masks
from realishuman.mesh.base import Mesh
from realishuman.parts.found import FoundPart
from realishuman.parts.origin import Origin
from realishuman.parts.prepare import PreparedPart
from realishuman.presets import PRESETS

SIDE = 128  # of their crops


def slope(number):
    """A square that leans away from the viewer, the farther the lower, with the depths it shows."""
    corners = [(20, 20, 0), (90 + number, 20, 0), (90 + number, 100, 40), (20, 100, 40)]
    faces = np.array([(0, 2, 1), (0, 3, 2)], np.int32)
    vertices = np.array(corners, np.float32)
    return Mesh(vertices, faces, vertices)


def parts_of(count):
    parts = []
    for number in range(1, count + 1):
        generator = torch.Generator().manual_seed(number)
        coarse = torch.rand(1, 3, 8, 8, generator=generator)
        image = torch.nn.functional.interpolate(coarse, size=SIDE, mode="bilinear")[0]
        m = np.zeros((SIDE, SIDE), bool)
        m[30 : 90 + 4 * number, 40:80] = True
        box = Box(0, 0, SIDE, SIDE)
        part = Part("face", None, box, 1.0, np.zeros((5, 2), np.float32))
        nothing = np.zeros((SIDE, SIDE), bool)
        pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
        rule = PRESETS["paper"].masks["face"]
        parts.append(
            PreparedPart(
                FoundPart(number, part, slope(number)),
                pixels,
                Crop(box, SIDE),
                image,
                image,
                make_masks(m, rule, dilate=80, erode=20),
                rule,
                nothing,
                nothing,
                origin=Origin(f"a hand {number}", "bad hand"),
            )
        )
    return parts
