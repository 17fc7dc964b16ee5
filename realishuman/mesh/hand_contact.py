"""Keep the thumb from entering the index and middle finger.

A single picture hardly shows whether the thumb is before or behind a finger it crosses. Bodies do:
it lies on the palm's side of it, a finger's thickness away.
"""

from __future__ import annotations

import numpy as np

from realishuman.mesh.hand_joints import HandPose
from realishuman.mesh.hand_template import Floats

APART = 0.016  # metres at the template's size: half a thumb and half a finger, pressed a little
PALMAR = np.array([-1.0, 0.0, 0.0])  # out of the palm, in the rest frame
# Points along the bones as pairs of landmarks whose mean they are.
THUMB = ((3, 4), (4, 4), (3, 3))
FINGERS = ((5, 6), (6, 6), (6, 7), (7, 7), (7, 8), (8, 8))


def contacts(pose: HandPose, points: Floats, slope: Floats) -> tuple[Floats, Floats]:
    """Return how deep points of the thumb are inside fingers, and how that changes with the pose.

    points   (21, 3) landmarks of the pose; slope (21, 3, N) their derivative.
    Returns  (C,) depths along the palm's normal, all positive, and their derivative (C, N). That
             the gap needed changes with sideways movement is left out.
    """
    fingers = np.concatenate([np.array(FINGERS), np.array(FINGERS) + 4])
    thumb = np.array(THUMB)
    apart = points[thumb].mean(1)[:, None] - points[fingers].mean(1)
    normal = pose.rotation @ PALMAR
    ahead = apart @ normal
    radius = APART * np.exp(pose.size)
    gap = radius**2 - ((apart**2).sum(-1) - ahead**2)
    depth = np.sqrt(np.maximum(gap, 0.0)) - ahead
    first, second = np.nonzero((gap > 0) & (depth > 0) & (ahead > -radius))
    change = slope[thumb].mean(1)[first] - slope[fingers].mean(1)[second]
    return depth[first, second], -np.einsum("j,cjn->cn", normal, change)
