"""Whole steady runs: stopped in any pass, and the default engine on twenty real frames."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from realishuman.cli import main as cli
from realishuman.imaging.picture import load_picture
from realishuman.packs import store
from realishuman.paint.own_skin import TORN
from realishuman.video import steady
from tests.video.clips import make_video
from tests.video.test_steady import frame, hand

EXAMPLE = Path(__file__).parents[2] / "examples" / "malformed-hand.png"


class Stopped(BaseException):
    """As a kill: nobody catches it."""


class Stand:
    """Stands in for the networks: one hand that is malformed in some frames, and a painter.

    stop  after so many calls.
    """

    def __init__(self, stop=None, refuse=False):
        self.stop, self.refuse, self.calls = stop, refuse, []

    def call(self, what):
        if len(self.calls) == self.stop:
            raise Stopped
        self.calls.append(what)

    def see(self, rgb, *_):
        self.call("see")
        number = int(rgb[..., 2].mean()) // 9
        return replace(
            frame(hand(20 + number, 20), malformed=0.9 if number % 3 else 0.5),
            thumb=np.zeros((12, 16, 3), np.uint8),
        )

    def refine(self, rgb, models, settings, *, found, only, progress):
        judged = settings.ways.judge
        self.call("try" if judged else "paint")
        image, parts = rgb.copy(), []
        for one in found.chosen:
            reason = "no better" if judged and self.refuse else ""
            x = int(one.mesh.joints[:, 0].mean())
            image[8:30, x : x + 9] = (200, 30, 90)
            parts.append(type("Report", (), {"index": one.number, "reason": reason})())
        return type("Result", (), {"image": image, "parts": parts})()


@pytest.fixture(autouse=True)
def _no_installed_packs(tmp_path, monkeypatch):
    monkeypatch.setenv("REALISHUMAN_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(store, "EMBEDDED", tmp_path)


@pytest.fixture
def stand(monkeypatch):
    def use(**options):
        made = Stand(**options)
        monkeypatch.setattr(steady, "see", made.see)
        monkeypatch.setattr(steady, "refine", made.refine)
        return made

    return use


def refine(*arguments):
    return cli.main(["refine", *map(str, arguments), "--quiet"])


def test_a_hand_that_flickers_is_repainted_in_all_frames(tmp_path, stand):
    make_video(tmp_path / "in.mp4", 12)
    made = stand()

    code = refine(tmp_path / "in.mp4", "-o", tmp_path / "out.mp4", "--json", tmp_path / "r.json")

    (report,) = json.loads((tmp_path / "r.json").read_text())
    assert code == cli.OK
    assert [made.calls.count(what) for what in ("see", "try", "paint")] == [12, 5, 12]
    assert report["changed"] == 12
    assert report["tracks"] == [
        {
            "number": 1, "kind": "hand", "side": "right", "frames": [1, 12], "found_in": 12,
            "refined": [[1, 12]], "reason": "",
        }
    ]  # fmt: skip


@pytest.mark.parametrize("stops", [(5,), (12, 3), (14,), (20, 1), (28,)])
def test_a_run_that_is_stopped_in_any_pass_ends_as_an_undisturbed_one(tmp_path, stand, stops):
    make_video(tmp_path / "in.mp4", 12)
    whole = stand()
    refine(tmp_path / "in.mp4", "-o", tmp_path / "whole.mp4")
    done = 0
    for stop in stops:
        made = stand(stop=stop)
        with pytest.raises(Stopped):
            refine(tmp_path / "in.mp4", "-o", tmp_path / "out.mp4")
        done += len(made.calls)
        assert not (tmp_path / "out.mp4").exists()
    made = stand()

    assert refine(tmp_path / "in.mp4", "-o", tmp_path / "out.mp4") == cli.OK

    assert done + len(made.calls) == len(whole.calls)
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_what_the_judge_refuses_stays_in_all_frames(tmp_path, stand):
    make_video(tmp_path / "in.mp4", 12)
    stand(refuse=True)

    refine(tmp_path / "in.mp4", "-o", tmp_path / "out.mp4", "--json", tmp_path / "r.json")

    (report,) = json.loads((tmp_path / "r.json").read_text())
    assert (report["changed"], report["tracks"][0]["reason"]) == (0, "no better")


def test_without_a_judge_nothing_is_tried(tmp_path, stand):
    make_video(tmp_path / "in.mp4", 6)
    made = stand()

    refine(tmp_path / "in.mp4", "-o", tmp_path / "out.mp4", "--no-judge")

    assert "try" not in made.calls


def test_shades_that_come_and_go_are_settled(tmp_path, monkeypatch):
    shades = [0, 20, -20, 10, -15, 25, -5, 15, -20, 5, 20, -10]

    def see(rgb, *_):
        return frame(hand(100 + 2 * (int(rgb[0, 0, 2]) // 9), 100))

    def refine_in_shades(rgb, models, settings, *, found, only, progress):
        image = rgb.copy()
        (one,) = found.chosen
        shown = cv2.convexHull(np.round(one.mesh.vertices[:, :2]).astype(np.int32))
        cv2.fillConvexPoly(image, shown, (150 + shades[int(rgb[0, 0, 2]) // 9], 110, 90))
        report = type("Report", (), {"index": 1, "reason": ""})()
        return type("Result", (), {"image": image, "parts": [report]})()

    monkeypatch.setattr(steady, "see", see)
    monkeypatch.setattr(steady, "refine", refine_in_shades)
    (tmp_path / "in").mkdir()
    for number in range(12):
        Image.fromarray(np.full((200, 240, 3), 9 * number, np.uint8)).save(
            tmp_path / "in" / f"{number:02}.png"
        )

    assert refine("--clip", tmp_path / "in", "-o", tmp_path / "out", "--fps", 12) == cli.OK

    reds = []
    for number in range(12):
        rgb = load_picture(tmp_path / "out" / f"{number:02}.png").rgb
        reds.append(float(np.median(rgb[..., 0][rgb[..., 0] > 120])))
    assert np.std(reds[2:10]) < 0.4 * np.std(shades[2:10])


def test_a_hand_that_would_be_torn_gets_more_room(tmp_path, monkeypatch):
    made = Stand()
    widths = []

    def tear(rgb, models, settings, **options):
        result = made.refine(rgb, models, settings, **options)
        if settings.ways.judge or (settings.hand_dilate or 100) > 200:
            return result
        widths.append(settings.hand_dilate)
        result.image = rgb
        for report in result.parts:
            report.reason = TORN
        return result

    monkeypatch.setattr(steady, "see", made.see)
    monkeypatch.setattr(steady, "refine", tear)
    make_video(tmp_path / "in.mp4", 4)

    refine(tmp_path / "in.mp4", "-o", tmp_path / "out.mp4", "--json", tmp_path / "r.json")

    (report,) = json.loads((tmp_path / "r.json").read_text())
    assert widths == [None, 160] * 4
    assert (report["changed"], report["left"]) == (4, {})


def test_what_stays_torn_stays_as_it_was_and_is_reported(tmp_path, monkeypatch):
    made = Stand()

    def tear(rgb, models, settings, **options):
        result = made.refine(rgb, models, settings, **options)
        if not settings.ways.judge:
            result.image, result.parts[0].reason = rgb, TORN
        return result

    monkeypatch.setattr(steady, "see", made.see)
    monkeypatch.setattr(steady, "refine", tear)
    make_video(tmp_path / "in.mp4", 3)

    code = refine(tmp_path / "in.mp4", "-o", tmp_path / "o.mp4", "--json", tmp_path / "r.json")

    (report,) = json.loads((tmp_path / "r.json").read_text())
    assert (code, report["changed"]) == (cli.OK, 0)
    assert report["left"] == {str(number): f"Track 1: {TORN}" for number in (1, 2, 3)}


def test_several_tries_need_single_frames(tmp_path, stand, capsys):
    make_video(tmp_path / "in.mp4", 6)
    stand()

    assert refine(tmp_path / "in.mp4", "-o", tmp_path / "o.mp4", "--tries", 3) == cli.SOME_FAILED

    assert "add --independent" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_twenty_frames_by_the_default_engine(tmp_path):
    """The example's hand, half as large, moves; in each frame it is repainted, nothing else."""
    with Image.open(EXAMPLE) as image:
        given = image.convert("RGB").resize((image.width // 2, image.height // 2), 4)
    (tmp_path / "in").mkdir()
    width, height = given.width - 24, given.height - 12
    for number in range(20):
        left, top = number, number // 2
        shown = given.crop((left, top, left + width, top + height))
        shown.save(tmp_path / "in" / f"{number:02}.png")

    code = refine(
        "--clip",
        tmp_path / "in",
        "-o",
        tmp_path / "out",
        "--json",
        tmp_path / "r.json",
        "--fps",
        10,
    )

    (report,) = json.loads((tmp_path / "r.json").read_text())
    (track,) = [one for one in report["tracks"] if one["kind"] == "hand"]
    assert code == cli.OK
    assert track["refined"] == [[1, 20]]
    assert report["changed"] == 20
    for number in range(20):
        before, after = (
            load_picture(tmp_path / name / f"{number:02}.png").rgb for name in ("in", "out")
        )
        share = (before != after).any(axis=2).mean()
        assert 0.001 < share < 0.2
