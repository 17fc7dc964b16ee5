"""Files that a user names beside a checkpoint: how each is opened, and how it fills a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from realishuman.errors import PackError
from realishuman.packs.shapes import differences
from realishuman.packs.tensor_file import TensorFile

WEIGHTS = "diffusion_pytorch_model.safetensors"  # in a folder of the diffusers library


def open_beside(path: Path, what: str, expected: str) -> TensorFile:
    """Read a file's header; of a folder of diffusers', its weights'.

    what      as the message calls it, such as "VAE"; expected is a sentence on what is wanted.
    Raises    PackError if it is not there, a pickle or damaged.
    """
    if path.is_dir():
        path = path / WEIGHTS
    if not path.is_file():
        raise PackError(f"The {what} {path} is not there. {expected}")
    if path.suffix.lower() != ".safetensors":
        raise PackError(
            f"The {what} {path} is no .safetensors file, so it is not opened. {expected}"
        )
    return TensorFile.open(path)


def name_of(file: TensorFile) -> str:
    """As reports call a file: a folder of diffusers' by its own name."""
    path = file.path
    return path.parent.name if path.name == WEIGHTS else path.name


def fill_beside(network: Any, tensors: Mapping[str, Tensor], what: str, expected: str) -> None:
    """Give a network these weights.

    what    the file in words, such as "The VAE a.safetensors"; expected as of open_beside.
    Raises  PackError if they do not fit one to one.
    """
    wanted = {name: tuple(one.shape) for name, one in network.state_dict().items()}
    found = {name: tuple(one.shape) for name, one in tensors.items()}
    if wrong := differences(found, wanted):
        raise PackError(f"{what} does not fit the checkpoint ({wrong}). {expected}")
    network.load_state_dict(tensors)
