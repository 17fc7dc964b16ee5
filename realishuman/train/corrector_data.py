"""Batches of hands for the landmark corrector, turned, recoloured and blurred at random."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realishuman.mesh.hand_corrector import MARGIN, SIDE, encode_crop, encode_landmarks
from realishuman.train.config import Corrector
from realishuman.train.corrector_hands import STORED, STORED_MARGIN, Hands
from realishuman.train.corrector_net import CorrectorBatch
from realishuman.train.crops import Pixels
from realishuman.train.data import Order

Floats = NDArray[np.float64]
TURN, SCALE, SHIFT = 15.0, 0.12, 0.05  # degrees, factor, sides: at most
BLURRED, GRAINY = 0.3, 0.3  # shares of the samples
UNSURE = 0.004  # of the landmarks that are shown, standard deviation in sides of the crop


class CorrectorData:
    """Batches of hands."""

    def __init__(self, hands: Hands, corrector: Corrector) -> None:
        self._hands = hands
        self._order = Order(len(hands.crops), 1, corrector.stage.seed)

    def batch(self, numbers: Sequence[int]) -> CorrectorBatch:
        """Samples of these numbers."""
        rows = []
        for number in numbers:
            index, _, generator = self._order.draw(number)
            rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
            rows.append(vary(self._hands, index, rng))
        return stack(rows)


def stack(rows: Sequence[tuple[Tensor, Tensor, Tensor, Tensor]]) -> CorrectorBatch:
    """Single hands as one batch."""
    return CorrectorBatch(*(torch.stack(column) for column in zip(*rows, strict=True)))


def vary(
    hands: Hands, index: int, rng: np.random.Generator | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One hand as in CorrectorBatch: crop, landmarks found, joints of the good hand, wrong fingers.

    rng  turns, scales, shifts, recolours and blurs at random; None leaves the hand as it is.
    """
    turn, scale, shift = 0.0, SIDE / STORED * STORED_MARGIN / MARGIN, np.zeros(2)
    if rng is not None:
        turn = float(np.radians(rng.uniform(-TURN, TURN)))
        scale *= float(rng.uniform(1 - SCALE, 1 + SCALE))
        shift = rng.uniform(-SHIFT, SHIFT, 2) * SIDE
    axes = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    origin = SIDE / 2 + shift - axes @ np.full(2, STORED / 2)
    found, good = (
        np.column_stack([points[:, :2] @ axes.T + origin, points[:, 2] * scale]) / SIDE
        for points in (hands.found[index], hands.good[index])
    )
    crop = _warp(hands.crops[index], axes, origin)
    if rng is not None:
        crop = _recolour(crop, rng)
        found = found + rng.normal(0, UNSURE, found.shape)
    wrong = hands.wrong[index].astype(np.float32)
    shared = (encode_crop(crop), encode_landmarks(found), encode_landmarks(good), wrong)
    return tuple(torch.from_numpy(each) for each in shared)  # type: ignore[return-value]


def _warp(crop: Pixels, axes: Floats, origin: Floats) -> Pixels:
    """The crop moved by points -> axes points + origin, where pixel centres are at +0.5."""
    at_centres = origin + axes @ np.full(2, 0.5) - 0.5
    moved: Pixels = cv2.warpAffine(
        crop, np.column_stack([axes, at_centres]), (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT_101
    )
    return moved


def _recolour(crop: Pixels, rng: np.random.Generator) -> Pixels:
    """Other light, and what cameras and networks do to sharpness."""
    gain = (rng.uniform(0.7, 1.25) * rng.uniform(0.9, 1.1, 3)).astype(np.float32)
    image = crop.astype(np.float32) * gain + np.float32(rng.uniform(-15, 15))
    if rng.random() < BLURRED:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.2)))
    if rng.random() < GRAINY:
        image += rng.normal(0, rng.uniform(0, 6), image.shape).astype(np.float32)
    return np.asarray(np.clip(image, 0, 255).round(), np.uint8)
