"""A pair in a file of its own, an .npz with every field."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from realishuman.files.whole import whole_file
from realishuman.mesh.base import Mesh
from realishuman.synthetic.pair import SyntheticSample

MESH = ("vertices", "faces", "joints")


def write_pair(path: Path, pair: SyntheticSample) -> None:
    """Write a pair. Raises OSError where the disk is full."""
    plain: dict[str, Any] = {field.name: getattr(pair, field.name) for field in fields(pair)}
    mesh = plain.pop("mesh")
    plain |= {f"mesh_{name}": getattr(mesh, name) for name in MESH}
    with whole_file(path) as file:
        np.savez_compressed(file, **plain)


def read_pair(path: Path) -> SyntheticSample:
    """Read a pair. Raises OSError, ValueError, KeyError, EOFError or BadZipFile if it is none."""
    with path.open("rb") as opened, np.load(opened) as file:
        found = {name: file[name] for name in file.files}
    mesh = Mesh(*(found.pop(f"mesh_{name}") for name in MESH))
    # numbers and names come back as arrays without dimensions
    plain = {name: value if value.ndim else value.item() for name, value in found.items()}
    names = {field.name for field in fields(SyntheticSample)} - {"mesh"}
    if plain.keys() != names:
        raise ValueError(f"{path} holds {sorted(plain)}, not {sorted(names)}")
    return SyntheticSample(mesh=mesh, **plain)
