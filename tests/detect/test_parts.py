from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from realishuman.detect.base import Part
from realishuman.detect.parts import crop_box, select
from realishuman.detect.released import (
    face_box,
    hand_box,
    merge,
    released_boxes,
)
from realishuman.imaging.boxes import Box
from realishuman.parts.cut import crop_released
from realishuman.settings import Settings

RECORDED = Path(__file__).parents[1] / "golden" / "imaging" / "localisation.json.gz"
SIZE = (400, 500)  # height and width of the picture the parts lie in
CASES = json.loads(gzip.decompress(RECORDED.read_bytes()))


def part(x0, y0, side, kind="hand", score=0.9, aspect=1.0):
    box = Box(x0, y0, x0 + side, y0 + side * aspect)
    return Part(kind, None, box, score, np.zeros((21, 3), np.float32))


def synthetic(height, width):
    x, y = np.arange(width)[None], np.arange(height)[:, None]
    red, green = 255 * x // (width - 1) + 0 * y, 255 * y // (height - 1) + 0 * x
    return np.stack([red, green, (x ^ y) & 255], axis=2).astype(np.uint8)


def keypoints(case):
    return (np.array(case["keypoints"][name]) for name in ("hands", "hands_score", "faces"))


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['width']}x{c['height']}")
def test_boxes_and_decisions_equal_the_official_ones(case):
    hands, scores, faces = keypoints(case)
    size = case["width"], case["height"]
    left, right = (hand_box(hands[i], scores[i], *size) for i in (0, 1))
    face = face_box(faces[0], *size)

    for (box, reason), wanted in zip(
        (left, right, face),
        (case["hand"]["left"], case["hand"]["right"], case["face"]),
        strict=True,
    ):
        assert asdict(box) == wanted["candidate_params"]
        assert reason == (wanted["reason"] or "")
    both = None if left[1] or right[1] else merge(left[0], right[0])
    if case["hand"]["merged"] is None:
        assert both is None
    else:
        assert asdict(both) == {"width": None, "height": None} | case["hand"]["merged"]
    chosen = released_boxes(hands, scores, faces, *size)
    assert [name for name in chosen if name != "face"] == case["hand"]["outputs"]
    assert ("face" in chosen) == case["face"]["accepted"]
    for name, box in chosen.items():
        wanted = case["paste"][name]
        if "cx" in wanted:
            assert box.centre == (wanted["cx"], wanted["cy"])


def test_crops_equal_the_official_ones_to_the_bit():
    compared = 0
    for case in CASES:
        boxes = released_boxes(*keypoints(case), case["width"], case["height"])
        for name, wanted in case["crops_of_synthetic_image"].items():
            crop = crop_released(synthetic(case["height"], case["width"]), boxes[name])

            assert list(crop.shape) == wanted["shape"]
            assert hashlib.sha256(np.ascontiguousarray(crop)).hexdigest() == wanted["sha256"]
            compared += 1
    assert compared > 40


@pytest.mark.parametrize("margin", [1.2, 2.0, 3.3])
@pytest.mark.parametrize("aspect", [0.4, 1.0, 2.5])
def test_the_crop_is_a_whole_pixel_square_with_the_part_in_its_middle(margin, aspect):
    hand = part(100.3, 50.8, 61.7, aspect=aspect)

    box = crop_box(hand, margin)

    assert box.width == box.height == np.ceil(margin * hand.box.longer_side)
    assert all(float(edge).is_integer() for edge in (box.x0, box.y0, box.x1, box.y1))
    np.testing.assert_allclose(box.centre, hand.box.centre, atol=0.51)


def test_a_part_cut_by_the_border_keeps_its_square():
    box = crop_box(part(-30, 5, 60), 2.0)

    assert (box.x0, box.y0, box.x1, box.y1) == (-60, -25, 60, 95)


def test_a_point_still_has_a_crop():
    assert crop_box(part(10, 10, 0), 2.0).width == 2


def test_hands_that_come_near_each_other_are_not_merged():
    near = [part(100, 100, 80), part(185, 100, 80)]

    boxes = [crop_box(one, 2.0) for one in near]

    assert [box.width for box in boxes] == [160, 160]


def test_a_part_is_left_alone_with_a_reason():
    settings = Settings(min_size=20, parts=("hand",))
    parts = [part(0, 0, 40), part(0, 0, 15), part(0, 0, 40, "face")]

    chosen = select(parts, settings, SIZE)

    assert [one for one, _ in chosen] == parts
    reasons = [reason for _, reason in chosen]
    assert reasons[0] == ""
    assert "15 px" in reasons[1]
    assert "min_size" in reasons[1]
    assert "only hand" in reasons[2]


def test_what_the_detector_lets_pass_is_not_judged_again_by_its_score():
    """A place the user named, or a second try, may score less than the confidence."""
    assert select([part(0, 0, 40, score=0.2)], Settings(confidence=0.5), SIZE)[0][1] == ""


def test_a_15_pixel_part_is_refined_when_asked_for():
    assert select([part(0, 0, 15)], Settings(min_size=10), SIZE)[0][1] == ""


def test_a_box_that_is_not_finite_is_left_alone():
    broken = replace(part(0, 0, 40), box=Box(0, 0, float("nan"), 40))

    assert "not finite" in select([broken], Settings(), SIZE)[0][1]


def test_a_part_that_covers_too_little_or_too_much_of_the_picture_is_left_alone():
    parts = [part(0, 0, 40), part(0, 0, 100), part(0, 0, 300)]  # 0.8 %, 5 % and 45 %

    chosen = select(parts, Settings(min_area=0.01, max_area=0.4), SIZE)

    assert [not reason for _, reason in chosen] == [False, True, False]
    assert "0.8% of the picture" in chosen[0][1]
    assert "max_area" in chosen[2][1]


def test_only_what_lies_in_the_picture_counts_as_area():
    assert select([part(-500, -500, 2000)], Settings(), SIZE)[0][1] == ""
