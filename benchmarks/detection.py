"""What the built-in detector finds, by size of the part and of the picture, and by roll.

    python benchmarks/detection.py sizes|rolls [--part hand|face] [--count 27]
    python benchmarks/detection.py false PICTURE [PICTURE ...]

Parts are rendered (realishuman.synthetic, seeds from 0), at 256 pixels, and laid on a soft
background. "false" prints every hand found in pictures that have none.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.detect.embedded import EmbeddedDetector
from realishuman.imaging.boxes import around, iou
from realishuman.imaging.picture import load_picture
from realishuman.synthetic.sample import sample

Pixels = NDArray[np.uint8]
SIDE = 256  # of a rendered picture
SIZES = (24, 36, 60, 100)  # longer side of a part, pixels
CANVASES = (512, 640, 768, 1024, 1360, 2048)
ROLLS = range(0, 360, 30)
APART = 3.2  # room for one part, in its longer sides


def main() -> None:
    """Print the table asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("table", choices=("sizes", "rolls", "false"))
    parser.add_argument("pictures", nargs="*")
    parser.add_argument("--part", choices=("hand", "face"), default="hand")
    parser.add_argument("--count", type=int, default=27)
    chosen = parser.parse_args()
    detector = EmbeddedDetector("cpu", threads=1)
    if chosen.table == "false":
        for name in chosen.pictures:
            hands = detector.detect(load_picture(name).rgb, ["hand"], confidence=0.5)
            print(name, *(f"{hand.score:.2f}" for hand in hands))
        return
    drawn = [sample(seed, SIDE, part=chosen.part) for seed in range(chosen.count)]
    parts = [(one.clean, one.joints[:, :2].astype(np.float64)) for one in drawn]
    if chosen.table == "sizes":
        print("canvas", *SIZES)
        for canvas in CANVASES:
            counts = [by_size(detector, chosen.part, parts, canvas, size) for size in SIZES]
            print(canvas, *(f"{count}/{chosen.count}" for count in counts), flush=True)
    else:
        for roll in ROLLS:
            found, right = by_roll(detector, chosen.part, parts, roll)
            print(f"{roll}: found {found}/{chosen.count}, the right way up {right}", flush=True)


def by_size(
    detector: EmbeddedDetector,
    kind: str,
    parts: list[tuple[Pixels, NDArray[np.float64]]],
    canvas: int,
    size: int,
) -> int:
    """How many are found at this size in square pictures of this side, several in each."""
    rng = np.random.default_rng(size * 10_000 + canvas)
    row = max(1, min(3, int(canvas // (size * APART))))
    cell, hits = canvas / row, 0
    for start in range(0, len(parts), row * row):
        soft = rng.integers(40, 200, (4, 4, 3)).astype(np.uint8)
        picture = cv2.resize(soft, (canvas, canvas), interpolation=cv2.INTER_CUBIC)
        true = []
        for place, (clean, joints) in enumerate(parts[start : start + row * row]):
            side = min(round(SIDE * size / np.ptp(joints, axis=0).max()), int(cell))
            left, top = np.array([place % row, place // row]) * cell + rng.uniform(
                0, cell - side, 2
            )
            x, y = int(left), int(top)
            small = cv2.resize(clean, (side, side), interpolation=cv2.INTER_AREA)
            picture[y : y + side, x : x + side] = small
            true.append(around(joints * side / SIDE + [x, y]))
        found = detector.detect(picture, [kind], confidence=0.5)
        hits += sum(any(iou(part.box, box) > 0.3 for part in found) for box in true)
    return hits


def by_roll(
    detector: EmbeddedDetector,
    kind: str,
    parts: list[tuple[Pixels, NDArray[np.float64]]],
    roll: int,
) -> tuple[int, int]:
    """How many are found when turned by so many degrees, and with how many landmarks fit."""
    found = right = 0
    for clean, joints in parts:
        matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), roll, 1.0)
        matrix[:, 2] += SIDE / 2
        turned = cv2.warpAffine(clean, matrix, (2 * SIDE, 2 * SIDE), borderMode=cv2.BORDER_REFLECT)
        true = joints @ matrix[:, :2].T + matrix[:, 2]
        for part in detector.detect(turned, [kind], confidence=0.5):
            if iou(part.box, around(true)) > 0.3:
                found += 1
                apart = np.linalg.norm(part.keypoints[:, :2] - true, axis=1).mean()
                right += bool(apart < 0.15 * np.ptp(true, axis=0).max())
                break
    return found, right


if __name__ == "__main__":
    main()
