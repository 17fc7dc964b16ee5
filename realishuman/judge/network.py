"""A small network that says how likely a part is malformed, given the mesh it should follow.

It sees what `realishuman train judge` showed it: the crop, the shaded render of the mesh, and the
mesh's mask m. It knows the pictures it was trained on. There are two for hands: one was trained on
rendered ones, as the demo pack was, and is used with that alone; the other also on photographed
hands made malformed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from realishuman.detect.base import Part, Picture
from realishuman.detect.parts import crop_box
from realishuman.imaging.crop import Crop, extract
from realishuman.mesh.base import Mesh
from realishuman.onnx_files.session import Network, OnnxSession, open_session
from realishuman.parts.draw import pose_and_mask

FOLDER = Path(__file__).parents[1] / "assets" / "judge"
SIDE, MARGIN = 128, 1.5  # of the crop: pixels, and longer sides of the part; as trained
INPUTS: Mapping[str, tuple[int | None, ...]] = {"crop": (None, 7, SIDE, SIDE)}
JUDGE = Network(INPUTS, {"malformed": (None, 1)})


def find_judge(kind: str, rendered: bool = False) -> Path | None:
    """The judge of a kind of part, or of rendered ones; None if there is none."""
    path = FOLDER / (f"{kind}.onnx" if rendered else f"photographed-{kind}.onnx")
    return path if path.is_file() else None


class JudgeNetwork:
    """An opened judge.

    Raises ModelError if the file is missing, damaged or another network.
    """

    def __init__(self, path: Path) -> None:
        self._session: OnnxSession = open_session(path, JUDGE, provider="cpu")

    def malformed(self, picture: Picture, part: Part, mesh: Mesh) -> float:
        """How likely the part is malformed, 0..1; picture (H, W, 3) uint8 RGB."""
        return float(self._session.run(crop=encode_input(picture, part, mesh))["malformed"][0, 0])


def encode_input(picture: Picture, part: Part, mesh: Mesh) -> NDArray[np.float32]:
    """What the network is shown: (1, 7, 128, 128), crop in [-1, 1], pose and m in [0, 1]."""
    crop = Crop(crop_box(part, MARGIN), SIDE)
    pose, m = pose_and_mask(mesh, part, crop, "released", "shaded")
    planes = [extract(picture, crop) * 2 - 1, pose, torch.from_numpy(m)[None].float()]
    stacked: NDArray[np.float32] = torch.cat(planes)[None].numpy()
    return stacked
