"""Time what happens before any sampling: detection, meshes, crops, renders and masks of a picture.

    python benchmarks/find.py PICTURE [PICTURE ...]

Prints the least and the median wall and CPU time of ten runs after one that opens the networks.
"""

from __future__ import annotations

import statistics
import sys
import time

import torch

from realishuman.imaging.picture import load_picture
from realishuman.parts.found import number_parts
from realishuman.parts.prepare import prepare
from realishuman.pipeline.look import find, reconstruct
from realishuman.pipeline.models import Models
from realishuman.settings import Settings

RUNS = 10


def main() -> None:
    """Time every picture named."""
    models = Models()
    print(f"{torch.get_num_threads()} torch threads, {RUNS} runs, seconds: least / median")
    for name in sys.argv[1:]:
        rgb = load_picture(name).rgb
        wall: dict[str, list[float]] = {"detect": [], "mesh": [], "prepare": [], "all": []}
        cpu: list[float] = []
        for run in range(RUNS + 1):
            start, start_cpu = time.perf_counter(), time.process_time()
            chosen = find(rgb, models, Settings())
            parts = [part for part, _ in chosen]
            found = time.perf_counter()
            meshes = reconstruct(rgb, parts, models)
            meshed = time.perf_counter()
            known = number_parts(chosen, meshes).parts
            prepare(
                rgb,
                known,
                known,
                Settings(),
                preset="released",
                pose="shaded",
                resolution=512,
            )
            end = time.perf_counter()
            if run:
                for stage, seconds in zip(
                    wall, (found - start, meshed - found, end - meshed, end - start), strict=True
                ):
                    wall[stage].append(seconds)
                cpu.append(time.process_time() - start_cpu)
        height, width = rgb.shape[:2]
        cells = [f"{k} {min(v):.3f} / {statistics.median(v):.3f}" for k, v in wall.items()]
        print(
            f"{width}x{height}, {len(parts)} parts: "
            + ", ".join(cells)
            + f", CPU {min(cpu):.3f} / {statistics.median(cpu):.3f}"
        )


if __name__ == "__main__":
    main()
