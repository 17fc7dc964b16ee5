"""Exports DINOv2 from its official file as ONNX, for packs that share it, and checks it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from realishuman.backbones.shared_encoder import network
from realishuman.diffusion.image_encoder import ImageEncoder
from realishuman.errors import ModelError
from realishuman.onnx_files.session import open_session
from realishuman.onnx_files.writer import whole_pair, write_onnx
from realishuman.packs.convert import RELEASED, Assumed, plan_encoder
from realishuman.packs.header import EncoderShape
from realishuman.progress import Progress, Silent

FILE = "dinov2/dinov2.onnx"  # in the models folder
ALLOWED = {True: 2e-2, False: 1e-4}  # of the largest token value; by whether weights are float16
LARGE = 1 << 16  # numbers in a weight that is stored as float16


def export_dinov2(
    checkpoint: Path,
    target: Path,
    progress: Progress | None = None,
    *,
    positions: str = "old",
    assumed: Assumed = RELEASED,
    half: bool = True,
) -> float:
    """Write `target` (.onnx) and its weights (.onnx.data) from dinov2-large's model.safetensors.

    The picture comes in normalised: (n, 3, side, side); tokens (n, T, width) go out.
    positions, assumed  as packs.convert: the position table is resized before it is stored.
    half      store large weights as float16 (0.6 GB), else all as float32 (1.2 GB).
    progress  gets one step per weight.
    Returns   the largest difference to torch in float32 on random pictures, as a part of the
              largest token value.
    Raises    PackError when the checkpoint is missing, damaged or another network; ModelError when
              the disk is too small or the export does not compute what torch does.
    """
    encoder = load_encoder(checkpoint, target, positions, assumed)
    example = _random_pictures(encoder.shape)
    with whole_pair(target) as draft:
        write_onnx(
            _Tokens(encoder),
            {"picture": example},
            ("tokens",),
            draft,
            half=lambda _name, values: half and values.dim() >= 2 and values.numel() >= LARGE,
            constants={},
            note={"network": f"DINOv2, positions {positions}", "source": checkpoint.name},
            progress=progress or Silent(),
        )
        return _difference(encoder, draft, ALLOWED[half])


def load_encoder(
    checkpoint: Path, target: Path, positions: str = "old", assumed: Assumed = RELEASED
) -> ImageEncoder:
    """The network as torch runs it, float32. Arguments and errors as of export_dinov2."""
    shape, entries = plan_encoder(target, checkpoint, positions, assumed)
    with torch.device("meta"):
        encoder = ImageEncoder(shape)
    encoder.load_state_dict({one.name: one.load().float() for one in entries}, assign=True)
    return encoder.requires_grad_(False).eval()


class _Tokens(nn.Module):
    """The encoder from the normalised picture on."""

    def __init__(self, encoder: ImageEncoder) -> None:
        super().__init__()
        self.inner = encoder

    def forward(self, picture: Tensor) -> Tensor:
        return self.inner.tokens(picture)


def _random_pictures(shape: EncoderShape) -> Tensor:
    """Two: that a graph for one at a time would not pass."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, shape.side, shape.side, generator=generator)


def _difference(encoder: ImageEncoder, draft: Path, allowed: float) -> float:
    """Run the draft and torch on the same pictures; raises ModelError when they disagree."""
    pictures = _random_pictures(encoder.shape)
    with torch.no_grad():
        wanted = encoder.tokens(pictures)
    session = open_session(draft, network(encoder.shape), provider="cpu")
    found = session.run_tensors(picture=pictures)["tokens"]
    difference = float((found - wanted).abs().max() / wanted.abs().max())
    if not difference <= allowed:
        raise ModelError(
            f"the exported image encoder differs from the original by {difference:.2g} of its "
            f"largest value, more than {allowed:g}: do not use it; are torch, onnx and onnxruntime "
            "current?"
        )
    return difference
