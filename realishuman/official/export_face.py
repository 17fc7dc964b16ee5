"""Makes what the face meshes run from: 3DDFA-V3's regressor as ONNX, its face model as arrays."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch

from realishuman.errors import ModelError
from realishuman.files.whole import whole_file
from realishuman.mesh.face3d import NETWORK
from realishuman.mesh.face_basis import SIDE, save_basis
from realishuman.official.face_model import read_face_model
from realishuman.official.resnet import FaceRegressor, load_face_regressor
from realishuman.onnx_files.session import open_session
from realishuman.onnx_files.writer import whole_pair, write_onnx
from realishuman.progress import Progress, Silent

ALLOWED = 1e-4  # of a coefficient, between ONNX and torch


def export_face(checkpoint: Path, target: Path, progress: Progress | None = None) -> float:
    """Write `target` (.onnx) and its weights (.onnx.data) from net_recon.pth, all float32.

    progress  gets one step per weight.
    Returns   the largest difference of a coefficient to torch, on a random crop.
    Raises    ModelError when the checkpoint is missing, damaged or another network, the disk is too
              small, or the export does not compute what torch does.
    """
    network = load_face_regressor(checkpoint)
    with whole_pair(target) as draft:
        write_onnx(
            network,
            {"crop": _random_crop()},
            ("coefficients",),
            draft,
            half=lambda _name, _values: False,
            constants={},
            note={"network": "3DDFA-V3's regressor", "source": checkpoint.name},
            progress=progress or Silent(),
        )
        return _difference(network, draft)


def convert_face_model(source: Path, target: Path) -> None:
    """Write `target` (.npz) from face_model.npy.

    Raises  ModelError as read_face_model, or when the disk is too small.
    """
    basis = read_face_model(source)
    needed = sum(getattr(basis, name).nbytes for name in basis.__dataclass_fields__)
    free = shutil.disk_usage(target.parent).free
    if needed > free:
        raise ModelError(
            f"{target.parent} has {free / 1e6:.0f} MB left but {target.name} takes "
            f"{needed / 1e6:.0f} MB: free some space or choose another place"
        )
    try:
        with whole_file(target) as file:
            save_basis(basis, file)
    except OSError as error:
        raise ModelError(f"{target} could not be written: {error}") from error


def _random_crop() -> torch.Tensor:
    return torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def _difference(network: FaceRegressor, draft: Path) -> float:
    """Run the draft and torch on the same crop; raises ModelError when they disagree."""
    crop = _random_crop()
    with torch.no_grad():
        wanted = network(crop).numpy()
    found = open_session(draft, NETWORK, provider="cpu").run(crop=crop.numpy())["coefficients"]
    difference = float(np.abs(found - wanted).max())
    if not difference <= ALLOWED * max(1.0, float(np.abs(wanted).max())):
        raise ModelError(
            f"the exported regressor differs from the original by {difference:.2g}, more than "
            f"{ALLOWED:g}: do not use it; are torch, onnx and onnxruntime current?"
        )
    return difference
