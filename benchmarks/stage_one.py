"""Time of a stage-one step, ours against the released manner, on one CPU thread.

Every round runs each variant once, in shuffled order, and divides its CPU time by that round's
mean of two runs of the released manner; the median over the rounds is printed, with quartiles.
The control is one of those two runs against the other: how far it is from 1 is the resolution.
Run as `python -m benchmarks.stage_one [--width 0.3] [--latents 32] [--steps 4] [--rounds 5]`.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Mapping
from statistics import quantiles

import torch

from benchmarks.counts import PARTS, ScaledPack, Work, variants

BASE, CONTROL = "official", "official again"


def measure(ways: Mapping[str, Work], rounds: int) -> list[dict[str, float]]:
    """CPU seconds per part by variant, one dict per round; a first round is not counted."""
    order = random.Random(0)
    measured = []
    for _ in range(rounds + 1):
        seconds = {}
        for name in order.sample(sorted(ways), len(ways)):
            start = time.thread_time()
            ways[name]()
            parts = 4 if name.endswith(PARTS) else 1
            seconds[name] = (time.thread_time() - start) / parts
        measured.append(seconds)
    return measured[1:]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=float, default=0.3, help="of the UNets, 1 is SD1.5")
    parser.add_argument("--latents", type=int, default=32, help="side; 64 is a 512 crop")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    pack = ScaledPack(options.width, "cpu")
    ways = variants(pack, options.latents, options.steps, "cpu")
    del ways["official, autocast"]  # a GPU's matter
    ways[CONTROL] = ways[BASE]
    rounds = measure(ways, options.rounds)
    for name in ways:
        times = [
            (one[BASE] + one[CONTROL]) / 2 / one[name] if name != CONTROL else one[BASE] / one[name]
            for one in rounds
        ]
        low, middle, high = quantiles(times, n=4)
        step = sorted(one[name] for one in rounds)[len(rounds) // 2] / options.steps
        print(
            f"{name:32} {middle:5.2f}x [{low:.2f} {high:.2f}]  {step:6.2f} CPU-s per step and part"
        )


if __name__ == "__main__":
    main()
