from __future__ import annotations

import pytest

from realishuman.errors import SettingsError
from realishuman.imaging.boxes import Box
from realishuman.webui.tab.boxes import as_text, parse_lines


def test_lines_are_read_with_or_without_number_and_side():
    lines = parse_lines("1: right hand 10,20,110,140\n\nface 5 6 7.5 9\nhand left: -3,0,50,60")

    assert [(one.kind, one.side) for one in lines] == [
        ("hand", "right"),
        ("face", None),
        ("hand", "left"),
    ]
    assert [one.box for one in lines] == [
        Box(10, 20, 110, 140),
        Box(5, 6, 7.5, 9),
        Box(-3, 0, 50, 60),
    ]


def test_what_is_written_for_a_part_is_read_back(flat_hand):
    part = flat_hand(100, 120, 80)

    (line,) = parse_lines(as_text([part]))

    assert line.kind == "hand"
    assert line.side == "right"
    assert line.box.x0 == round(part.box.x0)
    assert line.box.y1 == round(part.box.y1)


@pytest.mark.parametrize(
    "text",
    [
        "hand 1,2,3",
        "foot 1,2,30,40",
        "hand face 1,2,30,40",
        "1: hand 1,2,3,4,5",
        "hand 30,40,1,2",
        "hand 0,0,9999999,40",
    ],
)
def test_a_line_that_cannot_be_used_is_named_with_what_to_write(text):
    with pytest.raises(SettingsError, match="line 2"):
        parse_lines("hand 0,0,10,10\n" + text)


def test_more_boxes_than_can_be_searched_are_refused():
    with pytest.raises(SettingsError, match="101 boxes"):
        parse_lines("hand 0,0,10,10\n" * 101)
