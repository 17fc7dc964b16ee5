from __future__ import annotations

import numpy as np
import pytest

from realishuman.detect.base import Part
from realishuman.drawing.sheet import before_after, contact_sheet
from realishuman.imaging.boxes import Box
from realishuman.mesh.base import Mesh
from realishuman.parts.found import FoundPart, number_parts
from realishuman.parts.prepare import prepare
from realishuman.pipeline.look import reconstruct
from realishuman.settings import Settings


@pytest.fixture
def picture():
    return np.full((200, 300, 3), 120, np.uint8)


def test_a_picture_without_parts_says_so(picture):
    sheet = contact_sheet(picture, [], [])

    assert sheet.shape[1:] == (1064, 3)
    assert sheet.shape[0] > contact_sheet(picture, [FoundPart(1, far_part(), NO_MESH)], []).shape[0]


NO_MESH = Mesh(
    np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), np.zeros((0, 3), np.float32)
)


def far_part():
    keypoints = np.full((21, 3), 1e7, np.float32)
    return Part("hand", "left", Box(-1e7, -1e7, 1e7, 1e7), 0.5, keypoints)


def test_each_part_to_be_refined_has_a_row_and_each_other_a_line(picture, models_of, flat_hand):
    hands = [flat_hand(100, 100, 90), flat_hand(220, 100, 15)]
    meshes = reconstruct(picture, hands, models_of(hands))
    found = number_parts([(hands[0], ""), (hands[1], "too small")], meshes)
    wanted = {"preset": "released", "pose": "shaded", "resolution": 512}
    ready = prepare(picture, found.parts, found.chosen, Settings(), **wanted)

    sheet = contact_sheet(picture, found.parts, ready)

    plain = contact_sheet(picture, found.give_reasons({2: ""}).parts, [])
    assert sheet.shape[0] - plain.shape[0] == 264 + 28
    pose = sheet[-(264 + 28) : -28, 2 * 264 + 8 : 3 * 264]
    assert (pose.max(axis=(0, 1)) > 150).any()


def test_a_tiny_and_a_wide_picture_fit(models_of):
    for shape in ((1, 1, 3), (10, 4000, 3), (4000, 10, 3)):
        assert contact_sheet(np.zeros(shape, np.uint8), [], []).shape[1] == 1064


def test_before_and_after_stand_side_by_side_and_small_ones_are_enlarged_by_whole_pixels():
    before, after = np.zeros((100, 60, 3), np.uint8), np.full((100, 60, 3), 255, np.uint8)

    sheet = before_after(before, after)

    assert sheet.shape == (600 + 28 + 8, 2 * 360 + 3 * 8, 3)
    assert (sheet[28:628, 8:368] == 0).all()
    assert (sheet[28:628, 376:736] == 255).all()


def test_each_part_is_shown_large_below_the_whole_picture():
    before = np.zeros((600, 500, 3), np.uint8)
    after = before.copy()
    after[100:150, 200:250] = 200

    parts = [("1 hand", Box(200, 100, 250, 150)), ("2 face", Box(-20, 560, 80, 660))]
    sheet = before_after(before, after, parts)

    whole, row = 600 + 28 + 8, 500 + 28 + 8  # each crop as wide as its picture
    assert sheet.shape[1] == 2 * 500 + 3 * 8
    assert (sheet[whole + 28 : whole + 528, 8:508] == 0).all()
    assert (sheet[whole + 28 : whole + 528, 516:1016] == 200).all()
    assert sheet.shape[0] == whole + row + 28 + 250 + 8  # what lies in the picture: 80 x 40


def test_a_crop_outside_the_picture_or_of_a_tiny_one_is_drawn_all_the_same():
    tiny = np.zeros((2, 1, 3), np.uint8)

    assert before_after(tiny, tiny, [("1 hand", Box(90, 90, 99, 99))]).ndim == 3
