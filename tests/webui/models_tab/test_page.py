from __future__ import annotations

import json
import shutil

import pytest

from realishuman.webui.models_tab import page as models_page
from realishuman.webui.models_tab.page import ASSETS, inventory, page


def by_name(found):
    return {one.name: one for one in found.files}


def test_every_shipped_file_is_there_with_purpose_and_licence(tmp_path):
    listed = json.loads((ASSETS / "checksums.json").read_text("utf-8"))

    files = by_name(inventory(tmp_path))

    for name in listed:
        assert files[name].status == "there", name
        assert files[name].purpose
        assert files[name].size > 0
        assert files[name].licence


def test_a_changed_and_a_missing_file_are_told_apart(tmp_path, monkeypatch):
    assets = tmp_path / "assets"
    shutil.copytree(ASSETS, assets)
    (assets / "hand/template.npz").write_bytes(b"something else")
    (assets / "face/template.npz").unlink()
    monkeypatch.setattr(models_page, "ASSETS", assets)

    files = by_name(inventory(tmp_path))

    assert files["hand/template.npz"].status == "wrong"
    assert files["face/template.npz"].status == "missing"
    assert "install the extension again" in files["face/template.npz"].step


def test_a_random_pack_is_called_random_and_the_trained_one_stays_wanted(tmp_path, hand_pack):
    shutil.copy(hand_pack, tmp_path / "mine.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"x")

    found = inventory(tmp_path, "CPUExecutionProvider", "tiny checkpoint")
    text = page(found)

    mine, wanted = by_name(found)["mine.safetensors"], by_name(found)["hand.safetensors"]
    assert (mine.status, mine.weights) == ("there", "random")
    assert wanted.status == "missing"
    assert f"--models-dir {tmp_path} setup official --checkpoints" in wanted.step
    broken = by_name(found)["broken.safetensors"]
    assert broken.status == "broken"
    assert "broken.safetensors cannot be read" in broken.step
    for part in ("RANDOM", str(tmp_path), "CPUExecutionProvider", "tiny checkpoint"):
        assert part in text


@pytest.mark.parametrize("how", ["cut", "nan", "header", "other"])
def test_a_damaged_pack_is_called_broken_by_its_name_and_not_missing(
    how, tmp_path, trained_pack, spoil
):
    spoil(shutil.copy(trained_pack, tmp_path / "hand.safetensors"), how)

    found = [one for one in inventory(tmp_path).files if one.name == "hand.safetensors"]

    assert [one.status for one in found] == ["broken"]
    assert found[0].purpose == "would repaint hands"
    assert "rh-broken" in page(inventory(tmp_path))


def test_listed_files_stand_under_their_feature_with_licence_and_step(tmp_path, served):
    found = inventory(tmp_path)
    files, text = by_name(found), page(found)

    assert files["net/net.onnx"].group == "net: a net finds them. Until then nothing finds them."
    assert "press Download" in files["net/net.onnx"].step
    assert served.url("/net") in files["net/net.onnx"].by_hand
    assert "Register at the page." in files["mesh/own.pkl"].step
    assert files["mesh/own.pkl"].by_hand == ""
    assert "press Make above" in files["mesh/mesh.onnx"].step
    assert files["mesh/a.pth"].licence == "Rail licence"
    assert text.count("rh-group") == 4  # packs, two features, what is shipped
    assert '<a href="https://example.com" target="_blank"' in text


def test_a_cut_a_changed_and_an_interrupted_file_are_told_apart(tmp_path, served):
    for name, content in {"mesh/own.pkl": b"wrong", "net/.net.onnx.part": b"x"}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(content)

    looked, hashed = by_name(inventory(tmp_path)), by_name(inventory(tmp_path, hashed=True))

    assert looked["net/net.onnx"].status == "partial"
    assert looked["mesh/own.pkl"].status == "unchecked"
    assert hashed["mesh/own.pkl"].status == "wrong"
    assert "SHA-256" in hashed["mesh/own.pkl"].step
    (tmp_path / "mesh/own.pkl").write_bytes(b"cut")
    assert by_name(inventory(tmp_path))["mesh/own.pkl"].status == "wrong"


def test_a_feature_that_works_is_said_to_be_ready(tmp_path, served):
    (tmp_path / "mesh").mkdir()
    (tmp_path / "mesh/mesh.onnx").write_bytes(b"x")

    assert by_name(inventory(tmp_path))["mesh/a.pth"].group == "mesh: a mesh is fitted. Ready."


def test_before_the_first_picture_it_says_what_onnxruntime_offers(tmp_path):
    assert "offers" in page(inventory(tmp_path))
    assert "offers" not in page(inventory(tmp_path, "CUDAExecutionProvider"))


def test_names_are_escaped(tmp_path):
    (tmp_path / "<b>.safetensors").write_bytes(b"x")

    assert "<b>" not in page(inventory(tmp_path))


def test_the_inventory_is_ready_for_json(tmp_path):
    assert json.loads(json.dumps(inventory(tmp_path).as_dict()))["folder"] == str(tmp_path)


@pytest.mark.parametrize(("count", "text"), [(0, ""), (5_444_960, "5.2 MiB"), (2**31, "2.0 GiB")])
def test_sizes_are_readable(count, text):
    one = models_page.ModelFile("a", "b", "there", count, "c")

    assert f"<td>{text}</td>" in page(models_page.Inventory("", (one,), "", ""))
