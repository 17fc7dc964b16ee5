"""The kinds of part that can be repaired: one entry each, which all other code goes by.

Settings, options, pages and the API are made from the entries' words and numbers. What an entry
needs from rooms above this one (detector, mesh, shader) it names as "module:attribute", which is
imported when it is first used.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Any

Reference = object  # "module:attribute", or the thing itself


@dataclass(frozen=True)
class MaskRule:
    """How the masks of one part kind are made, at 512 x 512.

    threshold   a pixel of the pose image belongs to m when any channel reaches it, 0..1;
                None takes the mesh's own coverage.
    dilate      side of the square kernel that makes m_d, in pixels.
    erode       side of the kernel that makes m_e, as a share of `erode_of`.
    erode_of    "side": longest side of the largest contour's box; "perimeter": of that contour;
                "kernel": `erode` is the side itself, in pixels.
    cut         like threshold, at the picture's pixels: what belongs to the reference where it is
                cut out there.
    """

    threshold: float | None
    dilate: int
    erode: float
    erode_of: str
    cut: float | None = None


@dataclass(frozen=True)
class PartKind:
    """One kind of part. References are resolved by `load`.

    name          in settings, packs and requests.
    plural        in sentences.
    colour        RGB, of its box and outlines in drawings.
    masks         how its masks are made by the preset "released".
    regressor     () -> mesh.base.MeshRegressor, the built-in one.
    shade         (H, W, 3) camera-frame normals, (H, W) coverage, side -> (H, W, 3) uint8, the
                  pose image.
    at_rest       box, side, (height, width) of the picture -> the detect.base.Part to assume in a
                  box where none is recognised.
    networks      detect.families.Family: how the built-in detector finds it; or else
    detector      provider -> detect.base.Detector, which finds it.
    people        where it is among DWPose's keypoints, as detect.people reads them; without it
                  the built-in detector is asked in DWPose's place.
    corrected     () -> MeshRegressor that corrects landmarks of rendered parts first, if any;
    photographed  the same for photographed parts.
    paper         mesh.base.PaperRegressor; a kind that has one has published weights too.
    engines       what repaints it where no pack is in use, the best first: names of the setting
                  `engine`.
    sided         whether a person has a left and a right one.
    nearness      how much speaks for it lying before another kind that it overlaps, in differences
                  of edges (parts.layers).
    lines         chains of keypoints that drawings connect.
    """

    name: str
    plural: str
    colour: tuple[int, int, int]
    masks: MaskRule
    regressor: Reference
    shade: Reference
    at_rest: Reference
    networks: Reference = ""
    detector: Reference = ""
    people: Reference = ""
    corrected: Reference = ""
    photographed: Reference = ""
    paper: Reference = ""
    engines: tuple[str, ...] = ()
    sided: bool = False
    nearness: float = 0.0
    lines: tuple[tuple[int, ...], ...] = ()


_FINGERS = (
    (0, 1, 2, 3, 4),
    (0, 5, 6, 7, 8),
    (9, 10, 11, 12),
    (13, 14, 15, 16),
    (0, 17, 18, 19, 20),
)
_ENTRIES = (
    PartKind(
        name="hand",
        plural="hands",
        colour=(255, 176, 32),
        masks=MaskRule(0.4, dilate=100, erode=0.06, erode_of="side", cut=100 / 255),
        regressor="realishuman.mesh.embedded_hand:EmbeddedHand",
        shade="realishuman.render.shade:shade_hand",
        at_rest="realishuman.mesh.at_rest:hand_at_rest",
        networks="realishuman.detect.families:HAND",
        people="realishuman.detect.wholebody:HANDS",
        corrected="realishuman.mesh.embedded_hand:corrected_hand",
        photographed="realishuman.mesh.embedded_hand:corrected_photographed_hand",
        paper="realishuman.mesh.hamer:PAPER",
        engines=("transplant", "handrefiner"),
        sided=True,
        nearness=0.4,
        lines=(*_FINGERS, (5, 9, 13, 17)),
    ),
    PartKind(
        name="face",
        plural="faces",
        colour=(64, 200, 255),
        masks=MaskRule(0.2, dilate=30, erode=0.06, erode_of="side", cut=50 / 255),
        regressor="realishuman.mesh.embedded_face:EmbeddedFace",
        shade="realishuman.render.shade:shade_face",
        at_rest="realishuman.mesh.at_rest:face_at_rest",
        networks="realishuman.detect.families:FACE",
        people="realishuman.detect.wholebody:FACES",
        paper="realishuman.mesh.face3d:PAPER",
    ),
)
KINDS: dict[str, PartKind] = {one.name: one for one in _ENTRIES}


def register(kind: PartKind) -> None:
    """Add a kind of part from outside of this package, before anything else of it is imported.

    Raises ValueError if the name is taken, or settings were already made without it.
    """
    if kind.name in KINDS:
        raise ValueError(f"there already is a kind of part named {kind.name!r}")
    if "realishuman.settings" in sys.modules:
        raise ValueError(
            f"realishuman.settings was imported before the kind {kind.name!r} was registered; "
            "register it first"
        )
    KINDS[kind.name] = kind


def load(reference: Reference) -> Any:
    """What a reference of an entry stands for."""
    if not isinstance(reference, str):
        return reference
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def plural(kind: str) -> str:
    """What several parts of a kind are called."""
    return KINDS[kind].plural if kind in KINDS else f"{kind}s"


def list_released() -> tuple[str, ...]:
    """The kinds that the paper's authors published weights for."""
    return tuple(kind.name for kind in KINDS.values() if kind.paper)
