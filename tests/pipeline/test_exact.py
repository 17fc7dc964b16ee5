"""A box that the user means exactly always gives a part of that very place and size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realishuman.detect.base import GivenBox
from realishuman.detect.embedded import EmbeddedDetector
from realishuman.detect.exact import recognise
from realishuman.imaging.boxes import Box, around
from realishuman.kinds import KINDS, load
from realishuman.pipeline.look import find, look
from realishuman.settings import Settings

SIZE = (400, 600)
PICTURE = np.zeros((*SIZE, 3), np.uint8)
HANDS = Settings(parts=("hand",))


class Answers:
    """A detector whose answers, per call, are these; remembers what it was asked."""

    provider, note = "", ""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def detect(self, picture, kinds, *, confidence, given=()):
        self.asked.append((picture.shape[:2], tuple(kinds), tuple(given)))
        return self.answers.pop(0) if self.answers else []


def test_what_fills_the_box_is_taken_with_the_users_box_and_side(flat_hand):
    hand = flat_hand(200, 200, 100)
    box = replace(hand.box, x1=hand.box.x1 + 12)

    part = recognise(Answers([hand]), PICTURE, GivenBox("hand", box, "left", True), 0.5)

    none = {"keypoints": None, "world": None}
    assert replace(part, **none) == replace(hand, box=box, side="left", **none)
    np.testing.assert_array_equal(part.keypoints, hand.keypoints)


def test_a_neighbour_that_reaches_into_the_box_is_not_taken_for_what_is_in_it(flat_hand):
    neighbour, inside = flat_hand(330, 200, 100), flat_hand(70, 65, 100)  # in the cut-out
    box = Box(180, 150, 320, 260)
    detector = Answers([neighbour], [inside])

    part = recognise(detector, PICTURE, GivenBox("hand", box, exact=True), 0.5)

    (_, _, [first]), (shape, _, [second]) = detector.asked
    assert first.box == box
    assert shape == (152, 182)  # the box and 15 % of its longer side around it
    assert second.box == Box(21, 21, 161, 131)
    assert part.box == box
    np.testing.assert_allclose(
        part.keypoints, inside.keypoints + np.array([159, 129, 0]), atol=1e-4
    )


@pytest.mark.parametrize("size", [60, 300])
def test_what_is_far_too_small_or_too_large_for_the_box_is_something_else(flat_hand, size):
    box = Box(120, 120, 280, 300)
    hand = flat_hand(200, 160, size)

    assert recognise(Answers([hand], []), PICTURE, GivenBox("hand", box), 0.5) is None


def test_an_exact_box_always_gives_a_part_and_is_all_that_is_searched(models_of, flat_hand):
    box = Box(50, 60, 150, 220)
    models = models_of([])
    models.detector = Answers()

    [(part, why)] = find(PICTURE, models, HANDS, [GivenBox("hand", box, exact=True)])

    assert (part.box, part.score, why) == (box, 0.0, "")
    assert "No hand was recognised in this box" in part.note
    assert all(given for _, _, given in models.detector.asked)  # never everywhere


def test_beside_an_exact_box_others_are_searched_as_ever(models_of):
    models = models_of([])
    models.detector = Answers()
    face, hand = GivenBox("face", Box(0, 0, 50, 50)), Box(50, 60, 150, 220)

    find(PICTURE, models, Settings(), [face, GivenBox("hand", hand, exact=True)])

    (_, kinds, given), *rest = models.detector.asked
    assert (kinds, given) == (("face",), (face,))
    assert {kinds for _, kinds, _ in rest} == {("hand",)}


@pytest.mark.parametrize(
    ("box", "side", "fingers"),
    [
        (Box(50, 20, 120, 140), "right", (0, -1)),  # in the upper half: raised
        (Box(50, 250, 120, 390), "left", (0, 1)),  # in the lower half: hanging
        (Box(20, 150, 180, 230), None, (-1, 0)),  # away from the person
        (Box(420, 150, 590, 230), "left", (1, 0)),
    ],
)
def test_a_hand_at_rest_fills_its_box_and_points_away_from_the_middle(box, side, fingers):
    part = load(KINDS["hand"].at_rest)(box, side, SIZE)

    seen = around(part.keypoints)
    assert part.box == box
    assert part.side == (side or "right")
    for low, high, inner, outer in (
        (box.x0, box.x1, seen.x0, seen.x1), (box.y0, box.y1, seen.y0, seen.y1),
    ):  # fmt: skip
        assert low - 0.01 <= inner <= outer <= high + 0.01
    assert min(box.width - seen.width, box.height - seen.height) == pytest.approx(0, abs=0.01)
    towards = part.keypoints[9, :2] - part.keypoints[0, :2]
    assert towards @ np.array(fingers) > 0.9 * np.linalg.norm(towards)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_hand_at_rest_shows_its_back(side):
    """Fingers up and back seen, a right hand's thumb is on the left."""
    part = load(KINDS["hand"].at_rest)(Box(50, 20, 150, 190), side, SIZE)

    thumb, little = part.keypoints[4, 0], part.keypoints[20, 0]
    assert (thumb < little) == (side == "right")


def test_the_mesh_of_a_part_at_rest_lies_in_its_box(models_of):
    models = models_of([])
    boxes = [Box(50, 60, 150, 220), Box(300, 100, 380, 210)]
    given = [GivenBox(kind, box, exact=True) for kind, box in zip(KINDS, boxes, strict=True)]

    found = look(PICTURE, models, Settings(), given)

    for box, one in zip(boxes, found.parts, strict=True):
        covered = around(one.mesh.vertices)
        room = 0.2 * box.longer_side
        assert covered.x0 > box.x0 - room
        assert covered.y0 > box.y0 - room
        assert covered.x1 < box.x1 + room
        assert covered.y1 < box.y1 + room


def test_a_box_outside_the_picture_is_left_alone_and_says_so(models_of):
    given = GivenBox("hand", Box(700, 60, 800, 220), exact=True)

    [(_, why)] = find(PICTURE, models_of([]), HANDS, [given])

    assert why == "This hand lies outside the picture."


def test_the_built_in_detector_keeps_a_dragged_box_on_a_photograph(samples, models_of):
    from PIL import Image

    file = sorted((samples / "image").glob("*.png"))[0]
    picture = np.array(Image.open(file).convert("RGB"))
    models = models_of([])
    models.detector = EmbeddedDetector("cpu")
    [(hand, _), *_] = find(picture, models, HANDS)
    box = replace(hand.box, x1=hand.box.x1 + 0.12 * hand.box.width)

    [(part, _)] = find(picture, models, HANDS, [GivenBox("hand", box, hand.side, True)])

    assert (part.box, part.side, part.note) == (box, hand.side, "")
    apart = np.linalg.norm((part.keypoints - hand.keypoints)[:, :2], axis=1).mean()
    assert apart < 0.1 * hand.box.longer_side
