"""Measure synthetic parts: how often the embedded detector finds them, and what a pair costs.

python -m realishuman.synthetic --count 200 --side 256 --sheet docs/pictures/synthetic.jpg
python -m realishuman.synthetic --part face --sheet docs/pictures/faces.jpg
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Part, Picture
from realishuman.detect.embedded import EmbeddedDetector
from realishuman.imaging.boxes import around
from realishuman.synthetic.sample import KINDS, SyntheticSample, sample
from realishuman.synthetic.skin import TONES

CONFIDENCE = 0.5
THIRDS = ("dark third", "middle third", "light third")
COLUMNS = 8
SHEET_SIDE = 160


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments, draw, detect, print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m realishuman.synthetic", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--part", choices=list(KINDS), default="hand", help="what to draw")
    parser.add_argument("--count", type=int, default=200, help="pairs to draw")
    parser.add_argument("--side", type=int, default=256, help="pixels")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--sheet", type=Path, help="write 24 pairs as one picture")
    chosen = parser.parse_args(arguments)

    part, first = chosen.part, chosen.first
    if chosen.sheet:
        kinds = KINDS[part]
        seeds = range(first, first + 3 * COLUMNS)
        pairs = [sample(seed, 256, kinds[seed % len(kinds)], part) for seed in seeds]
        cv2.imwrite(str(chosen.sheet), sheet(pairs)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    sys.stdout.writelines(
        line + "\n" for line in report(range(first, first + chosen.count), chosen.side, part)
    )


def report(seeds: Iterable[int], side: int, part: str = "hand") -> list[str]:
    """Draw the pairs of these seeds, look for their parts, and return lines to print."""
    detector = EmbeddedDetector("cpu")
    clean: dict[str, list[bool]] = {name: [] for name in (*THIRDS, "same side")}
    twins: dict[str, list[bool]] = {kind: [] for kind in KINDS[part]}
    poses: dict[str, list[bool]] = {}
    missed, seconds, errors = [], [], []
    for seed in seeds:
        begin = time.process_time()
        pair = sample(seed, side, part=part)
        seconds.append(time.process_time() - begin)
        found = _find(detector, pair.clean, part)
        if not found:
            missed.append(seed)
        else:
            errors.append(_error(pair, found[0]))
        share = (pair.tone - TONES[0]) / (TONES[1] - TONES[0])
        clean[THIRDS[min(int(3 * share), 2)]].append(bool(found))
        clean["same side"] += [part.side == pair.part for part in found[:1]]
        poses.setdefault(pair.family, []).append(bool(found))
        twins[pair.kind].append(bool(_find(detector, pair.malformed, part)))
    everything = [value for name in THIRDS for value in clean[name]]
    return [
        _line("clean", everything),
        *(_line(f"  {name}", values) for name, values in clean.items()),
        *(_line(f"  {name}", poses[name]) for name in sorted(poses)),
        *(_line(f"twin: {name}", values) for name, values in twins.items()),
        f"{'landmarks off by':24} {np.median(errors or [np.nan]):.1%} of the part's size (median)",
        f"{'CPU seconds per pair':24} {np.mean(seconds):.2f} (median {np.median(seconds):.2f})",
        f"{'missed seeds':24} {missed}",
    ]


def sheet(pairs: Sequence[SyntheticSample]) -> NDArray[np.uint8]:
    """Return one picture of pairs, clean above malformed, eight in a row."""
    columns = [
        np.concatenate(
            [
                cv2.resize(picture, (SHEET_SIDE, SHEET_SIDE), interpolation=cv2.INTER_AREA)
                for picture in (pair.clean, pair.malformed)
            ]
        )
        for pair in pairs
    ]
    rows = [
        np.concatenate(columns[start : start + COLUMNS], axis=1)
        for start in range(0, len(columns), COLUMNS)
    ]
    return np.concatenate(rows)


def _find(detector: EmbeddedDetector, picture: Picture, kind: str) -> list[Part]:
    """Return what is surely a part of this kind, best first."""
    parts = detector.detect(picture, [kind], confidence=CONFIDENCE)
    return [part for part in parts if part.score >= CONFIDENCE]


def _error(pair: SyntheticSample, found: Part) -> float:
    """Mean distance of found landmarks from the true ones, in longer sides of the part's box."""
    apart = np.linalg.norm(found.keypoints[:, :2] - pair.joints[:, :2], axis=1)
    return float(apart.mean()) / around(pair.joints).longer_side


def _line(name: str, values: Sequence[bool]) -> str:
    rate = f"{np.mean(values):6.1%}" if values else "     -"
    return f"{name:24} {rate} of {len(values)}"


if __name__ == "__main__":
    main()
