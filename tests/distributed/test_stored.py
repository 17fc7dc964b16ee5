"""Pictures and results with addresses: a store of file:// stands for s3:// and gs://."""

from __future__ import annotations

import json
import pickle
import sys
import tarfile

import pytest
from PIL import Image

from realishuman.batch.job import Job
from realishuman.batch.outputs import Outputs, plan
from realishuman.cli import main as cli
from realishuman.distributed import stored
from realishuman.distributed.actor import Refiner, make_row
from realishuman.distributed.address import Address, forget, is_address, list_files, publish
from realishuman.distributed.stored import StoreJournal, arrange_stored, refine_stored
from realishuman.errors import PictureError, SettingsError
from realishuman.pipeline.models import Models
from realishuman.settings import Settings

pytest.importorskip("pyarrow", reason="addresses need the extra `cluster`")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Ray is not tested on Windows")


@pytest.fixture
def store(tmp_path):
    for name in ("in/a/1.png", "in/2.jpg", "in/.hidden/3.png", "in/notes.txt", "in/out/old.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    Image.new("RGB", (40, 30), (90, 90, 90)).save(tmp_path / "in/a/1.png")
    return Address(f"file://{tmp_path}")


def test_an_address_is_a_path_that_keeps_its_address():
    one = Address("s3://bucket/folder") / "b" / "x.png"

    assert str(one) == f"{one}" == "s3://bucket/folder/b/x.png"
    assert str(one.parent) == "s3://bucket/folder/b"
    assert str(one.with_name("y.jpg")) == "s3://bucket/folder/b/y.jpg"
    assert str(pickle.loads(pickle.dumps(one)).absolute()) == str(one)
    assert is_address(one)
    assert not is_address("folder/b")


def test_a_folder_in_a_store_is_mirrored(store, tmp_path):
    arranged = arrange_stored([f"{store}/in"], f"{store}/in/out", form="webp", suffix="-fixed")
    named = [(str(source), str(target)) for source, target in arranged.pairs]

    assert named == [
        (f"{store}/in/2.jpg", f"{store}/in/out/2-fixed.webp"),
        (f"{store}/in/a/1.png", f"{store}/in/out/a/1-fixed.webp"),
    ]
    assert len(plan(arranged.pairs)) == 2
    onto_disk = arrange_stored([f"{store}/in/a"], str(tmp_path / "new"))
    assert [target for _, target in onto_disk.pairs] == [tmp_path / "new/1.png"]
    from_disk = arrange_stored([str(tmp_path / "in/a")], f"{store}/new")
    assert [str(target) for _, target in from_disk.pairs] == [f"{store}/new/1.png"]


def test_pictures_in_a_tar_are_refined_one_by_one(store, tmp_path, monkeypatch):
    (tmp_path / "tars").mkdir()
    with tarfile.open(tmp_path / "tars/my.target.tar", "w") as tar:
        for name in ("a/1.png", "2.jpg"):
            tar.add(tmp_path / "in" / name, f"{name}")
        tar.add(tmp_path / "in/notes.txt", "notes.json")
    monkeypatch.chdir(tmp_path)

    folder = arrange_stored([f"{store}/tars"], f"{store}/out")
    alone = arrange_stored(["tars/my.target.tar"], "out")

    assert [str(target) for _, target in folder.pairs] == [
        f"{store}/out/my.target.tar/{name}" for name in ("a/1.png", "2.jpg")
    ]
    assert str(alone.pairs[0][1]) == "out/my.target.tar/a/1.png"
    row = make_row(0, plan(folder.pairs)[0])
    made = json.loads(Refiner(Job(Settings()), 1)(json.loads(json.dumps(row)))["entry"])
    assert "error" not in made
    result = tmp_path / "out/my.target.tar/a/1.png"
    assert result.read_bytes() == (tmp_path / "in/a/1.png").read_bytes()


def test_a_journal_in_a_store_goes_on_and_is_removed(store, monkeypatch):
    monkeypatch.setattr(stored, "OFTEN", -1.0)  # every line is sent at once
    outputs = [
        Outputs(store / "in/a/1.png", store / "out/1.png"),
        Outputs(store / "in/2.jpg", store / "out/2.jpg"),
    ]
    journal = StoreJournal(store / "out", "name")
    publish(b"result", outputs[0].target)
    journal.add(outputs[0], {"message": "done"})
    pieces = list_files(store / "out/.realishuman-name")
    assert len(pieces) == 1  # as a kill would leave it

    with StoreJournal(store / "out", "name") as again:
        assert [again.has(one) for one in outputs] == [True, False]
        assert again.entry(outputs[0]) == {"message": "done"}
        publish(b"another", outputs[0].target)
        forget(outputs[0].target)
        assert not again.has(outputs[0])
        publish(b"result", outputs[1].target)
        again.add(outputs[0], {"message": "done"})
        again.add(outputs[1], {"message": "done"})
        again.finish()

    assert list_files(store / "out") == ["1.png", "2.jpg"]
    journal.__exit__()


def test_a_picture_is_refined_through_copies(store, tmp_path):
    with Job(Settings()).open() as models:
        entry = refine_stored(
            Outputs(store / "in/a/1.png", store / "out/1.png"), models, Job(Settings())
        )

    assert "error" not in entry
    assert (tmp_path / "out/1.png").read_bytes() == (tmp_path / "in/a/1.png").read_bytes()
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["1.png"]


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("in/2.jpg", "out/2.jpg", "/in/2.jpg has 0 bytes"),
        ("in/none.png", "out/2.png", "/in/none.png cannot be read"),
        ("in/a/1.png", "in/2.jpg/1.png", "/in/2.jpg/1.png cannot be written"),
    ],
)
def test_what_cannot_be_read_or_written_is_said_with_its_address(store, source, target, said):
    entry = refine_stored(Outputs(store / source, store / target), Models(), Job(Settings()))

    assert f"{store}{said}" in entry["error"]
    assert "/realishuman-" not in entry["error"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["{store}/in", "-o", "out"], "can be opened with --ray only"),
        (
            ["{store}/in", "-o", "out", "--ray", "--compare"],
            "--compare is for files on a disk",
        ),
        (["{store}/in", "{store}/b", "-o", "out", "--ray"], "one address at a time"),
        (["{store}/none", "-o", "out", "--ray"], "cannot be opened"),
        (["{store}/in/.hidden/", "-o", "{store}/in/.hidden", "--ray"], "picture"),
        (["{store}/in/broken.tar", "-o", "out", "--ray"], "broken.tar cannot be opened"),
        (["none.tar", "-o", "out", "--ray"], "none.tar cannot be opened"),
        (["in/broken.tar", "-o", "out"], "in/broken.tar can be opened with --ray only"),
        (["nix://bucket/in", "-o", "out", "--ray"], "nix://bucket/in cannot be opened"),
    ],
)
def test_an_address_that_cannot_be_used_is_a_bad_option(
    store, options, said, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in/broken.tar").write_bytes(b"no tar" * 200)

    assert cli.main(["refine", *(one.format(store=store) for one in options)]) == cli.BAD_OPTION
    assert said in capsys.readouterr().err


def test_a_full_store_leaves_nothing_half_written(store, tmp_path, monkeypatch):
    with pytest.raises(PictureError, match="cannot be written"):
        publish(b"x", Address(f"file://{tmp_path}/in/notes.txt/x.png"))
    with pytest.raises(SettingsError, match="cannot be opened"):
        list_files(store / "nowhere")
