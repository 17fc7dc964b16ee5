"""Meshes estimated from crops, as in use, where only the picture is known; made once and kept.

A mesh estimated from a malformed part follows the defect, so a judge that only ever saw true meshes
would learn to compare two outlines, and fail where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realishuman.detect.base import Detector
from realishuman.detect.embedded import EmbeddedDetector
from realishuman.files.guard import room
from realishuman.files.whole import whole_file
from realishuman.imaging.boxes import Box
from realishuman.imaging.crop import Crop
from realishuman.mesh.base import MeshRegressor
from realishuman.packs.store import models_folder
from realishuman.parts.draw import pose_and_mask
from realishuman.pipeline.regressors import AUTO, choose, open_regressor
from realishuman.train.config import Critic, PackConfig, TrainConfig
from realishuman.train.crops import CONFIDENCE, Mask, Pixels, pixels
from realishuman.train.shards import Crops

PER_FILE = 256
SHADED = "shaded"  # what every judge is shown, whatever its pack is steered by


@dataclass(frozen=True)
class Shown:
    """What a mesh looks like in a crop: pose (R, R, 3) uint8 and m (R, R) bool."""

    pose: Pixels
    m: Mask


class Estimated:
    """Estimated meshes of some crops' clean and malformed pictures, None where none was found."""

    def __init__(
        self,
        crops: Crops,
        config: TrainConfig,
        critic: Critic,
        folder: Path,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._every, self._first = critic.estimated, critic.first
        self._files: dict[int, Pixels] = {}
        estimate: Callable[[Pixels], Pixels] | None = None
        for first in range(critic.first, critic.first + critic.count, PER_FILE):
            path = folder / f"estimated-{config.pack.mesh}-{critic.estimated}-{first:08d}.npy"
            if not path.is_file():
                estimate = estimate or _Estimator(config.pack)
                chosen = range(first, min(first + PER_FILE, critic.first + critic.count))
                rows = [
                    np.stack([estimate(crops[i].clean), estimate(crops[i].malformed)])
                    for i in chosen
                    if i % critic.estimated == 0
                ]
                with room(folder), whole_file(path) as file:
                    np.save(file, np.stack(rows))
                say(f"estimated meshes of crops {chosen.start} to {chosen.stop - 1}")
            self._files[first] = np.load(path, mmap_mode="r")

    def get(self, index: int) -> tuple[Shown, Shown] | None:
        """Of the clean and the malformed picture of a crop, if both were found."""
        if index % self._every:
            return None
        first = self._first + (index - self._first) // PER_FILE * PER_FILE
        skipped = -(-first // self._every)
        pair = self._files[first][index // self._every - skipped]
        if not pair[:, 0, 0, 3].all():
            return None
        clean, malformed = (Shown(one[..., :3], one[..., 3] > 1) for one in pair)
        return clean, malformed


class _Estimator:
    """(R, R, 3) uint8 to pose and, as the fourth channel, 0 nothing found, 1 found, 2 covered."""

    def __init__(self, pack: PackConfig) -> None:
        self._kind, self._preset = pack.kind, pack.preset
        self._detector: Detector = EmbeddedDetector("cpu", threads=1)
        folder = models_folder()
        choice = choose(pack.kind, AUTO, pack.mesh, folder)
        self._regressor: MeshRegressor = open_regressor(pack.kind, choice, folder, "cpu")

    def __call__(self, picture: Pixels) -> Pixels:
        side = len(picture)
        image = np.ascontiguousarray(picture)
        parts = self._detector.detect(image, [self._kind], confidence=CONFIDENCE)
        result = np.zeros((side, side, 4), np.uint8)
        if parts:
            (mesh,) = self._regressor.regress(image, parts[:1])
            whole = Crop(Box(0, 0, side, side), side)
            pose, m = pose_and_mask(mesh, parts[0], whole, self._preset, SHADED)
            result[..., :3], result[..., 3] = pixels(pose), m + 1
        return result
