"""Hands for the landmark corrector: looked for as in use, cut upright, kept in files.

They are rendered, or photographed and made malformed (synthetic/photograph.py). Of every pair both
pictures are kept, the clean one as well: a good hand must stay as it is. Sample number n of a run
is always the same.
"""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.embedded import EmbeddedDetector
from realishuman.errors import PictureError, SettingsError
from realishuman.files.guard import room
from realishuman.files.whole import whole_file
from realishuman.imaging.boxes import around, iou
from realishuman.imaging.picture import load_picture
from realishuman.mesh.embedded_hand import metric
from realishuman.mesh.hand_corrector import (
    FINGERS,
    JOINTS,
    deepen,
    frame_hand,
)
from realishuman.synthetic.good_hand import SURE, fit_good_hand
from realishuman.synthetic.pair import SyntheticSample
from realishuman.synthetic.photograph import list_kinds, make_malformed, repose
from realishuman.synthetic.sample import sample
from realishuman.synthetic.wrong import mark_wrong_fingers
from realishuman.train.crops import CONFIDENCE, Pixels
from realishuman.train.shards import deaf_children, one_thread

PER_FILE = 256  # pairs
STORED, STORED_MARGIN = 176, 2.2  # as the network sees a hand, with room to turn and scale
SIDES = (144, 208)  # of the rendered pictures, pixels
SAME_PLACE = 0.1  # IoU with the true hand from which on a detected hand is that hand
REPOSED = 0.4  # of photographed hands: also painted in another pose that is well-formed


@dataclass(frozen=True)
class Hands:
    """Hands in the frame of the stored crop.

    crops        (N, 176, 176, 3) uint8.
    found, good  (N, 21, 3) float32, the detector's landmarks and the true joints, in pixels.
    malformed    (N,) bool.
    wrong        (N, 5) bool, the malformed fingers.
    """

    crops: Pixels
    found: NDArray[np.float32]
    good: NDArray[np.float32]
    malformed: NDArray[np.bool_]
    wrong: NDArray[np.bool_]


_Row = tuple[Pixels, NDArray[np.float32], NDArray[np.float32], bool, NDArray[np.bool_]]
COLUMNS = {
    "crops": ((STORED, STORED, 3), np.uint8),
    "found": ((JOINTS, 3), np.float32),
    "good": ((JOINTS, 3), np.float32),
    "malformed": ((), np.bool_),
    "wrong": ((FINGERS,), np.bool_),
}


@dataclass(frozen=True)
class _Job:
    """A file of hands: of pairs with these seeds, or of these photographs."""

    path: Path
    seeds: range
    photographs: tuple[Path, ...] = ()


def make_hands(
    folder: Path, first: int, count: int, workers: int, say: Callable[[str], None] = lambda _: None
) -> list[Path]:
    """Make the files of the seeds [first, first + count) that are missing; returns all of them."""
    starts = range(first, first + count, PER_FILE)
    jobs = [
        _Job(folder / f"hands-{start:09d}.npz", range(start, min(start + PER_FILE, first + count)))
        for start in starts
    ]
    return _make_all(jobs, folder, workers, say)


