from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from realishuman.detect.base import Part
from realishuman.errors import PictureError, SettingsError
from realishuman.evaluate.clips import Clip, clips, partners
from realishuman.evaluate.distances import DISTANCES, LEAST
from realishuman.evaluate.folder_tables import folders_report, mean_of_clips
from realishuman.evaluate.folders import FolderRun, add_real, compare, crop_writer
from realishuman.imaging.boxes import Box
from realishuman.progress import Silent


class Mean:
    name, terms = "mean colour", DISTANCES

    def __call__(self, crop):
        return crop.mean(axis=(0, 1), dtype=np.float32)


@pytest.fixture
def folders(tmp_path, pair):
    for name, picture in (("before", pair.malformed), ("after", pair.clean)):
        (tmp_path / name).mkdir()
        for number in range(2):
            cv2.imwrite(str(tmp_path / name / f"{number}.png"), picture[..., ::-1])
    return tmp_path


@pytest.fixture
def video():
    """A function: a video whose frame n has the brightness 8 n."""

    def make(path, frames, side=64):
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (side, side))
        for number in range(frames):
            writer.write(np.full((side, side, 3), 8 * number, np.uint8))
        writer.release()
        return path

    return make


def run_of(folders, detector, **options):
    run = FolderRun(**options)
    compare(run, partners(folders / "before", folders / "after"), ("hand",), detector, Silent())
    return run


def brightness(clip):
    return [round(float(frame.mean()) / 8) for _, frame in clip.frames()]


def test_what_is_a_foot_after_all_is_not_measured_as_a_hand(folders):
    keypoints = np.float32([(10, 10, 0), (60, 70, 0)])
    hand = Part("hand", "left", Box(10, 10, 60, 70), 0.9, keypoints)
    foot = replace(hand, box=Box(80, 80, 120, 130), doubt="It looks like a foot.")
    detector = SimpleNamespace(detect=lambda *_, **__: [hand, foot])

    run = run_of(folders, detector)

    assert len(run.parts) == len(run.scores["hand", "before"]) == len(run.scores["hand", "after"])
    assert len(run.parts) == 2  # one in each picture


def test_pictures_of_the_same_name_are_partners_whatever_their_format(folders):
    (folders / "after" / "1.png").rename(folders / "after" / "1.webp")

    found = partners(folders / "before", folders / "after")

    names = [(a.path.name, b.path.name) for a, b in found]
    assert names == [("0.png", "0.png"), ("1.png", "1.webp")]


def test_folders_without_a_common_name_an_empty_and_a_missing_one_are_refused(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "others").mkdir()
    (folders / "after" / "1.png").rename(tmp_path / "others" / "9.png")

    with pytest.raises(SettingsError, match=r"none of the 2 pictures .*0\.png for one"):
        partners(folders / "before", tmp_path / "others")
    with pytest.raises(SettingsError, match="holds no picture"):
        partners(folders / "before", folders / "empty")
    with pytest.raises(SettingsError, match="is not a folder"):
        partners(folders / "before", folders / "missing")


def test_two_entries_of_one_name_are_refused_by_name(folders):
    (folders / "before" / "1").mkdir()
    cv2.imwrite(str(folders / "before/1/0.png"), np.zeros((9, 9, 3), np.uint8))

    with pytest.raises(SettingsError, match="same name"):
        clips(folders / "before")


def test_every_third_frame_of_a_video_is_read(video, tmp_path):
    path = video(tmp_path / "set" / "walk.avi", 8)

    (clip,) = clips(tmp_path / "set", every=3).values()

    assert [name for name, _ in clip.frames()] == ["walk/000000", "walk/000003", "walk/000006"]
    assert brightness(clip) == [0, 3, 6]
    assert brightness(clips(path)["walk"]) == list(range(8))


def test_a_folder_of_frames_is_a_clip_whose_partner_may_be_a_video(video, tmp_path, detector):
    video(tmp_path / "before" / "walk.avi", 4)
    (tmp_path / "after" / "walk").mkdir(parents=True)
    for number in range(4):
        picture = np.full((64, 64, 3), 8 * number + 100, np.uint8)
        cv2.imwrite(str(tmp_path / f"after/walk/{number:03}.png"), picture)
    run = FolderRun()

    pairs = partners(tmp_path / "before", tmp_path / "after", every=2)
    compare(run, pairs, ("hand",), detector, Silent())

    assert [(part.clip, part.frame) for part in run.parts] == [
        ("walk", "walk/000000"), ("walk", "walk/000002"),
    ]  # fmt: skip
    assert run.frames == {"before": 2, "after": 2}


