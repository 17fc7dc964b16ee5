"""Protocol A: held-out synthetic pairs, where the truth is known; every method on every pair.

A detector tells whether a hand is seen at all and where its joints are. How sure it is tells
nothing about whether the hand is well formed, so it is reported and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Detector, Part
from realishuman.evaluate import metrics
from realishuman.evaluate.distances import CROP_SIDE, Extractor, Features
from realishuman.evaluate.pairs import BASELINES, HAND, Method, Repair, true_part
from realishuman.evaluate.scorer import EXTRACTOR, Score, Scores
from realishuman.imaging.boxes import around, iou, square
from realishuman.imaging.crop import Crop, extract
from realishuman.progress import Progress
from realishuman.train.synthetic.malform import KINDS
from realishuman.train.synthetic.sample import SyntheticSample, sample
from realishuman.train.synthetic.skin import TONES

Pixels = NDArray[np.uint8]
Render = Callable[[int, int, str], SyntheticSample]
Source = tuple[str, str, str]  # method, pose, name of the extractor

THIRDS = ("dark", "middle", "light")  # of the skin tones
CLEAN = "clean"  # the kind of a pair that was not malformed
CONFIDENCE = 0.5  # a hand that scores less is not detected
SAME_PLACE = 0.1  # IoU with the true hand from which on a detected hand is that hand
MARGIN = 1.5  # side of the crops that distances compare, in longer sides of the hand


@dataclass(frozen=True)
class Measures:
    """One method on one pair. None: there was nothing to measure.

    kind          of the malformation; "clean" when the method was given the clean picture.
    tone          third of the skin tones, one of THIRDS.
    refined       whether a part was repainted, and why not.
    psnr_changed  dB against the clean picture where malformed and clean picture differ.
    psnr_hand     dB where the clean picture shows the hand.
    delta_e       CIE76, mean colour where the clean picture shows the hand.
    seam          metrics.seam_ratio around what was repainted, against the clean picture.
    outside       pixels changed outside of what may change; must be 0.
    detected, confidence  by the embedded detector; confidence 0 if no hand is seen there.
    keypoints     error of the detected joints, % of the hand's size; None if not detected.
    malformed     how likely the scorer takes it for malformed, 0..1, given the true mesh.
    as_asked      the same given the mesh that the repair was asked to follow.
    mesh_error    of the joints of the mesh that was followed, like keypoints; None without one.
    counted, fingers  as the scorer counts them, and as the input picture has them.
    """

    seed: int
    kind: str
    tone: str
    family: str
    method: str
    pose: str
    refined: bool
    reason: str
    psnr_changed: float | None
    psnr_hand: float | None
    delta_e: float | None
    seam: float | None
    outside: int
    detected: bool
    confidence: float
    keypoints: float | None
    malformed: float | None = None
    counted: int | None = None
    fingers: int = 5
    as_asked: float | None = None
    mesh_error: float | None = None


@dataclass(frozen=True)
class PairResult:
    """What all methods made of one pair.

    features  (F,) of the malformed picture as each method left it, by each extractor.
    row       (caption, picture) for people to look at; empty if the pair is not shown.
    """

    measures: list[Measures]
    features: dict[Source, Features] = field(default_factory=dict)
    row: list[tuple[str, Pixels]] = field(default_factory=list)


@dataclass
class Run:
    """What a run gathers, in order; it is complete after every pair.

    features  those of the malformed pairs, one after the other, per method and extractor.
    sheet     rows of (caption, picture) for people to look at.
    """

    measures: list[Measures] = field(default_factory=list)
    features: dict[Source, list[Features]] = field(default_factory=dict)
    sheet: list[list[tuple[str, Pixels]]] = field(default_factory=list)

    def add(self, pair: PairResult) -> None:
        """Take in one more pair."""
        self.measures += pair.measures
        for key, feature in pair.features.items():
            self.features.setdefault(key, []).append(feature)
        if pair.row:
            self.sheet.append(pair.row)


class Store(Protocol):
    """Keeps the results of pairs, by their number in the run, for when it is started again."""

    def load(self, number: int) -> PairResult | None:
        """The result of this pair, if it was measured before."""

    def save(self, number: int, pair: PairResult) -> None:
        """Keep a result."""


@dataclass(frozen=True)
class Scope:
    """What is done with every pair.

    extractor  of features that distances are measured with, besides the scorer's.
    harm       also give the methods the clean picture, which they should leave as good as it is.
    shown      pairs, the first ones, that go on the contact sheet.
    stages     show stage one's part and the pose there too.
    scorer     judges hands and counts their fingers, if given.
    """

    methods: Sequence[Method]
    detector: Detector
    extractor: Extractor | None = None
    harm: bool = True
    shown: int = 24
    stages: bool = True
    scorer: Scores | None = None


def evaluate(
    run: Run,
    seeds: Sequence[int],
    scope: Scope,
    *,
    side: int,
    progress: Progress,
    render: Render | None = None,
    store: Store | None = None,
    at_once: int = 1,
) -> None:
    """Put every method to every pair and add what is measured to `run`, in the pairs' order.

    seeds    of the pairs, which take the kinds of malformation in turn.
    side     of the pictures in pixels.
    render   makes a pair of seed, side and kind; sample() if not given.
    store    of results; pairs it has are not measured again.
    at_once  pairs that are given to a method together.
    Raises   what render and the methods raise.
    """
    progress.begin("pairs", len(seeds))
    for first in range(0, len(seeds), at_once):
        numbers = range(first, min(first + at_once, len(seeds)))
        known = {n: kept for n in numbers if store and (kept := store.load(n))}
        missing = [n for n in numbers if n not in known]
        pairs = [(render or sample)(seeds[n], side, KINDS[n % len(KINDS)]) for n in missing]
        found = _measure_pairs(pairs, [seeds[n] for n in missing], missing, scope)
        for number, result in zip(missing, found, strict=True):
            known[number] = result
            if store is not None:
                store.save(number, result)
        for number in numbers:
            run.add(known[number])
            progress.step()


def _measure_pairs(
    pairs: Sequence[SyntheticSample], seeds: Sequence[int], numbers: Sequence[int], scope: Scope
) -> list[PairResult]:
    """Every method on every one of these pairs."""
    goods = [_unspoilt(pair) for pair in pairs] if scope.harm and pairs else []
    repairs = {
        method.name + method.pose: method.repair([*pairs, *goods]) if pairs else []
        for method in (*BASELINES, *scope.methods)
    }
    results = []
    for place, (pair, seed) in enumerate(zip(pairs, seeds, strict=True)):
        own = [
            (method, repairs[method.name + method.pose][place])
            for method in (*BASELINES, *scope.methods)
        ]
        measures, features = [], {}
        for method, repair in own:
            found, score = measure(pair, seed, method, repair, scope.detector, scope.scorer)
            measures.append(found)
            if score is not None:
                features[method.name, method.pose, EXTRACTOR] = score.features
            if scope.extractor is not None:
                taken = scope.extractor(_crop(repair.image, pair))
                features[method.name, method.pose, scope.extractor.name] = taken
        if goods:
            measures += [
                measure(
                    goods[place],
                    seed,
                    method,
                    repairs[method.name + method.pose][len(pairs) + place],
                    scope.detector,
                    scope.scorer,
                )[0]
                for method in (BASELINES[1], *scope.methods)
            ]
        row = _row(pair, seed, own, scope.stages) if numbers[place] < scope.shown else []
        results.append(PairResult(measures, features, row))
    return results


def measure(
    pair: SyntheticSample,
    seed: int,
    method: Method,
    repair: Repair,
    detector: Detector,
    scorer: Scores | None = None,
) -> tuple[Measures, Score | None]:
    """Hold one repair against the truth; also returns the scorer's answer given the true mesh."""
    image, truth = repair.image, pair.clean
    hand = seen_hand(detector, image, pair)
    seen = hand is not None and hand.score >= CONFIDENCE
    touched = repair.allowed & (image != pair.malformed).any(axis=2)
    score = scorer(image, true_part(pair), pair.mesh) if scorer else None
    asked = scorer(image, *repair.followed) if scorer and repair.followed else None
    measures = Measures(
        seed=seed,
        kind=pair.kind,
        tone=third(pair.tone),
        family=pair.family,
        method=method.name,
        pose=method.pose,
        refined=repair.refined,
        reason=repair.reason,
        psnr_changed=metrics.psnr(image, truth, pair.changed),
        psnr_hand=metrics.psnr(image, truth, pair.mask),
        delta_e=metrics.mean_colour_difference(image, truth, pair.mask),
        seam=metrics.seam_ratio(image, truth, repair.allowed) if touched.any() else None,
        outside=metrics.changed_outside(image, pair.malformed, repair.allowed),
        detected=seen,
        confidence=hand.score if hand is not None else 0.0,
        keypoints=metrics.keypoint_error(hand.keypoints, pair.joints) if hand and seen else None,
        malformed=score.malformed if score else None,
        counted=score.fingers if score else None,
        fingers=pair.fingers,
        as_asked=asked.malformed if asked else None,
        mesh_error=(
            metrics.keypoint_error(repair.followed[1].joints, pair.joints)
            if repair.followed
            else None
        ),
    )
    return measures, score


