"""What is evaluated: ways to repair a synthetic hand, from doing nothing to the whole pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from realishuman.detect.base import Part
from realishuman.detect.parts import select
from realishuman.imaging.boxes import around
from realishuman.imaging.crop import in_picture
from realishuman.imaging.paste import Patch, PixelPatch, paste
from realishuman.mesh.base import Mesh
from realishuman.parts.found import Found, number_parts
from realishuman.pipeline.look import look
from realishuman.pipeline.models import Models
from realishuman.pipeline.painters import choose_painter
from realishuman.pipeline.refine import refine_all
from realishuman.pipeline.repaint import ChoosePainter
from realishuman.pipeline.result import Result
from realishuman.settings import Settings
from realishuman.synthetic.sample import SyntheticSample

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

FIRST_SEED = 1_000_000_000  # training takes its seeds from 0 up and never comes this far
POSES = ("true", "estimated")
HAND = "hand"
CERTAIN = 1.0  # score of a part that is known to be there


@dataclass(frozen=True)
class Repair:
    """What one method made of one malformed picture.

    image      (H, W, 3) uint8 RGB.
    stage_one  the same with stage one's part pasted as it is; None if it never ran.
    allowed    (H, W) bool, the pixels that may differ from the input; a seam could show around it.
    refined    whether a part was repainted; `reason` says why not.
    shown      the pose image where it lies in the picture, black around it; None without one.
    followed   part and mesh that were asked for; None where none was found.
    """

    image: Pixels
    stage_one: Pixels | None
    allowed: Mask
    refined: bool
    reason: str = ""
    shown: Pixels | None = None
    followed: tuple[Part, Mesh] | None = None


@dataclass(frozen=True)
class Method:
    """A way to repair, under the name it has in tables; `pose` is "" where none is used.

    repair  takes any number of pairs at a time; what comes out does not depend on how many.
    """

    name: str
    pose: str
    repair: Callable[[Sequence[SyntheticSample]], list[Repair]]


def do_nothing(pairs: Sequence[SyntheticSample]) -> list[Repair]:
    """The malformed pictures as they are: what every repair must beat."""
    return [
        Repair(pair.malformed, None, np.zeros_like(pair.mask), False, "nothing was done")
        for pair in pairs
    ]


def perfect(pairs: Sequence[SyntheticSample]) -> list[Repair]:
    """The clean pictures: what no repair can beat."""
    return [Repair(pair.clean, None, pair.changed, False, "it is the truth") for pair in pairs]


def true_part(pair: SyntheticSample) -> Part:
    """The hand as it would be found without any error."""
    return Part(HAND, pair.part, around(pair.joints), CERTAIN, pair.joints, None)


BASELINES = (Method("malformed input", "", do_nothing), Method("clean picture", "", perfect))


@dataclass(frozen=True)
class PipelineRepair:
    """The whole pipeline, as a Method's repair.

    settings      for hands only.
    pose          "true": the clean hand's own mesh; "estimated": what detector and regressor make
                  of the malformed picture, as in use.
    direct_paste  leave stage two out: stage one's part is pasted where the mesh covers it.
    choose        gives the painter.
    """

    models: Models
    settings: Settings
    pose: str
    direct_paste: bool = False
    choose: ChoosePainter = choose_painter

    def __call__(self, pairs: Sequence[SyntheticSample]) -> list[Repair]:
        """Refine the malformed pictures, all together."""
        founds = [self.found(pair) for pair in pairs]
        results = refine_all(
            [pair.malformed for pair in pairs],
            self.models,
            self.settings,
            found=founds,
            keep_steps=True,
            choose=self.choose,
            ask_detector=False,  # it measures what comes out
        )
        return [self._repair(*each) for each in zip(pairs, founds, results, strict=True)]

    def found(self, pair: SyntheticSample) -> Found:
        """The hands of the malformed picture with the meshes that are to be followed."""
        estimated = look(pair.malformed, self.models, self.settings)
        if self.pose == "estimated":
            return estimated
        chosen = select([true_part(pair)], self.settings, pair.mask.shape)
        seen = estimated.parts[0].mesh.seen if estimated.parts else None
        return number_parts(chosen, [replace(pair.mesh, seen=seen)])

    def _repair(self, pair: SyntheticSample, found: Found, result: Result) -> Repair:
        refined = bool(result.patches)
        stage_one, shown = pair.malformed, np.zeros_like(pair.malformed)
        allowed = np.zeros_like(pair.mask)
        for patch in result.patches:
            if isinstance(patch, PixelPatch):  # no stages, and no crop
                allowed |= patch.changed_in(allowed.shape)
                continue
            name, m = f"{patch.index}-{HAND}", patch.m
            # hard-edged and in its own colours
            stage_one = _paste(stage_one, result.steps[f"{name}/4-stage-one"], patch, m)
            shown = _paste(shown, result.steps[f"{name}/2-pose"], patch, np.ones_like(m))
            mask = m if self.direct_paste else patch.m_d
            allowed |= in_picture(mask, patch.crop, allowed.shape)
        reasons = "; ".join(part.reason for part in result.parts if part.reason)
        return Repair(
            stage_one if self.direct_paste else result.image,
            stage_one if refined else None,
            allowed,
            refined,
            "" if refined else reasons or result.message,
            shown if refined else None,
            (found.parts[0].part, found.parts[0].mesh) if found.parts else None,
        )


def _paste(picture: Pixels, crop: Pixels, patch: Patch, area: Mask) -> Pixels:
    """The picture with a crop of the patch's place inside `area`, bit for bit."""
    image = torch.from_numpy(crop).permute(2, 0, 1).float() / 255
    return paste(picture, image, patch.crop, area, area, colour_match=False)
