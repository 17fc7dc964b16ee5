"""What goes into DWPose's two networks, and how answers that are known are read."""

from __future__ import annotations

import numpy as np
import pytest

from realishuman.detect import simcc, yolox
from realishuman.detect.simcc import PersonView
from realishuman.detect.wholebody import FACE, LEFT_HAND, RIGHT_HAND, People
from tests.detect.dwpose.files import cells_of, synthetic


def test_the_picture_lies_at_the_top_left_of_a_grey_square_in_blue_green_red():
    picture = np.zeros((320, 160, 3), np.uint8)
    picture[..., 0] = 200  # red

    pixels, scale = yolox.letterbox(picture)

    assert (pixels.shape, pixels.dtype, scale) == ((1, 3, 640, 640), np.float32, 2.0)
    np.testing.assert_array_equal(pixels[0, :, 0, 0], [0, 0, 200])
    np.testing.assert_array_equal(pixels[0, :, 639, 319], [0, 0, 200])
    assert (pixels[0, :, :, 320:] == 114).all()


@pytest.mark.parametrize("size", [(1, 1), (2000, 3), (3, 2000)])
def test_pictures_of_any_shape_fit(size):
    assert np.isfinite(yolox.letterbox(np.zeros((*size, 3), np.uint8))[0]).all()


def test_a_cell_holds_centre_and_size_relative_to_its_place_and_stride():
    cells = np.zeros((8400, 85), np.float32)
    for cell, stride, column, row in (
        (83, 8, 3, 1),
        (6400 + 42, 16, 2, 1),
        (8000 + 399, 32, 19, 19),
    ):
        cells[cell, :4] = 0.5, 0.25, np.log(2), 0
        cells[cell, 4:6] = 0.9, 0.8 + stride / 1000
        expected = stride * np.array([column + 0.5 - 1, row - 0.25, column + 1.5, row + 0.75])
        cells[cell, 2] = np.log(2)

        boxes = yolox.decode_people(cells, 0.5)

        np.testing.assert_allclose(boxes[0], expected / 0.5, rtol=1e-6)
    assert len(boxes) == 3


@pytest.mark.parametrize(("thing", "person", "count"), [(1, 0.31, 1), (0.5, 0.6, 0), (1, 0.3, 0)])
def test_a_person_needs_a_score_above_three_tenths(thing, person, count):
    cells = cells_of([(0, 0, 50, 50)])
    cells[:, 4] *= thing
    cells[cells[:, 5] > 0, 5] = person
    cells[8001, 4:] = 1, 0, *[1] * 79  # surely a thing, and no person

    assert len(yolox.decode_people(cells, 1.0)) == count


def test_of_boxes_that_overlap_too_much_the_better_one_stays_and_sizes_count_a_pixel_more():
    """99 x 99 boxes are 100 wide; shifted by 38 they share 62 of 138, by 37 63 of 137."""
    cells = cells_of([(0, 0, 99, 99), (38, 0, 137, 99), (37, 200, 136, 299), (0, 200, 99, 299)])
    cells[8003, 5] = 0.95

    boxes = yolox.decode_people(cells, 1.0)

    np.testing.assert_allclose(
        boxes, [(0, 200, 99, 299), (0, 0, 99, 99), (38, 0, 137, 99)], atol=1e-4
    )
    np.testing.assert_allclose(yolox.pick_largest(boxes * 1.0)[0], (0, 200, 99, 299), atol=1e-4)
    assert yolox.pick_largest(boxes[:0]).shape == (0, 4)


def test_answers_that_are_no_numbers_or_far_too_large_yield_no_person():
    cells = cells_of([(0, 0, 50, 50), (0, 0, 50, 50)])
    cells[8000, 0], cells[8001, 2] = np.nan, 1e6

    boxes = yolox.decode_people(cells, 1.0)

    assert np.isfinite(boxes).all()
    assert len(boxes) == 1


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((100, 100, 200, 300), (150, 200, 187.5, 250)),  # high: 250 x 0.75
        ((0, 0, 300, 100), (150, 50, 375, 500)),  # wide: 375 / 0.75
    ],
)
def test_the_view_is_a_quarter_larger_than_the_box_and_three_to_four(box, expected):
    view = PersonView.around(np.array(box))

    assert (view.x, view.y, view.width, view.height) == expected
    np.testing.assert_allclose(
        view.to_picture(np.array([[0, 0], [288, 384]])),
        [[view.x - view.width / 2, view.y - view.height / 2],
         [view.x + view.width / 2, view.y + view.height / 2]],
    )  # fmt: skip


