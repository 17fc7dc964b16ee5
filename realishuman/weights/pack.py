"""The pack: all diffusion weights of one part kind in one safetensors file that describes itself.

The file's metadata holds one key, "realishuman", with a PackHeader as JSON. Tensor names:

stage_one.unet.*         main UNet, diffusers names
stage_one.reference.*    Part Detail Encoder: a UNet of the same shape
stage_one.pose_guider.*  convolutions from the pose image to what is added after conv_in
stage_one.projector.*    LayerNorm ("0") and Linear ("1") from image tokens to the UNets' context
stage_two.unet.*         inpainting UNet, 2 x latent channels + 1 input channels
vae.*                    autoencoder, diffusers names
stage_two.vae.*          optional: stage two's own autoencoder of the same shape
image_encoder.*          DINOv2, transformers names, position table already of the header's size;
                         not where the header names an encoder_file
prompt.conditional, prompt.unconditional   (1, T, context) text embeddings of stage two

Numbers are float16, those of the prompt float32; packs made before that hold float16 throughout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from realishuman.errors import PackError
from realishuman.weights.header import PackHeader
from realishuman.weights.header_reader import read_header

METADATA_KEY = "realishuman"
ENCODER = "image_encoder."
GROUPS = (  # what a complete pack holds; stage_two.vae is optional
    "stage_one.unet.",
    "stage_one.reference.",
    "stage_one.pose_guider.",
    "stage_one.projector.",
    "stage_two.unet.",
    "vae.",
    ENCODER,
    "prompt.",
)


@dataclass(frozen=True)
class Pack:
    """An opened pack: header read, tensors still on disk (memory-mapped)."""

    path: Path
    header: PackHeader
    names: tuple[str, ...]

    @classmethod
    def open(cls, path: str | Path) -> Pack:
        """Read header and names. Raises PackError if the file is no complete pack."""
        path = Path(path)
        if path.is_dir():
            raise PackError(f"{path} is a folder; name the pack in it, a .safetensors file.")
        if not path.is_file():
            raise PackError(
                f"{path} does not exist. A pack is made from the released checkpoints with "
                "`realishuman convert`."
            )
        try:
            with safe_open(path, framework="pt") as file:
                metadata, names = file.metadata() or {}, tuple(file.keys())
        except (SafetensorError, OSError) as error:
            raise PackError(
                f"{path} cannot be read as safetensors ({error}): it is truncated or another kind "
                "of file. Convert or copy it again."
            ) from error
        if METADATA_KEY not in metadata:
            raise PackError(
                f"{path} has no RealisHuman header: it is a safetensors file but not a pack. Make "
                "a pack from checkpoints with `realishuman convert`."
            )
        header = read_header(metadata[METADATA_KEY], str(path))
        needed = [g for g in GROUPS if g != ENCODER or header.encoder_file is None]
        if missing := [g for g in needed if not any(n.startswith(g) for n in names)]:
            raise PackError(f"{path} is incomplete: it has no tensors named {', '.join(missing)}*")
        return cls(path, header, names)

    def has(self, prefix: str) -> bool:
        """Whether any tensor's name starts with `prefix`."""
        return any(name.startswith(prefix) for name in self.names)

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose names start with `prefix`, by the rest of the name, as stored.

        Raises PackError if one holds NaN or infinity.
        """
        return dict(self._read(prefix))

    def _read(self, prefix: str) -> Iterator[tuple[str, Tensor]]:
        with safe_open(self.path, framework="pt") as file:
            for name in self.names:
                if name.startswith(prefix):
                    tensor = file.get_tensor(name)
                    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                        raise not_finite(self.path, name)
                    yield name[len(prefix) :], tensor


def not_finite(path: Path, name: str) -> PackError:
    """What to raise for a tensor that holds NaN or infinity."""
    return PackError(
        f"{path}: tensor {name} holds NaN or infinity, so the weights are damaged. Convert or copy "
        "the pack again."
    )
