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

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from realishuman.advice import command
from realishuman.errors import PackError
from realishuman.files.steady import Stamp
from realishuman.memory import memory_left
from realishuman.packs.header import PackHeader
from realishuman.packs.header_reader import read_header
from realishuman.packs.tensor_file import TensorFile

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
    """An opened pack: header read, tensors still on the disk, file closed."""

    header: PackHeader
    file: TensorFile

    @classmethod
    def open(cls, path: str | Path) -> Pack:
        """Read header and names. Raises PackError if the file is no complete pack."""
        path = Path(path)
        made = f"`{command('convert', '-h')}` says how a pack is made from checkpoints."
        try:
            file = TensorFile.open(path)
        except PackError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise PackError(f"{error} {made}") from error
            raise
        if METADATA_KEY not in file.metadata:
            raise PackError(
                f"{path} has no RealisHuman header: it is a safetensors file but not a pack. {made}"
            )
        header = read_header(file.metadata[METADATA_KEY], str(path))
        needed = [g for g in GROUPS if g != ENCODER or header.encoder_file is None]
        if missing := [g for g in needed if not any(n.startswith(g) for n in file.tensors)]:
            raise PackError(f"{path} is incomplete: it has no tensors named {', '.join(missing)}*")
        return cls(header, file)

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self.file.path

    @property
    def stamp(self) -> Stamp:
        """Tells this pack from another that takes its place on the disk."""
        return self.file.stamp

    @property
    def names(self) -> tuple[str, ...]:
        """Of all tensors."""
        return tuple(self.file.tensors)

    def has(self, prefix: str) -> bool:
        """Whether any tensor's name starts with `prefix`."""
        return any(name.startswith(prefix) for name in self.names)

    def tensors(
        self,
        prefix: str,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
    ) -> dict[str, Tensor]:
        """Tensors whose names start with `prefix`, by the rest of the name.

        dtype   as stored if not given; each tensor is converted before the next is read.
        Raises  PackError if one holds NaN or infinity, or the file is no longer the one that was
                opened or cannot be read.
        """
        found = {}
        if torch.device(device).type == "cpu":
            self._require_memory(prefix, dtype)
        with self.file.reading() as read:
            for name in filter(lambda name: name.startswith(prefix), self.names):
                tensor = read(name)
                _check_finite(tensor, self.path, name)
                found[name[len(prefix) :]] = tensor.to(device, dtype)
        return found

    def check_all(self) -> None:
        """Read every tensor, one at a time. Raises PackError as `tensors` does."""
        with self.file.reading() as read:
            for name in self.names:
                _check_finite(read(name), self.path, name)

    def _require_memory(self, prefix: str, dtype: torch.dtype | None) -> None:
        """Raise PackError where these tensors cannot fit; the system would end the process."""
        stored = (one for name, one in self.file.tensors.items() if name.startswith(prefix))
        needed = sum(math.prod(one.shape) * (dtype or one.dtype).itemsize for one in stored)
        left = memory_left()
        if left is not None and needed > left.at_all:
            raise PackError(
                f"{self.path}: {prefix}* takes {needed / 1e9:.1f} GB of memory, but only "
                f"{left.at_all / 1e9:.1f} GB are left. Close other programs, or let the WebUI load "
                "a smaller model."
            )


def _check_finite(tensor: Tensor, path: Path, name: str) -> None:
    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        raise not_finite(path, name)


def not_finite(path: Path, name: str) -> PackError:
    """What to raise for a tensor that holds NaN or infinity."""
    return PackError(
        f"{path}: tensor {name} holds NaN or infinity, so the weights are damaged. Convert or copy "
        "the pack again."
    )
