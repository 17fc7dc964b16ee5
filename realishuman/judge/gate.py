"""Says, before anything is painted, why a part is better left alone."""

from __future__ import annotations

from realishuman.detect.base import Part, Picture
from realishuman.figures import told_apart
from realishuman.judge.network import JudgeNetwork
from realishuman.mesh.base import Mesh

GOOD = 0.65  # a part that is malformed with less than this probability looks right; docs/real.md


def doubt(picture: Picture, part: Part, mesh: Mesh, network: JudgeNetwork) -> str:
    """Why a part should be left alone, as a sentence, or "" if it may be repainted.

    picture  (H, W, 3) uint8 RGB.
    mesh     the one that a repair would follow.
    """
    malformed = network.malformed(picture, part, mesh)
    if malformed < GOOD:
        told, limit = told_apart(malformed, GOOD, percent=True)
        return (
            f"it looks right already (malformed {told}, suspect from {limit}); turn gate off to "
            "repaint it"
        )
    return ""