def test_clips_of_unequal_length_or_other_frames_are_left_out_whole(tmp_path, detector):
    for name, frames in (("before", (0, 1, 2)), ("after", (0, 1)), ("other", (0, 1, 5))):
        (tmp_path / name / "walk").mkdir(parents=True)
        for number in frames:
            picture = np.zeros((96, 96, 3), np.uint8)
            cv2.imwrite(str(tmp_path / name / f"walk/{number}.png"), picture)

    for name, said in (("after", "fewer frames"), ("other", "differ in their frames")):
        pairs, run = partners(tmp_path / "before", tmp_path / name), FolderRun()
        with pytest.raises(PictureError, match=said):
            compare(run, pairs, ("hand",), detector, Silent())
        assert (run.parts, run.frames) == ([], {})


def test_a_shorter_video_is_left_out_whole(video, tmp_path, detector):
    for name, frames in (("before", 4), ("after", 3)):
        video(tmp_path / name / "walk.avi", frames)
        video(tmp_path / name / "stand.avi", 2)

    run = run_of(tmp_path, detector)

    assert {part.clip for part in run.parts} == {"stand"}
    assert list(run.left) == [str(tmp_path / "before/walk.avi")]
    assert "fewer frames" in run.left[str(tmp_path / "before/walk.avi")]["walk"]


def test_a_damaged_video_is_said_so(tmp_path):
    (tmp_path / "walk.mp4").write_bytes(b"nothing")

    ((name, error),) = Clip("walk", tmp_path / "walk.mp4").frames()

    assert name == "walk"
    assert "walk.mp4 holds no frame" in str(error)


def _cut_off(path):
    path.write_bytes(path.read_bytes()[:200])


def _make_smaller(path):
    cv2.imwrite(str(path), np.zeros((5, 6, 3), np.uint8))


@pytest.mark.parametrize(
    ("place", "harm", "said"),
    [
        ("before/0.png", _cut_off, r"before/0.png is damaged or cut off"),
        ("after/0.png", _cut_off, r"after/0.png is damaged or cut off"),
        ("after/0.png", _make_smaller, r"96 x 96 pixels .* 6 x 5"),
        ("after/0.png", Path.unlink, r"before/0.png has no partner of the same name in .*after"),
    ],
)
def test_what_cannot_be_compared_is_left_out_and_the_rest_is_measured(
    folders, detector, place, harm, said
):
    harm(folders / place)
    heard = []

    run = run_of(folders, detector, say=heard.append)
    report = folders_report(run, "unknown", {}, ())

    assert [part.clip for part in run.parts] == ["1"]
    assert run.frames == {"before": 1, "after": 1}
    assert len(heard) == 1
    assert re.search(said, heard[0])
    assert re.search(said, report.notes[-1])
    assert report.facts["left out"] == 1
    assert list(report.data["left_out"]) == [str(folders / "before/0.png")]


def test_a_bad_frame_is_left_out_and_its_neighbours_are_still_partners(tmp_path, detector):
    for name in ("before", "after"):
        (tmp_path / name / "walk").mkdir(parents=True)
        for number in range(4):
            picture = np.full((96, 96, 3), 50 + number, np.uint8)
            cv2.imwrite(str(tmp_path / name / f"walk/{number}.png"), picture)
    _cut_off(tmp_path / "before/walk/1.png")
    _cut_off(tmp_path / "after/walk/2.png")
    heard = []

    run = run_of(tmp_path, detector, say=heard.append)

    assert [(part.frame, part.changed) for part in run.parts] == [("walk/0", 0), ("walk/3", 0)]
    assert len(heard) == 1  # of each video once
    assert "2 frames of" in folders_report(run, "unknown", {}, ()).notes[-1]


def test_a_frame_of_a_video_that_cannot_be_decoded_does_not_end_it(tmp_path, monkeypatch):
    class SecondIsBad:
        def __init__(self, _path):
            self.number = -1

        def grab(self):
            self.number += 1
            return self.number < 3

        def retrieve(self):
            return self.number != 1, np.zeros((4, 4, 3), np.uint8)

        def release(self):
            pass

    monkeypatch.setattr(cv2, "VideoCapture", SecondIsBad)

    frames = dict(Clip("walk", tmp_path / "walk.mp4").frames())

    assert list(frames) == ["walk/000000", "walk/000001", "walk/000002"]
    assert "frame 1 of" in str(frames["walk/000001"])
    assert frames["walk/000002"].shape == (4, 4, 3)


