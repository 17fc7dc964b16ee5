"""Forge's adapter on stand-ins of both memory managers, Forge's and Forge Neo's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from realishuman.backbones.moving import Turns, size
from realishuman.backbones.twin import twin
from tests.backbones.states import same, state
from tests.webui.host.conftest import streamable


class WebuiInterrupt(BaseException):
    """As the WebUI's: passes through every `except Exception`."""


@pytest.fixture(params=["forge", "neo"])
def webui(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def ours():
    """Two networks of the host's layers, and one of plain torch's."""
    return [streamable(nn.Linear(2, 2)), streamable(nn.Linear(3, 3)), nn.Linear(4, 4)]


def tensors(module):
    """Places and values of a network's parameters."""
    return [(p.data_ptr(), p.clone()) for p in module.parameters()]


def at_home(before, modules):
    return all(
        place == parameter.data_ptr() and values.equal(parameter)
        for old, module in zip(before, modules, strict=True)
        for (place, values), parameter in zip(old, module.parameters(), strict=True)
    )


@pytest.mark.parametrize("error", [RuntimeError, WebuiInterrupt])
def test_what_the_memory_manager_did_to_our_networks_is_undone(webui, ours, error):
    before = [tensors(each) for each in ours]

    with pytest.raises(error), webui.around.resident(ours[:2], ours[2:], 1000) as turns:
        assert turns is None
        assert len(webui.memory.current_loaded_models) == 2
        assert ours[0].parameters_manual_cast
        raise error

    assert webui.memory.current_loaded_models == []
    assert at_home(before, ours)
    assert not any(each.parameters_manual_cast for each in ours[:2])


def test_a_loading_that_fails_midway_is_undone_too(webui, ours):
    before, webui.memory.fails = [tensors(each) for each in ours], True

    with pytest.raises(torch.cuda.OutOfMemoryError), webui.around.resident(ours[:2], ours[2:], 0):
        pass

    assert webui.memory.current_loaded_models == []
    assert at_home(before, ours)


def test_networks_are_loaded_anew_each_time(webui, ours):
    for _ in range(2):
        with webui.around.resident(ours[:2], ours[2:], 1000):
            assert len(webui.memory.current_loaded_models) == 2

    assert webui.memory.asked[0] == webui.memory.asked[1]


def test_room_for_what_the_manager_does_not_know_is_asked_for_with_the_loading(forge, ours):
    with forge.around.resident(ours[:2], ours[2:], 1000):
        pass

    assert forge.memory.asked == [(2, 1000, size(ours[2:]))]


def test_forge_neo_is_asked_for_all_the_room_in_one(neo, ours):
    with neo.around.resident(ours[:2], ours[2:], 1000):
        pass

    assert neo.memory.asked == [(2, 1000 + size(ours[2:]))]


@pytest.mark.parametrize(("short", "kind"), [(0, type(None)), (1, Turns)])
def test_networks_of_plain_layers_are_never_the_managers(webui, monkeypatch, short, kind):
    """Forge Neo would leave them on the CPU where room is short."""
    plain = [nn.Linear(2, 2), nn.Linear(3, 3)]
    device = torch.device("meta")  # stands in for the GPU
    webui.memory.free = size(plain) + 1000 - short
    monkeypatch.setattr(webui.memory_management, "get_torch_device", lambda: device)

    with webui.around.resident(plain[:1], plain[1:], 1000) as turns:
        assert isinstance(turns, kind)
        assert webui.memory.current_loaded_models == []
        places = {p.device.type for each in plain for p in each.parameters()}
        assert places == ({"cpu"} if short else {"meta"})

    assert webui.memory.asked == [("free", size(plain) + 1000, "meta")]
    assert {p.device.type for each in plain for p in each.parameters()} == {"cpu"}


def test_a_twin_has_no_marks_of_the_hosts_loading_and_shares_no_list(neo, pack):
    layer = neo.unet.time_embed[0]
    layer.odd = [1, [2]]
    before = state(neo.unet)

    made = twin(layer, dict(layer.named_parameters()))
    made.odd[1].append(3)

    assert not made.parameters_manual_cast
    marks = ("prev_parameters_manual_cast", "forge_patched_weights", "forge_force_cast_weights")
    assert not any(name in vars(made) for name in (*marks, "weight_function", "bias_function"))
    assert layer.odd == [1, [2]]
    assert same(before, state(neo.unet))


@pytest.mark.parametrize("stored", ["nf4", "gguf", torch.float8_e4m3fn])
def test_a_quantised_model_lends_no_classes(webui, stored):
    webui.inner.storage_dtype = stored

    assert f"stored as {stored}" in webui.around.template().why_not


def test_before_the_first_picture_no_model_is_loaded(webui):
    webui.data.sd_model = object()  # Forge's stand-in has none of a model's attributes

    assert webui.around.template().why_not == "no model is loaded"


def test_autoencoders_compute_in_float32_where_the_host_wants_that(webui, monkeypatch):
    memory = webui.memory_management
    if hasattr(memory, "get_computation_dtype"):
        monkeypatch.setattr(memory, "get_computation_dtype", lambda device, count: torch.float16)
    else:
        monkeypatch.setattr(memory, "inference_cast", lambda dtype, device: dtype)
    assert webui.around.place().dtype is torch.float16
    assert webui.around.autoencoder_dtype() is torch.float16

    monkeypatch.setattr(memory, "vae_dtype", lambda: torch.float32)
    assert webui.around.autoencoder_dtype() is torch.float32
