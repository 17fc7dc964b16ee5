"""HandRefiner, the other way to repaint a hand by its mesh, as a Painter to compare with.

It wants Stable Diffusion 1.5 inpainting and a depth ControlNet, best its own. Where it repaints a
whole picture of 512 pixels, the crop is that picture here; what it paints outside the box around
the hand is not pasted. It knows no reference attention, no second stage and no other start.

Source  Lu et al. 2024, and github.com/wenquanlu/HandRefiner: constants, mask and prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realishuman.diffusion.hand_refiner import refine_hands
from realishuman.diffusion.noise import PartNoise
from realishuman.diffusion.prompted import Checkpoint, CheckpointNetworks, Prompt
from realishuman.diffusion.repainting import Place
from realishuman.imaging.paste import Patch
from realishuman.paint.base import Painted, show
from realishuman.paint.words import NOT_NUMBERS, embed_all
from realishuman.parts.draw import coverage
from realishuman.parts.found import FoundPart
from realishuman.parts.origin import PICTURE, fill
from realishuman.parts.prepare import PreparedPart
from realishuman.progress import Clock, Progress
from realishuman.settings import CHECKPOINT, HANDREFINER, Settings

STEPS, GUIDANCE = 50, 9.0  # where the user does not say
SHARE, PADDING, SIDE = 0.15, 30, 512  # around a hand's box: of its side, or pixels of a 512 picture
NEGATIVE = (
    "fake 3D rendered image, longbody, lowres, bad anatomy, bad hands, missing fingers, extra "
    "digit, fewer digits, cropped, worst quality, low quality, blue"
)
UNABLE = (
    "HandRefiner needs an inpainting checkpoint of Stable Diffusion 1.5 and a depth ControlNet: "
    "name them on the command line with --checkpoint and --controlnet."
)


@dataclass(frozen=True)
class HandRefiner:
    """HandRefiner as a Painter, for hands."""

    checkpoint: Checkpoint
    engine: str = HANDREFINER
    weights: str = CHECKPOINT
    note: str = ""

    @property
    def unets(self) -> str:
        """The checkpoint's name."""
        return self.checkpoint.name

    def paint(
        self, parts: Sequence[PreparedPart], settings: Settings, progress: Progress, clock: Clock
    ) -> list[list[Painted]]:
        """As Painter.paint; every try of a part is a part of its own to the networks."""
        steps = settings.steps or STEPS
        tried = [(one, settings.seed + n) for one in parts for n in range(settings.tries)]
        with self.checkpoint.networks() as networks, torch.no_grad(), clock.timed("HandRefiner"):
            if not (networks.inpainting and networks.controlled and self.checkpoint.side <= SIDE):
                return [[Painted(None, fault=UNABLE)] for _ in parts]
            progress.begin("HandRefiner", steps * -(-len(tried) // settings.max_batch))
            masks = [hand_mask(one) for one, _ in tried]
            place = Place(
                torch.stack([one.image for one, _ in tried]),
                torch.from_numpy(np.stack(masks))[:, None],
                torch.stack([one.depth for one, _ in tried]),
            )
            numbers = [one.number for one, _ in tried]
            images, good = refine_hands(
                networks,
                place,
                _words(networks, [one for one, _ in tried], settings),
                steps,
                settings.guidance or GUIDANCE,
                settings.max_batch,
                PartNoise([seed for _, seed in tried], numbers, "HandRefiner"),
                progress,
            )
        show(images, progress)
        painted = [
            Painted(
                _patch(one, image, mask),
                seed=seed,
                fault="" if sound else NOT_NUMBERS,
                steps={"4-stage-one": image},
            )
            for (one, seed), image, mask, sound in zip(
                tried, images, masks, good.tolist(), strict=True
            )
        ]
        return [painted[row : row + settings.tries] for row in range(0, len(tried), settings.tries)]


def hand_mask(one: PreparedPart) -> NDArray[np.bool_]:
    """What HandRefiner repaints, (R, R): padded boxes around hands, without other parts."""
    mask = np.zeros_like(one.masks.m)
    for found in (one.found, *one.joined):
        box = _box(found, one)
        if box is not None:
            mask[box] = True
    return mask & ~((one.others & ~one.masks.m) | one.front)


def _box(found: FoundPart, one: PreparedPart) -> tuple[slice, slice] | None:
    """Rows and columns around a hand's mesh and keypoints; None where its mesh is not seen."""
    covered, size = coverage([found.mesh], one.crop), one.crop.size
    if not covered.any():
        return None
    across, along = one.crop.to_crop(found.part.keypoints)[:, :2].astype(int).T
    least = round(PADDING * size / SIDE)
    return (
        _padded(np.flatnonzero(covered.any(axis=1)), along, least, size),
        _padded(np.flatnonzero(covered.any(axis=0)), across, least, size),
    )


def _padded(covered: NDArray[np.intp], points: NDArray[np.intp], least: int, size: int) -> slice:
    """From the first to the last of these, with padding, in a crop of this size."""
    first, last = int(min(covered[0], points.min())), int(max(covered[-1], points.max()))
    pad = max(int((last - first + 1) * SHARE), least)
    return slice(max(first - pad, 0), min(last + pad, size - 1) + 1)


def _words(
    networks: CheckpointNetworks, parts: Sequence[PreparedPart], settings: Settings
) -> Prompt:
    """HandRefiner's own negative prompt, and the picture's prompt, where the user says nothing."""
    usual = Settings()
    told = settings.prompt if settings.prompt != usual.prompt else PICTURE
    avoid = settings.negative_prompt
    avoid = avoid if avoid != usual.negative_prompt else NEGATIVE
    return embed_all(
        networks,
        [fill(avoid, one.origin.negative, one.part.kind) for one in parts],
        [fill(told, one.origin.prompt, one.part.kind) for one in parts],
    )


def _patch(one: PreparedPart, image: Tensor, mask: NDArray[np.bool_]) -> Patch:
    """The crop (3, R, R) as it is to be pasted: all of the mask, in its own colours."""
    return Patch(
        one.number,
        image.cpu(),
        one.crop,
        mask,
        mask,
        np.ones_like(mask),
        one.covered,
        one.fades,
        one.numbers[1:],
    )
