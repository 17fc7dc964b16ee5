"""Names and shapes of networks against the real classes of diffusers and transformers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from realishuman.errors import PackError
from realishuman.packs.header import EncoderShape, UnetShape, VaeShape
from realishuman.packs.random_pack import SMALL
from realishuman.packs.shapes import (
    SD15,
    differences,
    encoder_shapes,
    pack_shapes,
    pose_guider_shapes,
    projector_shapes,
    unet_shapes,
    vae_shapes,
)
from realishuman.packs.sizes import (
    read_encoder_shape,
    read_pose_widths,
    read_unet_shape,
    read_vae_shape,
)

UNETS = [
    SD15.unet,
    SMALL.unet,
    UnetShape((32, 64, 96), (False, True, True), 1, 24, 8, 32),
    UnetShape((16, 48, 32, 64), (True, False, True, False), 3, 40, 4, 8),
]
VAES = [SD15.vae, SMALL.vae, VaeShape((16, 48, 32), 1, 4, 8, 1.0)]
ENCODERS = [SD15.image_encoder, SMALL.image_encoder, EncoderShape(96, 1, 3, 7, 70)]


def of_module(module):
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def numbers(shapes):
    return sum(math.prod(shape) for shape in shapes.values())


@pytest.mark.parametrize("inputs", [4, 9])
@pytest.mark.parametrize("size", UNETS)
def test_a_unet_has_the_tensors_diffusers_gives_it(size, inputs):
    diffusers = pytest.importorskip("diffusers")
    names = {True: "CrossAttn", False: ""}
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel(
            in_channels=inputs,
            block_out_channels=size.channels,
            down_block_types=[f"{names[a]}DownBlock2D" for a in size.attention],
            up_block_types=[f"{names[a]}UpBlock2D" for a in reversed(size.attention)],
            layers_per_block=size.layers,
            cross_attention_dim=size.context,
            attention_head_dim=size.heads,
            norm_num_groups=size.groups,
        )

    shapes = unet_shapes(size, inputs)

    assert shapes == of_module(unet)
    assert read_unet_shape(shapes, size.heads, size.groups) == size


@pytest.mark.parametrize("size", VAES)
def test_an_autoencoder_has_the_tensors_diffusers_gives_it(size):
    diffusers = pytest.importorskip("diffusers")
    levels = len(size.channels)
    with torch.device("meta"):
        vae = diffusers.AutoencoderKL(
            block_out_channels=size.channels,
            down_block_types=["DownEncoderBlock2D"] * levels,
            up_block_types=["UpDecoderBlock2D"] * levels,
            layers_per_block=size.layers,
            latent_channels=size.latent_channels,
            norm_num_groups=size.groups,
        )

    shapes = vae_shapes(size)

    assert shapes == of_module(vae)
    assert read_vae_shape(shapes, size.groups, size.scaling) == size


@pytest.mark.parametrize("size", ENCODERS)
def test_an_image_encoder_has_the_tensors_transformers_gives_it(size):
    transformers = pytest.importorskip("transformers")
    config = transformers.Dinov2Config(
        hidden_size=size.width,
        num_hidden_layers=size.depth,
        num_attention_heads=size.heads,
        patch_size=size.patch,
        image_size=size.side,
    )
    with torch.device("meta"):
        found = of_module(transformers.Dinov2Model(config))
    for new, old in (  # transformers 5 renamed them in memory, not in files
        ("attention.q_proj", "attention.attention.query"),
        ("attention.k_proj", "attention.attention.key"),
        ("attention.v_proj", "attention.attention.value"),
        ("attention.o_proj", "attention.output.dense"),
    ):
        found = {name.replace(new, old): shape for name, shape in found.items()}

    shapes = encoder_shapes(size)

    assert shapes == found
    assert read_encoder_shape(shapes, size.heads) == size


def test_the_released_sizes_have_the_released_counts():
    unet = unet_shapes(SD15.unet, 4)
    guider = pose_guider_shapes(SD15.pose, 320)
    stored = encoder_shapes(replace(SD15.image_encoder, side=518))

    assert (len(unet), numbers(unet)) == (686, 859_520_964)
    assert numbers(unet_shapes(SD15.unet, 9)) == 859_535_364
    assert (len(vae_shapes(SD15.vae)), numbers(vae_shapes(SD15.vae))) == (248, 83_653_863)
    assert (len(stored), numbers(stored)) == (439, 304_368_640)
    assert (len(guider), numbers(guider)) == (16, 1_086_480)
    assert 2 * len(unet) + len(guider) + len(projector_shapes(1024, 768)) == 1392
    assert stored["embeddings.position_embeddings"] == (1, 1370, 1024)
    assert read_encoder_shape(stored).heads == 16


def test_the_pose_guider_has_the_released_kernels():
    shapes = pose_guider_shapes((16, 32, 96, 256), 320)

    kernels = {name: shape[:2] for name, shape in shapes.items() if name.endswith(".weight")}
    assert kernels == {
        "conv_in.weight": (16, 3),
        "blocks.0.weight": (16, 16),
        "blocks.1.weight": (32, 16),
        "blocks.2.weight": (32, 32),
        "blocks.3.weight": (96, 32),
        "blocks.4.weight": (96, 96),
        "blocks.5.weight": (256, 96),
        "conv_out.weight": (320, 256),
    }
    assert read_pose_widths(shapes) == (16, 32, 96, 256)


def test_stage_twos_own_autoencoder_is_optional():
    with_both = pack_shapes(replace(SMALL, stage_two_vae=True))

    extra = with_both.keys() - pack_shapes(SMALL).keys()
    assert extra == {f"stage_two.vae.{name}" for name in vae_shapes(SMALL.vae)}


def test_differences_name_the_first_few_of_each_sort():
    expected = dict.fromkeys("abcdef", (2, 3))

    assert differences(expected, expected) == ""
    assert differences({"f": (3, 2), "z": ()}, expected) == (
        "5 missing: a, b, c, ...; 1 unexpected: z; 1 misshapen: f is 3x2, expected 2x3"
    )


def test_a_size_that_cannot_be_read_names_the_tensor():
    shapes = unet_shapes(SMALL.unet, 4)
    del shapes["down_blocks.0.resnets.0.norm2.weight"]

    with pytest.raises(PackError, match=r"down_blocks\.0\.resnets\.0\.norm2\.weight is missing"):
        read_unet_shape(shapes, 8, 32)
