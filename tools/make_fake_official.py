"""Writes randomly initialised files in exactly the layout of the official ones.

    python tools/make_fake_official.py FOLDER [--full] [--seed N]

For tests and for trying out `realishuman setup official`. Nothing in them is learned. With --full
HaMeR's checkpoint has its released size (2.7 GB), filled in on disk so that memory holds one tensor
(before torch 2.6: all of them).
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import math
import mmap
import pickle
import struct
import sys
import types
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realishuman.mesh.hamer import VERTICES
from realishuman.official.decoder import DecoderShape
from realishuman.official.hamer import Hamer
from realishuman.official.mano_file import PARENTS, read_mano
from realishuman.official.vit import VitShape
from realishuman.packs.shapes import Shape

FULL = (VitShape(), DecoderShape())
TINY = (
    VitShape(width=160, depth=2, heads=2, hidden=96),
    DecoderShape(width=48, depth=2, inner=128, hidden=40, context=160),
)
RIM = (38, 92, 234, 239, 279, 215, 214, 121, 78, 79, 108, 120, 119, 117, 118, 122)
Sizes = tuple[VitShape, DecoderShape]


def main() -> None:
    """Parse the command line and write the files."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--full", action="store_true", help="the released sizes")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for path in write_hamer(options.folder, FULL if options.full else TINY, options.seed):
        print(f"{path.stat().st_size:>13,} {path}")


def write_hamer(folder: Path, sizes: Sizes = TINY, seed: int = 0) -> tuple[Path, Path]:
    """Write hamer.ckpt and MANO_RIGHT.pkl; returns their paths."""
    mano, checkpoint = folder / "MANO_RIGHT.pkl", folder / "hamer.ckpt"
    write_mano(mano, seed)
    net = Hamer(*sizes, read_mano(mano, accept_unknown=True))
    layout = {n: tuple(v.shape) for n, v in net.state_dict().items() if not n.startswith("mano.")}
    template = torch.from_numpy(read_mano(mano, accept_unknown=True).template)
    others = {"mano.v_template": template, "initialized": torch.tensor(True)}
    others["discriminator.betas_fc1.weight"] = torch.zeros(10, 10)
    write_checkpoint(checkpoint, layout, others, seed)
    return checkpoint, mano


def write_checkpoint(
    path: Path, layout: Mapping[str, Shape], others: Mapping[str, Tensor], seed: int
) -> None:
    """What Lightning saves: tensors, and a configuration of the package yacs."""
    tensors = {name: torch.empty(shape) for name, shape in layout.items()}  # takes no memory yet
    lazy = hasattr(torch.serialization, "skip_data")
    if not lazy:
        tensors = {name: hamer_values(name, shape, seed) for name, shape in layout.items()}
    with _classes("yacs.config.CfgNode") as classes:
        node = classes["yacs.config.CfgNode"](dict)
        config = node({"MODEL": node({"IMAGE_SIZE": 256})})
        config.__dict__["__immutable__"] = True
        content = {
            **{"epoch": 37, "global_step": 1_000_000, "pytorch-lightning_version": "1.9.0"},
            **{"state_dict": {**tensors, **others}, "loops": {}, "callbacks": {}},
            "hyper_parameters": {"cfg": config},
        }
        with torch.serialization.skip_data() if lazy else contextlib.nullcontext():
            torch.save(content, path)
        if lazy:
            with torch.serialization.set_default_mmap_options(mmap.MAP_SHARED):
                on_disk = torch.load(path, mmap=True, weights_only=False)["state_dict"]
            for name, tensor in on_disk.items():
                known = others.get(name)
                tensor.copy_(hamer_values(name, tensor.shape, seed) if known is None else known)


