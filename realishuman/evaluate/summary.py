"""From single measures to rows of a table: means with confidence intervals, per group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from realishuman.evaluate.distances import Distance, distance
from realishuman.evaluate.measures import CLEAN, THIRDS, Measures
from realishuman.evaluate.metrics import Interval, auc_interval, bootstrap
from realishuman.evaluate.pairs import BASELINES
from realishuman.evaluate.run import Run, Source
from realishuman.synthetic.malform import BONES, KINDS

WORSE_KEYPOINTS = 3.0  # % of the hand's size by which joints may move before it counts as harm
WORSE_COLOUR = 4.0  # Delta E of the hand's mean colour, likewise
MALFORMED = 0.5  # the scorer's probability from which a hand counts as malformed
COUNTABLE = tuple(BONES)  # kinds whose fingers somebody could count
GOOD_COUNT = 5  # fingers a repaired hand should have
ALL = "all kinds"
INPUT, TRUTH = (method.name for method in BASELINES)


@dataclass(frozen=True)
class Row:
    """One method on one group of pairs.

    pose       "true", "estimated" or "" for a baseline.
    group      ALL, a kind of malformation, "clean", or a third of the skin tones.
    values     per measure of COLUMNS its mean and interval; None where there was nothing.
    most       largest number of pixels changed where nothing may change; must be 0.
    """

    method: str
    pose: str
    group: str
    values: Mapping[str, Interval | None]
    most: int

    def plain(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Column:
    """A measure in the tables.

    of      the value of one pair, given the measures of its malformed input (of its clean picture,
            in the group "clean"); None leaves the pair out.
    better  "higher", "lower" or "" where neither is.
    """

    title: str
    of: Callable[[Measures, Measures], float | None]
    better: str
    digits: int = 1


def _gain(ours: Measures, base: Measures) -> float | None:
    if ours.psnr_changed is None or base.psnr_changed is None:
        return None
    return ours.psnr_changed - base.psnr_changed


def _worse(ours: Measures, base: Measures) -> float | None:
    """1 if a clean hand came out worse, 0 if not; None of malformed hands."""
    if ours.kind != CLEAN:
        return None
    if base.detected and not ours.detected:
        return 1.0
    moved = (ours.keypoints or 0.0) - (base.keypoints or 0.0)
    return float(moved > WORSE_KEYPOINTS or (ours.delta_e or 0.0) > WORSE_COLOUR)


def _percent(which: bool | None) -> float | None:
    return None if which is None else 100.0 * which


COLUMNS: Mapping[str, Column] = {
    "refined": Column("refined, %", lambda m, _: 100.0 * m.refined, ""),
    "psnr_changed": Column("PSNR changed area, dB", lambda m, _: m.psnr_changed, "higher", 2),
    "gain": Column("gain over input, dB", _gain, "higher", 2),
    "psnr_hand": Column("PSNR hand, dB", lambda m, _: m.psnr_hand, "higher", 2),
    "delta_e": Column("mean skin ΔE", lambda m, _: m.delta_e, "lower", 2),
    "keypoints": Column("joint error, % of hand", lambda m, _: m.keypoints, "lower", 2),
    "mesh_error": Column("mesh error, % of hand", lambda m, _: m.mesh_error, "lower", 2),
    "seam": Column("seam, 1 = none", lambda m, _: m.seam, "lower", 2),
    "halo": Column("halo, ΔE", lambda m, _: m.halo, "lower", 2),
    "detected": Column("detected, %", lambda m, _: 100.0 * m.detected, ""),
    "confidence": Column("detector score", lambda m, _: m.confidence, "", 3),
    "judged": Column(
        "judged malformed, %",
        lambda m, _: _percent(None if m.malformed is None else m.malformed >= MALFORMED),
        "lower",
    ),
    "asked": Column(
        "malformed for the mesh followed, %",
        lambda m, _: _percent(None if m.as_asked is None else m.as_asked >= MALFORMED),
        "lower",
    ),
    "five": Column(
        "five fingers counted, %",
        lambda m, _: _percent(None if m.counted is None else m.counted == GOOD_COUNT),
        "higher",
    ),
    "worse": Column(
        "made worse, %",
        lambda m, b: None if (w := _worse(m, b)) is None else 100 * w,
        "lower",
    ),
}


def rows(measures: Iterable[Measures], groups: str) -> list[Row]:
    """One row per method and group.

    groups  "all", "kind" or "tone"; "kind" has the clean hands as one of the kinds.
    """
    every = list(measures)
    bases = {
        (m.seed, m.kind): m for m in every if m.method == (TRUTH if m.kind == CLEAN else INPUT)
    }
    made = []
    for method, pose in dict.fromkeys((m.method, m.pose) for m in every):
        own = [m for m in every if (m.method, m.pose) == (method, pose)]
        for group, chosen in _group(own, groups):
            if chosen:
                values = {
                    name: _interval(column, chosen, bases) for name, column in COLUMNS.items()
                }
                made.append(Row(method, pose, group, values, max(m.outside for m in chosen)))
    return made


@dataclass(frozen=True)
class Skill:
    """How far the scorer can be trusted, on pictures nobody repaired.

    group    ALL, or a kind of malformation.
    auc      of its probability, malformed against clean pictures of the same pairs.
    counted  % of malformed pictures whose number of fingers it tells.
    clean    % of the clean pictures of these pairs in which it counts five.
    """

    group: str
    auc: Interval | None
    counted: Interval | None
    clean: Interval | None


def skills(measures: Iterable[Measures]) -> list[Skill]:
    """The scorer's skill overall and per kind; none without a scorer."""
    scored = [m for m in measures if m.malformed is not None and m.kind != CLEAN]
    found = []
    for group in (ALL, *KINDS):
        own = [m for m in scored if group in (ALL, m.kind)]
        bad = [m for m in own if m.method == INPUT]
        good = [m for m in own if m.method == TRUTH]
        if bad:
            found.append(
                Skill(
                    group,
                    auc_interval(
                        [m.malformed or 0.0 for m in bad], [m.malformed or 0.0 for m in good]
                    ),
                    bootstrap(
                        [100.0 * (m.counted == m.fingers) for m in bad if m.kind in COUNTABLE]
                    ),
                    bootstrap([100.0 * (m.counted == GOOD_COUNT) for m in good]),
                )
            )
    return found


def distances(run: Run) -> dict[Source, Distance]:
    """Of each method's crops to the clean pictures', per extractor."""
    return {
        (method, pose, name): distance(features, run.features[TRUTH, "", name])
        for (method, pose, name), features in run.features.items()
        if method != TRUTH
    }


def _interval(
    column: Column, chosen: Sequence[Measures], bases: Mapping[tuple[int, str], Measures]
) -> Interval | None:
    found = (column.of(m, bases[m.seed, m.kind]) for m in chosen)
    return bootstrap([value for value in found if value is not None])


def _group(own: Sequence[Measures], groups: str) -> list[tuple[str, list[Measures]]]:
    malformed = [m for m in own if m.kind != CLEAN]
    if groups == "all":
        return [(ALL, malformed)]
    if groups == "tone":
        return [(third, [m for m in malformed if m.tone == third]) for third in THIRDS]
    return [(kind, [m for m in own if m.kind == kind]) for kind in (*KINDS, CLEAN)]
