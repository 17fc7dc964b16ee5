"""Face meshes by 3DDFA-V3, as the released pipeline makes them, for every face of a picture.

Runs what `realishuman setup official` made of the official files: the regressor as ONNX and the
face model as plain arrays. Pose images made of these meshes are shaded with the face model's own
normals. Differs from the released code in two ways: the faces are found and aligned by this
package's detector, and each is drawn at the crop's own resolution instead of at 224 x 224.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Part, Picture
from realishuman.mesh.base import Mesh, PaperRegressor
from realishuman.mesh.face_alignment import Alignment, align_face, five_points
from realishuman.mesh.face_basis import COUNT, SIDE, FaceBasis, pose, read_basis
from realishuman.onnx_files.session import Network, OnnxSession, open_session

REGRESSOR, BASIS = "face3d/net_recon.onnx", "face3d/face_model.npz"  # in the models folder
WEIGHTS = f"{REGRESSOR}.data"  # of the regressor
NETWORK = Network({"crop": (None, 3, SIDE, SIDE)}, {"coefficients": (None, COUNT)})
BATCH = 8  # faces that go through the network together


class OfficialFace:
    """Mesh regressor of faces; opens its files on first use.

    folder    the models folder, in which REGRESSOR and BASIS lie.
    provider  what runs the network: "auto", "cpu" or "cuda".
    """

    def __init__(self, folder: Path, provider: str = "auto") -> None:
        self._folder, self._provider = folder, provider
        self._session: OnnxSession | None = None
        self._basis: FaceBasis | None = None

    @property
    def provider(self) -> str:
        """What really runs the network; empty before the first face."""
        return self._session.provider if self._session else ""

    @property
    def note(self) -> str:
        """A sentence when that is not what was asked for, else empty."""
        return self._session.note if self._session else ""

    def release(self) -> None:
        """Let go of the network's memory; it opens again at the next use."""
        if self._session is not None:
            self._session.release()

    def regress(self, picture: Picture, parts: Sequence[Part]) -> list[Mesh]:
        """Return one mesh per face; Mesh.joints are the detector's own keypoints.

        Raises ModelError when a part is no face that can be aligned, or a file is missing or wrong.
        """
        if not parts:
            return []
        height, width = picture.shape[:2]
        places = [align_face(five_points(part.keypoints), (width, height)) for part in parts]
        coefficients = self._coefficients(np.stack([place.crop(picture) for place in places]))
        return [
            self._mesh(part, place, row)
            for part, place, row in zip(parts, places, coefficients, strict=True)
        ]

    def _coefficients(self, crops: NDArray[np.float32]) -> NDArray[np.float32]:
        """(P, 3, 224, 224) to (P, 257)."""
        self._session = self._session or open_session(
            self._folder / REGRESSOR, NETWORK, provider=self._provider
        )
        session = self._session
        rows = [
            session.run(crop=crops[start : start + BATCH])["coefficients"]
            for start in range(0, len(crops), BATCH)
        ]
        return np.concatenate(rows)

    def _mesh(self, part: Part, place: Alignment, coefficients: NDArray[np.float32]) -> Mesh:
        self._basis = self._basis or read_basis(self._folder / BASIS)
        face = pose(self._basis, coefficients)
        depth = face.vertices[:, 2:] * face.scale * place.enlarged.mean()
        return Mesh(
            vertices=np.hstack([place.to_picture(face.vertices), depth]).astype(np.float32),
            faces=self._basis.faces.copy(),
            joints=np.asarray(part.keypoints, np.float32),
            normals=face.normals.astype(np.float32),
        )


PAPER = PaperRegressor("3DDFA-V3", (REGRESSOR, WEIGHTS, BASIS), OfficialFace)
