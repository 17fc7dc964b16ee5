from __future__ import annotations

import pytest
import torch

from realishuman.detect.dwpose import FILES
from realishuman.errors import PackError, SettingsError
from realishuman.hosts import standalone
from realishuman.weights import store
from realishuman.weights.pack import Pack


@pytest.mark.parametrize(("free", "kept"), [(10**9, True), (10**7, False)])
def test_networks_stay_loaded_only_where_all_packs_fit(free, kept, hand_pack, monkeypatch):
    """The pack has 11 MB, its float32 networks 21 MB."""
    monkeypatch.setattr(standalone, "_free_memory", lambda _device: free)

    backbone = standalone.open_models([hand_pack], "cpu").backbone("hand")
    with backbone.stage_one() as networks:
        first = networks.unet
    with backbone.stage_one() as networks:
        assert (networks.unet is first) is kept


def test_the_precision_is_the_one_asked_for(hand_pack):
    backbone = standalone.open_models([hand_pack], "cpu", "bfloat16").backbone("hand")

    assert backbone.dtype is torch.bfloat16


@pytest.mark.parametrize("name", ["embedded", "dwpose"])
def test_who_asks_for_the_cpu_gets_the_detector_there_too(hand_pack, monkeypatch, name, tmp_path):
    monkeypatch.setenv("REALISHUMAN_MODELS", str(tmp_path))
    for file in FILES.values():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()

    def wanted(device):
        return standalone.open_models([hand_pack], device).detector_for(name)._wanted

    assert wanted("cpu") == "cpu"

    monkeypatch.setattr(standalone, "pick_device", lambda _name: torch.device("cuda"))
    monkeypatch.setattr(standalone, "_free_memory", lambda _device: 0)
    assert [wanted(device) for device in ("cuda", "cuda:1", "auto")] == ["cuda", "cuda:1", "auto"]


def test_an_unknown_precision_is_refused_with_the_known_ones(hand_pack):
    with pytest.raises(SettingsError, match=r"auto, float32, float16, bfloat16"):
        standalone.open_models([hand_pack], "cpu", "int4")


def test_free_memory_is_a_number_of_bytes():
    assert 10**8 < standalone._free_memory(torch.device("cpu")) < 10**14


@pytest.mark.parametrize(("name", "number"), [("cuda", 2), ("cuda:1", 1)])
def test_free_memory_is_asked_of_a_numbered_gpu_as_torch_2_1_needs(name, number, monkeypatch):
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda which: (100 + which, 10**9))

    assert standalone._free_memory(torch.device(name)) == 100 + number


def test_random_packs_are_made_for_the_run_and_gone_after_it():
    with standalone.packs_for(["random"], ("hand",)) as packs:
        assert [Pack.open(path).header.weights for path in packs] == ["random"]
    assert not packs[0].exists()


def test_no_pack_at_all_is_said_with_the_ways_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setenv("REALISHUMAN_MODELS", str(tmp_path))
    monkeypatch.setattr(store, "EMBEDDED", tmp_path)

    with pytest.raises(PackError, match=r"convert .*--pack"):
        with standalone.packs_for([], ("hand", "face")):
            pass
