"""A clip from file to file: stopped and continued, and nothing half written."""

from __future__ import annotations

import errno
import json

import numpy as np
import pytest
from PIL import Image

from realishuman.cli import main as cli
from realishuman.packs import store
from realishuman.video import alone, run
from realishuman.video.containers import VideoFile
from realishuman.video.journal import Log
from tests.video.clips import make_video, picture


class Stopped(BaseException):
    """As a kill: nobody catches it."""


class Painter:
    """Stands in for refine: paints a square whose place follows the picture's brightness.

    stop  after so many frames.
    """

    def __init__(self, stop=None):
        self.stop, self.done = stop, 0

    def __call__(self, rgb, *_, **__):
        if self.done == self.stop:
            raise Stopped
        self.done += 1
        image = rgb.copy()
        if rgb.mean() % 10 > 2:
            at = int(rgb.mean()) % 30
            image[at : at + 9, at : at + 12] = (200, 30, 90)
        return type("Result", (), {"image": image})()


@pytest.fixture(autouse=True)
def _no_installed_packs(tmp_path, monkeypatch):
    monkeypatch.setenv("REALISHUMAN_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(store, "EMBEDDED", tmp_path)


@pytest.fixture
def paint(monkeypatch):
    def use(stop=None):
        painter = Painter(stop)
        monkeypatch.setattr(alone, "refine", painter)
        return painter

    return use


def refine(*arguments):
    return cli.main(["refine", *map(str, arguments), "--independent", "--quiet"])


def left_over(folder, *but):
    return sorted(path.name for path in folder.iterdir() if path.name not in but)


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".webm", ".gif", ".webp", ".png", ""])
def test_a_video_becomes_what_the_output_says(tmp_path, paint, ending):
    paint()
    make_video(tmp_path / "in.mp4", 6)

    assert refine(tmp_path / "in.mp4", "-o", tmp_path / f"out{ending}" / "") == cli.OK

    assert left_over(tmp_path, "in.mp4") == [f"out{ending}"]


def test_a_run_that_is_stopped_goes_on_and_ends_as_an_undisturbed_one(tmp_path, paint, capsys):
    make_video(tmp_path / "in.mp4", 12, sounds=("deu",))
    paint()
    assert refine(tmp_path / "in.mp4", "-o", tmp_path / "whole.mp4") == cli.OK
    counts = []
    for stop in (3, 0, 4):
        painter = paint(stop)
        with pytest.raises(Stopped):
            refine(tmp_path / "in.mp4", "-o", tmp_path / "out.mp4")
        counts.append(painter.done)
        assert not (tmp_path / "out.mp4").exists()
    painter = paint()

    assert refine(tmp_path / "in.mp4", "-o", tmp_path / "out.mp4") == cli.OK

    assert [*counts, painter.done] == [3, 0, 4, 5]
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert left_over(tmp_path) == ["in.mp4", "out.mp4", "whole.mp4"]
    assert "An earlier run of this command is continued." in capsys.readouterr().err


def test_a_record_that_a_kill_cut_off_is_made_again(tmp_path, paint):
    make_video(tmp_path / "in.mp4", 8)
    paint()
    refine(tmp_path / "in.mp4", "-o", tmp_path / "whole.mp4")
    paint(5)
    with pytest.raises(Stopped):
        refine(tmp_path / "in.mp4", "-o", tmp_path / "out.mp4")
    log = tmp_path / ".out.mp4.realishuman" / run.PAINTED
    log.write_bytes(log.read_bytes()[:-3])
    painter = paint()

    assert refine(tmp_path / "in.mp4", "-o", tmp_path / "out.mp4") == cli.OK

    assert painter.done == 4
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_other_settings_start_anew(tmp_path, paint, capsys):
    make_video(tmp_path / "in.mp4", 6)
    paint(4)
    with pytest.raises(Stopped):
        refine(tmp_path / "in.mp4", "-o", tmp_path / "out.mp4")
    painter = paint()

    refine(tmp_path / "in.mp4", "-o", tmp_path / "out.mp4", "--seed", 5)

    assert painter.done == 6
    assert "another command had left unfinished" in capsys.readouterr().err


