"""The built-in detector against MediaPipe's own numbers and the hands and faces of the samples."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from realishuman.detect.base import GivenBox
from realishuman.detect.embedded import EmbeddedDetector
from realishuman.detect.families import HAND
from realishuman.detect.find import keep_best, scan
from realishuman.detect.landmarks import read
from realishuman.detect.regions import Region
from realishuman.detect.tiles import whole
from realishuman.errors import ModelError, PictureError
from realishuman.imaging.boxes import Box, around, intersection, iou
from realishuman.synthetic.sample import sample as synthetic

GOLDEN = json.loads(
    (Path(__file__).parents[1] / "golden" / "detect" / "mediapipe.json").read_text("utf-8")
)["pictures"]
HANDS = {  # sides of the main hands; each picture has one face
    "4c82eec2d38678dd5c379b9e09876d69": ["left", "right"],
    "5c1bf7bf78249cf812cc6ba2914f5c5c": ["left", "right"],
    "ac97b590c96420e8736cb7338396f934": ["right"],
    "d9390d92e656f2510733eaeec2290b5c": ["right"],
}
KINDS = ("hand", "face")


@pytest.fixture(scope="module")
def detector():
    return EmbeddedDetector("cpu", threads=1)


@pytest.fixture
def sample(samples):
    def load(name):
        return cv2.cvtColor(cv2.imread(str(samples / "image" / f"{name}.png")), cv2.COLOR_BGR2RGB)

    return load


def textured(height=600, width=800):
    """A picture without parts: soft coloured noise with a few edges."""
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), np.uint8), (0, 0), 3)
    picture[height // 3 : height // 2, width // 4 :] //= 2
    return picture


# --- against MediaPipe


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize(
    ("kind", "key", "threshold"), [("hand", "palms", 0.5), ("face", "full_range", 0.6)]
)
def test_detections_of_the_whole_picture_are_mediapipes(
    detector, sample, name, kind, key, threshold
):
    picture, search = sample(name), detector.search(kind)
    one = [whole(1024, 1360)]

    found = keep_best(scan(search.finder, search.family.finder, picture, one), one, threshold)

    recorded = GOLDEN[name][key]
    np.testing.assert_allclose(found.scores, [d["score"] for d in recorded], atol=1e-4)
    np.testing.assert_allclose(found.boxes, [d["box"] for d in recorded], atol=0.01)
    np.testing.assert_allclose(found.points, [d["points"] for d in recorded], atol=0.01)


@pytest.mark.parametrize("name", GOLDEN)
def test_hand_landmarks_of_one_pass_are_mediapipes(detector, sample, name):
    recorded, search = GOLDEN[name], detector.search("hand")
    regions = [Region(*values) for values in recorded["hand_regions"]]

    readings = read(search.reader, search.family.reader, sample(name), regions)

    landmarks = np.stack([reading.landmarks for reading in readings])
    np.testing.assert_allclose(landmarks, recorded["hands"], atol=0.05)
    world = np.stack([reading.world for reading in readings])
    np.testing.assert_allclose(world, recorded["world"], atol=5e-5)
    np.testing.assert_allclose([r.right for r in readings], recorded["right"], atol=1e-3)


@pytest.mark.parametrize("name", GOLDEN)
def test_face_landmarks_of_one_pass_are_mediapipes(detector, sample, name):
    recorded, search = GOLDEN[name], detector.search("face")
    regions = [Region(*values) for values in recorded["face_regions"]]

    (reading,) = read(search.reader, search.family.reader, sample(name), regions)

    np.testing.assert_allclose(reading.landmarks[::9], recorded["faces"][0], atol=0.05)
    assert 0.99 < reading.presence <= 1


@pytest.mark.parametrize("name", GOLDEN)
def test_the_region_of_a_hand_follows_from_its_palm_as_in_mediapipe(name):
    for palm, region in zip(GOLDEN[name]["palms"], GOLDEN[name]["hand_regions"], strict=True):
        ours = HAND.from_detection(Box(*palm["box"]), np.array(palm["points"]))

        np.testing.assert_allclose([ours.x, ours.y, ours.side, ours.angle], region, atol=0.01)


# --- the samples


@pytest.mark.parametrize("name", HANDS)
def test_every_main_hand_and_face_is_found_and_nothing_else(detector, sample, name):
    parts = detector.detect(sample(name), KINDS, confidence=0.5)

    assert sorted(part.side for part in parts if part.kind == "hand") == HANDS[name]
    assert [part.side for part in parts if part.kind == "face"] == [None]
    for part in parts:
        assert part.score >= 0.5
        assert part.keypoints.shape == ((21, 3) if part.kind == "hand" else (468, 3))
        assert part.keypoints.dtype == np.float32
        assert (part.world is None) == (part.kind == "face")


def test_the_same_picture_gives_the_same_bytes_again(detector, sample):
    picture = sample("4c82eec2d38678dd5c379b9e09876d69")

    first, second = (detector.detect(picture, KINDS, confidence=0.5) for _ in range(2))

    assert [p.keypoints.tobytes() for p in first] == [p.keypoints.tobytes() for p in second]


def test_a_mirrored_picture_has_hands_of_the_other_side(detector, sample):
    picture = np.ascontiguousarray(sample("ac97b590c96420e8736cb7338396f934")[:, ::-1])

    (hand,) = detector.detect(picture, ["hand"], confidence=0.5)

    assert hand.side == "left"


def test_small_people_in_a_large_picture_are_found_in_the_windows(detector, sample):
    """The person is a quarter as tall as the picture: the hands fill 2 % of its side."""
    canvas = np.full((1360, 1360, 3), 127, np.uint8)
    small = cv2.resize(sample("5c1bf7bf78249cf812cc6ba2914f5c5c"), (340, 452), None, 0, 0, 3)
    canvas[800:1252, 500:840] = small

    parts = detector.detect(canvas, KINDS, confidence=0.5)

    assert sorted((p.kind, p.side or "") for p in parts) == [
        ("face", ""),
        ("hand", "left"),
        ("hand", "right"),
    ]


def test_a_region_reads_the_same_alone_and_among_others(detector, sample):
    name = "4c82eec2d38678dd5c379b9e09876d69"
    picture, search = sample(name), detector.search("hand")
    regions = [Region(*values) for values in GOLDEN[name]["hand_regions"]]
    others = [Region(100.0 * i, 90.0 * i, 200.0) for i in range(20)]

    (alone,) = read(search.reader, search.family.reader, picture, regions[:1])
    among = read(search.reader, search.family.reader, picture, [*others, *regions])

    np.testing.assert_allclose(among[20].landmarks, alone.landmarks, atol=1e-3)


# --- any size, any way up


@pytest.fixture(scope="module")
def rendered():
    """A function: a rendered person's hand or face, the same for a seed, and its landmarks."""

    @lru_cache
    def make(seed, part):
        pair = synthetic(seed, 256, part=part)
        return pair.clean, pair.joints

    return make


