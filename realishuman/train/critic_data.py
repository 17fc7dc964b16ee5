"""From crops on disk to what the judge learns from; sample number n is always the same.

Both pictures of a pair get the same changes, so that nothing but the defect tells them apart: soft
or blotchy hands, as networks paint them, are malformed no more often than sharp ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realishuman.synthetic.sample import first_kind
from realishuman.train.config import Critic
from realishuman.train.critic import FINGERS, IGNORED, CriticBatch
from realishuman.train.crops import Pixels, TrainingCrop, mirror
from realishuman.train.data import Order
from realishuman.train.estimated import Estimated, Shown
from realishuman.train.shards import Crops

Floats = NDArray[np.float32]
COUNTS = {"extra finger": 6, "missing finger": 4, "fused fingers": 4, "rippled": 0, "melted": 0}
CHANGED = 10  # levels of 255 from which on two crops differ
SOFTENED, FAINT, AS_ESTIMATED = 0.65, 0.1, 0.6  # shares of the samples
TURN, SCALE, SHIFT = 12.0, 0.08, 0.05  # degrees, factor, sides: at most


class CriticData:
    """Batches of pairs of crops [first, first + count)."""

    def __init__(self, crops: Crops, critic: Critic, estimated: Estimated) -> None:
        self._crops, self._critic, self._estimated = crops, critic, estimated
        self._order = Order(critic.count, 2, critic.stage.seed)

    def batch(self, numbers: Sequence[int]) -> CriticBatch:
        """Samples of these numbers."""
        rows = [self._row(number) for number in numbers]
        columns = [torch.stack(column) for column in zip(*rows, strict=True)]
        return CriticBatch(*columns)

    def _row(self, number: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        place, variant, generator = self._order.draw(number)
        index = self._critic.first + place
        rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        crop = self._crops[index]
        shown = (Shown(crop.pose, crop.m),) * 2
        found = self._estimated.get(index)
        if found is not None and rng.random() < AS_ESTIMATED:
            shown = found
        fingers = _fingers(index) if index < self._crops.rendered else IGNORED
        return (*vary(crop, shown, bool(variant), rng), torch.tensor(fingers))


def vary(
    crop: TrainingCrop, shown: tuple[Shown, Shown], flip: bool, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Clean and malformed as the network is shown them, and where they differ; see CriticBatch."""
    first, second = (replace(crop, pose=one.pose, m=one.m) for one in shown)
    if flip:
        first, second = mirror(first), mirror(second)
    clean, malformed = first.clean, second.malformed
    if rng.random() < FAINT:  # a defect that is only half repaired is one
        clean, malformed = (
            clean,
            cv2.addWeighted(
                np.ascontiguousarray(clean), 0.4, np.ascontiguousarray(malformed), 0.6, 0
            ),
        )
    changed = np.abs(clean.astype(np.int16) - malformed).max(axis=2) >= CHANGED
    seed = int(rng.integers(2**62))
    clean, malformed = (
        soften(picture, first.m_d, np.random.default_rng(seed)) for picture in (clean, malformed)
    )
    return _move(first, second, clean, malformed, changed, rng)


def soften(picture: Pixels, m_d: NDArray[np.bool_], rng: np.random.Generator) -> Pixels:
    """A crop as a network might have painted it: less sharp, blotchy, grainy, or as it is.

    Mostly inside m_d alone, as a repair changes no more.
    """
    image = np.ascontiguousarray(picture)
    if rng.random() >= SOFTENED:
        return image
    side = len(image)
    soft = image.astype(np.float32)
    if rng.random() < 0.5:
        small = max(int(side * rng.uniform(0.4, 0.95)), 8)
        soft = cv2.resize(soft, (small, small), interpolation=cv2.INTER_AREA)
        soft = cv2.resize(soft, (side, side), interpolation=cv2.INTER_CUBIC)
    else:
        soft = cv2.GaussianBlur(soft, (0, 0), float(rng.uniform(0.3, 1.5)) * side / 128)
    coarse = rng.normal(0, rng.uniform(0, 7), (max(side // 8, 1), max(side // 8, 1), 3))
    soft += cv2.resize(coarse.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    soft += rng.normal(0, rng.uniform(0, 4), soft.shape).astype(np.float32)
    soft = soft * rng.uniform(0.95, 1.05, 3).astype(np.float32)
    if rng.random() < 0.8:
        share = cv2.blur(m_d.astype(np.float32), (5, 5))[..., None]
        soft = share * soft + (1 - share) * image
    return np.asarray(np.clip(soft, 0, 255).round(), np.uint8)


def _move(
    first: TrainingCrop,
    second: TrainingCrop,
    clean: Pixels,
    malformed: Pixels,
    changed: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Turn, scale, shift and recolour everything alike; to tensors."""
    side = len(clean)
    matrix = cv2.getRotationMatrix2D(
        (side / 2, side / 2),
        float(rng.uniform(-TURN, TURN)),
        float(rng.uniform(1 - SCALE, 1 + SCALE)),
    )
    matrix[:, 2] += rng.uniform(-SHIFT, SHIFT, 2) * side
    gain = (rng.uniform(0.75, 1.2) * rng.uniform(0.93, 1.07, 3)).astype(np.float32)
    lift = np.float32(rng.uniform(-12, 12))

    def warp(image: NDArray[np.uint8], border: int) -> Floats:
        moved = cv2.warpAffine(np.ascontiguousarray(image), matrix, (side, side), borderMode=border)
        return np.asarray(moved, np.float32)

    inputs = []
    for crop, picture in ((first, clean), (second, malformed)):
        image = np.clip(warp(picture, cv2.BORDER_REFLECT_101) * gain + lift, 0, 255)
        pose = warp(crop.pose, cv2.BORDER_CONSTANT)
        m = warp(crop.m.astype(np.uint8) * 255, cv2.BORDER_CONSTANT)
        inputs.append(stack(image, pose, m))
    where = warp(changed.astype(np.uint8) * 255, cv2.BORDER_CONSTANT) / 255
    return inputs[0], inputs[1], torch.from_numpy(where)[None]


def stack(image: Floats, pose: Floats, m: Floats) -> Tensor:
    """(R, R, 3), (R, R, 3) and (R, R), all 0..255, as the network's (7, R, R) input."""
    both = np.concatenate([image / 127.5 - 1, pose / 255, m[..., None] / 255], axis=2)
    return torch.from_numpy(np.ascontiguousarray(both.transpose(2, 0, 1), np.float32))


def _fingers(index: int) -> int:
    count = COUNTS.get(first_kind(index), 5)
    return FINGERS.index(count) if count in FINGERS else IGNORED
