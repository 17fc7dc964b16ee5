"""HaMeR in one module, built from the official checkpoint and MANO file; strict about both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from realishuman.errors import ModelError, PackError
from realishuman.official import torch_file
from realishuman.official.decoder import DecoderShape, ManoHead
from realishuman.official.mano import Mano
from realishuman.official.mano_file import ManoFile
from realishuman.official.vit import TOKENS, Vit, VitShape
from realishuman.packs.checkpoint import Checkpoint
from realishuman.packs.shapes import Shape

EXPECTED = (
    "_DATA/hamer_ckpts/checkpoints/hamer.ckpt (2,689,536,166 bytes) out of hamer_demo_data.tar.gz, "
    "see fetch_demo_data.sh at https://github.com/geopavlakos/hamer"
)
SHA256 = "e5cc06f294d88a92dee24e603480aab04de532b49f0e08200804ee7d90e16f53"
UNUSED = ("mano.", "discriminator.", "initialized")  # in the checkpoint, but not of the networks
VIT_HEAD = 80  # channels of one attention head of the backbone
SIDE, MARGIN = 256, 32  # of the crop; the backbone does not see the columns of the margin


class Hamer(nn.Module):
    """From a crop of a right hand to its surface."""

    def __init__(self, vit: VitShape, decoder: DecoderShape, mano: ManoFile) -> None:
        super().__init__()
        with torch.device("meta"):  # filled from the checkpoint; nothing is drawn or held twice
            self.backbone = Vit(vit)
            self.mano_head = ManoHead(decoder)
        self.mano = Mano(mano)

    def forward(self, crop: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Regress one hand per crop.

        crop     (B, 3, 256, 256) float32 RGB, ImageNet's mean and deviation taken out.
        Returns  vertices (B, 778, 3) and joints (B, 21, 3) in metres, x right, y down, z away;
                 camera (B, 3): scale, then x and y of the hand in the crop.
        """
        tokens = self.backbone(crop[:, :, :, MARGIN : SIDE - MARGIN])
        turns, betas, camera = self.mano_head(tokens)
        vertices, joints = self.mano(turns, betas)
        return vertices, joints, camera


def open_hamer(path: Path) -> Checkpoint:
    """Open hamer.ckpt; its tensors are read from disk as they are asked for.

    Raises  ModelError when it is missing, damaged, another file, or asks to run code.
    """
    try:
        return torch_file.open_lightning(path, EXPECTED)
    except PackError as error:
        raise ModelError(str(error)) from error


def build_hamer(checkpoint: Checkpoint, mano: ManoFile) -> Hamer:
    """HaMeR with the weights of a checkpoint, ready to run.

    Raises  ModelError when the checkpoint lacks a tensor, has one too many or of another shape,
            or was made with another MANO file.
    """
    used = {n: s for n, s in checkpoint.shapes.items() if not n.startswith(UNUSED)}
    net = Hamer(*_sizes(checkpoint.path, used), mano)
    parts = {"backbone": net.backbone, "mano_head": net.mano_head}
    wanted = {
        f"{part}.{name}": tuple(tensor.shape)
        for part, module in parts.items()
        for name, tensor in module.state_dict().items()
    }
    _compare(checkpoint.path, used, wanted)
    _same_mano(checkpoint, mano)
    for part, module in parts.items():
        state = {name: checkpoint.load(f"{part}.{name}").float() for name in module.state_dict()}
        module.load_state_dict(state, strict=True, assign=True)
    return net.eval().requires_grad_(False)


def _sizes(path: Path, shapes: dict[str, Shape]) -> tuple[VitShape, DecoderShape]:
    """Read the sizes of both networks off the shapes of their tensors."""
    layers = "mano_head.transformer.transformer.layers."
    try:
        width = shapes["backbone.pos_embed"][2]
        vit = VitShape(
            width,
            _count(shapes, "backbone.blocks."),
            width // VIT_HEAD,
            shapes["backbone.blocks.0.mlp.fc1.weight"][0],
        )
        dim, token = shapes["mano_head.transformer.to_token_embedding.weight"]
        inner = shapes[f"{layers}0.1.fn.to_q.weight"][0]
        hidden = shapes[f"{layers}0.2.fn.net.0.weight"][0]
        decoder = DecoderShape(dim, _count(shapes, layers), inner, hidden, width)
    except (KeyError, IndexError, ValueError) as error:
        raise _wrong(path, f"it has no usable tensor {error}") from error
    if shapes["backbone.pos_embed"][1] != TOKENS + 1 or width % VIT_HEAD or token != 1:
        raise _wrong(
            path,
            f"pos_embed {shapes['backbone.pos_embed']} and a query of {token} numbers belong to "
            f"another variant; expected {TOKENS + 1} positions, a width in steps of {VIT_HEAD} and "
            "1 number",
        )
    return vit, decoder


def _count(shapes: dict[str, Shape], prefix: str) -> int:
    return 1 + max(
        (int(n[len(prefix) :].split(".")[0]) for n in shapes if n.startswith(prefix)), default=-1
    )


def _compare(path: Path, found: dict[str, Shape], wanted: dict[str, Shape]) -> None:
    """Raise ModelError unless both hold the same names with the same shapes."""
    missing, more = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    if missing or more:
        raise _wrong(path, f"missing: {_few(missing)}; not expected: {_few(more)}")
    for name, shape in wanted.items():
        if found[name] != shape:
            raise _wrong(path, f"{name} is {found[name]}, expected {shape}")


def _same_mano(checkpoint: Checkpoint, mano: ManoFile) -> None:
    """Raise ModelError if the checkpoint says that it was made with another MANO file."""
    name = "mano.v_template"
    if name not in checkpoint.shapes:
        return
    theirs = checkpoint.load(name).float().numpy()
    if theirs.shape != mano.template.shape or np.abs(theirs - mano.template).max() > 1e-5:
        raise ModelError(
            f"the MANO file is not the one {checkpoint.path} was trained with: its mean hand "
            "differs. Was MANO_LEFT.pkl given? HaMeR wants MANO_RIGHT.pkl for both hands"
        )


def _wrong(path: Path, why: str) -> ModelError:
    return ModelError(f"{path} is not HaMeR's checkpoint: {why}. Expected: {EXPECTED}")


def _few(names: list[str], most: int = 3) -> str:
    if not names:
        return "nothing"
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
