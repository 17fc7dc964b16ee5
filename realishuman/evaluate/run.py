"""Protocol A: held-out synthetic pairs, where the truth is known; every method on every pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Detector
from realishuman.evaluate.distances import Extractor, Features, crop_part
from realishuman.evaluate.measures import CLEAN, Measures, measure
from realishuman.evaluate.pairs import BASELINES, Method, Repair
from realishuman.evaluate.scorer import EXTRACTOR, Scores
from realishuman.imaging.boxes import around
from realishuman.progress import Progress
from realishuman.synthetic.malform import KINDS
from realishuman.synthetic.sample import SyntheticSample, sample

Pixels = NDArray[np.uint8]
Render = Callable[[int, int, str], SyntheticSample]
Source = tuple[str, str, str]  # method, pose, name of the extractor


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
                taken = scope.extractor(crop_part(repair.image, around(pair.joints)))
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


def _unspoilt(pair: SyntheticSample) -> SyntheticSample:
    """The same picture with nothing wrong in it."""
    nowhere = np.zeros_like(pair.changed)
    return replace(pair, malformed=pair.clean, kind=CLEAN, changed=nowhere, fingers=5)


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