def test_where_nothing_is_left_one_sentence_says_so(folders, detector):
    for number in range(2):
        _cut_off(folders / "after" / f"{number}.png")

    with pytest.raises(PictureError, match=r"nothing could be compared: all 2 .*0\.png is damaged"):
        run_of(folders, detector)


def test_bad_real_pictures_are_left_out_unless_all_are_bad(folders, detector):
    _cut_off(folders / "after/0.png")
    real, run = list(clips(folders / "after").values()), FolderRun()

    add_real(run, real, ("hand",), detector, Silent())

    assert run.frames == {"real": 1}
    assert list(run.left) == [str(folders / "after/0.png")]
    with pytest.raises(PictureError, match="nothing real could be read"):
        add_real(FolderRun(), real[:1], ("hand",), detector, Silent())


def test_what_changed_is_measured_and_equal_pictures_changed_nothing(folders, detector):
    (changed, _) = run_of(folders, detector).parts
    same = FolderRun()
    pairs = partners(folders / "before", folders / "before")
    compare(same, pairs, ("hand",), detector, Silent())

    assert changed.changed > 1
    assert changed.seam is not None
    assert changed.halo is not None
    assert (same.parts[0].changed, same.parts[0].seam, same.parts[0].halo) == (0, None, None)
    assert same.parts[0].score_before == same.parts[0].score_after == 0.9


def test_a_part_that_is_no_longer_found_counts_with_0_and_each_set_on_its_own(folders, pair):
    class OnlyBefore:
        provider = note = "none"

        def detect(self, picture, kinds, *, confidence, given=()):
            if np.array_equal(picture, pair.clean):
                return []
            return [Part("hand", "right", _box(pair), 0.8, pair.joints)]

    run = run_of(folders, OnlyBefore())
    add_real(run, list(clips(folders / "before").values())[:1], ("hand",), OnlyBefore(), Silent())
    rows = folders_report(run, "unknown", {}, ()).tables[0].cells

    assert [(part.score_before, part.score_after) for part in run.parts] == [(0.8, 0.0)] * 2
    assert [row[:4] for row in rows] == [
        ("hand", "before", 2, 1.0), ("hand", "after", 0, 0.0), ("hand", "real", 1, 1.0),
    ]  # fmt: skip
    assert rows[0][4].mean == 0.8
    assert rows[1][4] is None


def _box(pair):
    from realishuman.imaging.boxes import around

    return around(pair.joints)


def test_the_report_has_a_row_per_kind_and_no_distances_without_features(folders, detector):
    run = run_of(folders, detector, shown=1)
    add_real(run, list(clips(folders / "after").values()), ("hand",), detector, Silent())

    report = folders_report(run, "unknown", {}, ("said",))

    assert [row[:2] for row in report.tables[1].cells] == [("hand", 2)]
    assert len(report.tables) == 2
    assert len(report.sheet) == 1
    assert "said" in report.notes
    assert any("may not score it" in note for note in report.notes)


def test_distances_have_the_names_their_extractor_gives_them(folders, detector):
    class Named(Mean):
        name, terms = "the network itself", ("FID", "KID")

    run = run_of(folders, detector, extractors=[Mean(), Named()])
    add_real(run, list(clips(folders / "after").values()), ("hand",), detector, Silent())

    tables = folders_report(run, "unknown", {}, ()).tables[2:]
    assert [table.columns for table in tables] == [
        ("part", "set", "Fréchet", "kernel", "note"), ("part", "set", "FID", "KID", "note"),
    ]  # fmt: skip
    assert str(LEAST) in tables[0].cells[0][4]
    assert "the network itself" in tables[1].title


def test_crops_are_saved_by_kind_and_set(folders, detector, tmp_path):
    run_of(folders, detector, keep=crop_writer(tmp_path / "crops"))

    saved = sorted(str(p.relative_to(tmp_path / "crops")) for p in tmp_path.rglob("crops/*/*"))
    assert saved == [
        "hand-after/000000.png", "hand-after/000001.png",
        "hand-before/000000.png", "hand-before/000001.png",
    ]  # fmt: skip


def test_the_interval_is_that_of_clips_not_of_their_frames():
    """Frames of a clip that all agree tell no more than one of them."""
    few = mean_of_clips([("a", 0.0), ("b", 1.0), ("c", 1.0)])
    many = mean_of_clips([("a", 0.0), ("b", 1.0), ("c", 1.0)] * 100)

    assert (many.mean, many.low, many.high) == (few.mean, few.low, few.high)
    assert many.count == 300
    assert few.low < few.mean < few.high
    assert mean_of_clips([("a", 3.0), ("a", 5.0)]).low == 4
    assert mean_of_clips([]) is None
