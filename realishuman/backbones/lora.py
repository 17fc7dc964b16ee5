"""LoRAs: files that change the weights of a checkpoint, merged into them when it is loaded.

A file holds, for some layers W, two thin matrices and a number: W becomes
W + weight * (alpha / rank) * up @ down. Layers are named as kohya's trainers do, after the modules
of diffusers or ldm, or as the peft library does.

Source  Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from realishuman.backbones.beside import open_beside
from realishuman.backbones.families import family_of, other_kind
from realishuman.backbones.naming import unet_names
from realishuman.errors import PackError
from realishuman.packs.tensor_file import TensorFile

_EXPECTED = "Expected: a LoRA of the checkpoint's own kind, as a .safetensors file."
_DOWN, _UP, _ALPHA = "down", "up", "alpha"
_ENDS = {  # of a tensor's name
    ".lora_down.weight": _DOWN,
    ".lora_up.weight": _UP,
    ".alpha": _ALPHA,
    ".lora_A.weight": _DOWN,
    ".lora_B.weight": _UP,
}
_OTHER_WAYS = {  # what a tensor's name matches, and how such a file changes weights
    r"\.hada_": "a LoHa",
    r"\.lokr_": "a LoKr",
    r"\.lora_mid\.": "a LoCon with a third factor",
    r"\.(dora_scale$|lora_magnitude_vector)": "a DoRA",
    r"\.diff(_b)?$": "a difference of whole weights",
}
_OURS = re.compile(  # how layers of Stable Diffusion's UNets and text encoders begin
    r"te[12]_|unet_(conv_|time_emb|add_emb|label_emb|out_|(down|mid|up|input|middle|output)_block)"
)
_ROOTS = {  # how peft calls a network, and how kohya does
    "unet.": "unet_",
    "text_encoder.": "te1_",
    "text_encoder_2.": "te2_",
}


@dataclass(frozen=True)
class Lora:
    """A file whose header was read.

    weight  how much of the change is applied; negative is the opposite.
    layers  of each layer the tensors' names in the file, by "down", "up" and "alpha".
    """

    file: TensorFile
    weight: float
    layers: Mapping[str, Mapping[str, str]]


def open_lora(path: Path, weight: float, context: int) -> Lora:
    """Read the header. Raises PackError, with a sentence, if it is no LoRA for the checkpoint.

    context  width of the checkpoint's cross-attention tokens.
    """
    file = open_beside(path, "LoRA", _EXPECTED)
    layers = _sorted(file)
    for name, parts in layers.items():
        if "attn2_to_k" in name and _DOWN in parts:
            width = file.tensors[parts[_DOWN]].shape[1]
            if width != context:
                raise PackError(
                    f"{path} is a LoRA of {family_of(width)}, the checkpoint is "
                    f"{family_of(context)}. {_EXPECTED}"
                )
    return Lora(file, weight, layers)


def _sorted(file: TensorFile) -> dict[str, dict[str, str]]:
    """Lora.layers. Raises PackError if there are none, or something else."""
    layers: dict[str, dict[str, str]] = {}
    rest = []
    for name in file.tensors:
        way = next((way for sign, way in _OTHER_WAYS.items() if re.search(sign, name)), None)
        if way is not None:
            raise PackError(f"{file.path} is {way}, which cannot be merged here. {_EXPECTED}")
        end = next((one for one in _ENDS if name.endswith(one)), None)
        if end is None:
            rest.append(name)
        else:
            layers.setdefault(_layer(name.removesuffix(end)), {})[_ENDS[end]] = name
    if not layers:
        raise PackError(f"{file.path} holds {other_kind(file.tensors)}. {_EXPECTED}")
    if rest:
        raise PackError(
            f"{file.path} holds {len(rest)} tensors that are no LoRA's, such as {rest[0]}. "
            f"{_EXPECTED}"
        )
    if foreign := next((name for name in layers if not _OURS.match(name)), None):
        raise PackError(
            f"{file.path} is a LoRA of another kind of model: it changes a layer {foreign}. "
            f"{_EXPECTED}"
        )
    return layers


def _layer(name: str) -> str:
    """kohya's name of a layer: the network's, then the module's, with underscores for dots."""
    name = re.sub(r"^(base_model\.model\.|lora_)", "", name)
    for peft, kohya in _ROOTS.items():
        if name.startswith(peft):
            name = kohya + name.removeprefix(peft)
    return re.sub(r"^te_", "te1_", name).replace(".", "_")


def merge(lora: Lora, unet: Any, encoders: Sequence[Any]) -> None:
    """Change the weights of a checkpoint's networks, of diffusers' and transformers' classes.

    Raises PackError, before anything is changed, if a layer is not there or of another size.
    """
    places, path = _places(unet, encoders), lora.file.path
    strange = sorted(lora.layers.keys() - places.keys())
    if strange:
        raise PackError(
            f"{path} changes {len(lora.layers)} layers, of which the checkpoint lacks "
            f"{len(strange)}, such as {strange[0]}: it is made for another kind of model. "
            f"{_EXPECTED}"
        )
    for name, parts in lora.layers.items():
        _check_size(lora.file, name, parts, places[name])
    with lora.file.reading() as read, torch.no_grad():
        for name, parts in lora.layers.items():
            down, up = (read(parts[part]).float().flatten(1) for part in (_DOWN, _UP))
            rank = down.shape[0]
            alpha = float(read(parts[_ALPHA])) if _ALPHA in parts else float(rank)
            weight: Any = places[name].weight
            change = (up @ down).reshape(weight.shape) * (lora.weight * alpha / rank)
            weight.copy_(weight.float() + change.to(weight.device))


def _check_size(file: TensorFile, name: str, parts: Mapping[str, str], module: nn.Module) -> None:
    """Raise PackError unless a layer's two matrices make one of the module's size."""
    if {_DOWN, _UP} - parts.keys():
        raise PackError(f"{file.path} has half of the layer {name} only. {_EXPECTED}")
    weight: Any = module.weight
    down, up = (file.tensors[parts[part]].shape for part in (_DOWN, _UP))
    made = (math.prod(up[:1]), math.prod(down[1:]))
    wanted = (weight.shape[0], math.prod(weight.shape[1:]))
    if made != wanted or math.prod(up[1:]) != math.prod(down[:1]):
        raise PackError(
            f"{file.path}: {name} is {up} by {down}, the checkpoint's layer is {wanted}: the LoRA "
            f"is made for another kind of model. {_EXPECTED}"
        )


def _places(unet: Any, encoders: Sequence[Any]) -> dict[str, nn.Module]:
    """The layers that a LoRA may change, by every name they have in such files."""
    found = {f"unet_{_flat(name)}": module for name, module in _layers(unet).items()}
    attends = ["CrossAttn" in kind for kind in unet.config.up_block_types]
    tensors = [f"{name}.weight" for name in _layers(unet)]
    for name, ldm in unet_names(tensors, unet.config.layers_per_block, attends).items():
        module = unet.get_submodule(name.removesuffix(".weight"))
        found[f"unet_{_flat(ldm.removesuffix('.weight'))}"] = module
    for number, encoder in enumerate(encoders, 1):
        for name, module in _layers(encoder).items():
            bare = name.removeprefix("text_model.")  # newer transformers have no such level
            found[f"te{number}_text_model_{_flat(bare)}"] = module
            found[f"te{number}_{_flat(bare)}"] = module
    return found


def _layers(network: nn.Module) -> dict[str, nn.Module]:
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, (nn.Linear, nn.Conv2d))
    }


def _flat(name: str) -> str:
    return name.replace(".", "_")
