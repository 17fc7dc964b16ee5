"""Tables, plots and notes of protocol B, from what a run gathered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from realishuman.evaluate.distances import Distance, distance
from realishuman.evaluate.folders import AFTER, BEFORE, CONFIDENCE, REAL, SETS, FolderRun
from realishuman.evaluate.folders import PartMeasures as Measures
from realishuman.evaluate.metrics import DRAWS, LEVEL, SEED, Interval
from realishuman.evaluate.plots import bars
from realishuman.evaluate.report import Report, Table
from realishuman.kinds import plural

NOTES = (
    "Means ± half a 95 % bootstrap interval. Pictures, or whole videos, are drawn anew, as frames "
    "of one video resemble each other; a single one alone gives ± 0, which means unknown.",
    f"Detector score: of MediaPipe's hand and face detector, parts from {CONFIDENCE:g} up, each "
    "set searched on its own. It does not tell well-formed hands from malformed ones. It is "
    "reported as in the paper and decides nothing.",
    "A detector that gates a run may not score it: where this detector decided which refined parts "
    "were kept, its score after refinement says nothing.",
    "Changes are measured at the places of the parts found before. A part that is not found there "
    "any more counts with a score of 0; one found only after does not count, which is in favour of "
    "the pictures before.",
    "Seam: mean step between neighbouring pixels across the edge of what changed, over the same in "
    "the picture before.",
    "Flicker: by how much a frame differs from the one before it, moved by the optical flow of the "
    "clip as it was, in levels of 255: in the part and a little around it, and on a ring around "
    "that. Only of clips whose every frame is used.",
    "Halo: ΔE by which what changed around the part stands out from both of its sides, at low "
    "frequencies and at its worst twentieth, beyond what it does in the picture before. About 5 "
    "can be seen at a glance.",
)
CHANGES: tuple[tuple[str, int, Callable[[Measures], float | None]], ...] = (
    ("score before", 3, lambda part: part.score_before),
    ("score after", 3, lambda part: part.score_after),
    ("difference", 3, lambda part: part.score_after - part.score_before),
    ("changed, %", 1, lambda part: part.changed),
    ("seam, 1 = none", 2, lambda part: part.seam),
    ("halo, ΔE", 2, lambda part: part.halo),
    ("flicker before", 2, lambda part: part.flicker_before),
    ("flicker after", 2, lambda part: part.flicker),
    ("on the ring", 2, lambda part: part.ring_flicker),
)
IDENTITY = ("identity, cosine distance", 3, lambda part: part.identity)


def folders_report(
    run: FolderRun, weights: str, facts: dict[str, object], notes: Sequence[str]
) -> Report:
    """Everything of one comparison."""
    kinds = list(dict.fromkeys(kind for kind, _ in run.scores))
    scores = _scores(run, kinds)
    tables = [
        Table(
            "Detector score",
            ("part", "set", "found", "per frame", "score"),
            [
                (kind, name, found.count if found else 0, per_frame, found)
                for kind, name, per_frame, found in scores
            ],
            (0, 0, 0, 2, 3),
        ),
        _changes(run, kinds),
    ]
    found = _distances(run, kinds)
    for place, extractor in enumerate(run.extractors):
        rows = [
            (kind, name, d.frechet, d.kernel, d.note)
            for kind, name, where, d in found
            if where == place
        ]
        if rows:
            title = f"Distance to the real pictures' crops, by {extractor.name}"
            columns = ("part", "set", *extractor.terms, "note")
            tables.append(Table(title, columns, rows, (0, 0, 3, 5, 0)))
    sheet = [
        [(f"{kind} before", before), (f"{kind} after", after)]
        for kind, shown in run.sheet.items()
        for before, after in shown
    ]
    return Report(
        title="Pictures before and after refinement",
        weights=weights,
        facts={
            **facts,
            "frames": run.frames.get(BEFORE, 0),
            "left out": sum(map(len, run.left.values())),
            "parts measured": len(run.parts),
        },
        notes=[*NOTES, *notes, *_list_unmeasured(run)],
        tables=tables,
        plots=[
            bars(
                f"Detector score, {plural(kind)}",
                [(name, each) for of, name, _, each in scores if of == kind],
                3,
            )
            for kind in kinds
        ],
        sheet=sheet,
        data=_data(run, scores, found),
    )


def _list_unmeasured(run: FolderRun) -> list[str]:
    """A sentence for each picture or video of which something was not measured."""
    return [
        f"Left out: {reason}"
        if len(frames) == 1
        else f"Left out: {len(frames)} frames of {place}, the first because: {reason}"
        for place, frames in run.left.items()
        for reason in list(frames.values())[:1]
    ]


def mean_of_clips(values: Sequence[tuple[str, float]]) -> Interval | None:
    """The mean over all values, with a bootstrap interval over the clips they are from.

    values  (clip, value). One clip alone gives an interval without width.
    Source  Field and Welsh 2007, "Bootstrapping clustered data": whole clusters are drawn.
    """
    if not values:
        return None
    names, places = np.unique([clip for clip, _ in values], return_inverse=True)
    numbers = np.array([value for _, value in values], np.float64)
    sums, counts = np.bincount(places, numbers), np.bincount(places)
    drawn = np.random.default_rng(SEED).integers(0, len(names), (DRAWS, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(numbers.mean()), float(low), float(high), len(numbers))


def _scores(run: FolderRun, kinds: Sequence[str]) -> list[tuple[str, str, float, Interval | None]]:
    """Kind, set, parts per frame and mean score, of each kind in each set that was searched."""
    return [
        (kind, name, len(found) / run.frames[name], mean_of_clips(found))
        for kind in kinds
        for name in SETS
        if name in run.frames
        for found in [run.scores.get((kind, name), [])]
    ]


def _changes(run: FolderRun, kinds: Sequence[str]) -> Table:
    columns = [*CHANGES, *([IDENTITY] if run.identity is not None else [])]
    cells = []
    for kind in kinds:
        own = [part for part in run.parts if part.kind == kind]
        means = [
            mean_of_clips([(p.clip, value) for p in own if (value := of(p)) is not None])
            for _, _, of in columns
        ]
        cells.append((kind, len(own), *means))
    return Table(
        "What refinement changed",
        ("part", "count", *(title for title, _, _ in columns)),
        cells,
        (0, 0, *(digits for _, digits, _ in columns)),
    )


def _distances(run: FolderRun, kinds: Sequence[str]) -> list[tuple[str, str, int, Distance]]:
    if REAL not in run.frames:
        return []
    return [
        (kind, name, place, distance(own, run.features.get((kind, REAL, place), [])))
        for kind in kinds
        for name in (BEFORE, AFTER)
        for place in range(len(run.extractors))
        if (own := run.features.get((kind, name, place)))
    ]


def _data(
    run: FolderRun,
    scores: Sequence[tuple[str, str, float, Interval | None]],
    found: Sequence[tuple[str, str, int, Distance]],
) -> dict[str, Any]:
    return {
        "scores": [
            {"part": kind, "set": name, "per_frame": rate, **(asdict(each) if each else {})}
            for kind, name, rate, each in scores
        ],
        "parts": [asdict(part) for part in run.parts],
        "distances": [
            {
                "part": kind,
                "set": name,
                "extractor": run.extractors[place].name,
                **dict(zip(run.extractors[place].terms, (d.frechet, d.kernel), strict=True)),
                "note": d.note,
            }
            for kind, name, place, d in found
        ],
        "left_out": run.left,
    }
