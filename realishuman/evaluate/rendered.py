"""Rendered pairs on disk, so that every evaluation of the same seeds renders them only once."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from realishuman import synthetic
from realishuman.batch.places import try_folder
from realishuman.files.guard import room
from realishuman.mesh.hand_template import hand_template
from realishuman.synthetic.pair_file import read_pair, write_pair
from realishuman.synthetic.sample import SyntheticSample, sample


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
                return read_pair(path)
            except (OSError, ValueError, KeyError, EOFError, BadZipFile):
                path.unlink(missing_ok=True)
        pair = sample(seed, side, kind)
        with room(self.folder):
            write_pair(path, pair)
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
