"""From found parts to what both stages work on: crop, mesh, pose image and masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from realishuman.detect.base import Part
from realishuman.imaging.crop import Crop, resize_released
from realishuman.imaging.fades import Fade
from realishuman.imaging.masks import Masks, make_masks
from realishuman.kinds import MaskRule
from realishuman.mesh.base import Mesh
from realishuman.parts.cut import Cut, cut_out
from realishuman.parts.draw import coverage, draw, draw_at_picture, draw_seen
from realishuman.parts.found import FoundPart
from realishuman.parts.layers import find_front
from realishuman.parts.origin import Origin
from realishuman.parts.strokes import touch_up
from realishuman.presets import PRESETS
from realishuman.settings import Settings

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class PreparedPart:
    """A part, seen in its own square crop of side R.

    found    which part it is.
    picture  (H, W, 3) uint8 RGB, all of the picture.
    image    (3, R, R) float32 in [0, 1], the crop.
    pose     (3, R, R) float32 in [0, 1], the render that steers stage one.
    masks    m, m_d, m_e, m_f of the crop.
    rule     what the masks follow where settings say nothing.
    others   (R, R) bool, where other parts lie in the crop.
    front    (R, R) bool, where parts lie that are before this one: they stay untouched.
    covered  how many parts are before this one.
    fades    around the parts of the crop, for pasting as released.
    joined   other parts that are repainted in this very crop, and with it.
    reference  (3, N, N) float32 in [0, 1], the part cut out of the picture at its own size, black
             around it; None: it is to be cut out of `image`, by m.
    origin   how the picture was made.
    """

    found: FoundPart
    picture: NDArray[np.uint8]
    crop: Crop
    image: Tensor
    pose: Tensor
    masks: Masks
    rule: MaskRule
    others: Mask
    front: Mask
    covered: int = 0
    fades: tuple[Fade, ...] = ()
    joined: tuple[FoundPart, ...] = ()
    reference: Tensor | None = None
    origin: Origin = field(default_factory=Origin)

    @property
    def number(self) -> int:
        """The part's number in its picture."""
        return self.found.number

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of all parts that are repainted in this crop, this one's first."""
        return tuple(one.number for one in (self.found, *self.joined))

    @property
    def part(self) -> Part:
        """The part as it was found."""
        return self.found.part

    @property
    def mesh(self) -> Mesh:
        """The mesh that is to be followed."""
        return self.found.mesh

    @property
    def depth(self) -> Tensor:
        """The depth of all meshes of the crop, (3, R, R) float32 in [0, 1], near is bright."""
        return draw((self.found, *self.joined), self.crop, self.rule, "depth")[0]


def prepare(
    picture: NDArray[np.uint8],
    parts: Sequence[FoundPart],
    chosen: Sequence[FoundPart],
    settings: Settings,
    *,
    preset: str,
    pose: str,
    resolution: int,
    margin: float | None = None,
    erode: int | None = None,
) -> list[PreparedPart]:
    """Crop, render and mask each part on its own; parts of one picture do not touch each other.

    Where two parts overlap, only the one in front may be repainted; layers.find_front says which.
    Two hands that share a released crop are rendered and masked together.

    picture     (H, W, 3) uint8 RGB.
    parts       every part of the picture, of all kinds: a ring never repaints another part, so all
                must be known.
    chosen      those of them to prepare; the result has their order.
    preset      whose mask constants hold where settings do not say otherwise.
    pose        "shaded" or "depth".
    resolution  side R of the crops in pixels.
    margin      side of the crops, in longer sides of the part, unless settings say; None takes
                the preset's.
    erode       kernel that makes m_e, in pixels of a 512 crop, unless settings say; None takes
                the preset's rule.
    """
    side = settings.margin or margin or PRESETS[preset].margin
    in_front = find_front(picture, parts) if chosen else {}
    ready = {}
    for cut in cut_out(chosen, settings.ways.crop, side):
        rule = PRESETS[preset].masks[cut.parts[0].part.kind]
        if erode is not None:
            rule = replace(rule, erode=erode, erode_of="kernel")
        numbers = {one.number for one in cut.parts}
        nearer = frozenset().union(*(in_front[number] for number in numbers)) - numbers
        others = [one for one in parts if one.number not in numbers]
        made = _prepare_cut(picture, cut, others, nearer, settings, rule, pose, resolution)
        for one in cut.parts:
            rest = tuple(other for other in cut.parts if other is not one)
            ready[one.number] = replace(made, found=one, joined=rest)
    return [ready[one.number] for one in chosen]


def _prepare_cut(
    picture: NDArray[np.uint8],
    cut: Cut,
    others: Sequence[FoundPart],
    nearer: frozenset[int],
    settings: Settings,
    rule: MaskRule,
    pose: str,
    resolution: int,
) -> PreparedPart:
    """Prepare the parts of one cut, as the first of them.

    others  the other parts of the picture; nearer are the numbers of those that lie before these.
    """
    crop, pixels = Crop(cut.box, resolution), cut.pixels(picture)
    reference = None
    if settings.ways.inputs == "picture":
        shape = picture.shape[:2]
        condition, m, reference = draw_at_picture(cut, pixels, shape, rule, pose, resolution)
    else:
        condition, m = draw(cut.parts, crop, rule, pose)
    own = settings.of(cut.parts[0].part.kind)
    masks = make_masks(m, rule, own.dilate, own.erode, also=draw_seen(cut.parts, crop))
    masks = touch_up(masks, crop, [each for one in cut.parts for each in one.strokes])
    elsewhere = coverage([one.mesh for one in others], crop)
    front = coverage([one.mesh for one in others if one.number in nearer], crop)
    return PreparedPart(
        cut.parts[0],
        picture,
        crop,
        resize_released(pixels, resolution),
        condition,
        _spare(masks, elsewhere, front),
        rule,
        elsewhere,
        front,
        covered=len(nearer),
        fades=cut.fades,
        reference=reference,
    )


def with_ring(one: PreparedPart, settings: Settings) -> PreparedPart:
    """The part with masks for other kernels, as prepare would make them; nothing is rendered."""
    own = settings.of(one.part.kind)
    parts = (one.found, *one.joined)
    masks = make_masks(
        one.masks.m, one.rule, own.dilate, own.erode, also=draw_seen(parts, one.crop)
    )
    masks = touch_up(masks, one.crop, [each for part in parts for each in part.strokes])
    return replace(one, masks=_spare(masks, one.others, one.front))


def _spare(masks: Masks, others: Mask, front: Mask) -> Masks:
    """Keep other parts out of what may change: of the ring all, of m those that are in front."""
    spared = (others & ~masks.m) | front
    return replace(masks, m_d=masks.m_d & ~spared, m_e=masks.m_e & ~spared, m_f=masks.m_f & ~spared)
