"""Anchors, windows, regions and suppression on numbers that fit on one line."""

from __future__ import annotations

import math
from itertools import pairwise

import cv2
import numpy as np
import pytest

from realishuman.detect.anchors import Candidates, centres, decode
from realishuman.detect.base import Part
from realishuman.detect.families import FACE, HAND, face_from_landmarks, hand_from_landmarks
from realishuman.detect.regions import Region, cut, heading
from realishuman.detect.suppress import blend, drop_covered, drop_cut, keep_best_of, overlaps
from realishuman.detect.tiles import MAX_WINDOWS, OVERLAP, Levels, plan, whole
from realishuman.imaging.boxes import Box


def candidates(*rows):
    """Rows: x0, y0, x1, y1, score; the one keypoint is the first corner."""
    table = np.array(rows, np.float64).reshape(-1, 5)
    return Candidates(table[:, :4], table[:, None, :2], table[:, 4])


def part(box, score, side="right"):
    return Part("hand", side, Box(*box), score, np.zeros((21, 3), np.float32))


def test_anchors_are_the_cell_centres_row_by_row():
    # 8 pixels in cells of 4: centres at 2 and 6; then one cell of 8 with two anchors.
    expected = [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75], [0.5, 0.5], [0.5, 0.5]]

    np.testing.assert_allclose(centres(8, [(4, 1), (8, 2)]), expected)


@pytest.mark.parametrize(("family", "count"), [(HAND, 2016), (FACE, 2304)])
def test_each_detector_has_the_anchors_its_network_answers_for(family, count):
    finder = family.finder

    assert len(finder.anchors) == count == finder.network.outputs["scores"][1]


def test_decoding_adds_offsets_in_pixels_to_the_anchor():
    anchors = np.array([[0.5, 0.5], [0.25, 0.25]])
    regressors = np.array([[0, 0, 0, 0, 0, 0], [10, 20, 40, 60, -5, 5]], np.float32)

    found = decode(regressors, np.array([[-9], [0]], np.float32), anchors, 100, lowest=0.4)

    np.testing.assert_allclose(found.boxes, [[0.15, 0.15, 0.55, 0.75]])
    np.testing.assert_allclose(found.points, [[[0.2, 0.3]]])
    np.testing.assert_allclose(found.scores, [0.5])


def test_answers_for_one_place_are_averaged_by_score_and_the_best_score_stays():
    found = blend(candidates((0, 0, 10, 10, 0.6), (2, 0, 12, 10, 0.2), (50, 50, 60, 60, 0.9)))

    np.testing.assert_allclose(found.scores, [0.9, 0.6])
    np.testing.assert_allclose(found.boxes, [[50, 50, 60, 60], [0.5, 0, 10.5, 10]])
    np.testing.assert_allclose(found.points[1], [[0.5, 0]])


@pytest.mark.parametrize("away", [(20, 0), (0, 20), (-20, -20), (10, 0)])
def test_boxes_apart_do_not_overlap(away):
    box = np.array([0.0, 0.0, 10.0, 10.0])

    assert overlaps(box, (box + np.tile(away, 2))[None]).tolist() == [0]


def test_blending_nothing_and_empty_boxes_ends():
    assert len(blend(candidates()).scores) == 0
    assert len(blend(candidates((5, 5, 5, 5, 0.5), (5, 5, 5, 5, 0.4))).scores) == 2


def test_of_several_windows_the_best_answer_is_kept_as_it_is():
    found = keep_best_of(candidates((0, 0, 10, 10, 0.5), (1, 0, 11, 10, 0.8), (9, 0, 19, 10, 0.3)))

    np.testing.assert_allclose(found.boxes, [[1, 0, 11, 10], [9, 0, 19, 10]])


