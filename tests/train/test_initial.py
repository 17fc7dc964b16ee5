"""Where training begins: files laid out as Stable Diffusion's, of very small sizes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from realishuman.backbones.naming import unet_to_ldm, vae_to_ldm
from realishuman.errors import PackError, SettingsError
from realishuman.packs.convert import resize_positions
from realishuman.packs.shapes import encoder_shapes, prompt_shapes, unet_shapes, vae_shapes
from realishuman.train.config import Stage
from realishuman.train.networks import StageOne, StageTwo, TrainedAutoencoder
from realishuman.train.stages import keep_autoencoder, load_trained_autoencoder

POSITIONS = "embeddings.position_embeddings"


@pytest.fixture
def start(make_config, tmp_path):
    """A function: the small configuration whose stages start from these settings."""

    def make(**stage):
        config = make_config(tmp_path / "out")
        same = Stage(steps=1, **stage)
        return replace(config, autoencoder=same, stage_one=same, stage_two=same)

    return make


def drawn(shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def unet_tensors(config, inputs=6):
    return drawn(unet_shapes(config.networks.unet, inputs, 6))


def single_file(path, config, inputs=6):
    """What WebUIs keep: everything of one Stable Diffusion in one file, in ldm's names."""
    unet, vae = unet_tensors(config, inputs), drawn(vae_shapes(config.networks.vae), 1)
    unet_names, vae_names = unet_to_ldm(config.networks.unet), vae_to_ldm(config.networks.vae)
    tensors = {f"model.diffusion_model.{unet_names[n]}": t for n, t in unet.items()}
    for name, tensor in vae.items():
        matrix = ".attentions." in name and tensor.ndim == 2
        stored = tensor[:, :, None, None].contiguous() if matrix else tensor
        tensors[f"first_stage_model.{vae_names[name]}"] = stored
    save_file(tensors | {"cond_stage_model.x": torch.zeros(1)}, path)
    return unet, vae


def equal(module, tensors):
    found = module.state_dict()
    return found.keys() == tensors.keys() and all(torch.equal(found[n], tensors[n]) for n in found)


def test_both_unets_of_stage_one_start_from_one_file_and_the_pose_guider_from_nothing(
    start, tmp_path
):
    path = tmp_path / "unet.safetensors"
    tensors = unet_tensors(start())
    save_file(tensors, path)
    module = StageOne(start(initial=str(path), train_encoder=True))

    assert equal(module.unet, tensors)
    assert equal(module.reference, tensors)
    last = module.pose_guider.conv_out
    assert not last.weight.any()
    assert not last.bias.any()
    assert module.pose_guider.conv_in.weight.any()


def test_a_single_file_in_ldm_names_starts_stages_and_autoencoder(start, tmp_path):
    path = tmp_path / "v1-5.safetensors"
    unet, vae = single_file(path, start())
    config = start(initial=str(path), train_encoder=True)
    module = StageOne(config)

    assert equal(module.unet, unet)
    assert equal(module.reference, unet)
    assert equal(TrainedAutoencoder(config).vae, vae)


