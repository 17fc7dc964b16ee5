"""What every mesh regressor returns, and the one interface the pipeline knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Part, Picture


@dataclass(frozen=True)
class Mesh:
    """A closed surface in the frame of the whole picture.

    vertices  (V, 3) float32: x right, y down in picture pixels (continuous: pixel centres at
              +0.5), z away from the viewer in the same unit; only differences of z mean anything.
              This frame is right-handed.
    faces     (F, 3) int32; (v1 - v0) x (v2 - v0) points outwards, so a visible face's has z < 0.
    joints    (K, 3) float32 in the frame of vertices: the keypoints this mesh was asked to have.
    normals   (V, 3) float32, unit, outwards, axes as vertices: what it is shaded with; None takes
              those of the surface.
    seen      (V, 3) float32, frame of vertices: the same surface as the picture shows it, where the
              mesh was corrected. The ring covers it too, or the tip of a finger that is too long
              would stay beside the good one. None: nothing was corrected.
    wrong     (5,) float32 of a hand, how likely each finger is malformed, 0 to 1, thumb first; None
              where nothing was asked.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    joints: NDArray[np.float32]
    normals: NDArray[np.float32] | None = None
    seen: NDArray[np.float32] | None = None
    wrong: NDArray[np.float32] | None = None


class MeshRegressor(Protocol):
    """Turns found parts into meshes."""

    @property
    def note(self) -> str:
        """A sentence when a network runs elsewhere than asked, else empty."""

    def regress(self, picture: Picture, parts: Sequence[Part]) -> list[Mesh]:
        """Return one mesh per part, in the same order."""

    def release(self) -> None:
        """Let go of the memory of networks, if there are any; they open again at the next use."""


@dataclass(frozen=True)
class PaperRegressor:
    """A regressor of the paper.

    name   as reports call it.
    files  that it runs from, within the models folder.
    open   makes it, given the models folder and a provider as open_session takes it.
    """

    name: str
    files: tuple[str, ...]
    open: Callable[[Path, str], MeshRegressor]
