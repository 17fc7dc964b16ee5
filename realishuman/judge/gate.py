"""Says, before anything is painted, why a part is better left alone."""

from __future__ import annotations

from realishuman.detect.base import Part, Picture
from realishuman.figures import tell_apart
from realishuman.judge.drawing import looks_drawn
from realishuman.judge.network import JudgeNetwork
from realishuman.judge.opinion import GOOD, mix_opinions
from realishuman.judge.trust import distrust
from realishuman.mesh.base import Mesh

DRAWN = (
    "the picture looks drawn, and without weights only photographs and the like are repaired; "
    "turn gate off to repaint it"
)


def doubt(
    picture: Picture, part: Part, mesh: Mesh, network: JudgeNetwork, own_skin: bool = False
) -> str:
    """Why a part should be left alone, as a sentence, or "" if it may be repainted.

    picture   (H, W, 3) uint8 RGB.
    mesh      the one that a repair would follow.
    own_skin  whether the transplant would repair it, which not every hand can be trusted to.
    """
    if own_skin and looks_drawn(picture, mesh):
        return DRAWN
    opinion = mix_opinions(network.malformed(picture, part, mesh), mesh.wrong)
    if opinion.malformed < GOOD:
        told, limit = tell_apart(opinion.malformed, GOOD, percent=True)
        return (
            f"it looks right already (malformed {told}, suspect from {limit}); turn gate off to "
            "repaint it"
        )
    return distrust(picture, mesh) if own_skin else ""
