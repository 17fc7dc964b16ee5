"""From picture to parts with networks whose answers are known: points are found by colour."""

from __future__ import annotations

import numpy as np
import pytest

from realishuman.detect.base import GivenBox
from realishuman.detect.dwpose import FILES, DWPoseDetector
from realishuman.errors import ModelError, PictureError
from realishuman.imaging.boxes import Box
from tests.detect.dwpose.files import cells_of, colours, save_people, save_pose

LEFT, RIGHT, FACE = range(91, 112), range(112, 133), range(23, 91)
SHADES = colours().astype(np.uint8)


def place(first, number, step=14, row=7):
    """Where the points of a part are drawn: a grid of seven (or as many as said) per row."""
    x, y = first
    return {k: (x + step * (i % row), y + step * (i // row)) for i, k in enumerate(number)}


def painted(height, width, *drawn):
    picture = np.zeros((height, width, 3), np.uint8)
    for points in drawn:
        for k, (x, y) in points.items():
            picture[y - 3 : y + 4, x - 3 : x + 4] = SHADES[k]
    return picture


def assert_around(box, points):
    edges = [*points.min(axis=0), *points.max(axis=0)]
    np.testing.assert_allclose([box.x0, box.y0, box.x1, box.y1], edges, atol=5)


ANN_LEFT, ANN_FACE = place((60, 200), LEFT), place((100, 60), FACE, 9, 12)
BEN_RIGHT = place((460, 220), RIGHT)
ANN, BEN = (20, 10, 260, 330), (400, 60, 620, 352)
PICTURE = painted(400, 640, ANN_LEFT, ANN_FACE, BEN_RIGHT)  # 640 wide: the detector's own pixels


@pytest.fixture
def folder(tmp_path):
    save_people(tmp_path / FILES["people"], cells_of([BEN, ANN]))
    save_pose(tmp_path / FILES["pose"])
    return tmp_path


@pytest.fixture
def detector(folder):
    return DWPoseDetector(folder, "cpu", threads=1)


def test_the_hands_and_faces_of_all_people_are_found_where_they_are(detector):
    parts = detector.detect(PICTURE, ("hand", "face"), confidence=0.5)

    found = {(part.kind, part.side): part for part in parts}
    assert len(parts) == len(found) == 3
    for key, drawn, person in (
        (("hand", "left"), ANN_LEFT, 1),
        (("hand", "right"), BEN_RIGHT, 0),
        (("face", None), ANN_FACE, 1),
    ):
        part, wanted = found[key], np.array(list(drawn.values()))
        # A square's first pixel is found, up to 3 before its middle; the network skips every other.
        assert np.abs(part.keypoints[:, :2] - wanted).max() < 5
        assert part.person == person
        assert part.score == pytest.approx(1, abs=0.2)
        assert_around(part.box, wanted)
    assert detector.provider == "CPUExecutionProvider"
    assert detector.note == ""


def test_the_released_way_reads_the_largest_person_only_and_shows_it_blue_for_red(folder):
    released = DWPoseDetector(folder, "cpu", threads=1, released=True)

    assert released.detect(PICTURE, ("hand",), confidence=0.5) == []
    swapped = np.ascontiguousarray(PICTURE[..., ::-1])
    parts = released.detect(swapped, ("hand", "face"), confidence=0.5)

    assert [(part.kind, part.side) for part in parts] == [("hand", "left"), ("face", None)]


def released_way(folder, person, *drawn):
    """What the released way finds in a picture of one person with all points of these parts."""
    save_people(folder / FILES["people"], cells_of([person]))
    detector = DWPoseDetector(folder, "cpu", threads=1, released=True)
    swapped = np.ascontiguousarray(painted(400, 640, *drawn)[..., ::-1])
    return detector.detect(swapped, ("hand", "face"), confidence=0.99)


@pytest.mark.parametrize(("apart", "shared"), [(250, True), (420, False)])
def test_the_released_way_gives_hands_whose_squares_overlap_one_square(folder, apart, shared):
    left, right = place((40, 200), LEFT), place((40 + apart, 210), RIGHT)

    parts = released_way(folder, (5, 5, 635, 395), left, right)

    squares = [part.square for part in parts]
    assert sorted(part.side for part in parts) == ["left", "right"]
    assert (squares[0] == squares[1]) == shared
    for part in parts:
        x = np.array(list({"left": left, "right": right}[part.side].values()))[:, 0]
        square = part.square
        assert square.left <= x.min() - 90
        assert x.max() + 90 <= square.right
        if not shared:
            assert square.extend_side == pytest.approx(np.ptp(x) / 2 + 100, abs=6)


@pytest.mark.parametrize(("shown", "count"), [(10, 0), (11, 1)])
def test_the_released_way_wants_eleven_points_of_a_face_too(folder, shown, count):
    some = dict(list(ANN_FACE.items())[:shown])

    parts = [part for part in released_way(folder, ANN, some) if part.kind == "face"]

    assert len(parts) == count


def test_in_a_box_the_released_way_leaves_the_square_to_the_box(folder):
    released = DWPoseDetector(folder, "cpu", threads=1, released=True)
    swapped = np.ascontiguousarray(PICTURE[..., ::-1])
    box = GivenBox("hand", Box(50, 190, 160, 250))

    (part,) = released.detect(swapped, ("hand",), confidence=0.5, given=[box])

    assert part.square is None


@pytest.mark.parametrize(("shown", "count"), [(10, 0), (11, 1)])
def test_a_hand_counts_from_eleven_of_its_points(detector, shown, count):
    some = dict(list(ANN_LEFT.items())[:shown])

    parts = detector.detect(painted(400, 640, some), ("hand",), confidence=0.5)

    assert len(parts) == count
    if count:
        assert_around(parts[0].box, np.array(list(some.values())))
        assert np.isfinite(parts[0].keypoints).all()


def test_without_a_person_the_whole_picture_is_read_as_one(folder):
    save_people(folder / FILES["people"], np.zeros((8400, 85), np.float32))
    near = painted(384, 288, place((100, 150), LEFT))

    parts = DWPoseDetector(folder, "cpu", threads=1).detect(near, ("hand",), confidence=0.5)

    assert [part.side for part in parts] == ["left"]


def test_two_people_who_are_one_yield_each_part_once(folder):
    save_people(folder / FILES["people"], cells_of([ANN, (0, 100, 300, 330)]))

    parts = DWPoseDetector(folder, "cpu", threads=1).detect(PICTURE, ("hand",), confidence=0.5)

    assert len(parts) == 1


def test_a_given_box_yields_the_part_in_it_and_only_that(detector):
    box = GivenBox("hand", Box(440, 200, 570, 270))

    parts = detector.detect(PICTURE, ("hand", "face"), confidence=0.5, given=[box])

    assert [(part.kind, part.side) for part in parts] == [("hand", "right"), ("face", None)]


def test_where_dwpose_has_nothing_in_a_given_box_the_built_in_detector_is_asked(
    detector, monkeypatch
):
    asked = []
    monkeypatch.setattr(
        detector._built_in, "detect", lambda *_, given, **__: asked.append(given) or []
    )
    box = GivenBox("hand", Box(300, 20, 380, 90))

    assert detector.detect(PICTURE, ("hand",), confidence=0.5, given=[box]) == []
    assert asked == [[box]]


def test_a_picture_is_read_once_however_often_it_is_asked_for(detector):
    first = detector.people(PICTURE)

    assert detector.people(PICTURE.copy()) is first
    assert detector.people(PICTURE[:, ::-1]) is not first


def test_released_networks_open_again(detector):
    detector.detect(PICTURE, ("hand",), confidence=0.5)
    detector.release()
    assert not any(session.is_open for session in detector._open.values())

    assert len(detector.detect(PICTURE[:, ::-1], ("hand",), confidence=0.5)) <= 2


@pytest.mark.parametrize("batch", [1, "N"])
def test_pose_files_for_one_person_at_a_time_do_as_well(folder, batch):
    save_pose(folder / FILES["pose"], batch)

    parts = DWPoseDetector(folder, "cpu", threads=1).detect(PICTURE, ("hand",), confidence=0.5)

    assert len(parts) == 2


def test_missing_files_are_named_with_the_command_that_gets_them(tmp_path, folder):
    (folder / FILES["pose"]).unlink()

    with pytest.raises(ModelError, match=r"dw-ll_ucoco_384.onnx in .*models fetch dwpose"):
        DWPoseDetector(folder)
    with pytest.raises(ModelError, match=r"yolox_l.onnx and dwpose/dw-ll_ucoco_384.onnx"):
        DWPoseDetector(tmp_path / "none")


def test_swapped_files_are_refused(folder):
    (folder / FILES["pose"]).rename(folder / "other")
    (folder / FILES["people"]).rename(folder / FILES["pose"])
    (folder / "other").rename(folder / FILES["people"])

    with pytest.raises(ModelError, match="another network, fetch the right file"):
        DWPoseDetector(folder, "cpu").detect(PICTURE, ("hand",), confidence=0.5)


def test_what_is_no_picture_or_no_known_kind_is_refused(detector):
    with pytest.raises(PictureError):
        detector.detect(np.zeros((8, 8), np.uint8), ("hand",), confidence=0.5)
    with pytest.raises(ModelError, match=r"foot.*hand, face"):
        detector.detect(PICTURE, ("foot",), confidence=0.5)
