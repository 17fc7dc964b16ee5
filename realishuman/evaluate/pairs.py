"""What is evaluated: ways to repair a synthetic hand, from doing nothing to the whole pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from realishuman.detect.base import GivenBox, Part, Picture
from realishuman.diffusion.networks import Backbone
from realishuman.imaging.boxes import around
from realishuman.imaging.crop import restore_mask
from realishuman.imaging.paste import paste
from realishuman.mesh.base import Mesh
from realishuman.models import Models
from realishuman.pipeline import find, reconstruct, refine
from realishuman.prepare import PreparedPart, prepare
from realishuman.settings import Settings
from realishuman.train.synthetic.sample import SyntheticSample

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
    """

    image: Pixels
    stage_one: Pixels | None
    allowed: Mask
    refined: bool
    reason: str = ""


@dataclass(frozen=True)
class Method:
    """A way to repair, under the name it has in tables; `pose` is "" where none is used."""

    name: str
    pose: str
    repair: Callable[[SyntheticSample], Repair]


def do_nothing(pair: SyntheticSample) -> Repair:
    """The malformed picture as it is: what every repair must beat."""
    nowhere = np.zeros_like(pair.mask)
    return Repair(pair.malformed, None, nowhere, False, "nothing was done")


def perfect(pair: SyntheticSample) -> Repair:
    """The clean picture: what no repair can beat."""
    return Repair(pair.clean, None, pair.changed, False, "it is the truth")


BASELINES = (Method("malformed input", "", do_nothing), Method("clean picture", "", perfect))


class KnownParts(Models):
    """Models that find exactly the given parts and give them the given meshes.

    Backbones and packs are the base's.
    """

    def __init__(self, base: Models, parts: Sequence[Part], meshes: Sequence[Mesh]) -> None:
        self._known = _Known(parts, meshes)
        super().__init__(detector=self._known)
        self.packs = base.packs
        self._base = base

    def backbone(self, kind: str) -> Backbone:
        """The base's networks."""
        return self._base.backbone(kind)

    def regressor(self, kind: str) -> _Known:
        """Gives back the meshes the parts came with."""
        return self._known


class _Known:
    """A detector and a mesh regressor that answer with what they were given."""

    provider = "given"
    note = ""

    def __init__(self, parts: Sequence[Part], meshes: Sequence[Mesh]) -> None:
        self._pairs = list(zip(parts, meshes, strict=True))

    def detect(
        self,
        picture: Picture,
        kinds: Sequence[str],
        *,
        confidence: float,
        given: Sequence[GivenBox] = (),
    ) -> list[Part]:
        """Return the given parts of these kinds."""
        return [part for part, _ in self._pairs if part.kind in kinds]

    def regress(self, picture: Picture, parts: Sequence[Part]) -> list[Mesh]:
        """Return the mesh of each given part."""
        return [next(mesh for own, mesh in self._pairs if own is part) for part in parts]


@dataclass(frozen=True)
class PipelineRepair:
    """The whole pipeline on one pair, as a Method's repair.

    settings      for hands only.
    pose          "true": the clean hand's own mesh; "estimated": what detector and regressor make
                  of the malformed picture, as in use.
    direct_paste  leave stage two out: stage one's part is pasted where the mesh covers it.
    """

    models: Models
    settings: Settings
    pose: str
    direct_paste: bool = False

    def __call__(self, pair: SyntheticSample) -> Repair:
        """Refine the malformed picture."""
        parts, meshes = self._parts(pair)
        known = KnownParts(self.models, parts, meshes)
        result = refine(pair.malformed, known, self.settings, keep_steps=True)
        refined = [part.index for part in result.parts if part.outcome == "refined"]
        stage_one = pair.malformed
        allowed = np.zeros_like(pair.mask)
        for one in self._prepared(pair, parts, meshes, refined):
            painted = result.steps[f"{one.index}-{HAND}/4-stage-one"]
            stage_one = _pasted(stage_one, painted, one)
            allowed |= _in_picture(one.masks.m if self.direct_paste else one.masks.m_d, one, pair)
        image = stage_one if self.direct_paste else result.image
        reasons = "; ".join(part.reason for part in result.parts if part.reason)
        return Repair(
            image,
            stage_one if refined else None,
            allowed,
            bool(refined),
            "" if refined else reasons or result.message,
        )

    def _parts(self, pair: SyntheticSample) -> tuple[list[Part], list[Mesh]]:
        if self.pose == "true":
            box = around(pair.joints)
            return [Part(HAND, pair.part, box, CERTAIN, pair.joints, None)], [pair.mesh]
        found = [part for part, _ in find(pair.malformed, self.models, self.settings)]
        return found, reconstruct(pair.malformed, found, self.models)

    def _prepared(
        self,
        pair: SyntheticSample,
        parts: Sequence[Part],
        meshes: Sequence[Mesh],
        chosen: Sequence[int],
    ) -> list[PreparedPart]:
        """The masks that the pipeline used, made again by the same code."""
        header, preset = self.models.packs[HAND].header, self.settings.preset
        return prepare(
            pair.malformed,
            parts,
            meshes,
            chosen,
            self.settings,
            preset=preset or header.preset,
            pose=header.pose,
            resolution=header.resolution,
            margin=None if preset else header.margin,
        )


def _pasted(picture: Pixels, painted: Pixels, one: PreparedPart) -> Pixels:
    """Stage one's crop where m covers it, hard-edged and in its own colours."""
    image = torch.from_numpy(painted).permute(2, 0, 1).float() / 255
    m = one.masks.m
    return paste(picture, image, one.crop, m, m, colour_match=False)


def _in_picture(mask: Mask, one: PreparedPart, pair: SyntheticSample) -> Mask:
    """A crop's mask (R, R) at the pixels of the picture."""
    x0, y0, x1, y1 = one.crop.pixels()
    height, width = pair.mask.shape
    left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    whole = np.zeros((height, width), bool)
    if left < right and top < bottom:
        seen = restore_mask(mask, one.crop)[top - y0 : bottom - y0, left - x0 : right - x0]
        whole[top:bottom, left:right] = seen
    return whole
