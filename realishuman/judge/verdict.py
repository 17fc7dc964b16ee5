"""Compares a part before and after its repair; the picture's own pixels stay unless it is better.

Three questions, cheapest first: is the colour still that of this part, do the keypoints that are
found in the repair still fit the mesh that was asked for, and does the judge network, where there
is one, find the part malformed and the repair well-formed? A detector's score is not asked: it
cannot tell malformed from good.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Detector, GivenBox, Picture
from realishuman.imaging.boxes import around, iou
from realishuman.imaging.crop import extract
from realishuman.judge.network import JudgeNetwork
from realishuman.prepare import PreparedPart

COLOUR_LIMIT = 25.0  # Delta E between mean colours; another skin tone at least, or none
DRIFT_LIMIT = 0.12  # of the part's size by which keypoints may fit the mesh worse than before
SUSPECT = 0.5  # from this probability a part counts as malformed, before a repair and after it
GOOD = 0.1  # a part that is malformed with less than this probability looks right


@dataclass(frozen=True)
class Verdict:
    """Whether a repair is kept.

    reason     why it is not, as a sentence; empty if it is.
    malformed  the network's probability before and after; None without a network.
    """

    reason: str
    malformed: tuple[float, float] | None = None


def compare(
    before: Picture,
    after: Picture,
    one: PreparedPart,
    detector: Detector | None,
    network: JudgeNetwork | None,
) -> Verdict:
    """Say whether `one` looks better in the picture after than in the one before.

    before, after  (H, W, 3) uint8 RGB.
    detector       finds the keypoints of the repair again; None leaves that question out.
    network        likewise.
    """
    reason = _colour(before, after, one)
    if detector is not None:
        reason = reason or _keypoints(after, one, detector)
    if reason:
        return Verdict(reason)
    if network is None:
        return Verdict("")
    first, second = (network.malformed(p, one.part, one.mesh) for p in (before, after))
    if first < SUSPECT:
        reason = (
            f"the judge finds nothing wrong with it as it was (malformed {first:.0%}); switch "
            "judge off to keep the repair"
        )
    elif second >= first:
        reason = (
            f"the judge finds the repair no better: malformed {second:.0%}, before {first:.0%}; "
            "switch judge off to keep it"
        )
    elif second >= SUSPECT:
        reason = (
            f"the judge still finds the repair malformed: {second:.0%}, before {first:.0%}; try "
            "another seed, or switch judge off to keep it"
        )
    return Verdict(reason, (first, second))


def good_already(picture: Picture, one: PreparedPart, network: JudgeNetwork) -> str:
    """Why a part needs no repair, as a sentence, or "" if it may need one."""
    malformed = network.malformed(picture, one.part, one.mesh)
    if malformed >= GOOD:
        return ""
    return f"it looks right already (malformed {malformed:.0%}); switch skip_good off to repair it"


def _colour(before: Picture, after: Picture, one: PreparedPart) -> str:
    """Where the mesh lies, the mean colour must stay in reach of what it was."""
    if not one.masks.m.any():
        return ""
    apart = float(np.linalg.norm(np.subtract(*(_mean_lab(p, one) for p in (before, after)))))
    if apart <= COLOUR_LIMIT:
        return ""
    return (
        f"the repair has another colour: Delta E {apart:.0f}, at most {COLOUR_LIMIT:.0f} is "
        "credible; switch judge off to keep it"
    )


def _mean_lab(picture: Picture, one: PreparedPart) -> NDArray[np.float64]:
    crop = extract(picture, one.crop).permute(1, 2, 0).contiguous().numpy()
    lab: NDArray[np.float32] = cv2.cvtColor(crop, cv2.COLOR_RGB2LAB)
    return np.asarray(lab[one.masks.m].mean(axis=0), np.float64)


def _keypoints(after: Picture, one: PreparedPart, detector: Detector) -> str:
    """The keypoints found in the repair must fit the mesh about as well as those before did."""
    part, joints = one.part, one.mesh.joints
    found = detector.detect(
        after, [part.kind], confidence=0.0, given=[GivenBox(part.kind, part.box)]
    )
    if not found:
        return f"no {part.kind} is found in the repair; switch judge off to keep it"
    same = max(found, key=lambda other: iou(other.box, part.box))
    if same.keypoints.shape != joints.shape:
        return ""  # another set of points than this mesh knows
    size = around(joints).longer_side
    before, now = (
        float(np.linalg.norm((keypoints - joints)[:, :2], axis=1).mean()) / size
        for keypoints in (part.keypoints, same.keypoints)
    )
    if now <= before + DRIFT_LIMIT:
        return ""
    return (
        f"the repair does not follow the mesh: keypoints are off by {now:.0%} of the {part.kind}, "
        f"before {before:.0%}; switch judge off to keep it"
    )
