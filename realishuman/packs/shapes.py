"""Names and shapes of the tensors of every network in a pack, from the networks' sizes.

Names are those of diffusers (UNet2DConditionModel, AutoencoderKL) and of DINOv2 in transformers
before version 5; tests compare them with the real classes. Nothing here reads or holds weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from realishuman.packs.header import EncoderShape, UnetShape, VaeShape

Shape = tuple[int, ...]
Shapes = dict[str, Shape]
OLD_VAE_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


@dataclass(frozen=True)
class PackSizes:
    """Sizes of all networks of a pack.

    pose           widths of the pose guider, finest first: (16, 32, 96, 256) in the released one.
    prompt         tokens of each prompt embedding.
    stage_two_vae  whether stage two has an autoencoder of its own.
    own_encoder    whether the image encoder is in the pack, not in a file beside it.
    """

    unet: UnetShape
    stage_two_unet: UnetShape
    vae: VaeShape
    image_encoder: EncoderShape
    pose: tuple[int, ...]
    prompt: int
    stage_two_vae: bool = False
    own_encoder: bool = True


_SD15_UNET = UnetShape((320, 640, 1280, 1280), (True, True, True, False), 2, 768, 8, 32)
SD15 = PackSizes(  # what the released checkpoints have
    unet=_SD15_UNET,
    stage_two_unet=_SD15_UNET,
    vae=VaeShape((128, 256, 512, 512), 2, 4, 32, 0.18215),
    image_encoder=EncoderShape(width=1024, depth=24, heads=16, patch=14, side=224),
    pose=(16, 32, 96, 256),
    prompt=77,
)


def pack_shapes(sizes: PackSizes) -> Shapes:
    """Every tensor of a complete pack, under its name in the pack."""
    latent = sizes.vae.latent_channels
    unet = unet_shapes(sizes.unet, latent, latent)
    parts = {
        "stage_one.unet.": unet,
        "stage_one.reference.": unet,
        "stage_one.pose_guider.": pose_guider_shapes(sizes.pose, sizes.unet.channels[0]),
        "stage_one.projector.": projector_shapes(sizes.image_encoder.width, sizes.unet.context),
        "stage_two.unet.": unet_shapes(sizes.stage_two_unet, inpainting_channels(latent), latent),
        "vae.": vae_shapes(sizes.vae),
        "prompt.": prompt_shapes(sizes.prompt, sizes.stage_two_unet.context),
    }
    if sizes.own_encoder:
        parts["image_encoder."] = encoder_shapes(sizes.image_encoder)
    if sizes.stage_two_vae:
        parts["stage_two.vae."] = vae_shapes(sizes.vae)
    return {prefix + name: shape for prefix, part in parts.items() for name, shape in part.items()}


def inpainting_channels(latent: int) -> int:
    """Channels that stage two's UNet is given: latents, the mask m_f, latents of I_f."""
    return 2 * latent + 1


def unet_shapes(size: UnetShape, in_channels: int, out_channels: int = 4) -> Shapes:
    """A UNet2DConditionModel; `in_channels` is that of latents, or more when inpainting."""
    channels, last = size.channels, len(size.channels) - 1
    first, time = channels[0], 4 * channels[0]
    shapes = _conv("conv_in", in_channels, first)
    shapes |= _linear("time_embedding.linear_1", first, time)
    shapes |= _linear("time_embedding.linear_2", time, time)
    below = first
    for level, width in enumerate(channels):
        block = f"down_blocks.{level}"
        for layer in range(size.layers):
            shapes |= _resnet(
                f"{block}.resnets.{layer}", below if layer == 0 else width, width, time
            )
            if size.attention[level]:
                shapes |= _transformer(f"{block}.attentions.{layer}", width, size.context)
        if level < last:
            shapes |= _conv(f"{block}.downsamplers.0.conv", width, width)
        below = width
    for layer in range(2):
        shapes |= _resnet(f"mid_block.resnets.{layer}", below, below, time)
    shapes |= _transformer("mid_block.attentions.0", below, size.context)
    for step, level in enumerate(reversed(range(len(channels)))):
        block, width = f"up_blocks.{step}", channels[level]
        for layer in range(size.layers + 1):
            # the last resnet's skip comes from the level above, which the down path entered with
            skip = width if layer < size.layers else channels[max(level - 1, 0)]
            entering = below if layer == 0 else width
            shapes |= _resnet(f"{block}.resnets.{layer}", entering + skip, width, time)
            if size.attention[level]:
                shapes |= _transformer(f"{block}.attentions.{layer}", width, size.context)
        if level > 0:
            shapes |= _conv(f"{block}.upsamplers.0.conv", width, width)
        below = width
    return shapes | _norm("conv_norm_out", first) | _conv("conv_out", first, out_channels)


def vae_shapes(size: VaeShape) -> Shapes:
    """An AutoencoderKL of RGB pictures."""
    channels, last, latent = size.channels, len(size.channels) - 1, size.latent_channels
    shapes = _conv("encoder.conv_in", 3, channels[0])
    below = channels[0]
    for level, width in enumerate(channels):
        block = f"encoder.down_blocks.{level}"
        for layer in range(size.layers):
            shapes |= _resnet(f"{block}.resnets.{layer}", below if layer == 0 else width, width)
        if level < last:
            shapes |= _conv(f"{block}.downsamplers.0.conv", width, width)
        below = width
    shapes |= _vae_middle("encoder.mid_block", below)
    shapes |= _norm("encoder.conv_norm_out", below) | _conv("encoder.conv_out", below, 2 * latent)
    shapes |= _conv("quant_conv", 2 * latent, 2 * latent, 1)
    shapes |= _conv("post_quant_conv", latent, latent, 1)
    shapes |= _conv("decoder.conv_in", latent, below) | _vae_middle("decoder.mid_block", below)
    for step, width in enumerate(reversed(channels)):
        block = f"decoder.up_blocks.{step}"
        for layer in range(size.layers + 1):
            shapes |= _resnet(f"{block}.resnets.{layer}", below if layer == 0 else width, width)
        if step < last:
            shapes |= _conv(f"{block}.upsamplers.0.conv", width, width)
        below = width
    return shapes | _norm("decoder.conv_norm_out", below) | _conv("decoder.conv_out", below, 3)


