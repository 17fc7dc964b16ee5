"""Measure clips refined steadily and frame by frame, against the truth.

    python -m benchmarks.clips --clips 8 --frames 32 --side 256 -o clips

Renders hands that move, malformed as generators make them, once into the folder; refines each clip
in both ways with the default settings; prints a Markdown table. PSNR and flicker are measured where
any of the clips differs from the clean one, flicker with the optical flow of the clean clip, less
the flicker that the clean clip has of its own: noise, and what the flow misses. Intervals (95 %)
are over clips. docs/video.md shows and explains the numbers.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from realishuman.evaluate.flicker import Motion
from realishuman.evaluate.folder_tables import mean_of_clips
from realishuman.imaging.picture import load_picture
from realishuman.pipeline.models import Models
from realishuman.pipeline.standalone import open_models
from realishuman.settings import Settings
from realishuman.synthetic.malform import BONES
from realishuman.synthetic.moving import moving_hand
from realishuman.terminal import Bar
from realishuman.video.encoding import Encoding
from realishuman.video.frame_folders import FrameFolder
from realishuman.video.run import refine_clip
from realishuman.video.wanted import Wanted

Pixels = NDArray[np.uint8]

RATE = Fraction(12)
WAYS = {"independent": True, "steady": False}
AROUND = 5  # pixels around what differs that are measured too


def main() -> None:
    """Render, refine, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("-o", "--output", type=Path, default=Path("clips"))
    options = parser.parse_args()
    models, values = open_models(device="cpu"), defaultdict(list)
    for seed in range(options.clips):
        kind = sorted(BONES)[seed % len(BONES)]
        folder = options.output / f"{seed}-{options.frames}-{options.side}"
        render(folder, seed, kind, options.frames, options.side)
        for way, independent in WAYS.items():
            refine(folder, way, independent, models)
        for key, value in measure({p: read(folder / p) for p in ("clean", "malformed", *WAYS)}):
            values[key].append((str(seed), value))
        print(f"{seed} {kind} done", flush=True)
    show(values)


def render(folder: Path, seed: int, kind: str, frames: int, side: int) -> None:
    """Render a clip and its truth, unless they are there."""
    done = folder / "done"
    if done.exists():
        return
    for number, one in enumerate(moving_hand(seed, frames, side, kind)):
        for name, picture in (("clean", one.clean), ("malformed", one.malformed)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(folder / name / f"{number:03}.png")
    done.touch()


def refine(folder: Path, way: str, independent: bool, models: Models) -> None:
    """Refine a clip into the folder that its way names, unless that is done."""
    target = folder / way
    if not target.exists():
        target.mkdir()
        with Bar() as bar:
            clip = FrameFolder(folder / "malformed", RATE)
            wanted = Wanted(Encoding(), independent=independent)
            refine_clip(clip, target, models, Settings(), wanted, bar)


def read(folder: Path) -> list[Pixels]:
    """All frames of a clip."""
    return [load_picture(path).rgb for path in sorted(folder.glob("*.png"))]


def measure(clips: dict[str, list[Pixels]]) -> list[tuple[tuple[str, str], float]]:
    """Figures of one clip, by way and name; none of a way that changed nothing."""
    sums: dict[tuple[str, str], list[float]] = defaultdict(list)
    clean = clips["clean"]
    for at in range(len(clean)):
        where = differing([clip[at] for clip in clips.values()])
        if not where.any():
            continue
        for way, clip in clips.items():
            error = float(((clip[at][where].astype(float) - clean[at][where]) ** 2).mean())
            if way != "clean":
                sums[way, "PSNR, dB"].append(10 * np.log10(255**2 / max(error, 1e-3)))
        if at:
            motion = Motion(clean[at - 1], clean[at])
            own = motion.error(clean[at - 1], clean[at], where)
            for way in clips.keys() - {"clean"}:
                error_of = motion.error(clips[way][at - 1], clips[way][at], where)
                if own is not None and error_of is not None:
                    sums[way, "flicker beyond the clean clip's"].append(error_of - own)
    return [(key, float(np.mean(each))) for key, each in sums.items()]


def differing(frames: Sequence[Pixels]) -> NDArray[np.bool_]:
    """Where any of these frames differs from the first, and a little around it."""
    differs = np.any([(one != frames[0]).any(axis=2) for one in frames[1:]], axis=0)
    size = 2 * AROUND + 1
    grown: NDArray[np.uint8] = cv2.dilate(differs.astype(np.uint8), np.ones((size, size), np.uint8))
    return grown.astype(bool)


def show(values: dict[tuple[str, str], list[tuple[str, float]]]) -> None:
    """Print a row for each figure and way."""
    print("| figure | clip | mean | 95 % interval | clips |\n|---|---|---|---|---|")
    for (way, name), each in sorted(values.items(), key=lambda one: one[0][::-1]):
        mean = mean_of_clips(each)
        if mean is not None:
            span = f"{mean.low:.2f} to {mean.high:.2f}"
            print(f"| {name} | {way} | {mean.mean:.2f} | {span} | {len(each)} |")


if __name__ == "__main__":
    main()