def test_pixels_that_were_not_repainted_are_those_of_the_video(tmp_path, paint):
    paint()
    make_video(tmp_path / "in.mp4", 6)

    refine(tmp_path / "in.mp4", "-o", tmp_path / "out.mkv", "--lossless")

    before = list(VideoFile(tmp_path / "in.mp4").frames())
    after = list(VideoFile(tmp_path / "out.mkv").frames())
    changed = 0
    for one, other in zip(before, after, strict=True):
        first, second = one.planes.values[0], other.planes.values[0]
        place = int(one.planes.rgb().mean()) % 30
        outside = np.ones(first.shape, bool)
        outside[place : place + 9, place : place + 12] = False
        assert np.array_equal(first[outside], second[outside])
        changed += not np.array_equal(first, second)
    assert 0 < changed < 6


def test_a_full_disk_is_said_and_nothing_is_left_under_the_outputs_name(
    tmp_path, paint, capsys, monkeypatch
):
    paint()
    make_video(tmp_path / "in.mp4", 6)

    def full(self, record):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Log, "append", full)

    assert refine(tmp_path / "in.mp4", "-o", tmp_path / "out.mp4") == cli.SOME_FAILED

    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "run the same command again" in said
    assert not (tmp_path / "out.mp4").exists()


def test_a_frame_that_fails_stays_as_it_is_and_is_reported(tmp_path, monkeypatch):
    make_video(tmp_path / "in.mp4", 3)

    def fail(rgb, *_, **__):
        raise ValueError("odd")

    monkeypatch.setattr(alone, "refine", fail)
    code = refine(tmp_path / "in.mp4", "-o", tmp_path / "o.mp4", "--json", tmp_path / "r.json")

    (report,) = json.loads((tmp_path / "r.json").read_text())
    assert code == cli.SOME_FAILED
    assert (tmp_path / "o.mp4").exists()
    assert report["failed"] == {str(n): "unexpected ValueError: odd" for n in (1, 2, 3)}


def test_a_folder_of_frames_becomes_a_folder_or_a_video(tmp_path, paint):
    paint()
    (tmp_path / "in").mkdir()
    for number in range(3):
        Image.fromarray(picture(number)).save(tmp_path / "in" / f"{number}.png")

    assert refine("--clip", tmp_path / "in", "-o", tmp_path / "out") == cli.OK
    assert refine("--clip", tmp_path / "in", "-o", tmp_path / "o.mp4", "--fps", 10) == cli.OK

    assert left_over(tmp_path / "out") == ["0.png", "1.png", "2.png"]
    frames = list((clip := VideoFile(tmp_path / "o.mp4")).frames())
    assert float(frames[2].start * clip.base) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["in.mp4", "in.png", "-o", "out"], "refine clips and pictures with two commands"),
        (["in.mp4", "-o", "out.avi"], "no clip can be written as .avi"),
        (["in.mp4", "-o", "in.mp4"], "is the clip itself"),
        (["in.mp4", "-o", "o.mp4", "--only", "1"], "--only is for pictures"),
        (["in.mp4", "-o", "o.mp4", "--fps", "5"], "--fps is for a folder of frames"),
        (["in.mp4", "-o", "o.mp4", "--quality", "99"], "--quality must be 0 to 63"),
        (["in.mp4", "-o", "o.webm", "--codec", "h264"], ".webm does not hold h264"),
        (["in.png", "-o", "o.png", "--clip"], "--clip is for a folder of frames"),
        (["missing.mp4", "-o", "o.mp4"], "does not exist"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    tmp_path, paint, capsys, monkeypatch, arguments, said
):
    paint()
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "in.mp4", 2)
    Image.fromarray(picture(0)).save(tmp_path / "in.png")

    assert refine(*arguments) != cli.OK

    assert said in capsys.readouterr().err
    assert left_over(tmp_path, "in.mp4", "in.png", "out") == []


def test_what_fails_before_any_work_leaves_nothing(tmp_path, paint, capsys):
    paint()
    make_video(tmp_path / "in.mp4", 3, sounds=("deu",))

    assert refine(tmp_path / "in.mp4", "-o", tmp_path / "out.webm") == cli.SOME_FAILED

    assert ".webm cannot hold the audio aac" in capsys.readouterr().err
    assert left_over(tmp_path) == ["in.mp4"]