def encoder_shapes(size: EncoderShape) -> Shapes:
    """A DINOv2 with its position table for pictures of `size.side`."""
    width = size.width
    shapes: Shapes = {
        "embeddings.cls_token": (1, 1, width),
        "embeddings.mask_token": (1, width),
        "embeddings.position_embeddings": (1, (size.side // size.patch) ** 2 + 1, width),
    }
    shapes |= _conv("embeddings.patch_embeddings.projection", 3, width, size.patch)
    for layer in range(size.depth):
        block = f"encoder.layer.{layer}"
        shapes |= _norm(f"{block}.norm1", width) | _norm(f"{block}.norm2", width)
        for name in ("attention.query", "attention.key", "attention.value", "output.dense"):
            shapes |= _linear(f"{block}.attention.{name}", width, width)
        shapes |= _linear(f"{block}.mlp.fc1", width, 4 * width)
        shapes |= _linear(f"{block}.mlp.fc2", 4 * width, width)
        shapes |= {f"{block}.layer_scale{part}.lambda1": (width,) for part in (1, 2)}
    return shapes | _norm("layernorm", width)


def pose_guider_shapes(widths: tuple[int, ...], out_channels: int) -> Shapes:
    """Convolutions from an RGB pose image to what is added after the UNet's conv_in."""
    shapes = _conv("conv_in", 3, widths[0])
    for level in range(len(widths) - 1):
        shapes |= _conv(f"blocks.{2 * level}", widths[level], widths[level])
        shapes |= _conv(f"blocks.{2 * level + 1}", widths[level], widths[level + 1])
    return shapes | _conv("conv_out", widths[-1], out_channels)


def projector_shapes(width: int, context: int) -> Shapes:
    """LayerNorm and Linear from image tokens to cross-attention tokens."""
    return _norm("0", width) | _linear("1", width, context)


def prompt_shapes(tokens: int, context: int) -> Shapes:
    """The two text embeddings of stage two."""
    return dict.fromkeys(("conditional", "unconditional"), (1, tokens, context))


def differences(found: Mapping[str, Shape], expected: Mapping[str, Shape]) -> str:
    """What differs, the first few of each sort named; empty when nothing does."""
    missing = sorted(expected.keys() - found.keys())
    unexpected = sorted(found.keys() - expected.keys())
    misshapen = [
        f"{name} is {_times(found[name])}, expected {_times(expected[name])}"
        for name in sorted(expected.keys() & found.keys())
        if tuple(found[name]) != tuple(expected[name])
    ]
    sorts = {"missing": missing, "unexpected": unexpected, "misshapen": misshapen}
    return "; ".join(f"{len(n)} {sort}: {_first(n)}" for sort, n in sorts.items() if n)


def _first(names: list[str], limit: int = 3) -> str:
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "")


def _times(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "a single number"


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _linear(name: str, inputs: int, outputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _conv(name: str, inputs: int, outputs: int, side: int = 3) -> Shapes:
    return {f"{name}.weight": (outputs, inputs, side, side), f"{name}.bias": (outputs,)}


def _resnet(name: str, inputs: int, outputs: int, time: int = 0) -> Shapes:
    shapes = _norm(f"{name}.norm1", inputs) | _conv(f"{name}.conv1", inputs, outputs)
    shapes |= _norm(f"{name}.norm2", outputs) | _conv(f"{name}.conv2", outputs, outputs)
    if time:
        shapes |= _linear(f"{name}.time_emb_proj", time, outputs)
    if inputs != outputs:
        shapes |= _conv(f"{name}.conv_shortcut", inputs, outputs, 1)
    return shapes


def _transformer(name: str, width: int, context: int) -> Shapes:
    """Transformer2DModel with one block: self-attention, cross-attention, GEGLU."""
    block = f"{name}.transformer_blocks.0"
    shapes = _norm(f"{name}.norm", width)
    shapes |= _conv(f"{name}.proj_in", width, width, 1) | _conv(f"{name}.proj_out", width, width, 1)
    for attention, tokens in (("attn1", width), ("attn2", context)):
        shapes[f"{block}.{attention}.to_q.weight"] = (width, width)
        shapes[f"{block}.{attention}.to_k.weight"] = (width, tokens)
        shapes[f"{block}.{attention}.to_v.weight"] = (width, tokens)
        shapes |= _linear(f"{block}.{attention}.to_out.0", width, width)
    for norm in ("norm1", "norm2", "norm3"):
        shapes |= _norm(f"{block}.{norm}", width)
    shapes |= _linear(f"{block}.ff.net.0.proj", width, 8 * width)
    return shapes | _linear(f"{block}.ff.net.2", 4 * width, width)


def _vae_middle(name: str, width: int) -> Shapes:
    shapes = _norm(f"{name}.attentions.0.group_norm", width)
    for projection in OLD_VAE_ATTENTION.values():
        shapes |= _linear(f"{name}.attentions.0.{projection}", width, width)
    for layer in range(2):
        shapes |= _resnet(f"{name}.resnets.{layer}", width, width)
    return shapes
