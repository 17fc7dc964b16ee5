"""Judges and counts fingers for reports; gates nothing, so its numbers are worth reading.

One network with two answers, trained by `realishuman train scorer` on other seeds than the judge of
the pipeline. It is the same for every pack, so distances on its features can be compared between
packs. Its answers and features are those given the true mesh, whatever mesh a repair was asked to
follow; what it says given that one is a measure of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Part
from realishuman.judge.network import FOLDER, INPUTS, encode_input
from realishuman.mesh.base import Mesh
from realishuman.onnx_files.session import Network, open_session

FILE = FOLDER / "scorer-hand.onnx"
FINGERS = (4, 5, 6)  # what it can count
SCORER = Network(
    INPUTS, {"malformed": (None, 1), "fingers": (None, len(FINGERS)), "features": (None, None)}
)
EXTRACTOR = "the features the scorer decides on, given the true mesh"  # their name in reports


@dataclass(frozen=True)
class Score:
    """How likely the hand is malformed, 0..1, how many fingers it has, and what tells so.

    features  (F,) float32, what both answers are computed from; 257 in the built-in network.
    """

    malformed: float
    fingers: int
    features: NDArray[np.float32]


class Scores(Protocol):
    """What measures hands in a report."""

    def __call__(self, picture: NDArray[np.uint8], part: Part, mesh: Mesh) -> Score:
        """Score one hand of a picture (H, W, 3) uint8 RGB, given the mesh it should follow."""


class Scorer:
    """The built-in scorer of hands.

    Raises ModelError if the file is missing, damaged or another network.
    """

    def __init__(self, path: Path = FILE) -> None:
        self._session = open_session(path, SCORER, provider="cpu")

    def __call__(self, picture: NDArray[np.uint8], part: Part, mesh: Mesh) -> Score:
        """Score one hand; see Scores."""
        found = self._session.run(crop=encode_input(picture, part, mesh))
        fingers = FINGERS[int(found["fingers"][0].argmax())]
        return Score(float(found["malformed"][0, 0]), fingers, found["features"][0])
