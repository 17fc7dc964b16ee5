"""Whether a repaired face is still the same person, by a face recognition network the user names.

Any ONNX file of the ArcFace family fits: it takes an aligned face (1, 3, 112, 112), RGB in [-1, 1],
and gives one vector. None is shipped, and none is fetched.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.errors import ModelError
from realishuman.mesh.align import align
from realishuman.onnx_files.session import open_session

Pixels = NDArray[np.uint8]

SIDE = 112
# ArcFace's template: eyes, tip of the nose and corners of the mouth, left to right as seen.
TEMPLATE = np.array(
    [
        (38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)  # fmt: skip
# The same of MediaPipe's landmarks; an eye is where its corners and lids are on average.
POINTS = ((33, 133, 159, 145), (263, 362, 386, 374), (1,), (61,), (291,))


class FaceIdentity:
    """Vectors of faces, and how far two of them are apart.

    path    ONNX file.
    Raises  ModelError if it cannot be opened or does not take and give what such a network does.
    """

    def __init__(self, path: Path, provider: str = "auto") -> None:
        if not path.is_file():
            raise ModelError(
                f"{path} is no file: name the ONNX file of a face recognition network."
            )
        self._session = open_session(path, None, provider=provider)
        inputs, outputs = self._session.network.inputs, self._session.network.outputs
        shapes = [*inputs.values()]
        fits = (
            len(shapes) == len(outputs) == 1
            and len(shapes[0]) == 4
            and shapes[0][1:] == (3, SIDE, SIDE)
            and shapes[0][0] in (None, 1)
        )
        if not fits:
            raise ModelError(
                f"{path} takes {dict(inputs)} and gives {dict(outputs)}; a face recognition "
                f"network takes one (N, 3, {SIDE}, {SIDE}) and gives one vector: name another file."
            )
        (self._input,) = inputs
        self.name = path.name

    def vector(self, picture: Pixels, keypoints: NDArray[np.floating]) -> NDArray[np.float64]:
        """The face's vector (D,), of length 1.

        picture    (H, W, 3) uint8 RGB.
        keypoints  (468, 2+) in its pixels, MediaPipe's order.
        """
        pixels = align_face(picture, keypoints).astype(np.float32)
        pixels = (pixels - np.float32(127.5)) / np.float32(127.5)
        batch = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
        (found,) = self._session.run(**{self._input: batch}).values()
        vector = found.reshape(-1).astype(np.float64)
        return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12))


def cosine_distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """1 minus the cosine between two vectors of length 1: 0 the same, 1 unrelated, 2 opposite."""
    return 1.0 - float(first @ second)


def align_face(picture: Pixels, keypoints: NDArray[np.floating]) -> Pixels:
    """The face upright, (112, 112, 3), its eyes, nose and mouth as near to ArcFace's as may be.

    Source  Deng et al. 2019, "ArcFace"; the similarity is Umeyama's.
    """
    points = np.array([keypoints[list(some), :2].mean(axis=0) for some in POINTS], np.float64)
    flat = [np.column_stack([each, np.zeros(len(each))]) for each in (points, TEMPLATE)]
    turn, scale = align(*flat)
    matrix = scale * turn[:2, :2]
    offset = TEMPLATE.mean(axis=0) - matrix @ points.mean(axis=0)
    if scale < 1:  # a large face is smoothed as much as it shrinks
        picture = cv2.GaussianBlur(picture, (0, 0), 0.5 / scale)
    # OpenCV counts from pixels' centres, keypoints from their corners
    centre = np.full(2, 0.5)
    offset = offset + matrix @ centre - centre
    face: Pixels = cv2.warpAffine(
        picture, np.column_stack([matrix, offset]), (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE
    )
    return face
