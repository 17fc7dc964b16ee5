"""Exports HaMeR and MANO's layer from the official files as one ONNX network, and checks it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from realishuman.errors import ModelError
from realishuman.files.fingerprint import digest
from realishuman.mesh.hamer import HAMER
from realishuman.official import hamer
from realishuman.official.hamer import SIDE, Hamer, build_hamer, open_hamer
from realishuman.official.mano_file import read_mano
from realishuman.onnx_files.session import open_session
from realishuman.onnx_files.writer import weights_of, whole_pair, write_onnx
from realishuman.progress import Progress, Silent

ALLOWED = 1e-3  # metres between ONNX with float16 weights and torch with float32 ones


@dataclass(frozen=True)
class Exported:
    """What an export made.

    path        the ONNX file; its weights lie beside it, as <name>.data.
    size        of both, in bytes.
    difference  largest of a vertex' coordinate on a random crop, metres, to torch in float32.
    """

    path: Path
    size: int
    difference: float


def export_hamer(
    checkpoint: Path,
    mano: Path,
    target: Path,
    progress: Progress | None = None,
    *,
    accept_unknown: bool = False,
    half: bool = True,
) -> Exported:
    """Write `target` (.onnx) and its weights (.onnx.data) from hamer.ckpt and MANO_RIGHT.pkl.

    accept_unknown  take files whose SHA-256 is not the official one's, if all names and shapes fit.
    half            store large weights as float16 (1.3 GB), else all as float32 (2.7 GB).
    progress        gets bytes hashed, then weights written.
    Raises          ModelError when a file is missing, damaged, swapped, another version or unknown,
                    the disk is too small, or the export does not compute what torch does.
    """
    progress = progress or Silent()
    hand = read_mano(mano, accept_unknown=accept_unknown)
    weights = open_hamer(checkpoint)
    net = build_hamer(weights, hand)
    if not accept_unknown:
        _check_known(checkpoint, progress)
    example = _random_crop(1)
    with whole_pair(target) as draft:
        write_onnx(
            net,
            {"crop": example},
            ("vertices", "joints", "camera"),
            draft,
            half=lambda name, values: half and _is_large(name, values),
            constants={"faces": torch.from_numpy(hand.faces.astype(np.float32))},
            note={
                "network": "HaMeR with MANO's layer; both under their authors' licences",
                "source": f"{checkpoint.name}, {mano.name}",
            },
            progress=progress,
        )
        difference = _difference(net, draft)
    return Exported(target, target.stat().st_size + weights_of(target).stat().st_size, difference)


def _check_known(path: Path, progress: Progress) -> None:
    """Raise ModelError unless the file is the official one, byte for byte."""
    found = digest(path, progress)
    if found != hamer.SHA256:
        raise ModelError(
            f"{path} has the layout of HaMeR's checkpoint but is not the official file: its "
            f"SHA-256 is {found}, expected {hamer.SHA256}. Fetch it again, or say "
            f"that you trust this one (--accept-unknown). Expected: {hamer.EXPECTED}"
        )


def _is_large(name: str, values: Tensor) -> bool:
    """Matrices of the networks; MANO's own keep their millimetres in float32."""
    return values.dim() >= 2 and values.numel() >= 1 << 16 and not name.startswith("mano.")


def _random_crop(count: int) -> Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def _difference(net: Hamer, draft: Path) -> float:
    """Run the draft and torch on the same crop; raises ModelError when they disagree."""
    crop = _random_crop(1)
    with torch.no_grad():
        wanted = dict(zip(("vertices", "joints", "camera"), net(crop), strict=True))
    found = open_session(draft, HAMER, provider="cpu").run(crop=crop.numpy())
    differences = {name: float(np.abs(found[name] - w.numpy()).max()) for name, w in wanted.items()}
    if not differences["vertices"] <= ALLOWED:
        raise ModelError(
            f"the exported network differs from the original by {differences['vertices']:.2g} m, "
            f"more than {ALLOWED:g} m: do not use it; are torch, onnx and onnxruntime current?"
        )
    return differences["vertices"]
