"""Protocol A: held-out synthetic pairs, where the truth is known; every method on every pair.

A detector tells whether a hand is seen at all and where its joints are. How sure it is tells
nothing about whether the hand is well formed, so it is reported and decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Detector, Part
from realishuman.evaluate import metrics
from realishuman.evaluate.distances import CROP_SIDE, Extractor
from realishuman.evaluate.pairs import BASELINES, HAND, Method, Repair
from realishuman.imaging.boxes import around, iou, square
from realishuman.imaging.crop import Crop, extract
from realishuman.progress import Progress
from realishuman.train.synthetic.malform import KINDS
from realishuman.train.synthetic.sample import SyntheticSample, sample
from realishuman.train.synthetic.skin import TONES

Pixels = NDArray[np.uint8]

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


@dataclass
class Run:
    """What a run gathers, in order; it is complete after every pair.

    features  (F,) per measured malformed pair, by (method, pose).
    sheet     rows of (caption, picture) for people to look at.
    """

    measures: list[Measures] = field(default_factory=list)
    features: dict[tuple[str, str], list[NDArray[np.float32]]] = field(default_factory=dict)
    sheet: list[list[tuple[str, Pixels]]] = field(default_factory=list)


def evaluate(
    run: Run,
    seeds: Sequence[int],
    methods: Sequence[Method],
    detector: Detector,
    *,
    side: int,
    progress: Progress,
    extractor: Extractor | None = None,
    harm: bool = True,
    shown: int = 24,
    stages: bool = True,
) -> None:
    """Put every method to every pair and add what is measured to `run`, pair by pair.

    seeds   of sample(); pairs take the kinds of malformation in turn.
    side    of the pictures in pixels.
    harm    also give the methods the clean pictures, which they should leave as good as they are.
    shown   pairs that go on the contact sheet.
    stages  show stage one's part on the sheet too.
    Raises  what sample and the methods raise.
    """
    progress.begin("pairs", len(seeds))
    for number, seed in enumerate(seeds):
        pair = sample(seed, side, KINDS[number % len(KINDS)])
        row = [(f"{pair.kind} {seed}", pair.malformed)]
        measured: list[Measures] = []
        for method in (*BASELINES, *methods):
            repair = method.repair(pair)
            measured.append(measure(pair, seed, method, repair, detector))
            if extractor is not None:
                feature = extractor(_crop(repair.image, pair))
                run.features.setdefault((method.name, method.pose), []).append(feature)
            if method not in BASELINES:
                row += _shown(method, repair, stages)
        if harm:
            measured += _harm(pair, seed, methods, detector)
        run.measures += measured
        if len(run.sheet) < shown:
            run.sheet.append([*row, ("clean", pair.clean)])
        progress.step()


def measure(
    pair: SyntheticSample, seed: int, method: Method, repair: Repair, detector: Detector
) -> Measures:
    """Hold one repair against the truth."""
    image, truth = repair.image, pair.clean
    hand = _hand(detector, image, pair)
    seen = hand is not None and hand.score >= CONFIDENCE
    touched = repair.allowed & (image != pair.malformed).any(axis=2)
    return Measures(
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
    )


def third(tone: float) -> str:
    """The third of the skin tones a tone in degrees lies in."""
    share = (tone - TONES[0]) / (TONES[1] - TONES[0])
    return THIRDS[min(max(int(len(THIRDS) * share), 0), len(THIRDS) - 1)]


def _harm(
    pair: SyntheticSample, seed: int, methods: Sequence[Method], detector: Detector
) -> list[Measures]:
    """What the methods do to a picture that needs no repair, and the picture itself."""
    good = replace(
        pair, malformed=pair.clean, kind=CLEAN, changed=np.zeros_like(pair.changed), fingers=5
    )
    return [
        measure(good, seed, method, method.repair(good), detector)
        for method in (BASELINES[1], *methods)
    ]


def _hand(detector: Detector, image: Pixels, pair: SyntheticSample) -> Part | None:
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


def _shown(method: Method, repair: Repair, stages: bool) -> list[tuple[str, Pixels]]:
    name = f"{method.name} {method.pose}".strip()
    shown = [(name if repair.refined else f"{name}: kept", repair.image)]
    if stages:
        stage_one = repair.stage_one if repair.stage_one is not None else repair.image
        shown.insert(0, (f"stage one {method.pose}", stage_one))
    return shown
