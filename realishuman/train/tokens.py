"""Image tokens of all crops, made once and kept, where the image encoder stays as it is.

What the encoder sees of a crop and variant is always the same, so only its weights decide; the
folder is named after them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from realishuman.diffusion.image_encoder import ImageEncoder
from realishuman.packs.header import EncoderShape
from realishuman.train.config import Stage, TrainConfig
from realishuman.train.crops import TrainingCrop
from realishuman.train.kept import Kept, Place, encode_all
from realishuman.train.shards import Crops
from realishuman.train.views import reference


def are_kept(stage: Stage) -> bool:
    """Whether a stage takes its tokens from files.

    Never where the encoder is trained, nor with groups, which grow with every new picture.
    """
    return stage.cache_tokens and not stage.train_encoder and not stage.groups


def token_shape(shape: EncoderShape) -> tuple[int, int]:
    """Tokens of one picture and their width: the class token, then the patches."""
    return 1 + (shape.side // shape.patch) ** 2, shape.width


def keep_tokens(crops: Crops, config: TrainConfig, encoder: ImageEncoder, folder: Path) -> Kept:
    """Tokens of the part as it came, (T, width) of every crop and variant, in `folder`/tokens-*.

    A GPU makes them, if there is one; the encoder is back where it was afterwards.
    Raises SettingsError if the disk has too little room.
    """
    home = encoder.layernorm.weight.device
    device = torch.device("cuda") if torch.cuda.is_available() else home

    def make(views: Sequence[TrainingCrop], _places: Sequence[Place]) -> Tensor:
        return encode_all([reference(crop) for crop in views], encoder.to(device))

    advice = "free some space, choose another output, or set stage_one.cache_tokens = false"
    place, shape = folder / f"tokens-{mark_of(encoder)}", token_shape(encoder.shape)
    try:
        return Kept(crops, config.data.variants, shape, place, make, advice)
    finally:
        encoder.to(home)


def mark_of(encoder: ImageEncoder) -> str:
    """Changes with the encoder's weights and sizes; 8 hexadecimal digits."""
    digest = hashlib.blake2b(repr(encoder.shape).encode(), digest_size=4)
    for name, tensor in encoder.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().numpy())
    return digest.hexdigest()
