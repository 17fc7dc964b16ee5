"""A ControlNet of a host's own classes, against the diffusers library's of the same weights."""

from __future__ import annotations

import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from safetensors.torch import save_file

from realishuman.backbones.control_file import open_control
from realishuman.backbones.ldm import LdmUnet
from realishuman.backbones.ldm_control import SteeredUnet
from realishuman.backbones.loading import Place
from realishuman.backbones.naming import unet_to_ldm
from realishuman.backbones.twin import share
from realishuman.diffusion.prompted import Prompt, Reference
from realishuman.errors import PackError
from realishuman.packs.header import UnetShape
from tests.backbones.ldm_like import UNetModel
from tests.backbones.states import same, state

SHAPE = UnetShape(
    channels=(16, 32), layers=2, heads=4, groups=4, context=24, attention=(True, False)
)
PLACE = Place(torch.device("cpu"), torch.float32)
WEIGHT = 0.55


def library_unet(channels):
    return UNet2DConditionModel(
        in_channels=channels,
        block_out_channels=SHAPE.channels,
        layers_per_block=SHAPE.layers,
        down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"],
        cross_attention_dim=SHAPE.context,
        attention_head_dim=SHAPE.heads,
        norm_num_groups=SHAPE.groups,
    ).eval()


@pytest.fixture(params=[4, 9], ids=["plain", "inpainting"])
def unets(request):
    """A UNet of the library's, and a host's of the same weights."""
    torch.manual_seed(1)
    theirs, host = library_unet(request.param), UNetModel(SHAPE, request.param).eval()
    names = unet_to_ldm(SHAPE)
    host.load_state_dict({names[name]: each for name, each in theirs.state_dict().items()})
    return theirs, host


@pytest.fixture
def control(unets):
    """A ControlNet of random weights, also where training begins with zeros."""
    shape = library_unet(4)
    made = ControlNetModel.from_unet(shape, load_weights_from_unet=False).eval()
    for name, parameter in made.named_parameters():
        if name.startswith("controlnet_"):
            torch.nn.init.normal_(parameter, std=0.2)
    return made


def given(host):
    torch.manual_seed(2)
    channels = host.get_parameter("input_blocks.0.0.weight").shape[1]
    prompt = Prompt(torch.randn(2, 7, SHAPE.context), None, torch.rand(2, 3, 128, 128))
    return torch.randn(2, channels, 16, 16), torch.tensor(400), prompt


def steered(host, file):
    made = LdmUnet(share(host), PLACE)
    control = file.build_ldm(host, file.read_ldm(torch.float32))
    return SteeredUnet(made, control, WEIGHT, PLACE)


@torch.no_grad()
def test_what_it_adds_is_what_the_library_s_adds(unets, control, tmp_path):
    theirs, host = unets
    save_file(control.state_dict(), tmp_path / "depth.safetensors")
    latents, time, prompt = given(host)
    before = state(host)
    unet = steered(host, open_control(tmp_path / "depth.safetensors", WEIGHT, SHAPE.context))

    found = unet.predict(latents, time, unet.prompted(prompt), None)
    again = unet.predict(latents, time, unet.prompted(prompt), None)
    without = unet.predict(latents, time, unet.prompted(Prompt(prompt.tokens)), None)

    down, middle = control(
        latents[:, :4], time, prompt.tokens, prompt.depth, WEIGHT, return_dict=False
    )
    plain = theirs(latents, time, prompt.tokens).sample
    wanted = theirs(
        latents,
        time,
        prompt.tokens,
        down_block_additional_residuals=down,
        mid_block_additional_residual=middle,
    ).sample
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    assert torch.equal(again, found)
    torch.testing.assert_close(without, plain, atol=1e-5, rtol=0)
    assert (plain - wanted).abs().max() > 0.05
    same(before, state(host))


@torch.no_grad()
def test_a_reference_is_seen_without_it(unets, control, tmp_path):
    host = unets[1]
    save_file(control.state_dict(), tmp_path / "depth.safetensors")
    latents, time, prompt = given(host)
    unet = steered(host, open_control(tmp_path / "depth.safetensors", WEIGHT, SHAPE.context))
    plain = LdmUnet(share(host), PLACE)

    bank = unet.features(latents, time, unet.prompted(prompt))
    wanted = plain.features(latents, time, plain.prompted(prompt))

    assert bank.features.keys() == wanted.features.keys()
    assert all(torch.equal(bank.features[name], each) for name, each in wanted.features.items())
    with_it = unet.predict(latents, time, unet.prompted(prompt), Reference(bank))
    without = unet.predict(latents, time, unet.prompted(prompt), None)
    assert not torch.equal(with_it, without)


@pytest.mark.parametrize("fault", ["missing", "unknown", "other width"])
def test_a_file_of_another_shape_is_refused(unets, control, tmp_path, fault):
    tensors = control.state_dict()
    if fault == "missing":
        del tensors["controlnet_down_blocks.2.weight"]
    elif fault == "unknown":
        tensors["surplus.weight"] = torch.zeros(1)
    else:
        tensors["down_blocks.0.resnets.0.conv1.weight"] = torch.zeros(8, 16, 3, 3)
    save_file(tensors, tmp_path / "depth.safetensors")
    file = open_control(tmp_path / "depth.safetensors", WEIGHT, SHAPE.context)

    with pytest.raises(PackError, match="does not fit the checkpoint"):
        file.build_ldm(unets[1], file.read_ldm(torch.float32))