def test_what_touches_an_inner_edge_of_a_window_is_dropped():
    found = candidates(
        (0.3, 0.3, 0.5, 0.5, 0.9),  # inside
        (0.0, 0.3, 0.2, 0.5, 0.8),  # at the left edge, beyond which the picture goes on
        (0.3, 0.0, 0.5, 0.2, 0.7),  # at the upper edge of the picture
        (0.8, 0.8, 1.1, 0.9, 0.6),  # over the right edge of the picture
    )

    kept = drop_cut(found, inner=(True, False, False, True), margin=0.01)

    np.testing.assert_allclose(kept.scores, [0.9, 0.7, 0.6])


@pytest.mark.parametrize(
    ("other", "survives"),
    [
        (part((0, 0, 100, 100), 0.5), False),  # the same hand
        (part((10, 10, 40, 40), 0.5), False),  # inside: IoU is only 0.09
        (part((10, 10, 40, 40), 0.5, "left"), False),  # inside and small: side does not matter
        (part((80, 0, 180, 100), 0.5), True),  # a neighbour
        (part((25, 0, 125, 100), 0.5, "left"), True),  # a clasped hand of the other side
        (part((25, 0, 125, 100), 0.5, "right"), False),  # the same overlap on the same side
        (part((10, 0, 110, 100), 0.5, "left"), False),  # too much overlap for two hands
    ],
)
def test_a_part_inside_or_on_a_better_one_is_dropped(other, survives):
    best = part((0, 0, 100, 100), 0.9)

    assert drop_covered([other, best]) == ([best, other] if survives else [best])


HAND_LEVELS = HAND.levels


@pytest.mark.parametrize(("width", "height"), [(1, 1), (319, 200)])
def test_a_small_picture_is_one_window(width, height):
    (window,) = plan(width, height, HAND_LEVELS)

    assert window == whole(width, height)
    assert window.region == Region(width / 2, height / 2, max(width, height))
    assert window.inner == (False,) * 4


@pytest.mark.parametrize(
    ("width", "height"), [(769, 100), (1024, 1360), (4000, 3000), (12000, 9000), (60000, 50)]
)
def test_every_level_of_windows_covers_the_picture_with_overlap(width, height):
    windows = plan(width, height, HAND_LEVELS)

    assert len(windows) <= MAX_WINDOWS
    for side in {window.region.side for window in windows}:
        level = [window.region for window in windows if window.region.side == side]
        for axis, length in (("x", width), ("y", height)):
            middles = sorted({getattr(region, axis) for region in level})
            assert middles[0] - side / 2 <= 1e-6
            assert middles[-1] + side / 2 >= length - 1e-6
            steps = np.diff(middles)
            assert (steps <= (1 - OVERLAP) * side + 1e-6).all()


def test_levels_shrink_by_no_more_than_their_step():
    sides = sorted({window.region.side for window in plan(5000, 3000, Levels(2.0, 680.0))})

    assert sides[0] == pytest.approx(680)
    assert all(large / small <= 2 + 1e-9 for small, large in pairwise(sides))


def test_the_smaller_the_picture_the_smaller_its_finest_windows():
    """What fills enough of a window in a large picture does so in every smaller one."""
    finest = [
        min(window.region.side for window in plan(side, side, HAND_LEVELS))
        for side in range(100, 3000, 20)
    ]

    assert all(larger > smaller - 1 for smaller, larger in pairwise(finest))


def test_windows_know_where_the_picture_goes_on():
    first = plan(1024, 1360, HAND_LEVELS)[1]

    assert first.region.side == 680
    assert first.inner == (False, False, True, True)


def test_a_region_maps_its_corners_by_turning_clockwise():
    region = Region(100, 50, 20, math.pi / 2)

    np.testing.assert_allclose(
        region.to_picture(np.array([[0, 0], [1, 0], [0.5, 0.5]])), [[110, 40], [110, 60], [100, 50]]
    )


def test_a_heading_turns_the_way_into_the_target():
    # From below to above is up already; to the right must be turned by a quarter.
    assert heading(np.array([0, 9]), np.array([0, 0]), math.pi / 2) == pytest.approx(0)
    assert heading(np.array([0, 0]), np.array([9, 0]), math.pi / 2) == pytest.approx(math.pi / 2)


