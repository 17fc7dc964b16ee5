"""Hands that were not found are spoken of, unless they are out of the picture."""

from __future__ import annotations

import numpy as np
import pytest

from realishuman.detect.base import Part
from realishuman.detect.hints import hints
from realishuman.imaging.boxes import Box, around
from realishuman.pipeline.refine import refine
from realishuman.settings import Settings
from tests.conftest import FixedDetector

PICTURE = np.full((600, 400, 3), 120, np.uint8)


def face(x, y, size):
    """An upright face `size` pixels high, its chin below its middle (x, y)."""
    points = np.zeros((468, 3), np.float32)
    points[:, :2] = (x, y)
    points[10, 1], points[152, 1] = y - size / 2, y + size / 2
    points[33, 0], points[263, 0] = x - size / 3, x + size / 3
    return Part("face", None, around(points), 0.9, points)


class Suspicious(FixedDetector):
    """Also says where else a hand may be."""

    def suspects(self, picture, kind):
        assert kind == "hand"
        return [(Box(95, 395, 155, 455), 0.42), (Box(-20.4, 300, 60, 380), 0.31)]


def test_a_hand_that_was_not_found_is_spoken_of_and_its_place_offered(flat_hand):
    parts = [face(200, 100, 80), flat_hand(125, 425, 60)]

    (text,) = hints(PICTURE, parts, Suspicious())

    assert text.startswith("There is 1 person in the picture, but only 1 hand was found:")
    assert text.endswith("It may be at hand:0,300,60,380 (score 0.31).")


def test_without_a_place_the_box_alone_is_offered(flat_hand):
    parts = [face(120, 100, 60), face(280, 100, 60), flat_hand(125, 425, 60)]

    (text,) = hints(PICTURE, parts, FixedDetector())

    assert text.startswith("There are 2 people in the picture, but only 1 hand was found:")
    assert text.endswith("draw a box around it (--box hand:x0,y0,x1,y1).")


@pytest.mark.parametrize(("y", "size"), [(300, 250), (520, 60)])
def test_a_portrait_whose_hands_are_out_of_the_picture_says_nothing(y, size):
    assert hints(PICTURE, [face(200, y, size)], FixedDetector()) == ()


def test_people_with_all_their_hands_say_nothing(flat_hand):
    hands = [flat_hand(125, 425, 60), flat_hand(300, 425, 60)]

    assert hints(PICTURE, [face(200, 100, 80), *hands], FixedDetector()) == ()
    assert hints(PICTURE, [], FixedDetector()) == ()


def test_the_report_says_so_unless_only_a_part_of_the_picture_was_asked_for(models_of):
    models = models_of([face(200, 100, 80)])

    everything = refine(PICTURE, models, Settings(), only=())
    faces = refine(PICTURE, models, Settings(parts=("face",)), only=())

    assert any(
        "There is 1 person in the picture, but no hands were found" in note
        for note in everything.notes
    )
    assert not any("person" in note for note in faces.notes)
