"""The face model of 3DDFA-V3: from coefficients to a posed surface, and from there into its crop.

Frames. Model: x right, y up, z out of the face, in the model's own unit (about a decimetre).
Camera: the same axes; the camera is at z = DISTANCE and looks along -z. Crop: x right, y down in
pixels of the 224 x 224 picture (continuous), z away from the viewer in the model's unit.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realishuman.advice import command
from realishuman.errors import ModelError
from realishuman.packs.store import models_dir

Floats = NDArray[np.float64]

COEFFICIENTS: Mapping[str, int] = {  # what the regressor's read-outs give, in their order
    "identity": 80,
    "expression": 64,
    "albedo": 80,
    "angles": 3,
    "light": 27,
    "shift": 2,
    "shift_z": 1,
}
COUNT = sum(COEFFICIENTS.values())  # 257
SIDE = 224  # of the crop, in pixels
FOCAL, CENTRE, DISTANCE = 1015.0, 112.0, 10.0
NEIGHBOURS = 8  # faces around a vertex that its normal is made of


@dataclass(frozen=True)
class FaceBasis:
    """A linear face model with V vertices and F faces.

    mean        (V, 3) float32, model frame.
    identity    (3 V, 80) float32, added to the flat mean per coefficient.
    expression  (3 V, 64) float32, likewise.
    faces       (F, 3) int32, outward: (v1 - v0) x (v2 - v0) points out of the face.
    around      (V, 8) int32, the faces around each vertex; F stands for none.
    """

    mean: NDArray[np.float32]
    identity: NDArray[np.float32]
    expression: NDArray[np.float32]
    faces: NDArray[np.int32]
    around: NDArray[np.int32]

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together."""
        flat, count = 3 * len(self.mean), len(self.faces)
        wanted = {
            "mean": (len(self.mean), 3),
            "identity": (flat, COEFFICIENTS["identity"]),
            "expression": (flat, COEFFICIENTS["expression"]),
            "faces": (count, 3),
            "around": (len(self.mean), NEIGHBOURS),
        }
        for name, shape in wanted.items():
            found = getattr(self, name)
            if found.shape != shape:
                raise ModelError(f"`{name}` has the shape {found.shape} instead of {shape}")
            if found.dtype.kind == "f" and not np.isfinite(found).all():
                raise ModelError(f"`{name}` holds NaN or infinity")
        for name, end in (("faces", len(self.mean)), ("around", count + 1)):
            indices = getattr(self, name)
            if indices.size and not (indices.min() >= 0 and indices.max() < end):
                raise ModelError(
                    f"`{name}` refers to {indices.min()}..{indices.max()}, not to 0..{end - 1}"
                )

    def shape(self, coefficients: Mapping[str, Floats]) -> Floats:
        """Vertices (V, 3) in the model frame, neither turned nor moved."""
        identity, expression = (
            coefficients[name].astype(np.float32) for name in ("identity", "expression")
        )  # a product in float64 would copy the bases
        flat = self.mean.ravel() + self.identity @ identity + self.expression @ expression
        return np.asarray(flat, np.float64).reshape(-1, 3)

    def normals(self, vertices: Floats) -> Floats:
        """Unit normals (V, 3): the mean of the faces' normals around each vertex, unweighted.

        Source  3DDFA-V3's compute_norm.
        """
        a, b, c = (vertices[self.faces[:, corner]] for corner in range(3))
        of_faces = np.vstack([_unit(np.cross(a - b, b - c)), np.zeros((1, 3))])
        return _unit(of_faces[self.around].sum(axis=1))


def split(coefficients: NDArray[np.floating]) -> dict[str, Floats]:
    """The regressor's 257 numbers by name, float64."""
    values = np.asarray(coefficients, np.float64)
    if values.shape != (COUNT,) or not np.isfinite(values).all():
        raise ModelError(
            f"the face regressor gave numbers of shape {values.shape} instead of {COUNT} finite "
            "ones, so its file is damaged: make it again, as the Models page or "
            f"`{command('doctor')}` says"
        )
    ends = np.cumsum(list(COEFFICIENTS.values()))[:-1]
    return dict(zip(COEFFICIENTS, np.split(values, ends), strict=True))


def rotation(angles: Floats) -> Floats:
    """Rz Ry Rx (3, 3) of angles (x, y, z) in radian."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


@dataclass(frozen=True)
class CropFace:
    """A face as the camera of the crop sees it.

    vertices  (V, 3) float64, crop frame: x, y in pixels of 224 x 224, z in the model's unit.
    normals   (V, 3) float64, unit, x right, y down, z away from the viewer.
    scale     crop pixels per unit of the model at the face's mean depth.
    """

    vertices: Floats
    normals: Floats
    scale: float


def pose(basis: FaceBasis, coefficients: NDArray[np.floating]) -> CropFace:
    """Pose the face that 257 coefficients describe and look at it through the crop's camera.

    Raises ModelError if a coefficient is not finite, or the face is not in front of the camera.
    """
    named = split(coefficients)
    shape, turn = basis.shape(named), rotation(named["angles"])
    turned = shape @ turn.T + np.concatenate([named["shift"], named["shift_z"]])
    depth = DISTANCE - turned[:, 2]
    if not depth.min() > 0:
        raise ModelError(
            "the face regressor put a face behind its camera: leave this part out, or use the "
            "built-in face mesh (set mesh to embedded)"
        )
    columns, rows = (FOCAL * turned[:, axis] / depth for axis in (0, 1))
    middle = float(depth.mean())
    vertices = np.stack([CENTRE + columns, SIDE - (CENTRE + rows), depth - middle], axis=1)
    normals = basis.normals(shape) @ turn.T * [1.0, -1.0, -1.0]
    return CropFace(vertices, normals, FOCAL / middle)


def save_basis(basis: FaceBasis, file: object) -> None:
    """Write into an open binary file what read_basis reads."""
    np.savez(file, **{spec.name: getattr(basis, spec.name) for spec in fields(FaceBasis)})  # type: ignore[arg-type]


def read_basis(path: Path) -> FaceBasis:
    """Read the face model that setup converted. Raises ModelError if it is missing or damaged."""
    if not path.is_file():
        raise ModelError(f"{path} is missing: run `{_setup(path)}` again")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            return FaceBasis(**{spec.name: data[spec.name] for spec in fields(FaceBasis)})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, ModelError) as error:
        raise ModelError(
            f"{path} is damaged or another file ({error}): delete it and run `{_setup(path)}` again"
        ) from error


def _setup(path: Path) -> str:
    """The line that makes the file, which lies in a folder of the models folder."""
    return command("setup", "official", folder=models_dir(path.parents[1]))


def _unit(vectors: Floats) -> Floats:
    """Unit vectors; 0 stays 0."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12))
