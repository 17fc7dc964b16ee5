"""Both adapters on stand-ins of their hosts: the pack's numbers, and the host as it was."""

from __future__ import annotations

import gc
import random
import sys
import weakref

import numpy as np
import pytest
import torch

from realishuman.backbones.ldm import LdmUnet
from realishuman.backbones.packed import PackedBackbone
from realishuman.diffusion import stage_one, stage_two
from realishuman.diffusion.networks import OWN, TWIN
from realishuman.diffusion.noise import PartNoise
from realishuman.diffusion.sampling import Sampling
from realishuman.diffusion.unet import PlainUnet
from realishuman.errors import PackError
from realishuman.memory import Memory
from realishuman.packs.pack import Pack
from realishuman.progress import Interrupted
from realishuman.webui.host import backbone as backbone_module
from tests.backbones.ldm_like import CrossAttention, UNetModel
from tests.backbones.states import same, state

SAMPLING = Sampling(steps=1, guidance=2.0)


class WebuiInterrupt(BaseException):
    """As the WebUIs': passes through every `except Exception`."""


class Steps:
    """Fails at one step, if that is asked for."""

    def __init__(self, fails_at=None, error=None):
        self.done, self.fails_at, self.error = 0, fails_at, error

    def begin(self, stage, total):
        pass

    def step(self, count=1):
        self.done += count
        if self.done == self.fails_at:
            raise self.error


@pytest.fixture(params=["a1111", "forge", "neo"])
def webui(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def expected(pack):
    return run(PackedBackbone(pack))


def run(backbone, progress=None):
    """Both stages on one made-up crop: two pictures (1, 3, 128, 128)."""
    generator = torch.Generator().manual_seed(0)
    image, pose = torch.rand(2, 1, 3, 128, 128, generator=generator)
    m_d = torch.zeros(1, 1, 128, 128, dtype=torch.bool)
    m_e = m_d.clone()
    m_d[..., 16:96, 16:96] = True
    m_e[..., 40:72, 40:72] = True
    progress = progress or Steps()
    given = stage_one.inputs(image, pose, m_d)
    first, _ = stage_one.run(backbone, given, SAMPLING, PartNoise(1, [0], "one"), progress)
    given = stage_two.inputs(image, first, m_d, m_e)
    second, _ = stage_two.run(backbone, given, SAMPLING, PartNoise(1, [0], "two"), progress)
    return first, second


def close(found, expected):
    return all((a - b).abs().max() < 1e-4 for a, b in zip(found, expected, strict=True))


def kinds(backbone):
    """Which UNets both stages run."""
    with backbone.stage_one() as one, backbone.stage_two() as two:
        return {type(each) for each in (one.unet, one.reference, two.unet)}


def test_both_stages_give_the_packs_own_pictures_on_the_hosts_classes(webui, pack, expected):
    before, backbone = state(webui.unet), webui.host.open_backbone(pack)

    with webui.host.undisturbed():
        found = run(backbone)

    assert close(found, expected)
    assert backbone.unets == TWIN
    assert kinds(backbone) == {LdmUnet}
    assert same(before, state(webui.unet))


def test_a_run_in_inference_mode_does_not_spoil_the_next_one_outside_it(forge, pack, expected):
    backbone = forge.host.open_backbone(pack)

    with torch.inference_mode():
        run(backbone)

    assert close(run(backbone), expected)
    with backbone.stage_one() as networks:
        assert not any(p.is_inference() for p in networks.unet.module.parameters())


@pytest.mark.parametrize(
    ("error", "step"),
    [(WebuiInterrupt, 1), (Interrupted, 2)],
    ids=["in stage one", "in stage two"],
)
def test_a_run_that_ends_early_leaves_the_host_as_it_was(webui, pack, expected, error, step):
    before, backbone = state(webui.unet), webui.host.open_backbone(pack)

    with pytest.raises(error), webui.host.undisturbed():
        run(backbone, Steps(step, error))

    assert same(before, state(webui.unet))
    assert close(run(backbone), expected)


def test_a_pack_that_is_damaged_leaves_the_host_as_it_was(webui, pack, monkeypatch):
    before, backbone = state(webui.unet), webui.host.open_backbone(pack)
    whole = Pack.tensors

    def damaged(self, prefix, *place, **named):
        found = whole(self, prefix, *place, **named)
        if prefix == "stage_one.reference.":
            del found["conv_out.bias"]
        return found

    monkeypatch.setattr(Pack, "tensors", damaged)
    with pytest.raises(PackError, match=r"1 missing: conv_out\.bias"), webui.host.undisturbed():
        run(backbone)

    assert same(before, state(webui.unet))


def test_global_random_numbers_go_on_as_if_nothing_had_run(webui):
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    with webui.host.undisturbed():
        expected = draw()

    with pytest.raises(WebuiInterrupt), webui.host.undisturbed():
        draw()
        raise WebuiInterrupt

    assert draw() == expected


def sdxl(webui):
    webui.data.sd_model.is_sd1 = False


def nothing_loaded(webui):
    webui.data.sd_model = None


def other_sizes(webui):
    webui.unet.out[2] = torch.nn.Conv2d(32, 8, 3)


def fp8(webui):
    weight = webui.unet.time_embed[0].weight
    weight.data = weight.data.to(torch.float8_e4m3fn)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (sdxl, "not Stable Diffusion 1.x"),
        (nothing_loaded, "no model is loaded"),
        (other_sizes, "other sizes"),
        (fp8, "stored as torch.float8_e4m3fn"),
    ],
)
def test_a_model_that_does_not_fit_is_told_apart(webui, pack, change, reason):
    change(webui)

    assert reason in webui.host.open_backbone(pack).why_not()


