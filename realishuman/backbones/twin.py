"""A host's ldm-shaped UNet once more: its classes, a pack's weights, nothing of the host's state.

The WebUIs keep Stable Diffusion 1.x as a tree of modules with ldm's names. A twin is a second tree
of the same classes, so whatever the host optimises per class, attention above all, it has too.
What sits on the host's instances stays behind: hooks, replaced forwards, LoRA's names and backups,
token merging, circular padding. The host's own tree is only looked at, never changed.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from realishuman.backbones.naming import unet_to_ldm
from realishuman.errors import PackError
from realishuman.packs.header import UnetShape
from realishuman.packs.pack import Pack
from realishuman.packs.shapes import differences, unet_shapes

CONV_IN = "input_blocks.0.0.weight"
_NATIVE = (torch.float16, torch.bfloat16, torch.float32)
_LORA = ("network_", "lora_", "lyco_")  # what LoRA extensions write onto modules starts with
_MEMORY = ("prev_", "forge_", "weight_function", "bias_function")  # what memory managers write
_PLAIN = (bool, int, float, str, torch.dtype, type(None))


def misfit(host: nn.Module, shape: UnetShape, latent_channels: int) -> str:
    """Why no twin of `host` can hold weights of this shape, in half a sentence; "" if one can.

    The number of input channels may differ: a twin takes it from the weights.
    """
    conv_in = dict(host.named_parameters()).get(CONV_IN)
    if conv_in is None or conv_in.ndim != 4:
        return "the loaded model is no Stable Diffusion 1.x UNet"
    names = unet_to_ldm(shape)
    needed = unet_shapes(shape, conv_in.shape[1], latent_channels)
    found = {name: tuple(p.shape) for name, p in host.named_parameters()}
    found |= {name: tuple(buffer.shape) for name, buffer in host.named_buffers()}
    if differences(found, {names[name]: size for name, size in needed.items()}):
        return "the loaded model's UNet has other sizes than the pack's"
    if odd := {str(p.dtype) for p in host.parameters() if p.dtype not in _NATIVE}:
        return f"the loaded model is stored as {', '.join(sorted(odd))}"
    heads = {m.heads for m in host.modules() if isinstance(getattr(m, "heads", None), int)}
    groups = {m.num_groups for m in host.modules() if isinstance(m, nn.GroupNorm)}
    if heads != {shape.heads} or groups != {shape.groups}:
        return "the loaded model's UNet has other attention heads or norm groups than the pack's"
    return ""


def load_twin(
    host: nn.Module, pack: Pack, prefix: str, shape: UnetShape, dtype: torch.dtype
) -> nn.Module:
    """A twin with the pack's tensors of this prefix, on the CPU, for inference only.

    host    a module that misfit had nothing against.
    Raises  PackError naming tensor, found and expected shape if the tensors do not fit the header.
    """
    tensors = pack.tensors(prefix, dtype=dtype)
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    inputs = found.get("conv_in.weight", (0, 4))[1]  # differences reports a missing one
    expected = unet_shapes(shape, inputs, pack.header.vae.latent_channels)
    if wrong := differences(found, expected):
        raise PackError(
            f"{pack.path}: {prefix}*: tensors do not fit the sizes in the pack's header ({wrong}). "
            "Convert the checkpoints again, or copy the pack again if it came ready-made."
        )
    names = unet_to_ldm(shape)
    return twin(host, {names[name]: tensor for name, tensor in tensors.items()})


def twin(
    host: nn.Module,
    weights: Mapping[str, Tensor],
    prefix: str = "",
    without: Collection[str] = (),
) -> nn.Module:
    """Build `host` again, with `weights` by the names its parameters have.

    without  modules of `host` in whose places empty lists come.

    Of a module's attributes only numbers, texts and tuples or lists of them are taken over, as
    copies: nothing that could lead back to the host's tensors, so that the host can free them, and
    no list that both would write into. Notes that LoRA and memory managers keep on a module are
    about its own weights and stay behind. Each weight gets the memory format of the host's.
    """
    kind: Any = _own_class(host)
    new: nn.Module = kind.__new__(kind)
    nn.Module.__init__(new)
    ours = set(vars(new))
    for name, value in vars(host).items():
        if name not in ours and not name.startswith(_LORA + _MEMORY) and _is_plain(value):
            setattr(new, name, copy.deepcopy(value))
    for name, parameter in host._parameters.items():
        weight = None if parameter is None else _like(weights[prefix + name], parameter)
        new._parameters[name] = None if weight is None else nn.Parameter(weight, False)
    for name, child in host._modules.items():
        if name in without:
            new._modules[name] = nn.ModuleList()
        else:
            inner = f"{prefix}{name}."
            new._modules[name] = None if child is None else twin(child, weights, inner)
    if isinstance(new, nn.Conv2d):
        new.in_channels = new.weight.shape[1] * new.groups
        new.padding_mode = "zeros"  # "circular" while the user makes tiles
    if hasattr(new, "parameters_manual_cast"):  # Forge: weights are in the computing dtype already
        vars(new)["parameters_manual_cast"] = False
    return new.eval()


def share(host: nn.Module) -> nn.Module:
    """Build `host` again around its very parameters and buffers: it takes no memory of its own.

    For a run at most: the host may put others in their places. What memory managers note on a
    module goes with it, since it is about these weights; hooks, replaced forwards, LoRA's notes
    and circular padding stay behind, as in twin. What LoRA has written into the weights is there.
    """
    kind: Any = _own_class(host)
    new: nn.Module = kind.__new__(kind)
    nn.Module.__init__(new)
    ours = set(vars(new))
    for name, value in vars(host).items():
        replaced = callable(getattr(kind, name, None))
        if name not in ours and not name.startswith(_LORA) and not replaced:
            vars(new)[name] = value
    new._parameters.update(host._parameters)
    new._buffers.update(host._buffers)
    for name, child in host._modules.items():
        new._modules[name] = None if child is None else share(child)
    if isinstance(new, nn.Conv2d):
        new.padding_mode = "zeros"  # "circular" while the user makes tiles
    vars(new)["training"] = False
    return new


def _own_class(module: nn.Module) -> type:
    """The module's class; beneath the one that token merging puts on top.

    Source: tomesd, patch.py: ToMeBlock keeps the class it derives from as `_parent`.
    """
    kind: Any = type(module)
    while kind.__name__ == "ToMeBlock":
        kind = kind._parent
    return kind  # type: ignore[no-any-return]


def _is_plain(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return all(_is_plain(each) for each in value)
    return isinstance(value, _PLAIN)


def _like(weight: Tensor, parameter: Tensor) -> Tensor:
    """In channels-last order if the host's is."""
    last = torch.channels_last
    if parameter.ndim == 4 and parameter.is_contiguous(memory_format=last):
        return weight.contiguous(memory_format=last)
    return weight.contiguous()
