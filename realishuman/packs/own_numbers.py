"""The numbers that hold where the user leaves them to the pack, its preset or the kind of part."""

from __future__ import annotations

from dataclasses import dataclass, replace

from realishuman.kinds import MaskRule
from realishuman.packs.header import PackHeader
from realishuman.presets import PRESETS

WITHOUT = "released"  # the preset whose numbers hold without a pack


@dataclass(frozen=True)
class OwnNumbers:
    """What a kind of part is cropped, masked and sampled with.

    margin  side of the crop, in longer sides of the part.
    masks   how m_d and m_e are made; kernels in pixels of a 512 crop.
    """

    margin: float
    masks: MaskRule
    steps: int
    guidance: float


def own_numbers(kind: str, named: str | None, header: PackHeader | None) -> OwnNumbers:
    """A preset the user names counts, then the pack, then the pack's preset.

    kind    of part.
    named   the setting `preset`.
    header  of the pack in use; None without one.
    """
    preset = PRESETS[named or (header.preset if header else WITHOUT)]
    numbers = OwnNumbers(preset.margin, preset.masks[kind], preset.steps, preset.guidance)
    if named or header is None:
        return numbers
    masks = numbers.masks
    if header.erode is not None:
        masks = replace(masks, erode=header.erode, erode_of="kernel")
    return OwnNumbers(
        margin=header.margin or numbers.margin,
        masks=masks,
        steps=header.steps or numbers.steps,
        guidance=numbers.guidance if header.guidance is None else header.guidance,
    )
