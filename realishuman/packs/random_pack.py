"""Packs of random numbers: every name and shape is right, what they paint is noise.

They are for trying out an installation, for tests and for timing, before real weights are there.
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import torch
from torch import Tensor

from realishuman.packs.header import (
    EncoderShape,
    PackHeader,
    ScheduleConstants,
    UnetShape,
    VaeShape,
)
from realishuman.packs.pack import Pack
from realishuman.packs.pack_writer import Entry, write_pack
from realishuman.packs.shapes import PackSizes, Shape, pack_shapes
from realishuman.progress import Progress

SMALL = PackSizes(  # 11 MB, yet 16 transformer blocks per UNet and a 64 x 64 latent at 512
    unet=UnetShape((32, 32, 32, 64), (True, True, True, False), 2, 64, 8, 32),
    stage_two_unet=UnetShape((32, 32, 32, 32), (True, True, True, False), 2, 64, 8, 32),
    vae=VaeShape((32, 32, 32, 32), 2, 4, 32, 0.18215),
    image_encoder=EncoderShape(width=48, depth=2, heads=4, patch=14, side=224),
    pose=(8, 16, 24, 32),
    prompt=77,
)


def random_pack(
    path: str | Path,
    kind: str,
    *,
    sizes: PackSizes = SMALL,
    seed: int = 0,
    resolution: int = 512,
    sampled: tuple[int | None, float | None] = (None, None),
    progress: Progress | None = None,
) -> Pack:
    """Write a pack of random numbers for `kind`; same arguments, same numbers.

    sizes   SMALL, or shapes.SD15 for a pack as large as a converted one (5.9 GB).
    sampled steps and guidance it says it wants; None leaves them to the preset.
    Raises  PackError when it cannot be written.
    """
    header = PackHeader(
        name=f"random-{kind}",
        kind=kind,
        weights="random",
        pose="shaded",
        preset="released",
        resolution=resolution,
        unet=sizes.unet,
        stage_two_unet=sizes.stage_two_unet,
        vae=sizes.vae,
        image_encoder=sizes.image_encoder,
        schedule=ScheduleConstants(),
        licence="CC0-1.0",
        source=f"random numbers, seed {seed}",
        steps=sampled[0],
        guidance=sampled[1],
    )
    shapes = pack_shapes(sizes)
    entries = [_entry(name, shape, seed) for name, shape in shapes.items()]
    return write_pack(path, header, entries, progress)


def _entry(name: str, shape: Shape, seed: int) -> Entry:
    return Entry(name, shape, lambda: initial_values(name, shape, seed))


def initial_values(name: str, shape: Shape, seed: int) -> Tensor:
    """Random float32 values that keep activations near 1; they depend on nothing but arguments.

    Norm and layer scales are 1, biases small, matrices and kernels scaled by their fan-in, tables
    of tokens small, and prompt embeddings unit normal as a text encoder's are.
    """
    generator = torch.Generator().manual_seed((zlib.crc32(name.encode()) << 20) + seed % 2**20)
    if len(shape) == 1 and not name.endswith(".bias"):
        return torch.ones(shape)
    values = torch.randn(shape, generator=generator)
    if name.startswith("prompt."):
        return values
    if len(shape) == 1 or ("embeddings." in name and not name.endswith(".weight")):
        return values * 0.02
    return values / math.sqrt(math.prod(shape[1:]))
