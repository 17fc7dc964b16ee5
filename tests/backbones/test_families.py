"""What a single file holds, told by the names and sizes of its tensors alone."""

from __future__ import annotations

import pytest

from realishuman.backbones.families import FAMILIES, recognise
from realishuman.errors import PackError

UNET = "model.diffusion_model."
CROSS = UNET + "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"


def whole(channels=4, width=768, encoder="cond_stage_model.transformer.x", **more):
    return {
        UNET + "input_blocks.0.0.weight": (320, channels, 3, 3),
        CROSS: (640, width),
        "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
        encoder: (1,),
        **more,
    }


@pytest.mark.parametrize(
    ("shapes", "said", "words", "channels", "prediction"),
    [
        (whole(), {}, "1.x", 4, "epsilon"),
        (whole(channels=9), {}, "1.x", 9, "epsilon"),
        (whole(), {"modelspec.prediction_type": "v"}, "1.x", 4, "v_prediction"),
        (whole(width=1024), {}, "2.x", 4, "v_prediction"),
        (whole(width=1024), {"modelspec.prediction_type": "epsilon"}, "2.x", 4, "epsilon"),
        (whole(width=2048, encoder="conditioner.embedders.0.x"), {}, "XL", 4, "epsilon"),
        (whole(width=2048, v_pred=(), ztsnr=()), {}, "XL", 4, "v_prediction"),
    ],
)
def test_checkpoints_are_told_apart(shapes, said, words, channels, prediction):
    found = recognise("mine", shapes, said)

    assert found.family.words == f"Stable Diffusion {words}"
    assert (found.channels, found.prediction) == (channels, prediction)
    assert found.zero_snr == ("ztsnr" in shapes)


def test_what_of_stable_diffusion_2_predicts_noise_paints_smaller_pictures():
    one, two, large = FAMILIES

    assert [two.side_for(prediction) for prediction in ("v_prediction", "epsilon")] == [768, 512]
    assert (one.side_for("v_prediction"), large.side_for("v_prediction")) == (512, 1024)


def test_with_a_vae_named_beside_it_a_file_needs_none():
    shapes = {name: size for name, size in whole().items() if "first_stage" not in name}

    assert recognise("mine", shapes, {}, needs_vae=False).channels == 4


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({"lora_unet_down_blocks_0.lora_down.weight": (4, 320)}, "a LoRA"),
        ({"unet.down_blocks.0.attn1.to_q.lora_A.weight": (4, 320)}, "a LoRA"),
        ({"decoder.mid.block_1.conv1.weight": (1,)}, "a VAE"),
        ({"first_stage_model.decoder.conv_in.weight": (1,)}, "a VAE"),
        ({"control_model.input_blocks.0.0.weight": (1,)}, "a ControlNet"),
        ({"double_blocks.0.img_attn.qkv.weight": (1,)}, "Flux"),
        ({"model.diffusion_model.joint_blocks.0.x": (1,)}, "Stable Diffusion 3"),
        ({"emb_params": (4, 768)}, "an embedding"),
        ({"down_blocks.0.resnets.0.conv1.weight": (1,)}, "name the folder that holds it"),
        ({"something": (1,)}, "no Stable Diffusion"),
        (whole(channels=5), "a depth model"),
        (whole(channels=8), "instruct-pix2pix"),
        (whole(width=1280), "a refiner"),
        (whole(width=640), "words of width 640"),
        ({k: v for k, v in whole().items() if "first_stage" not in k}, "lacks its VAE"),
        ({k: v for k, v in whole().items() if "cond" not in k}, "lacks its text encoder"),
    ],
)
def test_what_cannot_repaint_is_refused_with_what_it_is_and_what_is_wanted(shapes, words):
    with pytest.raises(PackError, match=words) as caught:
        recognise("mine.safetensors", shapes, {})

    assert str(caught.value).startswith("mine.safetensors ")
    assert "Expected: a checkpoint of Stable Diffusion 1.x, 2.x or XL" in str(caught.value)
