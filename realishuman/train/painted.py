"""What a pack's stage one paints of training crops, so that stage two learns from its faults."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from realishuman.backbones.packed import PackedBackbone
from realishuman.diffusion import stage_one
from realishuman.diffusion.noise import PartNoise
from realishuman.diffusion.sampling import Sampling
from realishuman.errors import SettingsError
from realishuman.progress import Silent
from realishuman.settings import PRESETS
from realishuman.train.config import PackConfig
from realishuman.train.crops import Pixels, TrainingCrop, pixels
from realishuman.train.views import tensor
from realishuman.weights.pack import Pack


class Painter:
    """Stage one of a pack.

    mark    changes with the file.
    Raises  PackError if the file is no pack, SettingsError if it is for other crops.
    """

    def __init__(self, path: Path, wanted: PackConfig) -> None:
        pack = Pack.open(path)
        header, preset = pack.header, PRESETS[pack.header.preset]
        for name in ("kind", "pose", "resolution"):
            if getattr(header, name) != getattr(wanted, name):
                raise SettingsError(
                    f"stage_two.painter: {path} has {name} {getattr(header, name)!r}, the "
                    f"configuration {getattr(wanted, name)!r}: name a pack for the same crops."
                )
        self.mark = hashlib.blake2b(path.read_bytes(), digest_size=4).hexdigest()
        self._backbone = PackedBackbone(pack)
        self._sampling = Sampling(
            steps=header.steps or preset.steps,
            guidance=preset.guidance if header.guidance is None else header.guidance,
        )

    def __call__(self, crops: Sequence[TrainingCrop], numbers: Sequence[int]) -> list[Pixels]:
        """The repaired part of each crop, (R, R, 3) uint8; a number always gives the same noise."""
        m = torch.from_numpy(np.stack([crop.m for crop in crops]))[:, None]
        seen = stage_one.inputs(
            torch.stack([tensor(crop.malformed) for crop in crops]),
            torch.stack([tensor(crop.pose) for crop in crops]),
            m,
        )
        noise = PartNoise(0, list(numbers), "stage one")
        painted, _ = stage_one.run(self._backbone, seen, self._sampling, noise, Silent())
        return [pixels(one) for one in painted]
