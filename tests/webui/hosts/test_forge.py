from __future__ import annotations

import pytest
import torch
from torch import nn

from realishuman.backbones.moving import size
from tests.backbones.states import same, state


class WebuiInterrupt(BaseException):
    """As the WebUI's: passes through every `except Exception`."""


@pytest.fixture
def ours():
    return [nn.Linear(2, 2), nn.Linear(3, 3), nn.Linear(4, 4)]


@pytest.mark.parametrize("error", [RuntimeError, WebuiInterrupt])
def test_what_the_memory_manager_did_to_our_networks_is_undone(forge, ours, error):
    before = [state(each) for each in ours]

    with pytest.raises(error), forge.host.resident(ours[:2], ours[2:], 1000) as turns:
        assert turns is None
        assert len(forge.memory.current_loaded_models) == 2
        raise error

    assert forge.memory.current_loaded_models == []
    assert all(same(old, state(each)) for old, each in zip(before, ours, strict=True))


def test_a_loading_that_fails_midway_is_undone_too(forge, ours):
    before, forge.memory.fails = [state(each) for each in ours], True

    with pytest.raises(torch.cuda.OutOfMemoryError), forge.host.resident(ours[:2], ours[2:], 0):
        pass

    assert forge.memory.current_loaded_models == []
    assert all(same(old, state(each)) for old, each in zip(before, ours, strict=True))


def test_memory_is_asked_for_before_anything_is_loaded(forge, ours):
    with forge.host.resident(ours[:2], ours[2:], 1000):
        pass

    assert forge.memory.asked == [(2, 1000, size(ours[2:]))]


@pytest.mark.parametrize("stored", ["nf4", "gguf", torch.float8_e4m3fn])
def test_a_quantised_model_lends_no_classes(forge, stored):
    forge.inner.storage_dtype = stored

    assert f"stored as {stored}" in forge.host.template().why_not


def test_before_the_first_picture_no_model_is_loaded(forge):
    forge.data.sd_model = object()  # Forge's stand-in has none of a model's attributes

    assert forge.host.template().why_not == "no model is loaded"


def test_autoencoders_compute_in_float32_where_the_host_wants_that(forge, monkeypatch):
    import backend.memory_management as memory

    monkeypatch.setattr(memory, "get_computation_dtype", lambda device, count: torch.float16)
    assert forge.host.autoencoder_dtype() is torch.float16

    monkeypatch.setattr(memory, "vae_dtype", lambda: torch.float32)
    assert forge.host.autoencoder_dtype() is torch.float32
