"""Which hand it is: the user's word, on the command line and for what the detector found."""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import pytest

from realishuman.cli.options import add_boxes, boxes_from
from realishuman.detect.base import GivenBox, Part
from realishuman.detect.sides import correct_twins
from realishuman.errors import SettingsError
from realishuman.imaging.boxes import Box, around
from realishuman.mesh.embedded_hand import EmbeddedHand
from realishuman.pipeline.look import find
from realishuman.settings import Settings

HANDS = Settings(parts=("hand",))
PICTURE = np.zeros((300, 400, 3), np.uint8)


def given(*texts, settings=HANDS):
    parser = argparse.ArgumentParser()
    add_boxes(parser)
    return boxes_from(parser.parse_args([f"--box={text}" for text in texts]), settings)


def test_a_box_may_say_which_hand_it_holds():
    named = given("right-hand:1,2,30,40", "left-hand:1,2,30,40", "hand:1,2,30,40")

    assert [(box.kind, box.side) for box in named] == [
        ("hand", "right"),
        ("hand", "left"),
        ("hand", None),
    ]
    assert named[0].box == Box(1, 2, 30, 40)


@pytest.mark.parametrize(
    "name", ["left-face", "upper-hand", "right", "righthand", "-hand", "hand-"]
)
def test_what_has_no_such_side_is_refused_with_the_names_there_are(name):
    both = Settings(parts=("hand", "face"))

    with pytest.raises(SettingsError, match="hand:120,80,260,230, right-hand"):
        given(f"{name}:1,2,30,40", settings=both)


def test_a_sided_box_where_no_hand_is_asked_for_is_refused():
    with pytest.raises(SettingsError, match="names a hand, but --parts asks for face"):
        given("left-hand:1,2,30,40", settings=Settings(parts=("face",)))


def bent(hand):
    """The hand with its fingers bent towards the viewer, and what is in metres likewise."""
    depth = np.zeros((21, 3), np.float32)
    depth[5:, 2] = np.tile([0, -0.01, -0.03, -0.05], 4)
    return replace(hand, keypoints=hand.keypoints + depth * 500, world=hand.world + depth)


def test_the_side_the_user_names_is_the_parts_and_turns_its_depth_round(models_of, flat_hand):
    """What looks like a right palm is as well the back of a left hand: in the mirror of depth."""
    hands = [bent(flat_hand(100, 150, 120)), bent(flat_hand(300, 150, 120))]
    boxes = [GivenBox("hand", hands[1].box, "left"), GivenBox("hand", hands[0].box)]

    parts = [part for part, _ in find(PICTURE, models_of(hands), HANDS, boxes)]

    assert [part.side for part in parts] == ["right", "left"]
    assert parts[0] is hands[0]
    np.testing.assert_array_equal(parts[1].keypoints, hands[1].keypoints * [1, 1, -1])
    np.testing.assert_array_equal(parts[1].world, hands[1].world * [1, 1, -1])
    right, left = EmbeddedHand().regress(PICTURE, [hands[1], parts[1]])
    apart = np.linalg.norm((right.joints - left.joints)[:, :2], axis=1)
    assert apart.mean() < 0.05 * hands[1].box.longer_side


def face(x, y, size):
    points = np.zeros((468, 3), np.float32)
    points[:2, :2] = [(x - size / 3, y - size / 2), (x + size / 3, y + size / 2)]
    points[2:, :2] = (x, y)
    return Part("face", None, around(points), 0.9, points)


def person(flat_hand, first=0.97, second=0.7, apart=60):
    """A face and two hands that were both read as right ones, and how surely."""
    hands = [bent(flat_hand(200 + x, 200, 40)) for x in (-apart, apart)]
    return [
        *(replace(hand, right=right) for hand, right in zip(hands, (first, second), strict=True)),
        face(200, 60, 50),
    ]


@pytest.mark.parametrize(("first", "second", "sides"), [(0.97, 0.7, "rl"), (0.6, 0.7, "lr")])
def test_of_two_right_hands_of_one_person_the_less_certain_is_the_left_one(
    models_of, flat_hand, first, second, sides
):
    seen = person(flat_hand, first, second)

    parts = [part for part, _ in find(PICTURE, models_of(seen), Settings())]

    assert [part.side[0] for part in parts[:2]] == list(sides)
    turned = sides.index("l")
    np.testing.assert_array_equal(parts[turned].keypoints, seen[turned].keypoints * [1, 1, -1])
    assert "treated as the left one" in parts[turned].note
    assert parts[1 - turned] is seen[1 - turned]


def test_what_may_be_two_peoples_hands_keeps_its_side(flat_hand):
    hands, own = person(flat_hand)[:2], face(200, 60, 50)
    cases = {
        "two faces": [*hands, own, face(300, 60, 50)],
        "no face": hands,
        "a third hand": [*hands, replace(hands[0], side="left", right=0.1), own],
        "out of reach": person(flat_hand, apart=400),
        "a much larger face": [*hands, face(200, 60, 150)],
        "told by the body": [replace(hands[0], right=None), hands[1], own],
        "one of each": [hands[0], replace(hands[1], side="left", right=0.3), own],
    }

    for name, parts in cases.items():
        assert all(a is b for a, b in zip(correct_twins(parts), parts, strict=True)), name


def test_the_users_word_on_a_side_is_not_turned_round(models_of, flat_hand):
    seen = person(flat_hand)
    boxes = [GivenBox("hand", hand.box, "right") for hand in seen[:2]]
    boxes.append(GivenBox("face", seen[2].box))

    parts = [part for part, _ in find(PICTURE, models_of(seen), Settings(), boxes)]

    assert [part.side for part in parts if part.kind == "hand"] == ["right", "right"]
    assert not any(part.note for part in parts)
