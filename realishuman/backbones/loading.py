"""From a pack's tensors to modules that are ready to run; what every backbone does alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from realishuman.backbones.shared_encoder import SharedEncoder, open_shared_encoder
from realishuman.diffusion.image_encoder import ImageEncoder
from realishuman.diffusion.pose_guider import PoseGuider
from realishuman.errors import PackError
from realishuman.packs.pack import Pack
from realishuman.packs.shapes import differences

_M = TypeVar("_M", bound=nn.Module)


@dataclass(frozen=True)
class Place:
    """Where networks compute, and in which precision."""

    device: torch.device
    dtype: torch.dtype


@dataclass(frozen=True)
class Conditioners:
    """The small networks of stage one; see networks.StageOneNetworks."""

    pose_guider: PoseGuider
    image_encoder: ImageEncoder | SharedEncoder
    projector: nn.Module
    no_context: Tensor


def fill(module: _M, tensors: Mapping[str, Tensor], place: Place, where: str) -> _M:
    """Give a module made on the meta device its weights, for inference only.

    where   path and prefix of the tensors, for the message.
    Raises  PackError naming tensor, found and expected shape if they do not fit one to one.
    """
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    if wrong := differences(found, expected):
        raise PackError(
            f"{where}*: tensors do not fit the sizes in the pack's header ({wrong}). Convert the "
            "checkpoints again, or copy the pack again if it came ready-made."
        )
    module.load_state_dict(
        {n: t.to(place.device, place.dtype) for n, t in tensors.items()}, assign=True
    )
    return module.requires_grad_(False).eval()


def load_conditioners(pack: Pack, place: Place) -> Conditioners:
    """Pose guider, image encoder and projector of a pack.

    Raises PackError if they do not fit, or the pack's encoder_file is missing or damaged.
    """
    header = pack.header
    poses = pack.tensors("stage_one.pose_guider.", place.device, place.dtype)
    try:
        with torch.device("meta"):
            pose_guider = PoseGuider.like(poses)
            width, context = header.image_encoder.width, header.unet.context
            projector = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, context))
    except KeyError as error:
        raise PackError(f"{pack.path}: stage_one.pose_guider.{error.args[0]} is missing") from error
    pose_guider = fill(pose_guider, poses, place, f"{pack.path}: stage_one.pose_guider.")
    image_encoder = _image_encoder(pack, place)
    projector = load(projector, pack, "stage_one.projector.", place)
    side = header.image_encoder.side
    with torch.no_grad():
        nothing = torch.zeros(1, 3, side, side, device=place.device)
        no_context = projector(image_encoder.tokens(nothing))
    return Conditioners(pose_guider, image_encoder, projector, no_context)


def _image_encoder(pack: Pack, place: Place) -> ImageEncoder | SharedEncoder:
    """The pack's own, or the one beside it that its header names."""
    if pack.header.encoder_file is not None:
        return open_shared_encoder(pack, place.device, place.dtype)
    with torch.device("meta"):
        encoder = ImageEncoder(pack.header.image_encoder)
    return load(encoder, pack, "image_encoder.", place)


def load(module: _M, pack: Pack, prefix: str, place: Place) -> _M:
    """Give a module made on the meta device the pack's tensors of this prefix; see fill."""
    tensors = pack.tensors(prefix, place.device, place.dtype)
    return fill(module, tensors, place, f"{pack.path}: {prefix}")
