"""A ControlNet that a user names beside a checkpoint: what it is, and how it is loaded."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realishuman.backbones.beside import fill_beside, open_beside
from realishuman.backbones.families import family_of, other_kind
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
        names = {name: name for name in network.state_dict()}
        stored = {name.removeprefix(_PREFIX): name for name in self.file.tensors if _ours(name)}
        if _LDM in stored:
            levels, layers = len(unet.config.block_out_channels), unet.config.layers_per_block
            names = {ldm: name for name, ldm in _to_ldm(names, levels, layers).items()}
        with self.file.reading() as read:
            tensors = {names.get(name, name): read(place) for name, place in stored.items()}
        fill_beside(network, tensors, f"The ControlNet {self.file.path}", _EXPECTED)
        return network


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


def _to_ldm(names: Iterable[str], levels: int, layers: int) -> dict[str, str]:
    """ldm's name of every tensor of a ControlNet, by diffusers' name."""
    known = list(names)
    own = {name for name in known if name.startswith("controlnet_")}
    found = unet_names([name for name in known if name not in own], layers, [False] * levels)
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