def test_when_the_user_changes_the_model_the_packs_own_networks_take_over(webui, pack, expected):
    backbone = webui.host.open_backbone(pack)
    with backbone.stage_two() as networks:
        assert isinstance(networks.unet, LdmUnet)

    sdxl(webui)

    assert close(run(backbone), expected)
    assert backbone.unets == OWN
    assert kinds(backbone) == {PlainUnet}


def test_networks_are_loaded_once_and_let_go_of_when_that_is_asked_for(webui, pack):
    backbone = webui.host.open_backbone(pack)

    with backbone.stage_two() as first:
        pass
    with backbone.stage_two() as second:
        assert second.unet is first.unet
    webui.host.release()
    with backbone.stage_two() as third:
        assert third.unet is not first.unet


def test_networks_do_not_wait_in_ram_where_there_is_little(a1111, pack, monkeypatch):
    monkeypatch.setattr(backbone_module, "memory_left", lambda: Memory(0, 2**40))
    backbone = a1111.host.open_backbone(pack)

    with pytest.raises(WebuiInterrupt), backbone.stage_two() as networks:
        gone = weakref.ref(networks.unet.module)
        del networks
        raise WebuiInterrupt
    gc.collect()

    assert gone() is None


def test_a_base_for_inpainting_serves_both_stages(a1111, pack, expected):
    base = UNetModel(pack.header.unet, in_channels=9).eval()
    a1111.unet.input_blocks[0][0] = base.input_blocks[0][0]
    backbone = a1111.host.open_backbone(pack)

    assert close(run(backbone), expected)
    assert kinds(backbone) == {LdmUnet}


@pytest.mark.parametrize(
    ("flag", "option", "folder"),
    [
        (None, None, "/webui/models/realishuman"),
        (None, "/option", "/option"),
        ("/flag", "/option", "/flag"),
    ],
)
def test_the_models_folder_is_the_flags_or_the_options_or_the_webuis(webui, flag, option, folder):
    shared = sys.modules["modules.shared"]
    shared.opts.data["realishuman_models_dir"] = option
    if flag:
        shared.cmd_opts.realishuman_models_dir = flag

    assert webui.host.models_folder().as_posix() == folder


def test_the_host_says_what_is_loaded_and_which_way_packs_go(webui):
    assert "tiny-sd15 is loaded" in webui.host.describe()
    sdxl(webui)
    assert webui.host.describe() == (
        "The loaded model is not Stable Diffusion 1.x: packs run on their own networks."
    )


def test_the_hosts_attention_is_used(webui, pack, monkeypatch):
    calls, attend = [], CrossAttention.forward
    backbone = webui.host.open_backbone(pack)

    def counted(self, *args, **options):
        calls.append(1)
        return attend(self, *args, **options)

    monkeypatch.setattr(CrossAttention, "forward", counted)
    with backbone.stage_two() as networks, torch.no_grad():
        networks.unet.predict(
            torch.zeros(1, 9, 16, 16),
            torch.tensor(1),
            networks.unet.condition(networks.context),
            None,
        )

    assert len(calls) == 32
