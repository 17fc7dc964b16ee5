from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from realishuman.drawing.annotated import GREY, annotate
from realishuman.drawing.sheet import INNER, OUTER
from realishuman.imaging.boxes import Box, intersection
from realishuman.kinds import KINDS
from realishuman.mesh.base import Mesh
from realishuman.parts.found import number_parts
from realishuman.pipeline.look import look, prepare_parts
from realishuman.settings import Settings

HAND = KINDS["hand"].colour


@pytest.fixture
def look_at(models_of):
    """A function: what is found and prepared of a picture that shows one part."""

    def look_at(picture, part):
        models, settings = models_of([part]), Settings(parts=("hand",))
        found = look(picture, models, settings)
        return found, prepare_parts(picture, found, found.parts, settings, models)

    return look_at


def places(view, colour):
    """Which pixels have about this colour."""
    return np.abs(view.astype(int) - colour).max(axis=2) < 40


def found_of(*parts):
    """These parts as found, with meshes that nobody draws."""
    none = Mesh(
        np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), np.zeros((0, 3), np.float32)
    )
    return number_parts([(part, "") for part in parts], [none] * len(parts))


def share(view, colour):
    """How many pixels have about this colour."""
    return places(view, colour).sum()


def test_a_ticked_part_has_its_box_mesh_and_ring_drawn(look_at, flat_hand):
    picture = np.full((300, 420, 3), 90, np.uint8)
    found, prepared = look_at(picture, flat_hand(200, 170, 130))

    view = annotate(picture, found, prepared, [1])

    assert view.shape == picture.shape
    for colour in (HAND, OUTER, INNER):
        assert share(view, colour) > 100
    assert (picture == 90).all()  # drawn on a copy


def test_a_part_that_is_not_ticked_is_grey_and_has_no_ring(look_at, flat_hand):
    picture = np.full((300, 420, 3), 90, np.uint8)
    found, prepared = look_at(picture, flat_hand(200, 170, 130))

    view = annotate(picture, found, prepared, [])

    assert share(view, GREY) > 100
    for colour in (HAND, OUTER, INNER):
        assert share(view, colour) == 0


def test_the_outer_outline_runs_along_the_edge_of_m_d(look_at, flat_hand):
    picture = np.zeros((300, 420, 3), np.uint8)
    found, prepared = look_at(picture, flat_hand(200, 170, 130))
    (one,) = prepared

    view = annotate(picture, found, prepared, [1])

    rows, columns = np.nonzero(np.abs(view.astype(int) - OUTER).max(axis=2) < 40)
    inside = one.crop.to_crop(np.column_stack([columns + 0.5, rows + 0.5])).astype(int)
    reach = int(2 * one.crop.scale) + 1
    for x, y in inside:
        near = one.masks.m_d[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        assert near.any()
        assert not near.all()


def test_a_large_picture_is_drawn_smaller_in_its_proportions(flat_hand):
    picture = np.zeros((1000, 3000, 3), np.uint8)
    part = flat_hand(1500, 500, 400)

    view = annotate(picture, found_of(part), longest=600)

    assert view.shape == (200, 600, 3)
    box = part.box
    x, y = round((box.x0 + box.x1) * 0.1), round(box.y1 * 0.2)
    assert share(view[y - 1 : y + 2, x - 1 : x + 2], HAND) > 0


def test_a_part_outside_the_picture_or_not_finite_is_no_reason_to_fail(flat_hand):
    picture = np.zeros((100, 100, 3), np.uint8)
    parts = flat_hand(-500, -500, 60), flat_hand(float("nan"), 50, 60)

    view = annotate(picture, found_of(*parts).give_reasons({2: "not finite"}))

    assert view.shape == picture.shape


@pytest.mark.parametrize("count", [2, 4, 6])
def test_labels_do_not_hide_each_other(flat_hand, monkeypatch, count):
    picture = np.full((300, 420, 3), 90, np.uint8)
    plates, rectangle = [], cv2.rectangle

    def remembered(view, start, end, colour, thickness, *rest):
        if thickness == -1:
            plates.append(Box(*start, *end))
        return rectangle(view, start, end, colour, thickness, *rest)

    monkeypatch.setattr(cv2, "rectangle", remembered)
    parts = [flat_hand(200 + 4 * n, 160 + 3 * n, 100) for n in range(count)]

    annotate(picture, found_of(*parts))

    assert len(plates) == count
    for one, other in itertools.combinations(plates, 2):
        assert intersection(one, other) == 0
