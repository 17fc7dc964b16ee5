"""The kinds of part: one entry each says how its mesh is made and how it is shaded.

A new kind also needs places that this table does not reach; CONTRIBUTING.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from realishuman.detect.base import Part
from realishuman.imaging.boxes import Box
from realishuman.mesh.at_rest import face_at_rest, hand_at_rest
from realishuman.mesh.base import MeshRegressor
from realishuman.mesh.embedded_face import EmbeddedFace
from realishuman.mesh.embedded_hand import EmbeddedHand
from realishuman.render.shade import shade_face, shade_hand

Shader = Callable[[Tensor, Tensor, "str | None"], Tensor]


@dataclass(frozen=True)
class PartKind:
    """How one kind of part is meshed and shaded.

    regressor  makes the mesh regressor; called once.
    shade      (H, W, 3) camera-frame normals, (H, W) coverage, side -> (H, W, 3) uint8 pose image.
    at_rest    box, side, (height, width) of the picture -> the part to assume in a box where none
               is recognised.
    """

    name: str
    regressor: Callable[[], MeshRegressor]
    shade: Shader
    at_rest: Callable[[Box, str | None, tuple[int, int]], Part]


def _hand(normals: Tensor, coverage: Tensor, side: str | None) -> Tensor:
    return shade_hand(normals, coverage, side or "right")


def _face(normals: Tensor, coverage: Tensor, _side: str | None) -> Tensor:
    return shade_face(normals, coverage)


KINDS: Mapping[str, PartKind] = {
    kind.name: kind
    for kind in (
        PartKind("hand", EmbeddedHand, _hand, hand_at_rest),
        PartKind("face", EmbeddedFace, _face, face_at_rest),
    )
}
