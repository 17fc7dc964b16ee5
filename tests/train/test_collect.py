"""Real pictures become crops; what is made is kept, and what is bad is listed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from realishuman.cli.main import main
from realishuman.errors import SettingsError, TrainingError
from realishuman.files.guard import locked
from realishuman.train import collect as collecting
from realishuman.train.collect import MANIFEST, collect
from realishuman.train.groups import groups_of
from realishuman.train.shards import Crops

HAND = Path(__file__).parents[2] / "examples/hand.png"


@pytest.fixture
def pictures(tmp_path):
    """Six pictures: three show a hand, one shows none, two cannot be read; and a text."""
    folder = tmp_path / "pictures"
    (folder / "deep/er").mkdir(parents=True)
    image = cv2.imread(str(HAND))
    cv2.imwrite(str(folder / "a.png"), image)
    cv2.imwrite(str(folder / "deep/b.jpg"), image[:, ::-1])
    cv2.imwrite(str(folder / "deep/er/c.png"), image)
    cv2.imwrite(str(folder / "grey.png"), np.full((64, 64, 3), 128, np.uint8))
    (folder / "cut.png").write_bytes(HAND.read_bytes()[:5000])
    (folder / "empty.jpg").touch()
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def to(make_config, tmp_path):
    """A function: the configuration whose crops lie in this folder."""

    def make(name):
        config = make_config(tmp_path / "run")
        return replace(config, data=replace(config.data, folder=str(tmp_path / name)))

    return make


def rows(config):
    folder = Path(config.data.folder)
    return np.concatenate([np.load(path) for path in sorted(folder.glob("crops-*.npy"))])


def lines(config):
    text = (Path(config.data.folder) / MANIFEST).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_every_picture_gives_crops_that_training_reads_or_a_reason(pictures, to):
    config, said = to("crops"), []
    done = collect(pictures, config, 1, say=said.append)
    crops = Crops(Path(config.data.folder), config)

    assert (done.pictures, done.bad) == (6, 2)
    assert len(crops) == done.crops >= 3
    for index in range(len(crops)):
        crop = crops[index]
        assert crop.clean.shape == (32, 32, 3)
        assert crop.m.any()
        assert not (crop.m_e & ~crop.m).any()
        assert crop.pose.any()
        # damage reaches two pixels over the true part, which a moved mesh need not cover
        reached = cv2.dilate(crop.shown.astype(np.uint8), np.ones((5, 5))).astype(bool)
        far = ~(crop.m_d | reached)
        assert np.array_equal(crop.clean[far], crop.malformed[far])
    about = {Path(line["file"]).name: line for line in lines(config)}
    assert "damaged or cut off" in about["cut.png"]["error"]
    assert "0 bytes" in about["empty.jpg"]["error"]
    assert about["grey.png"]["left"] == ["no hand was found"]
    places = [(crop["shard"], crop["place"]) for line in lines(config) for crop in line["crops"]]
    assert len(set(places)) == len(crops)
    assert any("1 other files are passed over: .txt" in line for line in said)


def test_pictures_of_one_folder_are_a_group_unless_two_hands_of_one_side_are_in_them(pictures, to):
    image = cv2.imread(str(HAND))
    cv2.imwrite(str(pictures / "a2.png"), image)
    cv2.imwrite(str(pictures / "deep/twice.png"), np.hstack([image, image]))
    config = to("crops")
    config = replace(config, data=replace(config.data, held_out=0))
    collect(pictures, config, 1)
    crops = Crops(Path(config.data.folder), config)

    groups = groups_of(crops, config)

    names = {
        crops.index_of(crop["shard"], crop["place"]): Path(line["file"]).name
        for line in lines(config)
        for crop in line["crops"]
    }
    assert len(names) == len(crops) >= 5
    named = {names[index]: {names[other] for other in others} for index, others in groups.items()}
    assert named == {"a.png": {"a2.png"}, "a2.png": {"a.png"}}


def test_without_groups_it_is_said_how_to_get_some(pictures, to):
    config = to("crops")
    collect(pictures, config, 1)
    crops = Crops(Path(config.data.folder), config)

    with pytest.raises(SettingsError, match="one folder for each person or video"):
        groups_of(crops, config)


def test_a_name_and_a_seed_decide_a_crop_wherever_the_folder_is(pictures, to, tmp_path):
    for name in ("cut.png", "empty.jpg", "grey.png"):
        (pictures / name).unlink()
    shutil.copytree(pictures, tmp_path / "moved")
    for folder, name, seed in (("pictures", "one", 0), ("moved", "two", 0), ("moved", "three", 1)):
        collect(tmp_path / folder, to(name), 1, seed=seed)

    assert np.array_equal(rows(to("one")), rows(to("two")))
    assert not np.array_equal(rows(to("one")), rows(to("three")))
    with pytest.raises(SettingsError, match="made with --seed 1, not 0"):
        collect(tmp_path / "moved", to("three"), 1)


def test_a_run_that_was_stopped_goes_on_and_two_processes_give_what_one_does(
    pictures, to, monkeypatch
):
    def stops(job):
        if job.name == "deep/er/c.png":
            raise KeyboardInterrupt
        return crops_of(job)

    crops_of = collecting.crops_of
    with monkeypatch.context() as patch:
        patch.setattr(collecting, "crops_of", stops)
        with pytest.raises(KeyboardInterrupt):
            collect(pictures, to("stopped"), 1)
    before = len(lines(to("stopped")))
    done = collect(pictures, to("stopped"), 1)
    whole = collect(pictures, to("whole"), 2)

    assert before == 3
    assert done == whole
    assert np.array_equal(rows(to("stopped")), rows(to("whole")))
    assert collect(pictures, to("whole"), 1) == whole
    assert len(lines(to("whole"))) == 6


def test_crops_without_lines_and_half_a_line_are_made_again(pictures, to):
    config = to("crops")
    collect(pictures, config, 1)
    folder, expected = Path(config.data.folder), rows(config)
    text = (folder / MANIFEST).read_text(encoding="utf-8")
    shutil.copy(folder / "crops-pictures-00000000.npy", folder / "crops-pictures-00000099.npy")
    (folder / MANIFEST).write_text(text[: text.index("\n") // 2], encoding="utf-8")
    collect(pictures, config, 1)

    assert np.array_equal(rows(config), expected)
    assert (folder / MANIFEST).read_text(encoding="utf-8") == text


def test_a_full_disk_is_said_and_the_run_can_go_on(pictures, to, monkeypatch):
    def full(*_):
        raise OSError("983040 requested and 4096 written")  # as numpy says it

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", full)
        with pytest.raises(TrainingError, match="is full: free some space"):
            collect(pictures, to("crops"), 1)
    assert not any(Path(to("crops").data.folder).glob(".crops*"))
    assert collect(pictures, to("crops"), 1).crops >= 3


def test_folders_that_cannot_be_used_end_with_code_2(pictures, config_file, tmp_path, capsys):
    (tmp_path / "none").mkdir()
    (tmp_path / "crops").mkdir()
    prepare = ["train", "prepare", "--workers", "1", "--config"]
    config = config_file(tmp_path / "run", {"folder": str(tmp_path / "crops")})
    with locked(tmp_path / "crops", "making crops"):
        for folder, said in (
            (tmp_path / "none", "holds no picture"),
            (tmp_path / "missing", "is not a folder"),
            (pictures, "is making crops in"),
        ):
            assert main([*prepare, config, str(folder)]) == 2
            assert said in capsys.readouterr().err
    file = config_file(tmp_path / "run", {"folder": str(pictures / "notes.txt")})
    assert main([*prepare, file, str(pictures)]) == 2
    assert "should be a folder" in capsys.readouterr().err


def test_bad_pictures_among_good_ones_end_with_code_1(pictures, config_file, tmp_path, capsys):
    config = config_file(tmp_path / "run", {"folder": str(tmp_path / "crops")})

    assert main(["train", "prepare", "--workers", "1", "--config", config, str(pictures)]) == 1
    said = capsys.readouterr().err
    assert "cut.png is damaged or cut off" in said
    assert "2 pictures could not be used" in said


def test_hands_that_look_right_are_those_to_learn_from(pictures, to, says, monkeypatch):
    """The gate would leave them alone."""
    monkeypatch.setattr("realishuman.pipeline.models.Models.judge", lambda *_: says(0.0))

    assert collect(pictures, to("crops"), 1).crops >= 3