@pytest.mark.parametrize("canvas", [512, 768, 1024, 1360])
def test_a_hand_of_one_size_is_found_in_a_picture_of_any(detector, rendered, canvas):
    clean, joints = rendered(0, "hand")
    side = round(256 * 60 / np.ptp(joints[:, :2], axis=0).max())
    picture = np.full((canvas, canvas, 3), (90, 110, 120), np.uint8)
    picture[200 : 200 + side, 100 : 100 + side] = cv2.resize(clean, (side, side), None, 0, 0, 3)

    (hand,) = detector.detect(picture, ["hand"], confidence=0.5)

    true = around(joints[:, :2] * side / 256 + np.array([100, 200]))
    assert iou(hand.box, true) > 0.4


@pytest.mark.parametrize(("seed", "channels"), [(3, (2, 1, 0)), (1, (1, 0, 2)), (15, None)])
def test_a_hand_without_the_colour_of_skin_is_found(detector, rendered, seed, channels):
    clean, joints = rendered(seed, "hand")
    if channels is None:
        picture = np.repeat(cv2.cvtColor(clean, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    else:
        picture = np.ascontiguousarray(clean[..., list(channels)])

    (hand,) = detector.detect(picture, ["hand"], confidence=0.5)

    assert iou(hand.box, around(joints)) > 0.5


@pytest.mark.parametrize("turn", [0, 60, 90, 135, 180, 240, 270])
@pytest.mark.parametrize("named", [False, True])
def test_a_face_at_any_roll_is_read_the_way_it_stands(detector, rendered, turn, named):
    clean, joints = rendered(4, "face")
    matrix = cv2.getRotationMatrix2D((128, 128), turn, 1.0)
    matrix[:, 2] += 72
    picture = cv2.warpAffine(clean, matrix, (400, 400), borderMode=cv2.BORDER_REFLECT)
    true = joints[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    given = [GivenBox("face", around(true))] if named else []

    faces = detector.detect(picture, ["face"], confidence=0.5, given=given)

    (face,) = (one for one in faces if iou(one.box, around(true)) > 0.3)
    apart = np.linalg.norm(face.keypoints[:, :2] - true, axis=1).mean()
    assert apart < 0.06 * np.ptp(true, axis=0).max()


# --- boxes the user drew


def test_a_given_box_yields_the_hand_in_it_and_no_other(detector, sample):
    picture = sample("5c1bf7bf78249cf812cc6ba2914f5c5c")
    right = max(detector.detect(picture, ["hand"], confidence=0.5), key=lambda p: p.side == "right")

    (named,) = detector.detect(
        picture, ["hand"], confidence=1.0, given=[GivenBox("hand", right.box)]
    )

    assert named.side == "right"
    assert iou(named.box, right.box) > 0.9


def test_a_kind_without_a_given_box_is_still_searched_everywhere(detector, sample):
    picture = sample("d9390d92e656f2510733eaeec2290b5c")
    box = Box(425, 267, 609, 346)

    parts = detector.detect(picture, KINDS, confidence=0.5, given=[GivenBox("hand", box)])

    assert [part.kind for part in parts] == ["hand", "face"]


def test_a_hand_too_malformed_to_be_found_is_read_from_the_given_box(detector, sample):
    """Each row is shifted by up to 18 pixels: the detector no longer sees the hand."""
    picture, box = sample("d9390d92e656f2510733eaeec2290b5c"), Box(425, 262, 609, 350)
    rng = np.random.default_rng(0)
    for row in range(200, 420):
        picture[row, 380:660] = np.roll(picture[row, 380:660], rng.integers(-18, 19), axis=0)

    by_itself = detector.detect(picture, ["hand"], confidence=0.5)
    named = detector.detect(picture, ["hand"], confidence=0.5, given=[GivenBox("hand", box)])

    assert not any(iou(part.box, box) > 0.3 for part in by_itself)
    assert len(named) == 1
    assert iou(named[0].box, box) > 0.3


def test_a_given_box_of_any_size_is_searched_with_little_memory(detector):
    for reach in (1e9, 1e300):
        box = GivenBox("hand", Box(-reach, -reach, reach, reach))

        assert detector.detect(textured(), ["hand"], confidence=0.5, given=[box]) == []


@pytest.mark.parametrize(
    "box",
    [
        Box(-300, -300, -10, -10),
        Box(900, 0, 1000, 100),
        Box(200, 200, 200, 200),
        Box(300, 300, 200, 200),
        Box(float("nan"), 0, 10, 10),
        Box(0, 0, float("inf"), 10),
    ],
)
def test_a_given_box_with_nothing_of_the_picture_in_it_yields_no_part(detector, box):
    given = [GivenBox("hand", box), GivenBox("face", box)]

    assert detector.detect(textured(), KINDS, confidence=0.5, given=given) == []


# --- pictures without parts, and wrong ones


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (17, 5), (100, 2000)])
def test_a_picture_of_any_size_without_parts_gives_an_empty_list(detector, shape):
    picture = np.full((*shape, 3), 90, np.uint8)

    assert detector.detect(picture, KINDS, confidence=0.0) == []


def test_a_textured_picture_without_parts_gives_an_empty_list(detector):
    grey = np.repeat(textured()[:, :, :1], 3, axis=2)

    assert detector.detect(textured(), KINDS, confidence=0.1) == []
    assert detector.detect(grey, KINDS, confidence=0.5) == []


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((20, 20), np.uint8),
        np.zeros((20, 20, 4), np.uint8),
        np.zeros((20, 20, 3), np.float32),
        np.zeros((0, 20, 3), np.uint8),
    ],
)
def test_an_array_that_is_no_picture_is_refused(detector, picture):
    with pytest.raises(PictureError, match="20"):
        detector.detect(picture, KINDS, confidence=0.5)