def test_a_diffusers_folder_starts_stages_and_autoencoder(start, tmp_path):
    unet, vae = unet_tensors(start()), drawn(vae_shapes(start().networks.vae))
    for name, tensors in (("unet", unet), ("vae", vae)):
        (tmp_path / "sd" / name).mkdir(parents=True)
        save_file(tensors, tmp_path / "sd" / name / "diffusion_pytorch_model.safetensors")
    config = start(initial=str(tmp_path / "sd"), train_encoder=True)

    assert equal(StageOne(config).reference, unet)
    assert equal(TrainedAutoencoder(config).vae, vae)
    (tmp_path / "sd/unet/diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(PackError, match="unet has no diffusion_pytorch_model"):
        StageOne(config)


@pytest.mark.parametrize("names", ["diffusers", "ldm"])
def test_stage_two_starts_from_inpainting_weights_as_they_are(start, tmp_path, names):
    path = tmp_path / "inpainting.safetensors"
    if names == "ldm":
        tensors, _ = single_file(path, start(), inputs=13)
    else:
        save_file(tensors := unet_tensors(start(), inputs=13), path)

    assert equal(StageTwo(start(initial=str(path))).unet, tensors)


def test_stage_two_gives_text_to_image_weights_zeros_for_mask_and_i_f(start, tmp_path):
    path = tmp_path / "unet.safetensors"
    save_file(tensors := unet_tensors(start()), path)
    first = StageTwo(start(initial=str(path))).unet.conv_in.weight

    assert first.shape[1] == 13
    assert torch.equal(first[:, :6], tensors["conv_in.weight"])
    assert not first[:, 6:].any()


def test_image_encoder_and_prompt_have_files_of_their_own(start, tmp_path):
    networks = start().networks
    wide = replace(networks.image_encoder, side=48)  # positions of 6 x 6 patches, not of 4 x 4
    tensors = drawn(encoder_shapes(wide))
    prompt = drawn(prompt_shapes(networks.prompt, networks.stage_two_unet.context))
    unet = tmp_path / "unet.safetensors"
    save_file(unet_tensors(start()), unet)
    save_file(tensors, tmp_path / "dino.safetensors")
    save_file(prompt, tmp_path / "prompt.safetensors")
    given = {"initial": str(unet), "encoder": str(tmp_path / "dino.safetensors")}
    one = StageOne(start(**given)).image_encoder
    two = StageTwo(start(initial=str(unet), prompt=str(tmp_path / "prompt.safetensors")))

    assert torch.equal(one.layernorm.weight, tensors["layernorm.weight"])
    assert one.state_dict()["embeddings.position_embeddings"].shape[1] == 17
    assert not any(p.requires_grad for p in one.parameters())
    assert torch.equal(two.conditional, prompt["conditional"])


@pytest.mark.parametrize("positions", ["old", "new"])
def test_the_position_table_is_resized_as_the_configuration_says(start, tmp_path, positions):
    networks = start().networks
    tensors = drawn(encoder_shapes(replace(networks.image_encoder, side=48)))
    save_file(tensors, tmp_path / "dino.safetensors")
    given = {"encoder": str(tmp_path / "dino.safetensors"), "dino_positions": positions}

    table = StageOne(start(**given)).image_encoder.state_dict()[POSITIONS]

    both = {name: resize_positions(tensors[POSITIONS], 4, name) for name in ("old", "new")}
    assert torch.equal(table, both[positions])
    assert not torch.equal(both["old"], both["new"])


def test_weights_that_do_not_fit_are_refused_with_a_sentence(start, tmp_path):
    unet, vae = tmp_path / "unet.safetensors", tmp_path / "vae.safetensors"
    save_file(unet_tensors(start(), inputs=13), unet)
    save_file(drawn(vae_shapes(start().networks.vae)), vae)
    with pytest.raises(PackError, match=r"conv_in.weight is 16x13x3x3, expected 16x6x3x3"):
        StageOne(start(initial=str(unet), train_encoder=True))
    with pytest.raises(PackError, match="holds no UNet, but decoder"):
        StageTwo(start(initial=str(vae)))
    with pytest.raises(PackError, match="holds no autoencoder"):
        TrainedAutoencoder(start(initial=str(unet)))
    with pytest.raises(PackError, match="does not exist"):
        StageTwo(start(initial=str(tmp_path / "none.safetensors")))
    vae.write_bytes(b"<html>")
    with pytest.raises(PackError, match="is a web page"):
        StageTwo(start(initial=str(vae)))


def test_an_image_encoder_nobody_trains_must_be_given(start, tmp_path):
    path = tmp_path / "unet.safetensors"
    save_file(unet_tensors(start()), path)
    with pytest.raises(SettingsError, match="name DINOv2's file"):
        StageOne(start(initial=str(path)))


def test_an_autoencoder_without_steps_is_kept_as_it_came(start, tmp_path):
    path = tmp_path / "v1-5.safetensors"
    _, vae = single_file(path, start())
    config = start(initial=str(path))
    keep_autoencoder(config)
    kept, _ = load_trained_autoencoder(config)
    found = load_file(tmp_path / "out/autoencoder/weights.safetensors")

    assert {f"vae.{name}" for name in vae} == found.keys()
    assert all(torch.equal(found[f"vae.{name}"], tensor) for name, tensor in vae.items())
    assert kept.encode(torch.zeros(1, 3, 32, 32)).shape == (1, 6, 8, 8)
