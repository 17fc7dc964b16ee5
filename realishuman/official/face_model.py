"""Reads the Basel Face Model as 3DDFA-V3 stores it, and keeps what a mesh needs.

The official face_model.npy pickles a dict of arrays. It is read without running anything in it;
albedo, landmarks and segmentation are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realishuman.errors import ModelError
from realishuman.mesh.face_basis import FaceBasis
from realishuman.official.pickles import read_bytes, read_npy

EXPECTED = (
    "face_model.npy (the Basel Face Model of 3DDFA-V3, 35709 vertices, 104 MB) of "
    "huggingface.co/datasets/Zidu-Wang/3DDFA-V3, folder assets"
)
_MATLAB = b"MATLAB 5.0"
_KEYS = ("u", "id", "exp", "tri", "point_buf")


def read_face_model(path: Path) -> FaceBasis:
    """Read the official file.

    Raises ModelError when it is missing, damaged, names code, or is another face model; the
    message says what was found and where the right one is.
    """
    if read_bytes(path, EXPECTED)[: len(_MATLAB)] == _MATLAB:
        raise ModelError(
            f"{path} is a MATLAB file, as other versions of the Basel Face Model are. Expected: "
            f"{EXPECTED}"
        )
    raw = read_npy(path, EXPECTED)
    if not isinstance(raw, dict) or (missing := [key for key in _KEYS if key not in raw]):
        found = ", ".join(map(str, raw)) if isinstance(raw, dict) else type(raw).__name__
        lacks = f", not {', '.join(missing)}" if isinstance(raw, dict) else ""
        raise ModelError(f"{path} holds {found}{lacks}: it is another file. Expected: {EXPECTED}")
    try:
        return _basis(raw)
    except (ModelError, ValueError, TypeError) as error:
        raise ModelError(
            f"{path} is another version of the face model: {error}. Expected: {EXPECTED}"
        ) from error


def _basis(raw: Mapping[str, Any]) -> FaceBasis:
    def floats(name: str, *shape: int) -> NDArray[np.float32]:
        return np.ascontiguousarray(raw[name], np.float32).reshape(shape)

    def indices(name: str) -> NDArray[np.int32]:
        found = np.asarray(raw[name])
        if found.dtype.kind not in "iu":
            raise ModelError(f"`{name}` holds {found.dtype}, expected whole numbers")
        return np.ascontiguousarray(found, np.int32)

    rows = len(raw["u"])
    return FaceBasis(
        mean=floats("u", -1, 3),
        identity=floats("id", rows, -1),
        expression=floats("exp", rows, -1),
        faces=indices("tri"),
        around=indices("point_buf"),
    )
