"""The host's own img2img, on stand-ins of the WebUIs whose model has no UNet."""

from __future__ import annotations

import dataclasses
import types
import typing

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from realishuman.diffusion.prompted import Task
from realishuman.progress import Interrupted
from tests.webui.host.conftest import module

SIDE = 64
CALLBACKS = {"callbacks_cfg_denoiser": [print], "callbacks_model_loaded": [print]}
TASK = Task(
    picture=np.full((SIDE, SIDE, 3), 90, np.uint8),
    mask=np.tri(SIDE, dtype=bool),
    prompt="a cat, hand",
    negative="ugly",
    seed=7,
    steps=8,
    strength=0.5,
    guidance=4.0,
    sampler="Heun",
    scheduler="Simple",
    distilled=2.5,
)


@dataclasses.dataclass
class Processing:
    """As StableDiffusionProcessingImg2Img."""

    init_images: list
    mask: Image.Image
    prompt: str
    negative_prompt: str
    seed: int
    steps: int
    cfg_scale: float
    denoising_strength: float
    sampler_name: str
    scheduler: str
    width: int
    height: int
    mask_blur: int
    inpainting_fill: int
    inpaint_full_res: bool
    restore_faces: bool
    tiling: bool
    do_not_save_samples: bool
    do_not_save_grid: bool
    do_not_reload_embeddings: bool
    disable_extra_networks: bool
    distilled_cfg_scale: float = 3.5
    scripts: object = None
    cached_c: typing.ClassVar = [None, None]

    def __post_init__(self):
        self.cached_c = Processing.cached_c


class Program:
    """What hosts have besides the model; `during` is called in the middle of a run."""

    def __init__(self, webui, model):
        self.webui, self.model, self.runs = webui, model, []
        self.during = lambda: None
        self.shared = webui.modules_shared
        self.shared.state = types.SimpleNamespace(
            job="txt2img", job_no=1, job_count=4, sampling_step=0, sampling_steps=20,
            stopping_generation=True, interrupted=False,
        )  # fmt: skip
        self.shared.opts.data |= {"save_init_img": True, "return_grid": True, "samples_save": True}

    def process_images_inner(self, p):
        """As the hosts': their options and state say what else happens."""
        state, data = self.shared.state, self.shared.opts.data
        saved = data["save_init_img"] or data["return_grid"] or data.get("multiple_tqdm", True)
        assert not saved
        assert {"callbacks_cfg_denoiser": [], "callbacks_model_loaded": [print]} == CALLBACKS
        assert self.shared.cmd_opts.no_prompt_history
        if hasattr(self.model, "forge_objects"):
            self.model.forge_objects = "without the running job's patches"
        else:
            self.webui.sd_hijack.model_hijack.apply_circular(p.tiling)
        self.model.comments = []
        p.cached_c[0] = "its prompt"
        self.runs.append(p)
        if state.interrupted or state.stopping_generation:
            return types.SimpleNamespace(images=[])
        state.job, state.sampling_steps, state.job_no = "Batch", p.steps, state.job_no + 1
        self.during()
        inverted = Image.fromarray(255 - np.array(p.init_images[0]))
        return types.SimpleNamespace(images=[Image.composite(inverted, *p.init_images, p.mask)])


@pytest.fixture(params=["a1111", "forge", "neo"])
def program(request, installed):
    """A WebUI with a model without a UNet, such as Flux."""
    webui = request.getfixturevalue(request.param)
    model = webui.data.sd_model
    model.is_sd1, model.comments = False, ["outer"]
    if request.param == "a1111":
        webui.modules_shared = webui.shared
        model.model.diffusion_model = nn.Sequential(nn.Linear(2, 2))
        webui.sd_hijack.model_hijack.circular_enabled = True
    else:
        model.forge_objects = "of the running job"
        webui.modules_shared = __import__("modules.shared").shared
        predictor = types.SimpleNamespace(prediction_type="const")
        inner = types.SimpleNamespace(diffusion_model=nn.Linear(2, 2), predictor=predictor)
        objects = types.SimpleNamespace(unet=types.SimpleNamespace(model=inner))
        model.forge_objects_after_applying_lora = objects
    made = Program(webui, model)
    callbacks = module("modules.script_callbacks", callback_map=CALLBACKS)
    samplers = module("modules.sd_samplers", fix_p_invalid_sampler_and_scheduler=lambda p: None)
    processing = module(
        "modules.processing",
        StableDiffusionProcessingImg2Img=Processing,
        process_images_inner=made.process_images_inner,
    )
    installed(callbacks, samplers, processing)
    return made


