"""Reads the official MANO_RIGHT.pkl, and says what is wrong with any other file.

MANO may not be passed on: everybody gets it from its authors. The file is known by its SHA-256;
another one, for example one saved anew without chumpy, is taken only when the caller says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realishuman.errors import ModelError
from realishuman.official.pickles import read_bytes, unpickle

SHA256 = "45d60aa3b27ef9107a7afd4e00808f307fd91111e1cfa35afd5c4a62de264767"
EXPECTED = (
    "MANO_RIGHT.pkl of MANO v1.2 (3,821,356 bytes); register at https://mano.is.tue.mpg.de, "
    "download 'Models & Code' and unpack mano_v1_2/models/MANO_RIGHT.pkl"
)
PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)
VERTICES, JOINTS, FACES = 778, len(PARENTS), 1538
SHAPES: Mapping[str, tuple[int, ...]] = {
    "v_template": (VERTICES, 3),
    "shapedirs": (VERTICES, 3, 10),
    "posedirs": (VERTICES, 3, 9 * (JOINTS - 1)),
    "J_regressor": (JOINTS, VERTICES),
    "weights": (VERTICES, JOINTS),
    "f": (FACES, 3),
    "kintree_table": (2, JOINTS),
}


@dataclass(frozen=True)
class ManoFile:
    """The right hand, in metres.

    template   (778, 3) float32 vertices of the mean hand, flat.
    shapes     (778, 3, 10) float32, what each shape coefficient adds.
    poses      (778, 3, 135) float32, what each entry of the 15 rotations minus identity adds.
    regressor  (16, 778) float32, joints from vertices.
    weights    (778, 16) float32, rows sum to 1.
    faces      (1538, 3) int32, open at the wrist.
    """

    template: NDArray[np.float32]
    shapes: NDArray[np.float32]
    poses: NDArray[np.float32]
    regressor: NDArray[np.float32]
    weights: NDArray[np.float32]
    faces: NDArray[np.int32]


def read_mano(path: Path, *, accept_unknown: bool = False) -> ManoFile:
    """Read MANO_RIGHT.pkl.

    accept_unknown  take a file whose SHA-256 is not the official one's, if all shapes fit.
    Raises          ModelError when it is missing, damaged, another version, or not known.
    """
    content = read_bytes(path, EXPECTED)
    known = hashlib.sha256(content).hexdigest() == SHA256
    raw = unpickle(content, path, EXPECTED)  # refuses code, known or not
    arrays = _check(path, raw)
    if not known and not accept_unknown:
        raise ModelError(
            f"{path} ({len(content):,} bytes) has the layout of MANO but is not the official file: "
            "its SHA-256 differs. Use the official one, or say that you trust this one "
            f"(--accept-unknown). Expected: {EXPECTED}"
        )
    floats = {name: array.astype(np.float32) for name, array in arrays.items()}
    return ManoFile(
        template=floats["v_template"],
        shapes=floats["shapedirs"],
        poses=floats["posedirs"],
        regressor=floats["J_regressor"],
        weights=floats["weights"],
        faces=arrays["f"].astype(np.int32),
    )


def _check(path: Path, raw: Any) -> dict[str, NDArray[Any]]:
    """The arrays that are used; raises ModelError when one is missing or cannot be MANO's."""
    if not isinstance(raw, dict):
        raise _other(path, f"holds a {type(raw).__name__}, not a table of arrays")
    if missing := sorted(SHAPES.keys() - raw.keys()):
        raise _other(path, f"lacks {', '.join(missing)}")
    arrays = {name: np.asarray(raw[name]) for name in SHAPES}
    for name, shape in SHAPES.items():
        found = arrays[name]
        if found.shape != shape:
            raise _other(path, f"has {name} of shape {found.shape}, not {shape}")
        if found.dtype.kind not in "fiu" or not np.isfinite(found).all():
            raise _other(path, f"has {name} with values that are not finite numbers")
    faces = arrays["f"].astype(np.int64)
    if faces.min() < 0 or faces.max() >= VERTICES:
        raise _other(path, f"has faces of vertices {faces.min()} to {faces.max()} of {VERTICES}")
    parents = tuple(int(joint) for joint in arrays["kintree_table"][0, 1:].astype(np.int64))
    if parents != PARENTS[1:]:
        raise _other(path, f"has the joints' parents {parents}, not {PARENTS[1:]}")
    return arrays


def _other(path: Path, why: str) -> ModelError:
    return ModelError(
        f"{path} is not MANO's right hand, or of another version: it {why}. Expected: {EXPECTED}"
    )