def test_a_view_of_the_networks_own_size_is_cut_without_a_change_and_black_outside():
    picture = synthetic(500, 400)

    seen = PersonView(200, 250, 288, 384).cut(picture)
    np.testing.assert_array_equal(seen, picture[58 : 58 + 384, 56 : 56 + 288])

    outside = PersonView(0, 0, 288, 384).cut(picture)
    assert not outside[:191].any()
    assert not outside[:, :143].any()
    np.testing.assert_array_equal(outside[192:, 144:], picture[:192, :144])


def test_where_the_network_points_the_picture_shows_what_it_saw():
    picture = synthetic(700, 900)
    view = PersonView(450.3, 320.9, 612, 816)
    seen = view.cut(picture)

    for column, row in ((10, 20), (200, 300), (287, 383)):
        x, y = view.to_picture(np.array([column, row]))
        if 0 <= y < 699:
            assert abs(int(seen[row, column, 0]) - x * 255 / 899) < 1.5
            assert abs(int(seen[row, column, 1]) - y * 255 / 699) < 1.5


def test_pictures_wider_than_opencv_takes_are_still_cut():
    picture = np.full((40, 40_000, 3), 90, np.uint8)

    seen = PersonView.around(np.array([0, 0, 40_000, 40])).cut(picture)

    assert seen.max() == 90


def test_a_keypoint_lies_where_its_rows_peak_and_scores_the_lower_peak():
    x, y = np.zeros((1, 3, 576), np.float32), np.zeros((1, 3, 768), np.float32)
    x[0, 0, 101], y[0, 0, 7] = 0.8, 1.06
    x[0, 1, 575], y[0, 1, 767] = 1.2, 0.4
    x[0, 2] = -1

    points, scores = simcc.peaks(x, y)

    np.testing.assert_allclose(points[0], [[50.5, 3.5], [287.5, 383.5], [-0.5, -0.5]])
    np.testing.assert_allclose(scores[0], [0.8, 0.4, -1], rtol=1e-6)


def numbered(scores=0.9):
    """Two people whose keypoint k of COCO-WholeBody lies at (k, 10 k), (k + 1000, 10 k)."""
    k = np.arange(133.0)
    points = np.stack([np.stack([k + start, 10 * k], axis=1) for start in (0, 1000)])
    return points, np.full((2, 133), scores)


def test_coco_wholebody_becomes_openposes_order_with_a_neck():
    points, scores = numbered()
    people = People.of(points, scores)

    places = people.points[0, :, 0]
    assert places[:18].tolist() == [
        0, 5.5, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3,
    ]  # fmt: skip
    assert places[18:].tolist() == list(range(17, 133))
    assert people.points[1, FACE, 0].tolist() == [1000 + k for k in range(23, 91)]
    assert people.points[0, LEFT_HAND, 0].tolist() == list(range(91, 112))
    assert people.points[0, RIGHT_HAND, 0].tolist() == list(range(112, 133))


@pytest.mark.parametrize(("left", "right", "neck"), [(0.31, 0.31, 1), (0.3, 0.9, 0), (0.9, 0.3, 0)])
def test_the_neck_is_found_when_both_shoulders_are(left, right, neck):
    points, scores = numbered()
    scores[0, 5], scores[0, 6] = left, right

    assert People.of(points, scores).scores[0, 1] == neck


def test_what_is_stored_is_what_the_released_code_stores():
    points, scores = numbered()
    scores[0, 91] = scores[1, 132] = 0.29  # first point of the left hand, last of the right one
    scores[0, 92] = 0.3
    scores[0, 0] = 0.3  # a joint must score more

    stored = People.of(points, scores).to_released(2000, 4000)

    assert stored.hands.shape == (4, 21, 2)
    np.testing.assert_allclose(stored.hands[0, 1], [92 / 2000, 920 / 4000])
    np.testing.assert_allclose(stored.hands[2, 0], [112 / 2000, 1120 / 4000])
    assert (stored.hands[0, 0] == -1).all()
    assert (stored.hands[3, 20] == -1).all()
    assert (stored.hands == -1).sum() == 4
    assert stored.hands_score[0, 0] == 0.29
    np.testing.assert_allclose(stored.faces[1, 0], [1023 / 2000, 230 / 4000])
    np.testing.assert_allclose(stored.bodies[18 + 4], [1010 / 2000, 100 / 4000])
    assert stored.subset.tolist() == [[-1, *range(1, 18)], list(range(18, 36))]
