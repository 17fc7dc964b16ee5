"""Presets: the constants and ways in which the released code and the paper differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass
from typing import Any

from realishuman.kinds import KINDS, MaskRule


@dataclass(frozen=True)
class Ways:
    """How parts are cut out, shown to the networks, pasted and judged, and which need repair.

    Each is the setting of the same name. What stands here holds where neither the user nor a
    preset that the user names says otherwise.
    """

    crop: str = "part"
    inputs: str = "crop"
    paste: str = "silhouette"
    colour_match: bool = True
    judge: bool = True
    gate: bool = True


@dataclass(frozen=True)
class Preset:
    """Constants in which the released code and the paper differ."""

    masks: Mapping[str, MaskRule]
    steps: int
    guidance: float
    margin: float = 2.0
    ways: Ways = Ways()


PRESETS: Mapping[str, Preset] = {
    "released": Preset(
        masks={name: kind.masks for name, kind in KINDS.items()},
        steps=50,
        guidance=3.0,
        ways=Ways("released", "picture", "released", colour_match=False, judge=False, gate=False),
    ),
    # The paper names no unit for its dilation of 5 and no guidance scale: read as pixels of the
    # 512 crop, and the released scale.
    "paper": Preset(
        masks={kind: MaskRule(None, dilate=5, erode=0.05, erode_of="perimeter") for kind in KINDS},
        steps=20,
        guidance=3.0,
    ),
}


def usual_way(spec: Field[Any]) -> str:
    """The default, in words, of a setting that Ways has; empty for others."""
    if not hasattr(Ways, spec.name):
        return ""
    value = getattr(Ways, spec.name)
    shown = {True: "on", False: "off"}.get(value, value)
    return f"{shown}, unless the preset says otherwise"
