"""Draw an example picture: one synthetic hand, malformed or good, ours to give away.

Says how surely the embedded detector finds the hand, and refuses to write one it does not find.

    python tools/make_example.py examples/hand.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2

from realishuman.detect.embedded import EmbeddedDetector
from realishuman.synthetic.malform import KINDS
from realishuman.synthetic.sample import sample

CONFIDENCE = 0.7


def main() -> None:
    """Read the arguments, draw, check, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="PNG to write")
    parser.add_argument("--seed", type=int, default=20005)
    parser.add_argument("--kind", choices=KINDS, default="extra finger")
    parser.add_argument("--side", type=int, default=256, help="pixels")
    parser.add_argument("--good", action="store_true", help="the good hand, not its twin")
    chosen = parser.parse_args()

    pair = sample(chosen.seed, chosen.side, chosen.kind)
    picture = pair.clean if chosen.good else pair.malformed
    found = EmbeddedDetector("cpu").detect(picture, ["hand"], confidence=CONFIDENCE)
    if len(found) != 1:
        raise SystemExit(
            f"the detector finds {len(found)} hands at confidence {CONFIDENCE} in seed "
            f"{chosen.seed}, one was expected: choose another seed"
        )
    cv2.imwrite(str(chosen.out), picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(f"{pair.kind}, {pair.part} hand found at {found[0].score:.2f}: {chosen.out}")


if __name__ == "__main__":
    main()