def hamer_values(name: str, shape: Shape, seed: int) -> Tensor:
    """Values that keep signals and poses within bounds, whatever the sizes."""
    if name.endswith("init_hand_pose"):
        return torch.tensor([1.0, 0, 0, 0, 1, 0]).repeat(shape[1] // 6)[None]
    if name.endswith("init_cam"):
        return torch.tensor([[6.0, 0.0, 0.0]])  # a hand of 18 cm over half the crop, in its middle
    noise = _noise(name, shape, seed)
    if "norm" in name and name.endswith("weight"):
        return 1 + 0.1 * noise
    if len(shape) < 2 or "pos_embed" in name or "init_" in name:
        return (0.002 if "deccam" in name else 0.02) * noise
    gain = {"decpose": 0.2, "decshape": 0.2, "deccam": 0.01}.get(name.split(".")[-2], 1.0)
    return noise * gain / math.sqrt(math.prod(shape[1:]))


def _noise(name: str, shape: Shape, seed: int) -> Tensor:
    random = np.random.RandomState(zlib.crc32(name.encode()) ^ seed)  # its numbers never change
    return torch.from_numpy(random.standard_normal(tuple(shape)).astype(np.float32))


def write_mano(path: Path, seed: int = 0) -> None:
    """Write a mitten with MANO's layout, as Python 2 with chumpy and scipy would."""
    random = np.random.RandomState(seed)
    vertices, faces = mitten()
    joints = np.stack([vertices[:, 0].min() + 0.012 * np.arange(16), np.zeros(16), np.zeros(16)], 1)
    near = np.exp(-np.square(vertices[:, None] - joints[None]).sum(2) / 0.015**2) + 1e-9
    regressor = (near / near.sum(0)).T * (near / near.sum(0) > 1e-3).T
    regressor /= regressor.sum(1, keepdims=True)
    names = ("chumpy.ch.Ch", "chumpy.reordering.Select", "scipy.sparse.csc.csc_matrix")
    with _classes(*names) as classes:
        leaf, select, sparse = (classes[name](object) for name in names)
        shapes = 0.1 * vertices[:, :, None] * random.standard_normal((1, 3, 20))
        chosen = np.arange(shapes.size).reshape(shapes.shape)[..., :10]
        chumpy = {"_dirty_vars": set(), "_itr": None, "_depends_on_deps": {}, "_make_dense": False}
        content = {
            "v_template": vertices,
            "shapedirs": _made(
                select,
                **chumpy,
                a=_made(leaf, **chumpy, x=shapes),
                idxs=chosen.ravel(),
                preferred_shape=(VERTICES, 3, 10),
            ),
            "posedirs": 0.0001 * random.standard_normal((VERTICES, 3, 135)),
            "J_regressor": _made(sparse, **_compressed(regressor)),
            "weights": near / near.sum(1, keepdims=True),
            "kintree_table": np.array([[2**32 - 1, *PARENTS[1:]], range(16)], np.int64),
            "f": faces.astype(np.uint32),
            "J": regressor @ vertices,
            **{"hands_mean": np.zeros(45), "hands_components": np.eye(45)},
            **{"hands_coeffs": np.zeros((1554, 45)), "bs_style": "lbs", "bs_type": "lrotmin"},
        }
        with path.open("wb") as file:
            _Python2(file, protocol=2).dump(content)


def mitten() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Vertices (778, 3) in metres and faces (1538, 3) of a closed end of a tube; its rim is MANO's.

    Together with the faces that close MANO's wrist the surface has no hole.
    """
    others = [index for index in range(VERTICES) if index not in RIM]
    rings = [list(RIM), *(others[start : start + 16] for start in range(0, 752, 16))]
    left, faces = others[752:], []
    for ring, following in itertools.pairwise(rings):
        for here in range(16):
            a, b = ring[here], ring[(here + 1) % 16]
            c, d = following[here], following[(here + 1) % 16]
            faces += [(a, b, c), (b, d, c)]
    faces += [(rings[-1][here], rings[-1][(here + 1) % 16], left[0]) for here in range(16)]
    vertices = np.zeros((VERTICES, 3))
    for level, ring in enumerate(rings):
        along, turn = level / (len(rings) - 1), -np.arange(16) * math.tau / 16
        wide = math.sqrt(1 - (0.98 * along) ** 2)
        ends = [0.09 - 0.18 * along + 0 * turn, 0.018 * np.cos(turn), 0.04 * np.sin(turn)]
        vertices[ring] = np.stack(ends, 1) * (1, wide, wide)
    vertices[left[0]] = (-0.095, 0, 0)
    for index in left[1:]:  # each splits a face into three
        a, b, c = faces.pop()
        vertices[index] = vertices[[a, b, c]].mean(0)
        faces[:0] = [(a, b, index), (b, c, index), (c, a, index)]
    return vertices, np.array(faces)


def _compressed(full: NDArray[np.float64]) -> dict[str, Any]:
    """State of scipy's matrix of compressed columns."""
    columns, rows = np.nonzero(full.T)
    starts = np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=full.shape[1]))])
    state: dict[str, Any] = {"data": full[rows, columns], "indices": rows.astype(np.int32)}
    return {**state, "indptr": starts.astype(np.int32), "_shape": full.shape, "maxprint": 50}


def _made(kind: type, **state: Any) -> Any:
    value = kind()
    value.__dict__.update(state)
    return value


@contextlib.contextmanager
def _classes(*names: str) -> Iterator[dict[str, Any]]:
    """Makers of empty classes with these full names; while the block runs they can be imported."""
    before, made = dict(sys.modules), {}

    def maker(full: str) -> Any:
        module, _, name = full.rpartition(".")

        def make(base: type) -> type:
            kind = type(name, (base,), {"__module__": module})
            setattr(sys.modules[module], name, kind)
            return kind

        return make

    try:
        for full in names:
            for end in [i for i, sign in enumerate(full) if sign == "."]:
                sys.modules[full[:end]] = types.ModuleType(full[:end])
            made[full] = maker(full)
        yield made
    finally:
        sys.modules.clear()
        sys.modules.update(before)


class _Python2(pickle._Pickler):  # the one in Python: what it writes can be changed
    """Writes texts and bytes as Python 2 did, and numpy's functions under their old names."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)

    def _text(self, value: bytes | str) -> None:
        data = value.encode("latin1") if isinstance(value, str) else value
        self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Name a class or function."""
        module = getattr(obj, "__module__", None) or ""
        if module.startswith("numpy._core."):
            full = module.replace("numpy._core.", "numpy.core.")
            self.write(f"c{full}\n{obj.__name__}\n".encode())
            self.memoize(obj)
        else:
            super().save_global(obj, name)

    dispatch[bytes] = _text
    dispatch[str] = _text
    dispatch[types.FunctionType] = save_global
    dispatch[types.BuiltinFunctionType] = save_global


if __name__ == "__main__":
    main()