def test_an_unknown_kind_is_refused_with_the_known_ones(detector):
    with pytest.raises(ModelError, match=r"'foot'.*hand, face"):
        detector.detect(textured(), ["foot"], confidence=0.5)


def test_networks_are_opened_on_first_use_and_kept():
    detector = EmbeddedDetector("cpu", threads=1)
    assert detector.provider == ""

    detector.detect(textured(30, 30), ["face"], confidence=0.5)
    opened = detector.search("face")
    detector.detect(textured(30, 30), ["face"], confidence=0.5)

    assert detector.provider == "CPUExecutionProvider"
    assert detector.note == ""
    assert detector.search("face") is opened


def test_a_missing_network_file_is_a_model_error(tmp_path):
    with pytest.raises(ModelError, match=r"palm_detection_full\.onnx is missing"):
        EmbeddedDetector(folder=tmp_path).detect(textured(9, 9), ["hand"], confidence=0.5)


def test_named_boxes_over_the_picture_edge_are_searched_inside_it(detector, sample):
    """The left hand of this picture is cut off by its lower edge."""
    picture = sample("4c82eec2d38678dd5c379b9e09876d69")
    box = Box(330, 1200, 490, 1500)

    (part,) = detector.detect(picture, ["hand"], confidence=0.5, given=[GivenBox("hand", box)])

    assert part.side == "left"
    assert intersection(part.box, box) > part.box.area / 2
