"""The loaded model as the checkpoint that repaints, on stand-ins of the WebUIs."""

from __future__ import annotations

import itertools
import random
import types

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from realishuman.backbones.ldm import LdmUnet
from realishuman.backbones.loading import Place
from realishuman.backbones.twin import share
from realishuman.diffusion.prompted import Prompt, Reference
from realishuman.errors import PackError
from realishuman.paint.checkpoint import CheckpointPainter
from realishuman.progress import Clock, Interrupted, Silent
from realishuman.settings import Settings
from realishuman.webui.choices import Control
from tests.backbones.ldm_like import UNetModel
from tests.backbones.states import same, state
from tests.paint.parts_of import parts_of
from tests.webui.host.conftest import module, streamable

SIDE = 128
PLACE = Place(torch.device("cpu"), torch.float32)
SETTINGS = Settings(steps=4, strength=0.5, guidance=3.0, colour_match=False)


class WebuiInterrupt(BaseException):
    """As the WebUI's: passes through every `except Exception`."""


class Posterior:
    def __init__(self, mean):
        self.mean = mean

    def mode(self):
        return self.mean

    def sample(self):
        return self.mean + torch.randn(self.mean.shape)


class Words(list):
    """As SdConditioning."""

    def __init__(self, prompts, is_negative_prompt=False, width=None, height=None):
        super().__init__(prompts)
        self.is_negative_prompt, self.width, self.height = is_negative_prompt, width, height


