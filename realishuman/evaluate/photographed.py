"""Pairs made of a folder of photographs, kept on disk: the truth of each is the photograph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from realishuman.batch.places import try_folder
from realishuman.detect.embedded import EmbeddedDetector
from realishuman.errors import PictureError, SettingsError
from realishuman.evaluate.rendered import generator_mark
from realishuman.files.fingerprint import digest
from realishuman.files.guard import room
from realishuman.imaging.picture import load_picture
from realishuman.progress import Progress
from realishuman.synthetic.good_hand import SURE, fit_good_hand
from realishuman.synthetic.pair import SyntheticSample
from realishuman.synthetic.pair_file import read_pair, write_pair
from realishuman.synthetic.photograph import list_kinds, make_malformed

NONE = ".none"  # ending of the file that says that a photograph gave no pair


class Photographed:
    """Makes a pair of each photograph with a usable hand, or reads it where it was made before.

    photographs  files, in any order; they are taken in the order of their content's SHA-256.
    folder       gets a folder in it whose name changes with the code that makes pairs.
    count        how many pairs are wanted.
    Raises       SettingsError if the photographs give fewer, or the folder cannot be used.
    """

    def __init__(
        self, photographs: Sequence[Path], folder: Path, count: int, progress: Progress
    ) -> None:
        self.folder = folder = folder / generator_mark()
        try_folder(folder)
        named = sorted((digest(path), path) for path in photographs)
        detector = EmbeddedDetector("cpu")
        self._files: list[Path] = []
        progress.begin("pairs of photographs", count)
        for mark, photograph in named:
            if len(self._files) == count:
                return
            file, none = folder / f"{mark[:16]}.npz", folder / f"{mark[:16]}{NONE}"
            if none.is_file():
                continue
            if not file.is_file():
                pair = _pair(photograph, int(mark[:16], 16), detector)
                with room(folder):
                    if pair is None:
                        none.touch()
                        continue
                    write_pair(file, pair)
            self._files.append(file)
            progress.step()
        if len(self._files) < count:
            raise SettingsError(
                f"{len(named)} photographs give {len(self._files)} pairs, but {count} are asked "
                "for: ask for fewer with --count, or add photographs of single hands."
            )

    def __call__(self, number: int, _side: int, _kind: str) -> SyntheticSample:
        """The pair of this number; its side and kind are its own."""
        return read_pair(self._files[number])


def _pair(photograph: Path, seed: int, detector: EmbeddedDetector) -> SyntheticSample | None:
    """A pair of the surest hand that gives one."""
    try:
        picture = load_picture(photograph).rgb
    except PictureError:
        return None
    parts = detector.detect(picture, ["hand"], confidence=SURE)
    rng = np.random.default_rng(seed)
    for part in parts:
        hand = fit_good_hand(picture, part, [other for other in parts if other is not part])
        if hand is not None:
            pair = make_malformed(rng, hand, str(rng.choice(list_kinds(hand))))
            if pair is not None:
                return pair
    return None
