"""Compares a part before and after its repair; the picture's own pixels stay unless it is better.

Three questions, cheapest first: is the colour still that of this part, do the keypoints that are
found in the repair still fit the mesh that was asked for, and do the judge network, where there is
one, and the corrector of fingers find the part malformed and the repair well-formed? A detector's
score is not asked: it cannot tell malformed from good.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Detector, GivenBox, Part, Picture
from realishuman.figures import tell_apart
from realishuman.imaging.boxes import around, iou
from realishuman.imaging.crop import extract
from realishuman.judge.network import JudgeNetwork
from realishuman.judge.opinion import Opinion, mix_opinions
from realishuman.mesh.base import Mesh, MeshRegressor
from realishuman.parts.prepare import PreparedPart

COLOUR_LIMIT = 25.0  # Delta E between mean colours; another skin tone at least, or none
DRIFT_LIMIT = 0.12  # of the part's size by which keypoints may fit the mesh worse than before
SUSPECT = 0.5  # from this probability a part counts as malformed before a repair


@dataclass(frozen=True)
class Verdict:
    """Whether a repair is kept.

    reason     why it is not, as a sentence; empty if it is.
    malformed  how likely the part is malformed before and after, judge/opinion.py; None without a
               network.
    drift      how far the keypoints found in the repair are from the mesh, in sizes of the part.
    colour     Delta E between the part's mean colours before and after.
    """

    reason: str
    malformed: tuple[float, float] | None = None
    drift: float = math.inf
    colour: float = math.inf

    @property
    def rank(self) -> tuple[bool, float, float, float]:
        """Of several repairs of one part the best has the lowest: what is kept comes first."""
        after = math.inf if self.malformed is None else self.malformed[1]
        return bool(self.reason), after, self.drift, self.colour


def compare(
    before: Picture,
    after: Picture,
    one: PreparedPart,
    detector: Detector | None,
    network: JudgeNetwork | None,
    regressor: MeshRegressor | None = None,
) -> Verdict:
    """Say whether `one` looks better in the picture after than in the one before.

    before, after  (H, W, 3) uint8 RGB.
    detector       finds the keypoints of the repair again; None leaves that question out.
    network        likewise.
    regressor      says which fingers of the repair are wrong, where that was asked of the part.
    """
    reason, colour = _colour(before, after, one)
    drift, again = math.inf, None
    if detector is not None and not reason:
        again = _find_again(after, one, detector)
        reason, drift = _fit(again, one)
    if reason or network is None:
        return Verdict(reason, drift=drift, colour=colour)
    first, second = _ask(before, after, one, network, _look_again(after, again, one, regressor))
    reason = _refuse(first, second)
    return Verdict(reason, (first.malformed, second.malformed), drift, colour)


def _refuse(before: Opinion, after: Opinion) -> str:
    """Why a repair is not kept, or ""."""
    first, second = before.malformed, after.malformed
    if first < SUSPECT:
        told, limit = tell_apart(first, SUSPECT, percent=True)
        return (
            f"the judge finds nothing wrong with it as it was (malformed {told}, suspect from "
            f"{limit}); turn judge off to keep the repair"
        )
    if second < before.kept_below:
        return ""
    found = "no better" if second >= first else "not good enough"
    told, limit = tell_apart(second, before.kept_below, percent=True)
    return (
        f"the judge finds the repair {found}: malformed {told}, before {first:.0%}, kept below "
        f"{limit}; turn judge off to keep it"
    )


def _look_again(
    after: Picture, again: Part | None, one: PreparedPart, regressor: MeshRegressor | None
) -> tuple[Part, Mesh] | None:
    """The repair as it is found, with its own mesh and what the corrector says of its fingers.

    None where the corrector was not asked before the repair, or cannot be asked again.
    """
    if again is None or regressor is None or one.mesh.wrong is None:
        return None
    part = replace(again, side=one.part.side)
    (mesh,) = regressor.regress(after, [part])
    return part, mesh


def _ask(
    before: Picture,
    after: Picture,
    one: PreparedPart,
    network: JudgeNetwork,
    seen: tuple[Part, Mesh] | None,
) -> tuple[Opinion, Opinion]:
    """Opinions before and after.

    The repair is shown with the mesh that it has, not with the one it was asked to follow: that
    tells better whether it is nearer to the truth.
    """
    wrong = None if seen is None else one.mesh.wrong
    first = mix_opinions(network.malformed(before, one.part, one.mesh), wrong)
    part, mesh = seen or (one.part, one.mesh)
    wrong = None if seen is None else mesh.wrong
    return first, mix_opinions(network.malformed(after, part, mesh), wrong)


def _colour(before: Picture, after: Picture, one: PreparedPart) -> tuple[str, float]:
    """Where the mesh lies, the mean colour must stay in reach of what it was; how far it is."""
    if not one.masks.m.any():
        return "", 0.0
    apart = float(np.linalg.norm(np.subtract(*(_mean_lab(p, one) for p in (before, after)))))
    if apart <= COLOUR_LIMIT:
        return "", apart
    told, limit = tell_apart(apart, COLOUR_LIMIT)
    return (
        f"the repair has a different colour: Delta E {told}, at most {limit} is plausible; "
        "turn judge off to keep it"
    ), apart


def _mean_lab(picture: Picture, one: PreparedPart) -> NDArray[np.float64]:
    crop = extract(picture, one.crop).permute(1, 2, 0).contiguous().numpy()
    lab: NDArray[np.float32] = cv2.cvtColor(crop, cv2.COLOR_RGB2LAB)
    return np.asarray(lab[one.masks.m].mean(axis=0), np.float64)


def _find_again(after: Picture, one: PreparedPart, detector: Detector) -> Part | None:
    """The part as it is found in the repair, if it is."""
    kind, box = one.part.kind, one.part.box
    found = detector.detect(after, [kind], confidence=0.0, given=[GivenBox(kind, box)])
    return max(found, key=lambda other: iou(other.box, box), default=None)


def _fit(again: Part | None, one: PreparedPart) -> tuple[str, float]:
    """The keypoints found in the repair must fit the mesh about as well as those before did.

    Returns also how far they are from it, in sizes of the part.
    """
    part, joints = one.part, one.mesh.joints
    if again is None:
        return f"no {part.kind} is found in the repair; turn judge off to keep it", math.inf
    if again.keypoints.shape != joints.shape:
        return "", math.inf  # another set of points than this mesh knows
    size = around(joints).longer_side
    before, now = (
        float(np.linalg.norm((keypoints - joints)[:, :2], axis=1).mean()) / size
        for keypoints in (part.keypoints, again.keypoints)
    )
    if now <= before + DRIFT_LIMIT:
        return "", now
    told, limit = tell_apart(now, before + DRIFT_LIMIT, percent=True)
    return (
        f"the repair does not follow the mesh: keypoints are off by {told} of the {part.kind}, "
        f"at most {limit} is plausible here; turn judge off to keep it"
    ), now