def make_photographed_hands(
    folder: Path,
    photographs: Sequence[Path],
    workers: int,
    say: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """The same of photographs, whose hands count as good; a file may hold none."""
    jobs = []
    for start in range(0, len(photographs), PER_FILE):
        some = tuple(photographs[start : start + PER_FILE])
        names = hashlib.blake2b("\n".join(map(str, some)).encode(), digest_size=4).hexdigest()
        path = folder / f"photographed-{start:06d}-{names}.npz"
        jobs.append(_Job(path, range(start, start + len(some)), some))
    return _make_all(jobs, folder, workers, say)


def _make_all(
    jobs: Sequence[_Job], folder: Path, workers: int, say: Callable[[str], None]
) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    missing = [job for job in jobs if not job.path.is_file()]
    with room(folder):
        for done, path in enumerate(_made(missing, workers), start=1):
            say(f"{path.name}: {done} of {len(missing)} files of hands")
    return [job.path for job in jobs]


def _made(jobs: Sequence[_Job], workers: int) -> Iterator[Path]:
    if workers == 1 or len(jobs) < 2:
        yield from map(_make_file, jobs)
        return
    with deaf_children():
        pool = multiprocessing.get_context("spawn").Pool(workers, one_thread)
    with pool:
        yield from pool.imap_unordered(_make_file, jobs)


def _make_file(job: _Job) -> Path:
    detector = EmbeddedDetector("cpu", threads=1)
    if job.photographs:
        numbered = zip(job.seeds, job.photographs, strict=True)
        rows = [row for one in numbered for row in _photograph_rows(*one, detector)]
    else:
        rows = [row for seed in job.seeds for row in _render_rows(seed, detector)]
    columns = {
        name: np.stack(column) if rows else np.zeros((0, *shape), kind)
        for (name, (shape, kind)), column in zip(
            COLUMNS.items(), zip(*rows, strict=True) if rows else [()] * len(COLUMNS), strict=True
        )
    }
    with whole_file(job.path) as file:
        np.savez(file, **columns)  # type: ignore[arg-type]  # its stub takes keywords for flags
    return job.path


def _render_rows(seed: int, detector: EmbeddedDetector) -> Iterator[_Row]:
    side = 2 * int(np.random.default_rng((seed, 9)).integers(SIDES[0] // 2, SIDES[1] // 2 + 1))
    pair = sample(seed, side)
    yield from _rows(pair, pair.joints, detector)


def _photograph_rows(number: int, photograph: Path, detector: EmbeddedDetector) -> Iterator[_Row]:
    """The truth is what the detector finds in the photograph itself."""
    try:
        picture = load_picture(photograph).rgb
    except PictureError:
        return
    parts = detector.detect(picture, ["hand"], confidence=SURE)
    for place, part in enumerate(parts):
        hand = fit_good_hand(picture, part, [other for other in parts if other is not part])
        rng = np.random.default_rng((number, place, 11))
        pair = hand and make_malformed(rng, hand, str(rng.choice(list_kinds(hand))))
        if not hand or not pair:
            continue
        truth = deepen(hand.part, metric(0, hand.part)[1])
        yield from _rows(pair, truth, detector)
        reposed = repose(rng, hand) if rng.random() < REPOSED else None
        if reposed:
            painted, moves = reposed
            yield from _row(painted, truth + moves, np.zeros(painted.shape[:2], bool), detector)


def _rows(
    pair: SyntheticSample, truth: NDArray[np.floating], detector: EmbeddedDetector
) -> Iterator[_Row]:
    """Of the clean and the malformed picture, where the hand is found; truth (21, 3)."""
    yield from _row(pair.clean, truth, np.zeros_like(pair.changed), detector)
    yield from _row(pair.malformed, truth, pair.changed, detector)


def _row(
    picture: Pixels,
    truth: NDArray[np.floating],
    changed: NDArray[np.bool_],
    detector: EmbeddedDetector,
) -> Iterator[_Row]:
    """Of one picture, if the hand is found in it; changed (H, W), what is malformed."""
    parts = detector.detect(np.ascontiguousarray(picture), ["hand"], confidence=CONFIDENCE)
    near = [part for part in parts if iou(part.box, around(truth)) >= SAME_PLACE]
    if not near:
        return
    part = near[0]
    seen = frame_hand(part.keypoints, part.side == "left", STORED_MARGIN, STORED)
    found = seen.to_crop(deepen(part, metric(0, part)[1])) * STORED
    good = seen.to_crop(truth) * STORED
    crop, spoilt = seen.crop(picture), bool(changed.any())
    wrong = mark_wrong_fingers(changed, truth, part.keypoints)
    yield crop, found.astype(np.float32), good.astype(np.float32), spoilt, wrong


def load_hands(paths: Sequence[Path]) -> Hands:
    """The hands of these files, in memory. Raises SettingsError if one is of another version."""
    columns: dict[str, list[NDArray[np.generic]]] = {name: [] for name in COLUMNS}
    for path in paths:
        with np.load(path) as file:
            if set(file.files) != set(COLUMNS):
                raise SettingsError(
                    f"{path} holds {', '.join(sorted(file.files))}, expected "
                    f"{', '.join(sorted(COLUMNS))}: another version of RealisHuman made it; delete "
                    "it, and it will be made again."
                )
            for name in COLUMNS:
                columns[name].append(file[name])
    return Hands(**{name: np.concatenate(arrays) for name, arrays in columns.items()})
