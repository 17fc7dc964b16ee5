from __future__ import annotations

import hashlib

import pytest

from realishuman.advice import command
from realishuman.downloads.inventory import advice, features, matching, state, states
from realishuman.downloads.partial import Partial
from realishuman.errors import ModelError
from realishuman.files.fingerprint import record

pytestmark = pytest.mark.usefixtures("served")


def put(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def look(folder, name, **options):
    [file] = matching(name)
    return state(file, folder, **options)


def test_an_empty_folder_has_nothing(tmp_path):
    assert {one.status for one in states(tmp_path).values()} == {"missing"}


def test_the_size_tells_a_cut_file_without_reading_it(tmp_path):
    put(tmp_path, "mesh/own.pkl", b"righ")

    found = look(tmp_path, "own.pkl")

    assert (found.status, found.sha256) == ("wrong", "")
    assert found.note == "4 bytes, expected 5"


@pytest.mark.parametrize(("content", "status"), [(b"right", "there"), (b"wrong", "wrong")])
def test_the_hash_tells_a_changed_file(content, status, tmp_path):
    put(tmp_path, "mesh/own.pkl", content)

    assert look(tmp_path, "own.pkl").status == "unchecked"
    found = look(tmp_path, "own.pkl", hashed=True)
    assert found.status == status
    assert found.sha256 == hashlib.sha256(content).hexdigest()


def test_a_recorded_hash_stands_in_for_a_published_one(tmp_path):
    path = put(tmp_path, "mesh/a.pth", b"first")

    assert look(tmp_path, "a.pth", hashed=True).status == "unchecked"
    record(path, hashlib.sha256(b"first").hexdigest())
    assert look(tmp_path, "a.pth", hashed=True).status == "there"
    path.write_bytes(b"later")
    assert look(tmp_path, "a.pth", hashed=True).status == "wrong"


def test_a_started_download_is_seen(tmp_path):
    put(tmp_path, "net/.net.onnx.part", b"some")

    found = look(tmp_path, "net/net.onnx")

    assert (found.status, found.size) == ("partial", 4)
    assert Partial(found.path).length() == 4
    assert "resumes it" in advice(found, tmp_path)


def test_a_feature_lists_what_is_left_in_order(tmp_path):
    put(tmp_path, "net/net.onnx", b"weights" * 50_000)
    net, mesh = features(states(tmp_path))

    assert (net.ready, net.steps) == (True, ())
    assert not mesh.ready
    fetch, get, make = mesh.steps
    assert f"`{command('models', 'fetch', 'mesh', folder=tmp_path)}`" in fetch
    assert f"`{command('models', 'where', 'mesh/own.pkl', folder=tmp_path)}`" in get
    assert make == f"`{command('make', 'mesh', folder=tmp_path)}`"
    assert mesh.next_step.endswith("(step 1 of 3)")
    assert [one.file.name for one in mesh.missing] == ["mesh/a.pth", "mesh/own.pkl"]


def test_a_feature_is_ready_once_its_made_file_is_there(tmp_path):
    put(tmp_path, "mesh/mesh.onnx", b"x")

    _, mesh = features(states(tmp_path))

    assert mesh.ready
    assert mesh.next_step == ""


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("net/net.onnx", ["net/net.onnx"]),
        ("a.pth", ["mesh/a.pth"]),
        ("mesh", ["mesh/a.pth", "mesh/own.pkl", "mesh/mesh.onnx"]),
    ],
)
def test_files_are_found_by_name_ending_and_feature(name, found):
    assert [file.name for file in matching(name)] == found


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(ModelError, match=r"Features are net, mesh; files are net/net\.onnx"):
        matching("onnx")


def test_every_file_that_is_missing_has_a_next_step(tmp_path):
    words = {"auto": "models fetch", "user": "Register", "made": " make mesh`"}
    for found in states(tmp_path).values():
        assert words[found.file.how] in advice(found, tmp_path)
