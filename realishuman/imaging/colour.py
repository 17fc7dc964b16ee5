"""Take the slight colour shift of the networks out of what they painted.

Outside m_d, and at its edge, a refined crop should show the picture's own background; inside m_e,
the part that stage one painted should have the bad part's skin. What differs there by a gain and
an offset per channel is the networks' doing, and is taken back in the whole crop. The correction
is trusted as far as it explains the difference, and never moves a value by more than LIMIT.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LIMIT = 0.1  # of the range 0..1
LEAST_PIXELS = 64
GAINS = (0.8, 1.25)
KEPT = 0.8  # share of the pixels that agree best; the rest may show other things
FITS, MISFITS = 0.03, 0.10  # median residue at which the correction holds fully, and not at all
LEAST_CONTRAST = 0.02  # standard deviation below which a gain cannot be told


def match_colour(
    refined: NDArray[np.float32], original: NDArray[np.float32], where: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return `refined` in the colours of `original`, estimated where both show the same.

    refined, original  (h, w, 3) float32 in [0, 1].
    where              (h, w) bool, pixels that should show the same; with fewer than 64 of them
                       nothing is changed.
    Returns            (h, w, 3) float32 in [0, 1]; no value differs by more than 0.1 from the
                       input's.
    """
    ours, theirs = refined[where], original[where]
    if len(ours) < LEAST_PIXELS:
        return refined
    shift = np.median(theirs - ours, axis=0)
    residue = np.abs(theirs - ours - shift).max(axis=1)
    trust = np.clip((MISFITS - np.median(residue)) / (MISFITS - FITS), 0, 1)
    agreeing = residue <= np.quantile(residue, KEPT)
    corrected = np.empty_like(refined)
    for channel in range(3):
        gain, offset = _line(ours[agreeing, channel], theirs[agreeing, channel])
        values = refined[..., channel]
        change = np.clip(trust * (gain * values + offset - values), -LIMIT, LIMIT)
        corrected[..., channel] = np.clip(values + change, 0, 1)
    return corrected


def match_parts(repaired: Tensor, image: Tensor, m_e: Tensor) -> Tensor:
    """Return what stage one painted in the colours that the bad parts have inside m_e.

    repaired, image  (P, 3, R, R) float32 in [0, 1].
    m_e              (P, 1, R, R) bool.
    """
    matched = []
    for ours, theirs, where in zip(repaired, image, m_e, strict=True):
        arrays = [each.permute(1, 2, 0).float().cpu().numpy() for each in (ours, theirs)]
        if np.isfinite(arrays[0]).all():  # else the part is given up later, with a reason
            arrays[0] = match_colour(arrays[0], arrays[1], where[0].cpu().numpy())
        matched.append(torch.from_numpy(arrays[0]).permute(2, 0, 1))
    return torch.stack(matched).to(repaired)


def _line(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> tuple[float, float]:
    """Gain and offset that give `ours` the mean of `theirs`, and its contrast as they correlate."""
    mean, wanted = float(ours.mean()), float(theirs.mean())
    spread, spread_wanted = float(ours.std()), float(theirs.std())
    gain = 1.0
    if min(spread, spread_wanted) >= LEAST_CONTRAST:
        correlation = float(((ours - mean) * (theirs - wanted)).mean()) / (spread * spread_wanted)
        gain += max(correlation, 0.0) ** 2 * (spread_wanted / spread - 1)
    gain = min(max(gain, GAINS[0]), GAINS[1])
    return gain, wanted - gain * mean
