from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realishuman.drawing.annotated import annotate
from realishuman.imaging.boxes import Box
from realishuman.webui.tab.bench import paste_kept, refine_parts
from realishuman.webui.tab.boxes import as_text, line_of, parse_lines
from realishuman.webui.tab.editing import apply_lines
from tests.webui.plain_engine import FAST


def moved(bench, number, box):
    """The lines with another box for one part."""
    lines = as_text(bench.parts).splitlines()
    lines[number - 1] = line_of(number, replace(bench.parts[number - 1], box=box))
    return parse_lines("\n".join(lines))


def drawn(bench):
    return annotate(bench.rgb, bench.found, bench.prepared, [1, 2])


def test_unchanged_lines_keep_their_parts_and_new_ones_are_searched(two):
    engine, bench = two
    done = refine_parts(bench, engine, FAST, [1, 2])
    lines = parse_lines(as_text(bench.parts).splitlines()[1] + "\nhand 60,100,140,220")
    searches = len(engine.searches)

    changed, refused = apply_lines(done, lines, engine, FAST)

    assert refused == []
    assert len(engine.searches) == searches + 1
    assert changed.parts[0] is bench.parts[1]
    assert changed.refined == [1]  # the second hand's, under its new number
    np.testing.assert_array_equal(paste_kept(changed, [1]), paste_kept(done, [2]))


@pytest.mark.parametrize(
    "box", [Box(75, 108, 124, 207), Box(75, 114, 130, 207), Box(71, 104, 128, 216)]
)
def test_an_edge_that_was_dragged_stays_where_it_was_left(two, box):
    engine, bench = two

    changed, refused = apply_lines(bench, moved(bench, 1, box), engine, FAST)

    assert refused == []
    assert changed.parts[0].box == box
    assert changed.parts[0].note == ""
    np.testing.assert_array_equal(changed.parts[0].keypoints, bench.parts[0].keypoints)
    assert (drawn(changed) != drawn(bench)).any()


def test_a_box_beside_a_hand_becomes_a_part_of_its_own_there(two):
    """Also where what is recognised is the neighbour, which reaches into the box."""
    engine, bench = two
    box = Box(150, 110, 292, 210)  # the second hand begins at 275 and has its middle elsewhere

    changed, refused = apply_lines(bench, [*moved(bench, 1, box)], engine, FAST)

    assert refused == []
    part = changed.parts[0]
    assert (part.box, part.score) == (box, 0.0)
    assert "a right hand at rest was assumed" in part.note
    mesh = changed.found.parts[0].mesh.vertices
    assert mesh[:, 0].min() > box.x0 - 20
    assert mesh[:, 0].max() < box.x1 + 20


def test_a_box_where_nothing_is_recognised_is_taken_all_the_same(two):
    engine, bench = two

    changed, refused = apply_lines(
        bench, parse_lines("left hand 200,0,260,100\nface 10,10,60,70"), engine, FAST
    )

    assert refused == []
    hand, face = changed.parts
    assert (hand.box, hand.side, hand.score) == (Box(200, 0, 260, 100), "left", 0.0)
    assert (face.box, face.keypoints.shape) == (Box(10, 10, 60, 70), (468, 3))
    for part in (hand, face):
        assert "at rest" in part.note or "a plain face" in part.note
        inside = part.keypoints[:, :2]
        assert (inside >= [part.box.x0 - 0.01, part.box.y0 - 0.01]).all()
        assert (inside <= [part.box.x1 + 0.01, part.box.y1 + 0.01]).all()
    assert {one.number for one in changed.prepared} == {1, 2}
    assert all(one.masks.m.any() for one in changed.prepared)


def test_another_side_in_a_line_turns_the_mesh_into_that_hand(two):
    engine, bench = two
    text = as_text(bench.parts).replace("1: right", "1: left")

    changed, _ = apply_lines(bench, parse_lines(text), engine, FAST)

    assert [part.side for part in changed.parts] == ["left", "right"]
    green = changed.prepared[0].pose.amax(dim=(1, 2))
    assert green[1] > green[0]  # a left hand is shaded green


@pytest.mark.parametrize("extra", ["hand 70,110,128,210", "hand 40,60,170,225"])
def test_a_second_box_around_the_same_hand_is_refused_in_words(two, extra):
    engine, bench = two

    changed, refused = apply_lines(
        bench, parse_lines(as_text(bench.parts) + "\n" + extra), engine, FAST
    )

    assert len(changed.parts) == 2
    assert refused == [
        "The box in line 3 contains part 1, right hand, which is already listed: move that part's "
        "box instead, or write left hand if it is the other one."
    ]


def test_the_other_hand_may_lie_in_the_same_place(two):
    engine, bench = two
    text = as_text(bench.parts) + "\nleft hand 70,110,128,210"

    changed, refused = apply_lines(bench, parse_lines(text), engine, FAST)

    assert refused == []
    assert [part.side for part in changed.parts] == ["right", "right", "left"]


def test_a_part_that_is_dragged_onto_another_stays_where_it_was(two):
    """Whatever their order: the one that was not touched is the one that was there."""
    engine, bench = two
    done = refine_parts(bench, engine, FAST, [1, 2])

    changed, refused = apply_lines(done, moved(done, 1, bench.parts[1].box), engine, FAST)

    assert changed.parts == bench.parts
    assert changed.refined == [1, 2]
    assert "The box in line 1 contains part 2" in refused[0]
    assert refused[0].endswith("Part 1 stays as it was.")


def test_a_box_outside_the_picture_is_refused_in_words(two):
    engine, bench = two

    changed, refused = apply_lines(bench, parse_lines("hand 500,20,600,90"), engine, FAST)

    assert changed.parts == []
    assert refused == ["The box in line 1 lies outside the picture of 420 x 300 pixels."]
