from __future__ import annotations

import pytest
import torch
from torch import nn

from realishuman.backbones.loading import Place
from realishuman.backbones.moving import Turns, size
from tests.backbones.states import same, state

AWAY = torch.device("meta")  # stands in for the GPU


class WebuiInterrupt(BaseException):
    """As the WebUI's: passes through every `except Exception`."""


class Network(nn.Linear):
    """One of the host's networks; remembers where it was sent."""

    def __init__(self, device):
        super().__init__(2, 2, device=device)
        self.sent = []

    def to(self, device):
        self.sent.append(torch.device(device).type)
        return self


@pytest.fixture
def ours():
    return [nn.Linear(2, 2), nn.Linear(3, 3)]


@pytest.fixture
def on_gpu(a1111, monkeypatch):
    """A function: a GPU that has so many bytes free at each look; gives the host's networks."""

    def make(*free):
        answers = list(free)
        monkeypatch.setattr(a1111.adapter, "_free", lambda device: answers.pop(0))
        monkeypatch.setattr(a1111.around, "place", lambda: Place(AWAY, torch.float32))
        model = a1111.data.sd_model
        model.model, model.first_stage_model = Network(AWAY), Network("cpu")
        model.cond_stage_model = nn.Identity()
        return model.model, model.first_stage_model

    return make


def devices(modules):
    return {p.device.type for module in modules for p in module.parameters()}


@pytest.mark.parametrize("error", [RuntimeError, WebuiInterrupt])
def test_hypernetworks_of_the_users_prompt_are_away_during_a_run(a1111, error):
    loaded = a1111.shared.loaded_hypernetworks

    with pytest.raises(error), a1111.host.undisturbed():
        assert loaded == []
        raise error

    assert a1111.shared.loaded_hypernetworks is loaded
    assert loaded == ["one", "two"]


def test_a_unet_that_stands_in_for_the_models_is_not_called(a1111):
    a1111.sd_unet.current_unet = object()

    assert "TensorRT" in a1111.around.template().why_not


def test_with_fp8_storage_networks_compute_in_what_the_host_computes_in(a1111):
    a1111.devices.fp8, a1111.devices.dtype_unet = True, torch.float8_e4m3fn
    a1111.devices.dtype = torch.bfloat16

    assert "fp8" in a1111.around.template().why_not
    assert a1111.around.place() == Place(torch.device("cpu"), torch.bfloat16)


def test_each_forward_runs_in_the_hosts_autocast(a1111, pack):
    with a1111.host.open_backbone(pack).stage_two() as networks, torch.no_grad():
        condition = networks.unet.condition(networks.context)
        for _ in range(2):
            networks.unet.predict(torch.zeros(1, 9, 16, 16), torch.tensor(1), condition, None)

    assert a1111.log.count("autocast") == 2


@pytest.mark.parametrize("error", [RuntimeError, WebuiInterrupt])
def test_where_memory_is_plenty_only_ours_move(a1111, on_gpu, ours, error):
    hosts, before = on_gpu(10**6, 10**6), [state(each) for each in ours]

    with pytest.raises(error), a1111.around.resident(ours[:1], ours[1:], 0) as turns:
        assert turns is None
        assert devices(ours) == {"meta"}
        raise error

    assert all(same(old, state(each)) for old, each in zip(before, ours, strict=True))
    assert [each.sent for each in hosts] == [[], []]


def test_where_memory_is_short_the_hosts_model_goes_and_comes_back(a1111, on_gpu, ours):
    needed = size(ours) + 100
    on_device, on_cpu = on_gpu(needed - 1, needed)

    with pytest.raises(WebuiInterrupt), a1111.around.resident(ours[:1], ours[1:], 100) as turns:
        assert turns is None
        assert on_device.sent == ["cpu"]
        assert devices(ours) == {"meta"}
        raise WebuiInterrupt

    assert on_device.sent == ["cpu", "meta"]
    assert on_cpu.sent == ["cpu", "cpu"]  # it was there before
    assert devices(ours) == {"cpu"}


def test_where_it_is_short_even_then_networks_take_turns(a1111, on_gpu, ours):
    on_gpu(0, 0)

    with pytest.raises(WebuiInterrupt), a1111.around.resident(ours[:1], ours[1:], 100) as turns:
        assert isinstance(turns, Turns)
        turns.bring(ours[0])
        assert [devices([each]) for each in ours] == [{"meta"}, {"cpu"}]
        raise WebuiInterrupt

    assert devices(ours) == {"cpu"}


def test_with_medvram_the_host_is_told_to_clear_the_device_by_its_own_way(a1111, on_gpu, ours):
    on_device, _ = on_gpu(10**6, 10**6)
    a1111.data.sd_model.lowvram = True

    with a1111.around.resident(ours[:1], ours[1:], 0):
        assert "everything to cpu" in a1111.log

    assert on_device.sent == []


def test_a_stage_in_turns_runs_each_network_when_it_is_needed(a1111, pack, monkeypatch):
    monkeypatch.setattr(a1111.around, "resident", lambda *_given: Turns(torch.device("cpu")))
    brought = []
    monkeypatch.setattr(Turns, "bring", lambda self, module: brought.append(type(module).__name__))

    with a1111.host.open_backbone(pack).stage_one() as networks, torch.no_grad():
        picture = torch.rand(1, 3, 128, 128)
        context = networks.projector(networks.image_encoder(picture))
        pose = networks.pose_guider(picture)
        latents = networks.autoencoder.encode(picture)
        condition = networks.reference.condition(context, pose)
        bank = networks.reference.features(latents, torch.tensor(1), condition)
        condition = networks.unet.condition(context, pose)
        networks.unet.predict(latents, torch.tensor(1), condition, bank)

    assert brought == [
        "ImageEncoder",
        "Sequential",
        "PoseGuider",
        "PlainAutoencoder",
        *["UNetModel"] * 4,
    ]
