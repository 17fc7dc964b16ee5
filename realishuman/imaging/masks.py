"""The masks of stage two, and the picture with the ring cut out (paper eq. 4, 5 and 7).

m is the part as its mesh covers it, m_d dilated, m_e eroded, m_f = m_d - m_e the ring that is
repainted, I_f the crop with the repaired part inside m_e and mid grey in the ring.

Kernels are square and counted in pixels of a 512 crop; in a crop of another size they scale with
it. OpenCV's even kernels are lopsided, and kept so: 100 grows a pixel by 49 to the left and up and
by 50 to the right and down; an eroding kernel of 18 takes 9 from the left and top, 8 from the
right and bottom. The crop's border does not erode.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realishuman.imaging.crop import RELEASED_SIZE
from realishuman.kinds import MaskRule

Mask = NDArray[np.bool_]
CORE_FADE = 0.012  # of the crop's side


@dataclass(frozen=True)
class Masks:
    """The masks of one crop, (size, size) bool each; m_f is m_d without m_e."""

    m: Mask
    m_d: Mask
    m_e: Mask
    m_f: Mask


def mesh_mask(pose: Tensor, threshold: float) -> Mask:
    """Return m: where any channel of the pose image reaches the threshold.

    pose     (3, H, W) float32 in [0, 1].
    Returns  (H, W) bool.
    """
    mask: Mask = (pose >= threshold).any(dim=0).cpu().numpy()
    return mask


def make_masks(
    m: Mask,
    rule: MaskRule,
    dilate: int | None = None,
    erode: int | None = None,
    *,
    also: Mask | None = None,
    kernels_at: int = RELEASED_SIZE,
) -> Masks:
    """Dilate and erode m.

    m           (size, size) bool, True on the part.
    dilate      kernel that makes m_d, in place of the rule's; 0 leaves m as it is.
    erode       kernel that makes m_e, in place of the rule's; 0 leaves m as it is.
    also        (size, size) bool, what m_d covers besides m, dilated alike; the ring repaints it.
    kernels_at  size of the crop in whose pixels dilate, erode and rule.dilate count. The rule's
                own erosion follows the part's size in this crop and needs no such unit.
    Source      paper eq. 5; the rule's arithmetic as released.
    """
    per_kernel = m.shape[0] / kernels_at
    grown = round((rule.dilate if dilate is None else dilate) * per_kernel)
    if erode is None and rule.erode_of == "kernel":
        erode = round(rule.erode)
    shrunk = erosion_size(m, rule) if erode is None else round(erode * per_kernel)
    m_d = _morph(m if also is None else m | also, cv2.MORPH_DILATE, grown)
    m_e = _morph(m, cv2.MORPH_ERODE, shrunk)
    return Masks(m=m, m_d=m_d, m_e=m_e, m_f=m_d & ~m_e)


def erosion_size(m: Mask, rule: MaskRule) -> int:
    """Return the side of the kernel that makes m_e by the part's size, in pixels; 0 is none.

    Measured on the outer contour whose bounding box is largest.
    """
    contours, _ = cv2.findContours(m.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    boxes = [cv2.boundingRect(contour) for contour in contours]
    largest = max(range(len(boxes)), key=lambda i: boxes[i][2] * boxes[i][3], default=None)
    if rule.erode_of == "perimeter":
        length = 0.0 if largest is None else cv2.arcLength(contours[largest], closed=True)
        return int(rule.erode * length)
    side = 0 if largest is None else max(boxes[largest][2:])
    # A kernel of size 0, from parts of up to 16 px, makes the released code erode by OpenCV's
    # default of 3 x 3.
    return int(rule.erode * side) or 3


def masked_image(image: Tensor, repaired: Tensor, m_d: Tensor, m_e: Tensor) -> Tensor:
    """Return I_f: the picture outside m_d, the repaired part in m_e, mid grey in the ring.

    image     (..., 3, size, size) float32 in [0, 1], the crop of the picture.
    repaired  likewise, r_part: what stage one made.
    m_d, m_e  (..., 1, size, size) bool.
    Returns   (..., 3, size, size) float32 in [-1, 1]; the ring is 0.
    Source    paper eq. 7.
    """
    filled = torch.where(m_e, repaired, image) * 2 - 1
    return torch.where(m_d & ~m_e, torch.zeros_like(filled), filled)


def with_core(refined: Tensor, repaired: Tensor, m_e: Tensor) -> Tensor:
    """Return what stage two painted with stage one's part in m_e, faded in over a few pixels.

    refined, repaired  (P, 3, size, size) float32.
    m_e                (P, 1, size, size) bool; the crop's border counts as inside.
    """
    width = CORE_FADE * m_e.shape[-1]
    padded = np.pad(m_e[:, 0].cpu().numpy().astype(np.uint8), ((0, 0), (1, 1), (1, 1)), "edge")
    away = [cv2.distanceTransform(one, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for one in padded]
    weight = torch.from_numpy(np.stack(away))[:, None, 1:-1, 1:-1].div(width).clamp(max=1)
    return torch.lerp(refined, repaired, weight.to(refined))


def latent_mask(mask: Tensor, factor: int) -> Tensor:
    """Bring a mask (..., size, size) to the latents' size: every factor-th pixel from 0.

    Source  the released code's nearest-neighbour reduction.
    """
    return mask[..., ::factor, ::factor]


def _morph(mask: Mask, operation: int, side: int) -> Mask:
    if side < 1:
        return mask.copy()
    kernel = np.ones((side, side), np.uint8)
    morphed: Mask = cv2.morphologyEx(mask.astype(np.uint8), operation, kernel).astype(bool)
    return morphed
