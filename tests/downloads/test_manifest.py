from __future__ import annotations

import json

import pytest

from realishuman.downloads.manifest import LIST, find_known, locate, manifest, read_manifest
from realishuman.errors import ModelError
from realishuman.packs.store import ENVIRONMENT


def changed(tmp_path, **entry):
    """The list with other values in its first entry."""
    raw = json.loads(LIST.read_text("utf-8"))
    raw["files"][0] |= entry
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(raw), "utf-8")
    return path


def test_the_list_names_every_file_once_and_nothing_leaves_the_folder():
    names = [entry["name"] for entry in json.loads(LIST.read_text("utf-8"))["files"]]

    assert list(manifest().files) == names
    assert all(".." not in name and not name.startswith("/") for name in names)


def test_what_its_owners_give_only_to_registered_users_is_never_downloaded():
    for file in manifest().files.values():
        if file.licence.name in ("MANO", "BFM", "RealisHuman"):
            assert file.how in ("user", "made"), file.name
            assert not file.urls


def test_whoever_must_fetch_a_file_is_told_where_and_how():
    for file in manifest().files.values():
        assert file.page.startswith("https://")
        assert file.what
        if file.how == "user":
            assert len(file.by_hand) > 20


def test_every_feature_says_what_runs_and_what_happens_without():
    for feature in manifest().features.values():
        files = manifest().of(feature.name)
        assert files
        assert feature.gives
        assert feature.without
        assert bool(feature.made_by) == any(file.how == "made" for file in files)


def test_the_published_hashes_of_dwpose_are_the_known_ones():
    assert find_known("dwpose/yolox_l.onnx").sha256.startswith("7860ae79de6c89a3")
    assert find_known("dwpose/dw-ll_ucoco_384.onnx").sha256.startswith("724f4ff2439ed61a")
    assert find_known("dwpose/yolox_l.onnx").bytes == 216_746_733


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"name": "../yolox_l.onnx"}, "leaves the models folder"),
        ({"name": "/etc/passwd"}, "leaves the models folder"),
        ({"how": "maybe"}, "how must be one of"),
        ({"how": "user"}, "the others have none"),
        ({"urls": []}, "auto needs urls"),
        ({"urls": ["http://example.com/a"]}, "https"),
        ({"sha256": "abc"}, "64 hexadecimal digits"),
        ({"for": ["something"]}, "not listed"),
        ({"licence": "unknown"}, "unknown"),
        ({"colour": "blue"}, "colour"),
        ({"name": "hamer/hamer.onnx"}, "listed 2 times"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named(entry, problem, tmp_path):
    with pytest.raises(ModelError, match=problem):
        read_manifest(changed(tmp_path, **entry))


def test_a_damaged_list_is_a_sentence(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text("{", "utf-8")

    with pytest.raises(ModelError, match="install the package or extension again"):
        read_manifest(path)
    with pytest.raises(ModelError, match="format is 2"):
        path.write_text('{"format": 2}', "utf-8")
        read_manifest(path)


def test_a_file_is_located_when_it_has_its_published_size(tmp_path, monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    path = tmp_path / "dwpose/yolox_l.onnx"

    assert locate("dwpose/yolox_l.onnx") is None
    path.parent.mkdir()
    path.write_bytes(b"short")
    assert locate("dwpose/yolox_l.onnx") is None
    with path.open("wb") as file:
        file.truncate(216_746_733)  # sparse
    assert locate("dwpose/yolox_l.onnx") == path


def test_a_file_without_a_published_size_is_located_when_it_is_there(tmp_path):
    (tmp_path / "hamer").mkdir()
    (tmp_path / "hamer/hamer.onnx").write_bytes(b"x")

    assert locate("hamer/hamer.onnx", tmp_path) == tmp_path / "hamer/hamer.onnx"


def test_an_unknown_name_lists_the_known_ones(tmp_path):
    with pytest.raises(ModelError, match=r"dwpose/yolox_l\.onnx"):
        locate("yolo", tmp_path)
