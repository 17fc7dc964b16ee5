from __future__ import annotations

import shutil

import pytest
import torch

from realishuman.detect.dwpose import FILES
from realishuman.errors import PackError, SettingsError
from realishuman.packs import store
from realishuman.packs.pack import Pack
from realishuman.pipeline import standalone


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


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The models folder; nothing is shipped."""
    monkeypatch.setenv("REALISHUMAN_MODELS", str(tmp_path))
    monkeypatch.setattr(store, "EMBEDDED", tmp_path / "none")
    return tmp_path


def test_without_names_trained_packs_run_and_no_others(folder, hand_pack, trained_pack):
    shutil.copy(hand_pack, folder / "noise.safetensors")
    with standalone.packs_for([], ("hand", "face")) as packs:
        assert packs == []
    shutil.copy(trained_pack, folder / "mine.safetensors")

    with standalone.packs_for([], ("hand", "face")) as packs:
        assert packs == [folder / "mine.safetensors"]
    with standalone.packs_for(["random"], ("face",)) as packs:
        assert [path.name for path in packs] == ["random-face.safetensors"]


def test_each_kind_without_a_trained_pack_has_its_sentence(folder, trained_pack):
    shutil.copy(trained_pack, folder / "mine.safetensors")

    [(kind, said)] = standalone.lacking(("hand", "face")).items()

    assert kind == "face"
    assert said.startswith("No trained pack for faces is installed")


def test_what_may_be_a_pack_and_is_passed_over_is_told(folder):
    assert standalone.remarks() == ()
    (folder / "broken.safetensors").write_bytes(b"no pack")

    [said] = standalone.remarks()

    assert "broken.safetensors" in said


def test_the_official_packs_come_with_the_way_to_make_them(folder):
    with pytest.raises(PackError, match="setup official --checkpoints"):
        standalone.find_named_packs(["official"], ("hand",))


def test_another_set_that_is_not_there_is_said_with_those_that_are(folder, trained_pack):
    shutil.copy(trained_pack, folder / "hand.safetensors")

    with pytest.raises(PackError, match=r"yours is neither a file.*installed sets: mine"):
        standalone.find_named_packs(["yours"], ("hand",))
