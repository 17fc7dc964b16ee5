"""Which pack repaints a part: trained ones unasked, others by name, and never one for a broken."""

from __future__ import annotations

import json
import shutil

import pytest

from realishuman.errors import PackError
from realishuman.packs import store
from realishuman.packs.store import find_installed

DAMAGES = ["cut", "nan", "header", "other"]


@pytest.fixture
def shipped(tmp_path, hand_pack, relabelled, monkeypatch):
    """A demo pack for hands comes with the package."""
    folder = tmp_path / "shipped"
    monkeypatch.setattr(store, "EMBEDDED", folder)
    return relabelled(hand_pack, folder / "demo-hand.safetensors", weights="demo", name="demo-hand")


@pytest.fixture
def folder(tmp_path, shipped):
    made = tmp_path / "models"
    made.mkdir()
    return made


def test_demo_and_random_packs_are_taken_by_name_only(folder, shipped, hand_pack):
    shutil.copy(hand_pack, folder / "noise.safetensors")
    there = find_installed(folder)

    assert there.pick("hand") is None
    assert there.pick("hand", "demo").path == shipped
    assert there.pick("hand", "demo-hand.safetensors").path == shipped
    assert there.pick("hand", "random").path == folder / "noise.safetensors"


def test_the_trained_pack_is_taken_unasked(folder, trained_pack):
    shutil.copy(trained_pack, folder / "hand.safetensors")

    assert find_installed(folder).pick("hand").path == folder / "hand.safetensors"
    assert find_installed(folder).pick("face") is None


def test_one_sentence_says_what_is_lacking_how_to_get_it_and_what_shows_the_method(folder):
    text = find_installed(folder).without(("hand", "face"))

    assert text.startswith("No trained pack for hands and faces is installed, so they are left al")
    assert "setup official`" in text
    assert "`--pack demo` demonstrates the method on rendered hands." in text
    assert text.count(". ") == 0


def test_where_only_faces_lack_a_pack_only_faces_are_spoken_of(folder, trained_pack):
    shutil.copy(trained_pack, folder / "hand.safetensors")
    there = find_installed(folder)

    assert there.without(("hand",)) == ""
    assert "pack for faces is" in there.without(("hand", "face"))
    assert "demo" not in there.without(("hand", "face"))


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_pack_is_an_error_with_its_name(how, folder, trained_pack, spoil):
    path = spoil(shutil.copy(trained_pack, folder / "hand.safetensors"), how)
    there = find_installed(folder)

    assert [(fault.path, fault.kind) for fault in there.faults] == [(path, "hand")]
    assert there.in_the_way("hand") == list(there.faults)
    assert there.list_passed_over() == []
    with pytest.raises(PackError, match=r"hand\.safetensors"):
        there.pick("hand")
    with pytest.raises(PackError, match=r"hand\.safetensors"):
        there.pick("hand", "hand.safetensors")
    assert there.pick("face") is None


def test_a_sound_pack_takes_the_place_of_a_damaged_one_unless_that_is_named(
    folder, trained_pack, spoil
):
    spoil(shutil.copy(trained_pack, folder / "hand.safetensors"), "cut")
    shutil.copy(trained_pack, folder / "other.safetensors")
    there = find_installed(folder)

    assert there.pick("hand").path.name == "other.safetensors"
    assert there.in_the_way("hand") == []
    [said] = there.list_passed_over()
    assert said.startswith("Skipped: ")
    assert "hand.safetensors" in said
    with pytest.raises(PackError, match=r"hand\.safetensors"):
        there.pick("hand", "hand.safetensors")


def test_the_ending_of_a_packs_name_may_be_left_out(folder, trained_pack):
    shutil.copy(trained_pack, folder / "my hand.v2.safetensors")
    there = find_installed(folder)

    for name in ("my hand.v2", "my hand.v2.safetensors"):
        assert there.pick("hand", name).path.name == "my hand.v2.safetensors"
    with pytest.raises(PackError, match="my hand is no pack for hands"):
        there.pick("hand", "my hand")


@pytest.mark.parametrize("name", ["mine.safetensors", "both-hand-and-face.safetensors"])
def test_a_file_that_may_be_for_anything_is_passed_over_aloud(name, folder, trained_pack):
    (folder / name).write_bytes(b"no pack")
    shutil.copy(trained_pack, folder / "hand.safetensors")
    there = find_installed(folder)

    assert there.pick("hand").path.name == "hand.safetensors"
    [said] = there.list_passed_over()
    assert name in said


def test_the_header_tells_the_kind_of_a_damaged_pack_where_its_name_does_not(
    folder, trained_pack, spoil
):
    spoil(shutil.copy(trained_pack, folder / "mine.safetensors"), "nan")

    with pytest.raises(PackError, match=r"mine\.safetensors: tensor .* holds NaN"):
        find_installed(folder).pick("hand")


def test_a_damaged_demo_pack_stands_in_nobodys_way(folder, shipped, hand_pack, spoil):
    spoil(shipped, "nan")
    spoil(shutil.copy(hand_pack, folder / "noise.safetensors"), "nan")
    there = find_installed(folder)

    assert len(there.faults) == 2
    assert there.pick("hand") is None
    with pytest.raises(PackError, match=r"demo-hand\.safetensors"):
        there.pick("hand", "demo-hand.safetensors")


def test_of_a_set_that_is_half_damaged_nothing_is_taken(folder, trained_pack, relabelled, spoil):
    for kind in ("hand", "face"):
        path = folder / f"{kind}.safetensors"
        relabelled(trained_pack, path, kind=kind, name=f"official-{kind}")
    assert len(find_installed(folder).set("official", ("hand", "face"))) == 2

    spoil(folder / "face.safetensors", "cut")

    with pytest.raises(PackError, match=r"face\.safetensors"):
        find_installed(folder).set("official", ("hand", "face"))
    assert len(find_installed(folder).set("official", ("hand",))) == 1
    assert len(find_installed(folder).set("demo", ("hand", "face"))) == 1


def test_a_mended_pack_is_seen(folder, trained_pack, spoil):
    path = spoil(shutil.copy(trained_pack, folder / "hand.safetensors"), "nan")
    assert find_installed(folder).faults

    shutil.copy(trained_pack, path)

    assert find_installed(folder).faults == ()
    assert find_installed(folder).pick("hand").path == path


def test_tensors_that_do_not_fit_the_header_are_damage(folder, trained_pack, relabelled):
    vae = {"channels": [32, 32, 32, 64], "layers": 2, "latent_channels": 4, "groups": 32,
           "scaling": 0.18215}  # fmt: skip
    relabelled(trained_pack, folder / "hand.safetensors", vae=vae)

    [fault] = find_installed(folder).faults
    assert "do not fit" in fault.why


def test_a_single_spoilt_number_is_found_where_all_are_looked_at(folder, trained_pack):
    content = bytearray(trained_pack.read_bytes())
    length = int.from_bytes(content[:8], "little")
    index = json.loads(content[8 : 8 + length])
    large = max((one for name, one in index.items() if name[:2] != "__"), key=middle)
    content[8 + length + middle(large) : 8 + length + middle(large) + 2] = b"\x00\x7e"
    (folder / "hand.safetensors").write_bytes(content)

    assert find_installed(folder).faults == ()
    [fault] = find_installed(folder, thorough=True).faults
    assert "hand.safetensors: tensor" in fault.why


def middle(entry):
    """Where a tensor's middle lies; of the tensors of one pack the last ones come first."""
    begin, end = entry["data_offsets"]
    return (begin + end) // 4 * 2 if end - begin > 4096 else 0
