"""What each network is shown of a crop and what it should return, as tensors; also in variants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realishuman.imaging.masks import masked_image
from realishuman.train.crops import Pixels, TrainingCrop, mirror, recolour

AUTOENCODED = ("clean", "malformed", "part", "reference", "i_f")


def view(crop: TrainingCrop, index: int, variant: int) -> TrainingCrop:
    """A variant of a crop: odd ones are mirrored, from 2 on recoloured."""
    if variant % 2:
        crop = mirror(crop)
    if variant >= 2:
        crop = recolour(crop, np.random.default_rng((index, variant)))
    return crop


def tensor(image: NDArray[Any]) -> Tensor:
    """(H, W, 3) uint8 to (3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float() / 255


def part(crop: TrainingCrop) -> Tensor:
    """What stage one should paint, (3, R, R) in [0, 1]: the part alone, black around it.

    A mesh that was estimated also covers what is no part; all it covers goes into the picture, so
    that is painted as it should look, too.
    """
    return tensor(crop.clean * (crop.shown | crop.m)[..., None])


def reference(crop: TrainingCrop) -> Tensor:
    """What stage one is shown: the part as it came, black outside m; (3, R, R) in [0, 1]."""
    return tensor(crop.malformed * crop.m[..., None])


def make_target(crop: TrainingCrop) -> Tensor:
    """What stage two should return: as it should be inside m_d, as it came outside."""
    return tensor(np.where(crop.m_d[..., None], crop.clean, crop.malformed))


def i_f(crop: TrainingCrop, rng: np.random.Generator, *, exact: bool = False) -> Tensor:
    """What stage two is shown, (3, R, R) in [-1, 1].

    Inside m_e lies what stage one would have painted: the clean part, mostly with a slight change
    of colour, or softened, as nothing it paints is perfect.

    exact  the clean part as it is, in every sample, as in equation 4 of the paper.
    """
    core = crop.clean.astype(np.float32)
    kind = 0 if exact else rng.integers(3)
    if kind == 1:
        core = core * rng.uniform(0.92, 1.08, 3).astype(np.float32) + np.float32(rng.uniform(-6, 6))
    elif kind == 2:
        core = cv2.GaussianBlur(core, (0, 0), float(rng.uniform(0.5, 1.2)))
    m_d, m_e = (torch.from_numpy(m.copy())[None] for m in (crop.m_d, crop.m_e))
    return masked_image(
        tensor(crop.malformed), tensor(np.clip(core, 0, 255).astype(np.uint8)), m_d, m_e
    )


def draw_autoencoded(crop: TrainingCrop, sort: str, rng: np.random.Generator) -> Tensor:
    """One of AUTOENCODED, (3, R, R) in [-1, 1]."""
    if sort == "i_f":
        return i_f(crop, rng)
    if sort in ("clean", "malformed"):
        return tensor(getattr(crop, sort)) * 2 - 1
    return (part(crop) if sort == "part" else reference(crop)) * 2 - 1


def grid(rows: Sequence[Sequence[Tensor]]) -> Pixels:
    """Pictures (3, R, R) in [0, 1], row by row, as one (H, W, 3) uint8."""
    lines = [torch.cat(list(row), dim=2) for row in rows]
    image = (torch.cat(lines, dim=1).clamp(0, 1) * 255).round().byte()
    result: Pixels = image.permute(1, 2, 0).cpu().numpy()
    return result
