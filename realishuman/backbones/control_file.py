"""A ControlNet that a user names beside a checkpoint: what it is, and how it is loaded."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from realishuman.backbones.beside import fill_beside, open_beside
from realishuman.backbones.families import family_of, other_kind
from realishuman.backbones.ldm_control import LdmControl
from realishuman.backbones.naming import unet_names
from realishuman.errors import PackError
from realishuman.packs.tensor_file import TensorFile

_EXPECTED = (
    "Expected: a depth ControlNet of the checkpoint's own kind, as a .safetensors file, or a "
    "folder of the diffusers library with one."
)
_PREFIX = "control_model."
_DIFFUSERS, _LDM = "controlnet_cond_embedding.conv_in.weight", "input_hint_block.0.weight"
_OTHERS = {  # a piece of a tensor's name, and what a file with it holds
    "lora_controlnet": "a Control-LoRA",
    "task_embedding": "a ControlNet for many tasks (union)",
    "adapter.": "a T2I-Adapter",
    "body.0.": "a T2I-Adapter",
    "ip_adapter.": "an IP-Adapter",
}


@dataclass(frozen=True)
class ControlFile:
    """A file whose header was read.

    weight  what its effect is multiplied by.
    """

    file: TensorFile
    weight: float

    def load(self, diffusers: Any, unet: Any) -> Any:
        """The ControlNetModel of diffusers', of the shape of the checkpoint's UNet.

        Raises PackError if the weights are of another shape.
        """
        kind = diffusers.ControlNetModel
        known = {**unet.config, "in_channels": unet.config.out_channels}
        arguments = inspect.signature(kind.__init__).parameters.keys() & known.keys()
        network = kind(**{name: known[name] for name in arguments})
        tensors = self._read()
        if _LDM in tensors:
            names = {ldm: name for name, ldm in _to_ldm(network.state_dict()).items()}
            tensors = {names.get(name, name): tensor for name, tensor in tensors.items()}
        fill_beside(network, tensors, f"The ControlNet {self.file.path}", _EXPECTED)
        return network

    def read_ldm(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """Its tensors by ldm's names. Raises PackError if it has some that no ControlNet has."""
        tensors = {name: tensor.to(dtype) for name, tensor in self._read().items()}
        if _LDM in tensors:
            return tensors
        try:
            names = _to_ldm(tensors)
            return {names[name]: tensor for name, tensor in tensors.items()}
        except (ValueError, KeyError, StopIteration) as error:
            raise self._misfit("it has other tensors") from error

    def build_ldm(self, host: nn.Module, tensors: Mapping[str, Tensor]) -> LdmControl:
        """The ControlNet of the classes of a UNet that a WebUI has loaded, around `tensors`.

        Raises PackError if they are of another shape.
        """
        try:
            return LdmControl(host, tensors)
        except ValueError as error:
            raise self._misfit(str(error)) from error

    def _misfit(self, why: str) -> PackError:
        return PackError(
            f"The ControlNet {self.file.path} does not fit the checkpoint ({why}). {_EXPECTED}"
        )

    def _read(self) -> dict[str, Tensor]:
        """Its tensors, by the names that they have without a prefix."""
        stored = {name.removeprefix(_PREFIX): name for name in self.file.tensors if _ours(name)}
        with self.file.reading() as read:
            return {name: read(place) for name, place in stored.items()}


def open_control(path: Path, weight: float, context: int) -> ControlFile:
    """Read the header. Raises PackError, with a sentence, if it is none for the checkpoint.

    context  width of the checkpoint's cross-attention tokens.
    """
    file = open_beside(path, "ControlNet", _EXPECTED)
    for piece, words in _OTHERS.items():
        if any(piece in name for name in file.tensors):
            raise PackError(f"{file.path} holds {words}, which cannot be used here. {_EXPECTED}")
    if not {_DIFFUSERS, _LDM, _PREFIX + _LDM} & file.tensors.keys():
        raise PackError(f"{file.path} holds {other_kind(file.tensors)}. {_EXPECTED}")
    end = ".attn2.to_k.weight"
    widths = {one.shape[1] for name, one in file.tensors.items() if _ours(name) and end in name}
    if widths and widths != {context}:
        raise PackError(
            f"{file.path} is a ControlNet of {family_of(min(widths))}, the checkpoint is "
            f"{family_of(context)}. {_EXPECTED}"
        )
    return ControlFile(file, weight)


def _ours(name: str) -> bool:
    """Whether a tensor is the ControlNet's, in a file that also holds its checkpoint."""
    return not name.startswith(("model.", "first_stage_model.", "cond_stage_model."))


def _to_ldm(names: Iterable[str]) -> dict[str, str]:
    """ldm's name of every tensor of a ControlNet, by diffusers' name; others are left out."""
    known = list(names)
    own = {name for name in known if name.startswith("controlnet_")}
    others = [name for name in known if name not in own]
    down = {tuple(name.split(".")[1:4]) for name in others if name.startswith("down_blocks.")}
    levels = {level for level, *_ in down}
    layers = {layer for level, kind, layer in down if (level, kind) == ("0", "resnets")}
    found = unet_names(others, len(layers), [False] * len(levels))
    hints = len({name.split(".")[2] for name in own if "_embedding.blocks." in name})
    for name in own:
        start, *middle, kind = name.split(".")
        if start == "controlnet_down_blocks":
            found[name] = f"zero_convs.{middle[0]}.0.{kind}"
        elif start == "controlnet_mid_block":
            found[name] = f"middle_block_out.0.{kind}"
        else:
            number = {"conv_in": 0, "conv_out": hints + 1}.get(middle[0])
            number = int(middle[1]) + 1 if number is None else number
            found[name] = f"input_hint_block.{2 * number}.{kind}"
    return found
