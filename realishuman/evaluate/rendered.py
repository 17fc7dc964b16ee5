"""Rendered pairs on disk, so that every evaluation of the same seeds renders them only once."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from realishuman import synthetic
from realishuman.batch.places import try_folder
from realishuman.files.guard import room
from realishuman.files.whole import whole_file
from realishuman.mesh.base import Mesh
from realishuman.mesh.hand_template import hand_template
from realishuman.synthetic.sample import SyntheticSample, sample

MESH = ("vertices", "faces", "joints")


class Rendered:
    """Makes a pair of seed, side and kind, or reads it where it was made before.

    folder  gets a folder in it whose name changes with the code and the hand that render, so
            that pairs of an older version are not taken for new ones.
    Raises  SettingsError if the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / generator_mark()
        try_folder(self.folder)

    def __call__(self, seed: int, side: int, kind: str) -> SyntheticSample:
        """The pair, as `sample` makes it. Raises what sample raises; TrainingError on a full disk.

        A file that is damaged is made again.
        """
        path = self.folder / f"{seed}-{side}-{kind.replace(' ', '-')}.npz"
        if path.is_file():
            try:
                return _read(path)
            except (OSError, ValueError, KeyError, EOFError, BadZipFile):
                path.unlink(missing_ok=True)
        pair = sample(seed, side, kind)
        with room(self.folder), whole_file(path) as file:
            np.savez_compressed(file, **_arrays(pair))
        return pair


def generator_mark() -> str:
    """Eight letters that change with the generator's code and the hand template."""
    sums = hashlib.blake2b(digest_size=4)
    for path in sorted(Path(synthetic.__path__[0]).glob("*.py")):
        sums.update(path.read_bytes())
    template = hand_template()
    for field in fields(template):
        value = getattr(template, field.name)
        sums.update(np.ascontiguousarray(value).tobytes() if isinstance(value, np.ndarray) else b"")
    return sums.hexdigest()


def _arrays(pair: SyntheticSample) -> dict[str, Any]:
    plain = {field.name: getattr(pair, field.name) for field in fields(pair)}
    mesh = plain.pop("mesh")
    return plain | {f"mesh_{name}": getattr(mesh, name) for name in MESH}


def _read(path: Path) -> SyntheticSample:
    with path.open("rb") as opened, np.load(opened) as file:
        found = {name: file[name] for name in file.files}
    mesh = Mesh(*(found.pop(f"mesh_{name}") for name in MESH))
    # numbers and names come back as arrays without dimensions
    plain = {name: value if value.ndim else value.item() for name, value in found.items()}
    names = {field.name for field in fields(SyntheticSample)} - {"mesh"}
    if plain.keys() != names:
        raise ValueError(f"{path} holds {sorted(plain)}, not {sorted(names)}")
    return SyntheticSample(mesh=mesh, **plain)
