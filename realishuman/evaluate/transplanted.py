"""The transplant as a method of a report: it is measured, and not yet offered to anybody.

With the mesh of a good hand it repairs sharply; with a wrong one it does harm, and on photographs
today's meshes are too often wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from realishuman.evaluate.pairs import PipelineRepair, Repair, in_picture
from realishuman.paint.transplant import transplant
from realishuman.pipeline.look import prepare_parts
from realishuman.synthetic.sample import SyntheticSample

NAME = "transplanted"
NOTHING = "no mesh shows in the picture"


@dataclass(frozen=True)
class TransplantRepair:
    """The picture's own skin on the mesh, as a Method's repair; no judge is asked.

    like   whose meshes and m_d are taken.
    whole  repaint all five fingers, not only those that are found wrong.
    """

    like: PipelineRepair
    whole: bool = True

    def __call__(self, pairs: Sequence[SyntheticSample]) -> list[Repair]:
        """Repair the malformed pictures."""
        return [self._repair(pair) for pair in pairs]

    def _repair(self, pair: SyntheticSample) -> Repair:
        found, settings, models = self.like.found(pair), self.like.settings, self.like.models
        picture, allowed, refined = pair.malformed, np.zeros_like(pair.mask), False
        for one in prepare_parts(picture, found, found.chosen, settings, models):
            m_d = in_picture(one.masks.m_d, one.crop, allowed.shape)
            done = transplant(picture, one.mesh, m_d, whole=self.whole)
            if done is not None:
                picture, refined = done.onto(picture), True
                allowed |= done.allowed_in(allowed.shape)
        return Repair(
            picture,
            None,
            allowed,
            refined,
            "" if refined else NOTHING,
            None,
            (found.parts[0].part, found.parts[0].mesh) if found.parts else None,
        )