def first_stage(large, has_mode):
    """The calls that hosts offer: pictures of 8 x 8 blocks are latents of their means."""

    def encode(images):
        means = nn.functional.avg_pool2d(images, 8)
        latents = torch.cat([means, means[:, :1]], dim=1)
        return Posterior(latents) if has_mode else latents + 1e-3 * torch.randn(latents.shape)

    def decode(latents):
        return nn.functional.interpolate(latents[:, :3].tanh(), scale_factor=8)

    def learned(words):
        seed = sum(map(ord, words[0])) + words.is_negative_prompt
        generator = torch.Generator().manual_seed(seed)
        count = 77 * (1 + len(words[0]) // 100)
        tokens = torch.randn(1, count, 64, generator=generator)
        torch.randn(1)  # a host may draw
        return {"crossattn": tokens, "vector": tokens[:, 0, :12]} if large else tokens

    return {
        "encode_first_stage": encode,
        "decode_first_stage": decode,
        "get_first_stage_encoding": lambda latents: latents,
        "get_learned_conditioning": learned,
        "scale_factor": 1.0,
    }


@pytest.fixture(params=["a1111", "forge", "neo"])
def loaded(request, installed):
    """A function that loads a model of some kind into a WebUI; gives its Checkpoint and UNet."""
    webui = request.getfixturevalue(request.param)
    parser = module(
        "modules.prompt_parser",
        SdConditioning=Words,
        get_learned_conditioning_prompt_schedules=lambda texts, _steps: [[[1, texts[0]]]],
    )
    installed(parser)

    def load(shape, *, large=False, channels=4):
        model = webui.data.sd_model
        unet = UNetModel(shape, channels, labels=12 if large else 0).eval()
        model.is_sdxl = large
        vars(model).update(first_stage(large, has_mode=request.param == "a1111"))
        if request.param == "a1111":
            from contextlib import nullcontext

            webui.devices.without_autocast = nullcontext
            model.model.diffusion_model = unet
            model.alphas_cumprod = torch.linspace(0.999, 0.005, 1000)
            model.parameterization = "eps"
        else:
            predictor = types.SimpleNamespace(
                prediction_type="epsilon", sigmas=torch.linspace(0.03, 14.6, 1000)
            )
            inner = types.SimpleNamespace(
                diffusion_model=streamable(unet),
                predictor=predictor,
                computation_dtype=torch.float32,
            )
            patcher = types.SimpleNamespace(model=inner)
            model.forge_objects_after_applying_lora = types.SimpleNamespace(unet=patcher)
            webui.memory_management.load_models_gpu = lambda models, memory_required=0: (
                webui.memory.asked.append((models, memory_required))
            )
        return webui.host.checkpoint(), unet, webui

    return load


@pytest.fixture
def small(monkeypatch):
    from realishuman.webui.host.checkpoint import LoadedCheckpoint

    monkeypatch.setattr(LoadedCheckpoint, "side", SIDE)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", [{}, {"large": True}, {"channels": 9}], ids=str)
def test_parts_are_repainted_and_the_host_is_as_before(loaded, pack, kind):
    checkpoint, unet, webui = loaded(pack.header.unet, **kind)
    before, drawn = state(unet), torch.get_rng_state().clone()
    parts = parts_of(2)

    assert checkpoint.why_not() == ""
    with webui.host.undisturbed():
        first = CheckpointPainter(checkpoint).paint(parts, SETTINGS, Silent(), Clock())
    assert drawn.equal(torch.get_rng_state())
    again = CheckpointPainter(checkpoint).paint(parts[1:], SETTINGS, Silent(), Clock())

    for one, (painted,) in zip(parts, first, strict=True):
        assert painted.fault == ""
        changed = (painted.patch.refined - one.image).abs().amax(0).numpy()
        assert changed[one.masks.m_d].max() > 0.05
    np.testing.assert_allclose(first[1][0].patch.refined, again[0][0].patch.refined, atol=1e-4)
    assert same(before, state(unet))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("error", [RuntimeError("broken"), WebuiInterrupt(), Interrupted("stop")])
def test_however_a_run_ends_the_host_is_as_before(loaded, pack, error):
    checkpoint, unet, webui = loaded(pack.header.unet)
    before, numbers = state(unet), (torch.get_rng_state().clone(), random.getstate())

    class Stops(Silent):
        count = 0

        def step(self, count=1):
            self.count += 1
            if self.count == 4:  # the first of stage two is the third
                raise error

    with pytest.raises(type(error)), webui.host.undisturbed():
        CheckpointPainter(checkpoint).paint(parts_of(1), SETTINGS, Stops(), Clock())

    assert same(before, state(unet))
    assert numbers[0].equal(torch.get_rng_state())
    assert numbers[1] == random.getstate()


def controlnet(unet):
    """Weights of a ControlNet for a UNet of ldm's names."""
    torch.manual_seed(3)
    made = {
        name: parameter.detach() + 0.01
        for name, parameter in unet.named_parameters()
        if not name.startswith(("output_blocks.", "out."))
    }
    made["input_blocks.0.0.weight"] = made["input_blocks.0.0.weight"][:, :4].contiguous()
    widths = [3, 16, 16, 32, 32, 96, 96, 256, unet.model_channels]
    for number, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        made[f"input_hint_block.{2 * number}.weight"] = torch.randn(outputs, inputs, 3, 3) * 0.2
        made[f"input_hint_block.{2 * number}.bias"] = torch.zeros(outputs)
    blocks = [*unet.input_blocks, unet.middle_block]
    inner = [
        next(m for m in reversed(list(block.modules())) if isinstance(m, nn.Conv2d)).out_channels
        for block in blocks
    ]
    for number, width in enumerate(inner):
        last = number == len(inner) - 1
        name = "middle_block_out.0" if last else f"zero_convs.{number}.0"
        made[f"{name}.weight"] = torch.randn(width, width, 1, 1) * 0.02
        made[f"{name}.bias"] = torch.zeros(width)
    return made


@pytest.fixture
def controls(tmp_path, monkeypatch):
    """A function that writes a ControlNet of this name into the WebUI's folder of them."""
    from modules import paths_internal, shared

    monkeypatch.setattr(paths_internal, "models_path", str(tmp_path), raising=False)
    monkeypatch.setattr(paths_internal, "extensions_dir", str(tmp_path / "x"), raising=False)
    monkeypatch.setattr(shared.opts, "data", {}, raising=False)

    def write(tensors, name="sd15_depth"):
        (tmp_path / "ControlNet").mkdir(exist_ok=True)
        save_file(tensors, tmp_path / "ControlNet" / f"{name}.safetensors")

    return write


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", [{"large": True}, {"channels": 9}], ids=str)
def test_a_controlnet_steers_by_the_mesh_and_nothing_of_it_stays(loaded, controls, pack, kind):
    _, unet, webui = loaded(pack.header.unet, **kind)
    controls(controlnet(unet))
    before, parts = state(unet), parts_of(1)

    def paint(control):
        checkpoint = webui.host.checkpoint(control)
        assert checkpoint.why_not() == ""
        made = [
            CheckpointPainter(checkpoint).paint(parts, SETTINGS, Silent(), Clock())[0][0]
            for _ in range(2 if control else 1)  # the second time from memory
        ]
        assert torch.equal(made[0].patch.refined, made[-1].patch.refined)
        return checkpoint.name, made[0].patch.refined

    (name, steered), (_, plain) = paint(Control("sd15_depth", 1.0)), paint(None)

    assert name.endswith(", sd15_depth")
    assert (steered - plain).abs().max() > 1e-3
    assert same(before, state(unet))


@pytest.mark.usefixtures("small")
def test_a_controlnet_that_cannot_steer_is_refused_in_a_sentence(loaded, controls, pack):
    _, unet, webui = loaded(pack.header.unet)
    tensors = controlnet(unet)
    controls({name: each[..., :4].contiguous() for name, each in tensors.items()}, "xl_depth")
    del tensors["zero_convs.0.0.weight"]
    controls(tensors, "cut_depth")

    def why_not(name):
        return webui.host.checkpoint(Control(name, 1.0)).why_not()

    assert "There is no ControlNet canny" in why_not("canny")
    assert "cut_depth, xl_depth" in why_not("canny")
    assert "is a ControlNet of" in why_not("xl_depth")
    assert why_not("cut_depth") == ""  # only loading finds that
    with pytest.raises(PackError, match=r"does not fit the checkpoint \(no zero_convs.0.0.weight"):
        CheckpointPainter(webui.host.checkpoint(Control("cut_depth", 1.0))).paint(
            parts_of(1), SETTINGS, Silent(), Clock()
        )
    unet.input_blocks[0][0].bias = nn.Parameter(torch.zeros(4, dtype=torch.uint8), False)
    assert "stored in a form that a ControlNet cannot be run beside" in why_not("cut_depth")


def test_what_cannot_repaint_says_so(loaded, pack):
    checkpoint, _, webui = loaded(pack.header.unet, channels=5)
    assert "cannot repaint a part: it is made for depth" in checkpoint.why_not()

    checkpoint, unet, webui = loaded(pack.header.unet)
    for name, each in unet.named_modules():
        if name.endswith("attn2"):
            each.to_k = nn.Linear(1280, each.to_k.out_features, bias=False)
    assert "is a refiner" in checkpoint.why_not()

    webui.data.sd_model = None
    assert checkpoint.why_not().startswith("No model is loaded")
    assert "load a checkpoint of Stable Diffusion" in checkpoint.why_not()


def test_a_shared_unet_has_the_hosts_own_tensors_and_none_of_its_hooks(pack):
    host = UNetModel(pack.header.unet, labels=12).eval()
    inputs = torch.randn(2, 4, 16, 16), torch.tensor([5, 9]), torch.randn(2, 77, 64)
    vector = torch.randn(2, 12)
    with torch.no_grad():
        expected = host(*inputs, y=vector)
    block = host.input_blocks[1][1].transformer_blocks[0]
    block.attn1.register_forward_hook(lambda *_: 1 / 0)
    block._forward = lambda *_: 1 / 0
    host.forward = lambda *_: 1 / 0
    marked = host.middle_block[0].in_layers[2]
    marked.network_layer_name, marked.weight_function = "lora", [abs]
    host.input_blocks[0][0].padding_mode = "circular"
    before = state(host)

    made = share(host)
    with torch.no_grad():
        unet = LdmUnet(made, PLACE)
        condition = unet.prompted(Prompt(inputs[2], vector))
        found = unet.predict(inputs[0], inputs[1], condition, None)
        bank = unet.features(inputs[0].flip(0), inputs[1], condition)
        seen = unet.predict(inputs[0], inputs[1], condition, Reference(bank, weight=0.5))

    torch.testing.assert_close(found, expected)
    assert (seen - found).abs().max() > 1e-4
    assert same(before, state(host))
    own = {id(each) for each in host.parameters()}
    assert {id(each) for each in made.parameters()} == own
    copy = made.middle_block[0].in_layers[2]
    assert copy.weight_function is marked.weight_function  # streamed layers compute with it
    assert not hasattr(copy, "network_layer_name")
