"""How well the built-in judge and the scorer tell malformed hands from good ones; repairs nothing.

Each pair is shown as it came and softened, as networks paint; with the true mesh, and with the mesh
that detector, corrector and fit make of the very picture that is judged, as in use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Detector, Part
from realishuman.evaluate.measures import find_true_hand
from realishuman.evaluate.metrics import auc_interval, bootstrap
from realishuman.evaluate.pairs import POSES, true_part
from realishuman.evaluate.report import Report, Table
from realishuman.evaluate.summary import ALL, GOOD_COUNT, MALFORMED
from realishuman.imaging.boxes import around
from realishuman.judge.opinion import GOOD
from realishuman.mesh.base import Mesh, MeshRegressor
from realishuman.progress import Progress
from realishuman.synthetic.malform import BONES, KINDS
from realishuman.synthetic.sample import SyntheticSample, sample

Pixels = NDArray[np.uint8]
Malformed = Callable[[Pixels, Part, Mesh], float]

SHARED = "of the malformed"  # a pose besides POSES
SOFTNESS = 0.008  # blur in hand sizes: 1.4 pixels of a hand of 170
TITLES = (
    "network",
    "pose",
    "pictures",
    "group",
    "AUC",
    "clean preferred, %",
    "malformed called so, %",
    "clean called malformed, %",
    "malformed left alone, %",
    "clean left alone, %",
)
NOTES = (
    "AUC: chance that a malformed hand gets a higher probability than a clean one, with its 95 % "
    "bootstrap interval. Estimated pose: the mesh that detector, corrector and fit make of the "
    "picture that is judged; hands that are not found are left out and counted.",
    f"Pose {SHARED!r}: the mesh estimated from the malformed picture is shown with both, as before "
    "and after a repair. It follows the defect, so the clean hand, unlike a repair, is not its.",
    "Clean preferred: of the pairs, the clean picture gets the lower probability.",
    f"Called malformed: from {MALFORMED:.0%}. Left alone: below {GOOD:.0%}, what the gate would "
    "not repair if it asked the judge alone.",
    f"Softened: blurred by {SOFTNESS:.1%} of the hand's size; a hand is not malformed for that.",
    "Scorer and judge were trained on different seeds than each other and than these.",
)


@dataclass(frozen=True)
class Seen:
    """One network's answer to one picture.

    kind   of the malformation of the pair, also where the clean picture was shown.
    pose   one of POSES, or SHARED.
    """

    network: str
    kind: str
    seed: int
    pose: str
    softened: bool
    clean: bool
    malformed: float


@dataclass
class Hearing:
    """All answers, the fingers counted as (kind, clean, truth, count), and hands not found."""

    seen: list[Seen] = field(default_factory=list)
    counted: list[tuple[str, bool, int, int]] = field(default_factory=list)
    missed: int = 0


def hear(
    hearing: Hearing,
    seeds: Sequence[int],
    networks: Mapping[str, Malformed],
    count: Callable[[Pixels, Part, Mesh], int],
    detector: Detector,
    regressor: MeshRegressor,
    *,
    side: int,
    progress: Progress,
) -> None:
    """Ask every network about every pair; answers are added to `hearing` pair by pair.

    networks   by name, each picture, part and mesh to a probability.
    count      the same to a number of fingers.
    regressor  makes the estimated meshes of what the detector finds.
    """
    progress.begin("judges", len(seeds))
    for number, seed in enumerate(seeds):
        pair = sample(seed, side, KINDS[number % len(KINDS)])
        estimated = {
            clean: _estimate(picture, pair, detector, regressor)
            for clean, picture in ((True, pair.clean), (False, pair.malformed))
        }
        for clean, plain in ((True, pair.clean), (False, pair.malformed)):
            part = true_part(pair)
            fingers = GOOD_COUNT if clean else pair.fingers
            hearing.counted.append((pair.kind, clean, fingers, count(plain, part, pair.mesh)))
            hearing.missed += estimated[clean] is None
            meshes = {
                POSES[0]: (part, pair.mesh),
                POSES[1]: estimated[clean],
                SHARED: estimated[False],
            }
            for softened, picture in ((False, plain), (True, _soft(plain, pair))):
                hearing.seen += [
                    Seen(name, pair.kind, seed, pose, softened, clean, ask(picture, *shown))
                    for name, ask in networks.items()
                    for pose, shown in meshes.items()
                    if shown is not None
                ]
        progress.step()


def _estimate(
    picture: Pixels, pair: SyntheticSample, detector: Detector, regressor: MeshRegressor
) -> tuple[Part, Mesh] | None:
    found = find_true_hand(detector, picture, pair)
    return None if found is None else (found, regressor.regress(picture, [found])[0])


def _soft(picture: Pixels, pair: SyntheticSample) -> Pixels:
    sigma = SOFTNESS * around(pair.joints).longer_side
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def judges_report(hearing: Hearing, facts: dict[str, Any]) -> Report:
    """Everything that was heard, also when it was stopped early."""
    tables = [
        Table(
            "Malformed against clean",
            TITLES,
            [row for group in (ALL, *KINDS) for row in _rows(hearing.seen, group)],
            (0, 0, 0, 0, 3, 1, 1, 1, 1, 1),
        ),
        Table(
            "Fingers counted rightly by the scorer, given the true mesh, %",
            ("group", "malformed", "clean"),
            [(group, *_counts(hearing, group)) for group in (ALL, *BONES)],
            (0, 1, 1),
        ),
    ]
    return Report(
        title="Judge and scorer on synthetic hands",
        weights="none",
        facts={**facts, "pictures in which no hand was found": hearing.missed},
        notes=NOTES,
        tables=tables,
        data={"seen": [asdict(one) for one in hearing.seen], "counted": hearing.counted},
    )


def _rows(seen: Sequence[Seen], group: str) -> Iterator[tuple[Any, ...]]:
    for key in dict.fromkeys((s.network, s.pose, s.softened) for s in seen):
        own = [s for s in seen if (s.network, s.pose, s.softened) == key]
        own = [s for s in own if group in (ALL, s.kind)]
        bad, good = ([s.malformed for s in own if s.clean is clean] for clean in (False, True))
        called = [bootstrap([100.0 * (v >= MALFORMED) for v in values]) for values in (bad, good)]
        alone = [bootstrap([100.0 * (v < GOOD) for v in values]) for values in (bad, good)]
        pictures = "softened" if key[2] else "as they came"
        paired = {clean: {s.seed: s.malformed for s in own if s.clean == clean} for clean in (0, 1)}
        preferred = bootstrap(
            [
                100.0 * (paired[1][seed] < value)
                for seed, value in paired[0].items()
                if seed in paired[1]
            ]
        )
        yield (*key[:2], pictures, group, auc_interval(bad, good), preferred, *called, *alone)


def _counts(hearing: Hearing, group: str) -> list[Any]:
    return [
        bootstrap(
            [
                100.0 * (truth == count)
                for kind, is_clean, truth, count in hearing.counted
                if is_clean is clean and (kind in BONES if group == ALL else kind == group)
            ]
        )
        for clean in (False, True)
    ]
