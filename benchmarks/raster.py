"""Time the rasteriser on a hand-sized and a face-sized mesh, one CPU thread, 512 x 512 pixels.

Run as `python benchmarks/raster.py`; prints milliseconds of CPU time of this thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from realishuman.mesh.normals import vertex_normals
from realishuman.render.raster import interpolate, rasterise
from realishuman.render.shade import shade_hand

SIZE = 512
RUNS = 15


def bumpy_ball(rings: int, segments: int) -> tuple[Tensor, Tensor]:
    """Return a closed surface of 2 * segments * (rings - 1) faces that fills most of the square."""
    tilt = torch.pi * torch.arange(1, rings) / rings
    turn = 2 * torch.pi * torch.arange(segments) / segments
    tilt, turn = torch.meshgrid(tilt, turn, indexing="ij")
    ring = torch.stack([tilt.sin() * turn.cos(), tilt.cos(), tilt.sin() * turn.sin()], dim=2)
    points = torch.cat([ring.reshape(-1, 3), torch.tensor([[0.0, 1, 0], [0, -1, 0]])])
    bumps = 1 + 0.05 * (7 * points).sin().prod(dim=1, keepdim=True)
    vertices = points * bumps * 0.47 * SIZE + 0.5 * SIZE

    here = torch.arange((rings - 1) * segments).view(rings - 1, segments)
    right, top, bottom = here.roll(-1, dims=1), here.numel(), here.numel() + 1
    quads = [
        [here[:-1], right[:-1], here[1:]],
        [right[:-1], right[1:], here[1:]],
        [torch.full_like(here[:1], top), right[:1], here[:1]],
        [torch.full_like(here[:1], bottom), here[-1:], right[-1:]],
    ]
    return vertices, torch.cat([torch.stack(q, dim=2).reshape(-1, 3) for q in quads])


def report(name: str, work: Callable[[], object]) -> None:
    """Print the fastest and the median run."""
    times = []
    for _ in range(RUNS):
        begin = time.thread_time()
        work()
        times.append(1000 * (time.thread_time() - begin))
    print(f"{name:34} min {min(times):6.1f} ms   median {median(times):6.1f} ms")


def main() -> None:
    """Time every step of drawing a pose image."""
    torch.set_num_threads(1)  # thread_time counts this thread only
    for name, rings, segments in (("hand", 26, 30), ("face", 176, 200)):
        vertices, faces = bumpy_ball(rings, segments)
        raster = rasterise(vertices, faces, SIZE, SIZE)
        covered = 100 * float(raster.coverage.float().mean())
        print(f"{name}: {len(faces)} faces, {covered:.0f} % of {SIZE} x {SIZE} covered")
        normals = vertex_normals(vertices, faces)
        pixels = interpolate(raster, faces, normals)
        report("  rasterise", lambda v=vertices, f=faces: rasterise(v, f, SIZE, SIZE))
        report("  vertex_normals", lambda v=vertices, f=faces: vertex_normals(v, f))
        report("  interpolate", lambda r=raster, f=faces, n=normals: interpolate(r, f, n))
        report("  shade_hand", lambda n=pixels, r=raster: shade_hand(n, r.coverage, "right"))


if __name__ == "__main__":
    main()
