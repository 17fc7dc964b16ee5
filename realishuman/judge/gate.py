"""Says, before anything is painted, why a part is better left alone."""

from __future__ import annotations

from realishuman.detect.base import Part, Picture
from realishuman.figures import told_apart
from realishuman.judge.network import JudgeNetwork
from realishuman.judge.opinion import GOOD, mix_opinions
from realishuman.mesh.base import Mesh


def doubt(picture: Picture, part: Part, mesh: Mesh, network: JudgeNetwork) -> str:
    """Why a part should be left alone, as a sentence, or "" if it may be repainted.

    picture  (H, W, 3) uint8 RGB.
    mesh     the one that a repair would follow.
    """
    opinion = mix_opinions(network.malformed(picture, part, mesh), mesh.wrong)
    if opinion.malformed < GOOD:
        told, limit = told_apart(opinion.malformed, GOOD, percent=True)
        return (
            f"it looks right already (malformed {told}, suspect from {limit}); turn gate off to "
            "repaint it"
        )
    return ""