@pytest.mark.parametrize("target", [-math.pi / 2, 0, math.pi / 2])
@pytest.mark.parametrize("way", [0, 1, 2, 3, -1, -2, -3])
def test_a_heading_is_at_most_half_a_turn(way, target):
    end = np.array([math.cos(way), -math.sin(way)])  # y points down

    angle = heading(np.zeros(2), end, target)
    assert -math.pi <= angle < math.pi
    assert math.cos(way + angle - target) == pytest.approx(1)


def test_an_unturned_region_of_its_own_size_is_a_plain_crop():
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)

    np.testing.assert_array_equal(
        cut(picture, Region(20, 16, 16), 16, repeat_edge=True), picture[8:24, 12:28]
    )


def test_outside_the_picture_is_black_or_the_edge():
    picture = np.full((10, 10, 3), 200, np.uint8)
    outside = Region(-30, 5, 10)

    assert (cut(picture, outside, 8, repeat_edge=False) == 0).all()
    assert (cut(picture, outside, 8, repeat_edge=True) == 200).all()


@pytest.mark.parametrize("angle", [0.0, 0.7])
def test_a_region_far_larger_than_its_crop_is_averaged_in_place(angle):
    """A ramp stays the same ramp: shrinking first does not shift the picture."""
    ramp = np.tile(np.linspace(0, 255, 4000), (4000, 1)).astype(np.uint8)
    picture = np.repeat(ramp[:, :, None], 3, axis=2)
    region = Region(2000, 2000, 2400, angle)

    crop = cut(picture, region, 64, repeat_edge=True)

    pixels = np.stack(np.meshgrid(np.arange(64), np.arange(64)), axis=-1) / 64
    expected = region.to_picture(pixels)[..., 0] * 255 / 4000
    assert np.abs(crop[..., 0] - expected).max() < 1.5


def test_a_picture_wider_than_opencv_samples_is_still_cut():
    picture = np.zeros((4, 40000, 3), np.uint8)
    picture[:, 39000:] = 255

    crop = cut(picture, Region(20000, 2, 40000), 100, repeat_edge=True)

    assert crop[50, 90].tolist() == [0, 0, 0]
    assert crop[50, 99].tolist() == [255, 255, 255]


def test_a_hand_region_stands_on_the_wrist_and_turns_with_the_hand():
    upright = np.zeros((21, 3))
    upright[:, 0] = np.linspace(40, 60, 21)
    upright[:, 1] = 100
    upright[[5, 9, 13, 17], 1] = 0  # the bases of the fingers above the wrist
    upright[[0, 5, 9, 13], 0] = 50
    quarter = cv2.getRotationMatrix2D((0, 0), -90, 1)[:, :2]  # clockwise in the picture
    turned = upright.copy()
    turned[:, :2] = upright[:, :2] @ quarter.T

    plain, rotated = hand_from_landmarks(upright), hand_from_landmarks(turned)

    assert plain.angle == pytest.approx(0, abs=1e-9)
    assert plain.side == pytest.approx(200)  # twice the palm's longer side
    assert plain.y == pytest.approx(40)  # its middle, a tenth of its height towards the fingers
    assert rotated.angle == pytest.approx(math.pi / 2)
    assert rotated.side == pytest.approx(plain.side)
    np.testing.assert_allclose([rotated.x, rotated.y], quarter @ [plain.x, plain.y], atol=1e-9)


def test_a_face_region_is_half_as_large_again_and_levels_the_eyes():
    face = np.zeros((468, 3))
    face[:, 0] = np.linspace(10, 90, 468)
    face[:, 1] = np.linspace(0, 60, 468)
    face[33], face[263] = (30, 20, 0), (50, 40, 0)

    region = face_from_landmarks(face)

    assert region == Region(50, 30, 120, pytest.approx(math.pi / 4))
