"""Measure synthetic hands: how often the embedded detector finds them, and what a pair costs.

python -m realishuman.train.synthetic --count 200 --side 256 --sheet docs/pictures/synthetic.jpg
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

from realishuman.detect.base import Picture
from realishuman.detect.embedded import EmbeddedDetector
from realishuman.train.synthetic.malform import KINDS
from realishuman.train.synthetic.sample import SyntheticSample, sample
from realishuman.train.synthetic.skin import TONES

CONFIDENCE = 0.5
THIRDS = ("dark third", "middle third", "light third")
COLUMNS = 8
SHEET_SIDE = 160


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments, draw, detect, print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m realishuman.train.synthetic", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--count", type=int, default=200, help="pairs to draw")
    parser.add_argument("--side", type=int, default=256, help="pixels")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--sheet", type=Path, help="write 24 pairs as one picture")
    chosen = parser.parse_args(arguments)

    if chosen.sheet:
        seeds = range(chosen.first, chosen.first + 3 * COLUMNS)
        pairs = [sample(seed, 256, KINDS[seed % len(KINDS)]) for seed in seeds]
        cv2.imwrite(str(chosen.sheet), sheet(pairs)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    sys.stdout.writelines(
        line + "\n"
        for line in report(range(chosen.first, chosen.first + chosen.count), chosen.side)
    )


def report(seeds: Iterable[int], side: int) -> list[str]:
    """Draw the pairs of these seeds, look for their hands, and return lines to print."""
    detector = EmbeddedDetector("cpu")
    clean: dict[str, list[bool]] = {name: [] for name in (*THIRDS, "same side")}
    twins: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    poses: dict[str, list[bool]] = {}
    missed, seconds = [], []
    for seed in seeds:
        begin = time.process_time()
        pair = sample(seed, side)
        seconds.append(time.process_time() - begin)
        found, right_side = _found(detector, pair.clean, pair.part)
        if not found:
            missed.append(seed)
        share = (pair.tone - TONES[0]) / (TONES[1] - TONES[0])
        clean[THIRDS[min(int(3 * share), 2)]].append(found)
        clean["same side"] += [right_side] * found
        poses.setdefault(pair.family, []).append(found)
        twins[pair.kind].append(_found(detector, pair.malformed, pair.part)[0])
    everything = [value for name in THIRDS for value in clean[name]]
    return [
        _line("clean", everything),
        *(_line(f"  {name}", values) for name, values in clean.items()),
        *(_line(f"  {name}", poses[name]) for name in sorted(poses)),
        *(_line(f"twin: {name}", values) for name, values in twins.items()),
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


def _found(detector: EmbeddedDetector, picture: Picture, part: str) -> tuple[bool, bool]:
    """Say whether a hand is found, and whether the best one is taken for the right side."""
    hands = detector.detect(picture, ["hand"], confidence=CONFIDENCE)
    hands = [hand for hand in hands if hand.score >= CONFIDENCE]
    return bool(hands), bool(hands) and hands[0].side == part


def _line(name: str, values: Sequence[bool]) -> str:
    rate = f"{np.mean(values):6.1%}" if values else "     -"
    return f"{name:24} {rate} of {len(values)}"


if __name__ == "__main__":
    main()