def third(tone: float) -> str:
    """The third of the skin tones a tone in degrees lies in."""
    share = (tone - TONES[0]) / (TONES[1] - TONES[0])
    return THIRDS[min(max(int(len(THIRDS) * share), 0), len(THIRDS) - 1)]


def _unspoilt(pair: SyntheticSample) -> SyntheticSample:
    """The same picture with nothing wrong in it."""
    nowhere = np.zeros_like(pair.changed)
    return replace(pair, malformed=pair.clean, kind=CLEAN, changed=nowhere, fingers=5)


def seen_hand(detector: Detector, image: Pixels, pair: SyntheticSample) -> Part | None:
    """The detected hand that is the true one, if any."""
    box = around(pair.joints)
    hands = detector.detect(image, [HAND], confidence=CONFIDENCE)
    near = [hand for hand in hands if iou(hand.box, box) >= SAME_PLACE]
    return max(near, key=lambda hand: iou(hand.box, box), default=None)


def _crop(image: Pixels, pair: SyntheticSample) -> Pixels:
    """The hand and what is around it, for comparing whole sets of pictures."""
    crop = Crop(square(around(pair.joints), MARGIN), CROP_SIDE)
    pixels = (extract(image, crop) * 255).round().byte().permute(1, 2, 0)
    array: Pixels = pixels.numpy()
    return array


def _row(
    pair: SyntheticSample, seed: int, own: Sequence[tuple[Method, Repair]], stages: bool
) -> list[tuple[str, Pixels]]:
    """Before, stage one, after and the pose of each method, and the truth."""
    row = [(f"{pair.kind} {seed}", pair.malformed)]
    for method, repair in own:
        if method in BASELINES:
            continue
        name = f"{method.name} {method.pose}".strip()
        after = (name if repair.refined else f"{name}: kept", repair.image)
        if not stages:
            row.append(after)
            continue
        stage_one = repair.image if repair.stage_one is None else repair.stage_one
        pose = np.zeros_like(pair.clean) if repair.shown is None else repair.shown
        row += [(f"stage one {method.pose}", stage_one), after, (f"pose {method.pose}", pose)]
    return [*row, ("clean", pair.clean)]
