"""Names of the same tensors in diffusers and in ldm, the layout that WebUIs keep in memory.

Names are without any prefix: ldm's are those below `model.diffusion_model.` and
`first_stage_model.`. Both tables are one to one, so swapping keys and values gives the way back.
The autoencoder's attention is written as 1x1 convolutions in ldm: its four matrices (C, C) are
(C, C, 1, 1) there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from realishuman.packs.header import UnetShape, VaeShape
from realishuman.packs.shapes import unet_shapes, vae_shapes

_UNET_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_VAE_RESNET = {"conv_shortcut": "nin_shortcut"}
_VAE_ATTENTION = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}


def unet_to_ldm(shape: UnetShape) -> dict[str, str]:
    """ldm's name of every tensor of a UNet, by diffusers' name."""
    return unet_names(
        unet_shapes(shape, in_channels=4), shape.layers, tuple(reversed(shape.attention))
    )


def unet_names(names: Iterable[str], layers: int, attends: Sequence[bool]) -> dict[str, str]:
    """ldm's name of these tensors of a UNet, by diffusers' name, which they are given by.

    layers   resnets of a level on the way down.
    attends  whether each level on the way up, in running order, has transformers.
    """
    modules, per_level = _unet_ends(), layers + 1
    for level in range(len(attends)):
        down, first = f"down_blocks.{level}", 1 + level * per_level
        for layer in range(layers):
            modules[f"{down}.resnets.{layer}"] = f"input_blocks.{first + layer}.0"
            modules[f"{down}.attentions.{layer}"] = f"input_blocks.{first + layer}.1"
        modules[f"{down}.downsamplers.0.conv"] = f"input_blocks.{first + layers}.0.op"
    for step, transformers in enumerate(attends):
        up, first = f"up_blocks.{step}", step * per_level
        for layer in range(per_level):
            modules[f"{up}.resnets.{layer}"] = f"output_blocks.{first + layer}.0"
            modules[f"{up}.attentions.{layer}"] = f"output_blocks.{first + layer}.1"
        place = 2 if transformers else 1
        modules[f"{up}.upsamplers.0.conv"] = f"output_blocks.{first + layers}.{place}.conv"
    return {name: _rename(name, modules, {".resnets.": _UNET_RESNET}) for name in names}


def vae_to_ldm(shape: VaeShape) -> dict[str, str]:
    """ldm's name of every tensor of an autoencoder, by diffusers' name."""
    last = len(shape.channels) - 1
    modules = {"quant_conv": "quant_conv", "post_quant_conv": "post_quant_conv"}
    for half in ("encoder", "decoder"):
        modules |= {f"{half}.{conv}": f"{half}.{conv}" for conv in ("conv_in", "conv_out")}
        modules[f"{half}.conv_norm_out"] = f"{half}.norm_out"
        modules[f"{half}.mid_block.resnets.0"] = f"{half}.mid.block_1"
        modules[f"{half}.mid_block.attentions.0"] = f"{half}.mid.attn_1"
        modules[f"{half}.mid_block.resnets.1"] = f"{half}.mid.block_2"
    for level in range(last + 1):
        down, up = f"encoder.down_blocks.{level}", f"decoder.up_blocks.{last - level}"
        for layer in range(shape.layers + 1):
            modules[f"{down}.resnets.{layer}"] = f"encoder.down.{level}.block.{layer}"
            modules[f"{up}.resnets.{layer}"] = f"decoder.up.{level}.block.{layer}"
        modules[f"{down}.downsamplers.0.conv"] = f"encoder.down.{level}.downsample.conv"
        modules[f"{up}.upsamplers.0.conv"] = f"decoder.up.{level}.upsample.conv"
    inner = {".resnets.": _VAE_RESNET, ".attentions.": _VAE_ATTENTION}
    return {name: _rename(name, modules, inner) for name in vae_shapes(shape)}


def _unet_ends() -> dict[str, str]:
    """Modules outside the levels."""
    return {
        "conv_in": "input_blocks.0.0",
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "add_embedding.linear_1": "label_emb.0.0",
        "add_embedding.linear_2": "label_emb.0.2",
        "mid_block.resnets.0": "middle_block.0",
        "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
    }


def _rename(name: str, modules: Mapping[str, str], inner: Mapping[str, Mapping[str, str]]) -> str:
    """Rename the module that holds a tensor, and then the tensor's place within it."""
    module = next(module for module in modules if name.startswith(f"{module}."))
    place, _, kind = name[len(module) + 1 :].rpartition(".")
    table = next((table for part, table in inner.items() if part in name), {})
    return ".".join(filter(None, (modules[module], table.get(place, place), kind)))
