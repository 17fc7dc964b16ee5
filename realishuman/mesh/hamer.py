"""Hand meshes by HaMeR, from the ONNX file that its exporter makes of the official files.

Crops of all hands of a picture go through the network in groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from realishuman.detect.base import Part, Picture
from realishuman.errors import ModelError
from realishuman.mesh.base import Mesh, PaperRegressor
from realishuman.mesh.hamer_frame import HandFrame, hand_crop, hand_frame, in_picture
from realishuman.mesh.normals import vertex_normals
from realishuman.onnx_files.session import Network, open_session

FILE = "hamer/hamer.onnx"  # in the models folder
VERTICES, FACES = 778, 1538
HAMER = Network(
    {"crop": (None, 3, 256, 256)},
    {
        "vertices": (None, VERTICES, 3),
        "joints": (None, 21, 3),
        "camera": (None, 3),
        "faces": (FACES, 3),
    },
)
AT_ONCE = 8  # crops per run of the network
WRIST = (  # faces that close the hand, over the 16 vertices of its rim
    *((92, 38, 234), (234, 38, 239), (38, 122, 239), (239, 122, 279), (122, 118, 279)),
    *((279, 118, 215), (118, 117, 215), (215, 117, 214), (117, 119, 214), (214, 119, 121)),
    *((119, 120, 121), (121, 120, 78), (120, 108, 78), (78, 108, 79)),
)


class HamerHand:
    """Mesh regressor of hands.

    path      the exported network.
    provider  as open_session takes it.
    Raises    ModelError when the file is missing, damaged or another network.
    """

    def __init__(self, path: Path, provider: str = "auto") -> None:
        self._session = open_session(path, HAMER, provider=provider)

    @property
    def provider(self) -> str:
        """What really runs the network."""
        return self._session.provider

    @property
    def note(self) -> str:
        """A sentence when it runs elsewhere than asked, else empty."""
        return self._session.note

    def release(self) -> None:
        """Let go of the network's memory; it opens again at the next use."""
        self._session.release()

    def regress(self, picture: Picture, parts: Sequence[Part]) -> list[Mesh]:
        """Return one mesh per hand.

        Mesh.joints are the network's own 21. A hand of unknown side counts as a right one.
        Raises ModelError when a part is no hand, its box has no area, or the network puts a hand
        behind the camera.
        """
        frames = [_frame(number, part) for number, part in enumerate(parts)]
        meshes: list[Mesh] = []
        for start in range(0, len(frames), AT_ONCE):
            group = frames[start : start + AT_ONCE]
            hands = self._session.run(crop=np.stack([hand_crop(picture, one) for one in group]))
            faces = _close_wrist(hands["faces"])
            size = (picture.shape[0], picture.shape[1])
            for place, frame in enumerate(group):
                own = {name: hands[name][place] for name in ("vertices", "joints", "camera")}
                meshes.append(_mesh(start + place, own, faces, frame, size))
        return meshes


def _frame(number: int, part: Part) -> HandFrame:
    if part.kind != "hand":
        raise ModelError(f"part {number} is a {part.kind}: pass only hands to HaMeR")
    box = part.box
    if not (np.isfinite([box.x0, box.y0, box.x1, box.y1]).all() and box.width * box.height > 0):
        raise ModelError(
            f"the box {box} of hand {number} has no area: leave this hand out, or draw a box "
            "around it"
        )
    return hand_frame(box, part.side == "left")


def _close_wrist(faces: NDArray[np.float32]) -> NDArray[np.int32]:
    """The network's faces and those that close the wrist, (1552, 3)."""
    return np.concatenate([faces.astype(np.int32), np.array(WRIST, np.int32)])


def _mesh(
    number: int,
    hand: dict[str, NDArray[np.float32]],
    faces: NDArray[np.int32],
    frame: HandFrame,
    size: tuple[int, int],
) -> Mesh:
    vertices, depth = in_picture(hand["vertices"], hand["camera"], frame, size)
    joints, _ = in_picture(hand["joints"], hand["camera"], frame, size)
    if not (depth + hand["vertices"][:, 2].min() > 0 and np.isfinite(vertices).all()):
        raise ModelError(
            f"HaMeR puts hand {number} behind the camera (scale {hand['camera'][0]:.3g}): leave "
            "this hand out. If that happens with every hand, export the network again"
        )
    faces = np.ascontiguousarray(faces[:, ::-1] if frame.left else faces)
    return Mesh(
        vertices.astype(np.float32),
        faces,
        joints.astype(np.float32),
        _normals(hand["vertices"], faces, frame.left),
    )


def _normals(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], left: bool
) -> NDArray[np.float32]:
    """Unit normals (V, 3) before the camera: in the picture perspective has tilted the surface."""
    placed = vertices * np.array([-1.0 if left else 1.0, 1.0, 1.0], np.float32)
    normals: NDArray[np.float32] = vertex_normals(
        torch.from_numpy(placed), torch.from_numpy(faces)
    ).numpy()
    return normals


PAPER = PaperRegressor(
    "HaMeR",
    (FILE, f"{FILE}.data"),
    lambda folder, provider: HamerHand(folder / FILE, provider),
)
