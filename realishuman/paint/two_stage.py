"""The paper's painter: two stages with the weights of a pack.

Stage one paints a good part in the bad one's place, stage two the ring between it and the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realishuman.diffusion import stage_one, stage_two
from realishuman.diffusion.networks import Backbone
from realishuman.diffusion.noise import PartNoise
from realishuman.diffusion.sampling import Sampling
from realishuman.imaging.colour import match_parts
from realishuman.imaging.crop import resize_released
from realishuman.imaging.masks import with_core
from realishuman.imaging.paste import Patch
from realishuman.packs.header import PackHeader
from realishuman.packs.own_numbers import own_numbers
from realishuman.paint.base import Painted, show
from realishuman.parts.prepare import PreparedPart
from realishuman.progress import Clock, Progress
from realishuman.settings import PACK, Settings

NOT_NUMBERS = (
    "the networks returned values that are not numbers; try float32 precision: --precision "
    "float32, or start the WebUI with --no-half"
)


@dataclass(frozen=True)
class TwoStage:
    """Both stages as a Painter.

    header    of the pack.
    backbone  gives out its networks.
    """

    header: PackHeader
    backbone: Backbone

    @property
    def engine(self) -> str:
        """The value of the setting `engine`."""
        return PACK

    @property
    def weights(self) -> str:
        """What the pack says of itself."""
        return self.header.weights

    @property
    def unets(self) -> str:
        """The backbone's."""
        return self.backbone.unets

    @property
    def note(self) -> str:
        """The backbone's."""
        return self.backbone.note

    def paint(
        self, parts: Sequence[PreparedPart], settings: Settings, progress: Progress, clock: Clock
    ) -> list[list[Painted]]:
        """As Painter.paint; every try of a part is a part of its own to the networks."""
        tries = settings.tries if self.weights != "random" else 1  # those only try the wiring
        seeds = [settings.seed + number for number in range(tries)] * len(parts)
        tried = [one for one in parts for _ in range(tries)]
        crops = _Crops.of(tried)
        sampling = choose_sampling(settings, self.header)

        with clock.timed("stage one"):
            noise = PartNoise(seeds, crops.numbers, "stage one")
            inputs = crops.for_stage_one(self.header.image_encoder.side)
            repaired, good_one = stage_one.run(self.backbone, inputs, sampling, noise, progress)
        if settings.ways.colour_match:
            repaired = match_parts(repaired, crops.image, crops.m_e)
        show(repaired, progress)
        with clock.timed("stage two"):
            noise = PartNoise(seeds, crops.numbers, "stage two")
            ring = stage_two.inputs(crops.image, repaired, crops.m_d, crops.m_e)
            refined, good_two = stage_two.run(self.backbone, ring, sampling, noise, progress)
        if self.header.keep_core:
            refined = with_core(refined, repaired, crops.m_e)
        show(refined, progress)

        painted = [
            Painted(
                _patch(one, two, one.masks.m_e if self.header.keep_core else None),
                seed=seed,
                fault="" if good else NOT_NUMBERS,
                steps={"4-stage-one": part, "5-stage-two": two},
            )
            for one, seed, part, two, good in zip(
                tried, seeds, repaired, refined, (good_one & good_two).tolist(), strict=True
            )
        ]
        return [painted[row : row + tries] for row in range(0, len(painted), tries)]


@dataclass(frozen=True)
class _Crops:
    """What the stages read of N parts: image and pose (N, 3, R, R), masks (N, 1, R, R) bool.

    references  as PreparedPart has them, of any size; empty if they are cut out of the image.
    """

    numbers: list[int]
    image: Tensor
    pose: Tensor
    m: Tensor
    m_d: Tensor
    m_e: Tensor
    references: Sequence[Tensor] = ()

    @classmethod
    def of(cls, parts: Sequence[PreparedPart]) -> _Crops:
        return cls(
            [one.number for one in parts],
            torch.stack([one.image for one in parts]),
            torch.stack([one.pose for one in parts]),
            _stack([one.masks.m for one in parts]),
            _stack([one.masks.m_d for one in parts]),
            _stack([one.masks.m_e for one in parts]),
            [one.reference for one in parts if one.reference is not None],
        )

    def for_stage_one(self, encoder_side: int) -> stage_one.StageOneInputs:
        """A reference of the picture's size is resized once to each size it is wanted in."""
        if not self.references:
            return stage_one.inputs(self.image, self.pose, self.m)
        reference, shown = (
            torch.stack([resize_released(one, side) for one in self.references])
            for side in (self.image.shape[-1], encoder_side)
        )
        return stage_one.StageOneInputs(reference, self.pose, shown)


def _patch(one: PreparedPart, image: Tensor, matched: NDArray[np.bool_] | None) -> Patch:
    """The crop (3, R, R) as it is to be pasted inside m_d."""
    return Patch(
        one.number,
        image.cpu(),
        one.crop,
        one.masks.m_d,
        one.masks.m,
        matched,
        one.covered,
        one.fades,
        one.numbers[1:],
    )


def _stack(masks: Sequence[NDArray[np.bool_]]) -> Tensor:
    return torch.from_numpy(np.stack(masks))[:, None]


def choose_sampling(settings: Settings, header: PackHeader) -> Sampling:
    """What the user says counts, then a preset the user names, the pack, the pack's preset."""
    own = own_numbers(header.kind, settings.preset, header)
    return Sampling(
        steps=settings.steps or own.steps,
        guidance=own.guidance if settings.guidance is None else settings.guidance,
        reference_every=settings.reference_every,
        guidance_share=settings.guidance_share,
        max_batch=settings.max_batch,
    )
