"""Flicker: what moves as the clip does is none, what comes and goes is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from realishuman.detect.base import Part
from realishuman.evaluate.clips import Clip, partners
from realishuman.evaluate.flicker import Motion
from realishuman.evaluate.folders import FolderRun, compare
from realishuman.imaging.boxes import Box
from realishuman.progress import Silent


@pytest.fixture(scope="module")
def scene():
    """A function: (96, 96, 3) of a textured picture, moved by so many pixels to the right."""
    noise = np.random.default_rng(3).uniform(0, 255, (120, 160, 3)).astype(np.float32)
    texture = cv2.GaussianBlur(noise, (0, 0), 3)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    return lambda by: np.ascontiguousarray(texture[10:106, 30 - by : 126 - by])


MIDDLE = np.zeros((96, 96), bool)
MIDDLE[24:72, 24:72] = True


def test_what_moves_with_the_clip_is_no_flicker(scene):
    motion = Motion(scene(0), scene(4))

    assert motion.error(scene(0), scene(4), MIDDLE) < 1.5
    assert np.abs(scene(0)[MIDDLE].astype(float) - scene(4)[MIDDLE]).mean() > 15


def test_what_comes_and_goes_is(scene):
    motion = Motion(scene(0), scene(4))
    brighter = cv2.add(scene(4), (20, 20, 20, 0))

    assert motion.error(scene(0), brighter, MIDDLE) == pytest.approx(20, abs=2)


def test_where_the_motion_is_not_known_nothing_is_measured(scene):
    motion = Motion(scene(0), scene(4))
    border = np.zeros((96, 96), bool)
    border[:, :3] = True  # what came into view

    assert motion.error(scene(0), scene(4), border) is None


class One:
    """Finds one hand in the middle of every picture."""

    def detect(self, picture, kinds, *, confidence, given=()):
        points = np.float32([(30, 30, 0), (66, 30, 0), (66, 66, 0), (30, 66, 0)])
        return [Part("hand", "left", Box(30, 30, 66, 66), 0.9, points)]


def test_folders_measure_it_in_clips_frame_by_frame(tmp_path, scene):
    for name, shifts in (("before", (0, 0, 0)), ("after", (0, 30, 0))):
        (tmp_path / name / "clip").mkdir(parents=True)
        for number, by in enumerate(shifts):
            made = cv2.add(scene(2 * number), (by, by, by, 0))
            cv2.imwrite(str(tmp_path / name / "clip" / f"{number}.png"), made)
    run = FolderRun()

    compare(run, partners(tmp_path / "before", tmp_path / "after"), ("hand",), One(), Silent())

    assert [part.flicker is None for part in run.parts] == [True, False, False]
    for part in run.parts[1:]:
        assert part.flicker_before < 1.5
        assert part.flicker == pytest.approx(30, abs=3)
        assert part.ring_flicker == pytest.approx(30, abs=3)


def test_nothing_is_measured_where_frames_are_left_out(tmp_path, scene):
    for name in ("before", "after"):
        (tmp_path / name / "clip").mkdir(parents=True)
        for number in range(4):
            cv2.imwrite(str(tmp_path / name / "clip" / f"{number}.png"), scene(number))
    run = FolderRun()
    pair = [Clip("clip", tmp_path / name / "clip", every=2) for name in ("before", "after")]

    compare(run, [tuple(pair)], ("hand",), One(), Silent())

    assert [part.flicker for part in run.parts] == [None, None]
