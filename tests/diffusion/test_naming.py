from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.loaders import single_file_utils

from benchmarks.official import library_unet
from realishuman.backbones.naming import unet_to_ldm, vae_to_ldm
from realishuman.packs.header import UnetShape, VaeShape
from realishuman.packs.shapes import SD15

SHALLOW = UnetShape((32, 64), (False, True), layers=1, context=16, heads=4, groups=32)


def library_vae(shape):
    with torch.device("meta"):
        return AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * len(shape.channels),
            up_block_types=("UpDecoderBlock2D",) * len(shape.channels),
            block_out_channels=shape.channels,
            layers_per_block=shape.layers,
            latent_channels=shape.latent_channels,
        )


def test_names_of_stable_diffusion_1_5_by_hand():
    unet, vae = unet_to_ldm(SD15.unet), vae_to_ldm(SD15.vae)

    assert len(unet) == 686
    assert len(vae) == 248
    for name, expected in {
        "conv_in.weight": "input_blocks.0.0.weight",
        "time_embedding.linear_2.bias": "time_embed.2.bias",
        "down_blocks.0.resnets.1.norm1.weight": "input_blocks.2.0.in_layers.0.weight",
        "down_blocks.1.downsamplers.0.conv.bias": "input_blocks.6.0.op.bias",
        "down_blocks.2.attentions.0.transformer_blocks.0.attn2.to_k.weight": (
            "input_blocks.7.1.transformer_blocks.0.attn2.to_k.weight"
        ),
        "mid_block.resnets.1.time_emb_proj.bias": "middle_block.2.emb_layers.1.bias",
        "up_blocks.0.upsamplers.0.conv.weight": "output_blocks.2.1.conv.weight",
        "up_blocks.1.upsamplers.0.conv.weight": "output_blocks.5.2.conv.weight",
        "up_blocks.3.resnets.2.conv_shortcut.weight": "output_blocks.11.0.skip_connection.weight",
        "conv_norm_out.bias": "out.0.bias",
    }.items():
        assert unet[name] == expected
    assert vae["decoder.up_blocks.0.resnets.2.conv1.bias"] == "decoder.up.3.block.2.conv1.bias"
    assert vae["encoder.mid_block.attentions.0.to_out.0.weight"] == (
        "encoder.mid.attn_1.proj_out.weight"
    )


@pytest.mark.parametrize("shape", [SD15.unet, SHALLOW])
def test_every_tensor_of_the_library_s_unet_has_its_own_ldm_name(shape):
    names = unet_to_ldm(shape)

    assert names.keys() == library_unet(shape, 4).state_dict().keys()
    assert len(set(names.values())) == len(names)


def test_the_library_s_converter_names_the_unet_s_tensors_alike():
    library = library_unet(SD15.unet, 4)
    names = unet_to_ldm(SD15.unet)
    checkpoint = {
        f"model.diffusion_model.{ldm}": torch.tensor(i) for i, ldm in enumerate(names.values())
    }

    converted = single_file_utils.convert_ldm_unet_checkpoint(checkpoint, dict(library.config))

    assert {name: int(value) for name, value in converted.items()} == {
        name: i for i, name in enumerate(names)
    }


@pytest.mark.parametrize("shape", [SD15.vae, VaeShape((32, 64), 1, 4, 32, 1.0)])
def test_the_library_s_converter_names_the_autoencoder_s_tensors_alike(shape):
    library = library_vae(shape)
    names = vae_to_ldm(shape)
    checkpoint = {
        f"first_stage_model.{ldm}": torch.full((2, 2, 1, 1), float(i))
        for i, ldm in enumerate(names.values())
    }

    converted = single_file_utils.convert_ldm_vae_checkpoint(checkpoint, dict(library.config))

    assert names.keys() == library.state_dict().keys()
    assert {name: value.flatten()[0].item() for name, value in converted.items()} == {
        name: float(i) for i, name in enumerate(names)
    }
