"""Reads the sizes of networks off the shapes of their tensors: the inverse of shapes.py.

Only a few tensors are looked at; that the others fit is for shapes.differences to say.
"""

from __future__ import annotations

from collections.abc import Mapping

from realishuman.errors import PackError
from realishuman.packs.header import EncoderShape, PackHeader, UnetShape, VaeShape
from realishuman.packs.shapes import PackSizes, Shape


def read_unet_shape(shapes: Mapping[str, Shape], heads: int, groups: int) -> UnetShape:
    """Sizes of the UNet with these tensors. Raises PackError when a needed one is missing."""
    levels = _count(shapes, "down_blocks.{}.resnets.0.norm2.weight")
    attention = tuple(f"down_blocks.{i}.attentions.0.norm.weight" in shapes for i in range(levels))
    return UnetShape(
        channels=_widths(shapes, "down_blocks.{}.resnets.0.norm2.weight"),
        attention=attention,
        layers=_count(shapes, "down_blocks.0.resnets.{}.norm2.weight"),
        context=_size(
            shapes, "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight", axis=1
        ),
        heads=heads,
        groups=groups,
    )


def read_vae_shape(shapes: Mapping[str, Shape], groups: int, scaling: float) -> VaeShape:
    """Sizes of the autoencoder with these tensors. Raises PackError as above."""
    return VaeShape(
        channels=_widths(shapes, "encoder.down_blocks.{}.resnets.0.norm2.weight"),
        layers=_count(shapes, "encoder.down_blocks.0.resnets.{}.norm2.weight"),
        latent_channels=_size(shapes, "post_quant_conv.bias"),
        groups=groups,
        scaling=scaling,
    )


def read_encoder_shape(shapes: Mapping[str, Shape], heads: int | None = None) -> EncoderShape:
    """Sizes of the DINOv2 with these tensors; its side is that of the stored position table.

    heads   None stands for width // 64, as in every published DINOv2.
    Raises  PackError as above.
    """
    width = _size(shapes, "embeddings.cls_token", axis=2)
    patch = _size(shapes, "embeddings.patch_embeddings.projection.weight", axis=2)
    tokens = _size(shapes, "embeddings.position_embeddings", axis=1)
    depth = _count(shapes, "encoder.layer.{}.norm1.weight")
    side = round((tokens - 1) ** 0.5) * patch
    return EncoderShape(width, depth, heads or max(width // 64, 1), patch, side)


def read_pose_widths(shapes: Mapping[str, Shape]) -> tuple[int, ...]:
    """Widths of the pose guider with these tensors. Raises PackError as above."""
    levels = _count(shapes, "blocks.{}.bias")
    odd = tuple(_size(shapes, f"blocks.{level}.bias") for level in range(1, levels, 2))
    return (_size(shapes, "conv_in.bias"), *odd)


def header_sizes(header: PackHeader, shapes: Mapping[str, Shape]) -> PackSizes:
    """Sizes of a pack by its header; those it does not name are read from its tensors' shapes."""
    guider = "stage_one.pose_guider."
    pose = {n[len(guider) :]: shape for n, shape in shapes.items() if n.startswith(guider)}
    return PackSizes(
        unet=header.unet,
        stage_two_unet=header.stage_two_unet,
        vae=header.vae,
        image_encoder=header.image_encoder,
        pose=read_pose_widths(pose),
        prompt=_size(shapes, "prompt.conditional", axis=1),
        stage_two_vae="stage_two.vae.quant_conv.bias" in shapes,
        own_encoder=header.encoder_file is None,
    )


def _size(shapes: Mapping[str, Shape], name: str, axis: int = 0) -> int:
    shape = shapes.get(name)
    if shape is None or len(shape) <= axis:
        found = "is missing" if shape is None else f"has the shape {shape}"
        raise PackError(f"tensor {name} {found}, so the network's size cannot be read")
    return shape[axis]


def _count(shapes: Mapping[str, Shape], pattern: str) -> int:
    """How many of pattern.format(0), pattern.format(1), ... there are; at least one."""
    _size(shapes, pattern.format(0))
    count = 1
    while pattern.format(count) in shapes:
        count += 1
    return count


def _widths(shapes: Mapping[str, Shape], pattern: str) -> tuple[int, ...]:
    return tuple(_size(shapes, pattern.format(i)) for i in range(_count(shapes, pattern)))
