"""Writes randomly initialised files of everything `realishuman setup official` reads.

    python tools/make_fake_set.py FOLDER [--full] [--parts hand,face] [--seed N]

The files have the official layouts and lie where `--checkpoints FOLDER` finds them; nothing in them
is learned, and packs made of them are called random. With --full they have the released sizes:
15 GB. The checkpoints of faces are then hard links to those of hands.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))  # the other tools
import make_fake_checkpoints as checkpoints
import make_fake_official as hands

from realishuman.mesh.face_basis import COEFFICIENTS
from realishuman.official import setup_sources as names
from realishuman.official.resnet import FaceRegressor, shapes_of
from realishuman.official.text_encoder import END, TextEncoder
from realishuman.packs import shapes
from realishuman.packs.checkpoint import RANDOM, RANDOM_KEY
from realishuman.packs.random_pack import SMALL, initial_values
from realishuman.packs.shapes import SD15, PackSizes, Shape
from realishuman.settings import PART_KINDS


@dataclass(frozen=True)
class Sizes:
    """Sizes of all networks and models.

    regressor  width and blocks of the face regressor.
    surface    rows and columns of the face's grid, faces that are split, faces that are left out.
    text       places, width and depth of the text encoder.
    """

    hands: hands.Sizes
    pack: PackSizes
    regressor: tuple[int, tuple[int, ...]]
    surface: tuple[int, int, int, int]
    text: tuple[int, int, int]


TINY = Sizes(hands.TINY, SMALL, (4, (1, 1, 1, 1)), (25, 26, 40, 1), (77, SMALL.unet.context, 1))
FULL = Sizes(hands.FULL, SD15, (64, (3, 4, 6, 3)), (157, 158, 10903, 1), (77, 768, 12))


def main() -> None:
    """Parse the command line and write the files."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--full", action="store_true", help="the released sizes")
    parser.add_argument("--parts", default=",".join(PART_KINDS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    kinds = options.parts.split(",")
    for path in write_set(options.folder, FULL if options.full else TINY, kinds, options.seed):
        print(f"{path.stat().st_size:>13,} {path}")


def write_set(
    folder: Path, sizes: Sizes = TINY, kinds: list[str] | None = None, seed: int = 0
) -> list[Path]:
    """Write all files for these kinds of part; returns their paths."""
    kinds = kinds or list(PART_KINDS)
    written = [folder / name for name in _pack_files(folder, sizes, kinds, seed)]
    if "hand" in kinds:
        written += [folder / names.CHECKPOINT, folder / names.MANO]
        for path, source in zip(
            written[-2:], hands.write_hamer(_made(folder / "new"), sizes.hands, seed), strict=True
        ):
            _made(path.parent)
            source.replace(path)
        (folder / "new").rmdir()
    if "face" in kinds:
        written += [folder / names.NET_RECON, folder / names.FACE_MODEL]
        _made(written[-1].parent)
        write_face_regressor(written[-2], sizes.regressor, seed)
        write_face_model(written[-1], sizes.surface, seed)
    return written


def _pack_files(folder: Path, sizes: Sizes, kinds: list[str], seed: int) -> list[str]:
    """Write what packs are made of; returns the files' names in the list."""
    pack = sizes.pack
    encoder = replace(pack.image_encoder, side=37 * pack.image_encoder.patch)
    layouts = {
        names.VAE: shapes.vae_shapes(pack.vae),
        names.VAE_STAGE_TWO: shapes.vae_shapes(pack.vae),
        names.DINOV2: shapes.encoder_shapes(encoder),
        names.TEXT_ENCODER: _text_shapes(*sizes.text),
    }
    for name, layout in layouts.items():
        _made((folder / name).parent)
        _save(folder / name, layout, seed)
    stages = {1: checkpoints.stage_one_shapes(pack), 2: checkpoints.stage_two_shapes(pack)}
    written = list(layouts)
    for number, layout in stages.items():
        first = folder / names.stage(number, kinds[0])
        _made(first.parent)
        checkpoints.write_checkpoint(first, layout, seed)
        written.append(names.stage(number, kinds[0]))
        for kind in kinds[1:]:
            (folder / names.stage(number, kind)).unlink(missing_ok=True)
            os.link(first, folder / names.stage(number, kind))
            written.append(names.stage(number, kind))
    return written


def _text_shapes(places: int, width: int, depth: int) -> dict[str, Shape]:
    with torch.device("meta"):
        network = TextEncoder(END + 1, places, width, depth)
    return {f"text_model.{name}": shape for name, shape in shapes_of(network).items()}


def _save(path: Path, layout: Mapping[str, Shape], seed: int) -> None:
    tensors = {name: initial_values(f"{path.name}.{name}", s, seed) for name, s in layout.items()}
    save_file(tensors, path, metadata={RANDOM_KEY: RANDOM})


def write_face_regressor(path: Path, size: tuple[int, tuple[int, ...]], seed: int = 0) -> None:
    """Write net_recon.pth."""
    with torch.device("meta"):
        layout = shapes_of(FaceRegressor(*size))
    values = {name: _face_values(name, shape, seed) for name, shape in layout.items()}
    torch.save({"net_recon": values, RANDOM_KEY: RANDOM}, path)


def _face_values(name: str, shape: Shape, seed: int) -> Tensor:
    """Values that give a face turned and deformed a little, whatever the picture."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    if name.endswith(("running_var", "bn1.weight", "bn2.weight", "downsample.1.weight")):
        return torch.ones(shape)
    if name.endswith("bn3.weight"):
        return torch.full(shape, 0.5)
    if name.endswith("running_mean"):
        return torch.zeros(shape)
    values = initial_values(name, shape, seed)
    if not name.startswith("final_layers"):
        return values if len(shape) == 1 else values * math.sqrt(2)
    which = list(COEFFICIENTS)[int(name.split(".")[1])]
    return values * {"angles": 0.1, "shift": 0.02, "shift_z": 0.02}.get(which, 0.5)


def write_face_model(path: Path, surface: tuple[int, int, int, int], seed: int = 0) -> None:
    """Write face_model.npy: a mask with a nose that bends smoothly with every coefficient."""
    vertices, faces = mask(*surface)
    random = np.random.RandomState(seed)
    count = len(vertices)

    def bends(number: int, size: float) -> NDArray[np.float32]:
        waves = random.uniform(-4, 4, (2, number)), random.uniform(0, math.tau, number)
        height = np.cos(vertices[:, :2] @ waves[0] + waves[1])
        turned = height[:, None] * random.standard_normal((3, number)) * size
        return turned.reshape(3 * count, number).astype(np.float32)

    content: dict[str, Any] = {
        "u": vertices.reshape(-1, 1).astype(np.float32),
        "id": bends(80, 0.006),
        "exp": bends(64, 0.004),
        "u_alb": np.full((3 * count, 1), 128, np.float32),
        "alb": bends(80, 1.0),
        "point_buf": _around(faces, count),
        "tri": faces,
        "uv_coords": np.column_stack([vertices[:, :2] / 2 + 0.5, np.zeros(count)]),
        "ldm68": np.arange(68),
        "ldm106": np.arange(106),
        "ldm134": np.arange(134),
        "annotation": [np.arange(8) for _ in range(8)],
        "annotation_tri": [faces[:8] for _ in range(8)],
        "parallel": [np.arange(3) for _ in range(33)],
    }
    with path.open("wb") as file:
        np.save(file, np.array(content, dtype=object), allow_pickle=True)


def mask(
    rows: int, columns: int, split: int, left_out: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Vertices (V, 3), x right, y up, z out of the face, and faces (F, 3) of a mask with a nose."""
    down, right = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[:-1, 1:], index[1:, 1:]
    faces = [np.stack(corners, -1).reshape(-1, 3) for corners in ((a, b, c), (c, b, d))]
    grid = np.concatenate(faces)[left_out:]
    flat = np.stack([right, down], -1).reshape(-1, 2)
    chosen = np.linspace(0, len(grid) - 1, split).astype(int)
    middle = len(flat) + np.arange(split)
    p, q, r = grid[chosen].T
    thirds = [np.stack(corners, 1) for corners in ((p, q, middle), (q, r, middle), (r, p, middle))]
    grid = np.concatenate([np.delete(grid, chosen, axis=0), *thirds])
    flat = np.concatenate([flat, flat[np.stack([p, q, r])].mean(axis=0)])
    x, y = 0.75 * flat[:, 0] * np.sqrt(1 - 0.3 * flat[:, 1] ** 2), -0.85 * flat[:, 1] - 0.1
    z = 0.9 * np.sqrt(1 - 0.9 * (0.8 * flat[:, 0] ** 2 + 0.3 * flat[:, 1] ** 2)) - 0.7
    z += 0.35 * np.exp(-((x / 0.1) ** 2) - ((y + 0.05) / 0.2) ** 2)
    return np.stack([x, y, z], axis=1), grid


def _around(faces: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The first eight faces around each vertex, (V, 8); len(faces) stands for none."""
    around = np.full((count, 8), len(faces))
    order = np.argsort(faces.ravel(), kind="stable")
    corner = faces.ravel()[order]
    place = np.arange(len(corner)) - np.searchsorted(corner, corner)
    kept = place < 8
    around[corner[kept], place[kept]] = order[kept] // 3
    return around


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    main()
