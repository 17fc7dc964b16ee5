"""A VAE that a user names in place of the checkpoint's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from realishuman.backbones.beside import fill_beside, open_beside
from realishuman.backbones.families import VAE, other_kind
from realishuman.backbones.naming import vae_to_ldm
from realishuman.errors import PackError
from realishuman.packs.header import VaeShape
from realishuman.packs.shapes import OLD_VAE_ATTENTION
from realishuman.packs.tensor_file import TensorFile

_EXPECTED = (
    "Expected: a VAE of the checkpoint's own kind, as a .safetensors file, or a folder of the "
    "diffusers library with one."
)
_CONV_IN, _LATENT = "decoder.conv_in.weight", 4  # channels of Stable Diffusion's latents


@dataclass(frozen=True)
class VaeFile:
    """A file whose header was read.

    names  of its tensors, by what they are called without a prefix.
    """

    file: TensorFile
    names: Mapping[str, str]

    def fill(self, vae: Any) -> Any:
        """Give an AutoencoderKL these weights, and return it.

        Raises PackError if they are of another size.
        """
        config = vae.config
        shape = VaeShape(
            tuple(config.block_out_channels),
            config.layers_per_block,
            config.latent_channels,
            config.norm_num_groups,
            config.scaling_factor,
        )
        ldm = {there: here for here, there in vae_to_ldm(shape).items()}
        with self.file.reading() as read:
            tensors = {_named(name, ldm): read(stored) for name, stored in self.names.items()}
        tensors = {name: _flat(name, tensor) for name, tensor in tensors.items()}
        fill_beside(vae, tensors, f"The VAE {self.file.path}", _EXPECTED)
        return vae


def open_vae(path: Path) -> VaeFile:
    """Read the header. Raises PackError, with a sentence, if it is no VAE of a Stable Diffusion."""
    file = open_beside(path, "VAE", _EXPECTED)
    prefix = VAE if any(name.startswith(VAE) for name in file.tensors) else ""
    names = {
        name.removeprefix(prefix): name
        for name in file.tensors
        if name.startswith(prefix) and not name.removeprefix(prefix).startswith("loss.")
    }
    if _CONV_IN not in names:
        raise PackError(f"{file.path} holds {other_kind(file.tensors)}. {_EXPECTED}")
    channels = file.tensors[names[_CONV_IN]].shape[1]
    if channels != _LATENT:
        raise PackError(
            f"The VAE {file.path} has latents of {channels} channels, Stable Diffusion's has "
            f"{_LATENT}: it is for another kind of model. {_EXPECTED}"
        )
    return VaeFile(file, names)


def _named(name: str, ldm: Mapping[str, str]) -> str:
    """diffusers' name of a tensor of a VAE, whoever wrote it."""
    known = ldm.get(name, name)
    for old, new in OLD_VAE_ATTENTION.items():
        known = known.replace(f".attentions.0.{old}.", f".attentions.0.{new}.")
    return known


def _flat(name: str, tensor: Tensor) -> Tensor:
    """Matrices of attention, which ldm writes as 1x1 convolutions, as matrices."""
    if ".attentions." in name and name.endswith("weight") and tensor.ndim == 4:
        return tensor.flatten(1)
    return tensor