def host_state(program):
    shared, model = program.shared, program.model
    hijack = getattr(program.webui, "sd_hijack", None)
    return [
        dict(vars(shared.state)), dict(shared.opts.data), dict(vars(shared.cmd_opts)),
        hijack and hijack.model_hijack.circular_enabled, getattr(model, "forge_objects", None),
        list(model.comments), list(Processing.cached_c), dict(CALLBACKS),
    ]  # fmt: skip


def test_any_model_can_repaint_and_the_report_says_how(program):
    checkpoint = program.webui.host.checkpoint()

    assert checkpoint.why_not() == ""
    assert checkpoint.side == 1024
    assert "own img2img repaints, in one stage" in checkpoint.img2img().note
    assert "has no UNet of Stable Diffusion's" in checkpoint.img2img().note
    assert checkpoint.img2img().guidance is None
    program.model.use_distilled_cfg_scale = True
    assert checkpoint.img2img().guidance == 1.0


def test_the_run_is_as_the_user_samples_with_no_scripts_and_the_host_is_as_before(program):
    before = host_state(program)

    made = program.webui.host.checkpoint().img2img().repaint(TASK)

    assert host_state(program) == before
    np.testing.assert_array_equal(made[TASK.mask], 165)
    np.testing.assert_array_equal(made[~TASK.mask], 90)
    (p,) = program.runs
    assert p.scripts is None
    assert (p.prompt, p.negative_prompt, p.seed, p.steps) == ("a cat, hand", "ugly", 7, 8)
    assert (p.sampler_name, p.scheduler, p.cfg_scale) == ("Heun", "Simple", 4.0)
    assert (p.denoising_strength, p.distilled_cfg_scale) == (0.5, 2.5)
    assert (p.width, p.height) == (SIDE, SIDE)


def test_random_numbers_are_the_seeds_and_nobody_elses_change(program):
    drawn, before = [], torch.get_rng_state()
    program.during = lambda: drawn.append(torch.rand(1).item())  # as the host's autoencoder does
    img2img = program.webui.host.checkpoint().img2img()

    img2img.repaint(TASK)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    img2img.repaint(TASK)
    img2img.repaint(dataclasses.replace(TASK, seed=8))

    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_however_it_ends_the_host_is_as_before(program, error):
    before = host_state(program)

    def fail():
        raise error

    program.during = fail
    with pytest.raises(type(error)):
        program.webui.host.checkpoint().img2img().repaint(TASK)

    assert host_state(program) == before


def test_interrupt_ends_it_and_stopping_after_this_picture_does_not(program):
    state = program.shared.state
    state.stopping_generation = False
    program.during = lambda: setattr(state, "stopping_generation", True)
    img2img = program.webui.host.checkpoint().img2img()

    img2img.repaint(TASK)

    assert state.stopping_generation
    state.interrupted = True
    with pytest.raises(Interrupted):
        img2img.repaint(TASK)


def test_what_controlnet_puts_on_modules_is_away_meanwhile(a1111):
    model = a1111.data.sd_model
    hooked, plain = nn.Linear(2, 2), nn.Linear(2, 2)
    model.model.diffusion_model = nn.Sequential(hooked, plain)
    hooked.forward = forward = lambda x: x
    hijack = a1111.sd_hijack.model_hijack
    hijack.circular_enabled = True
    lent = a1111.around.lent()

    with pytest.raises(RuntimeError, match="broken"), lent.set_aside():
        inside = dict(vars(hooked))
        hijack.apply_circular(False)
        raise RuntimeError("broken")

    assert "forward" not in inside
    assert hooked.forward is forward
    assert "forward" not in vars(plain)
    assert hijack.circular_enabled
