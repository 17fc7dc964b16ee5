"""The official code's answers: with the same random networks, and from its keypoints onward."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from realishuman.detect import simcc, yolox
from realishuman.detect.completed import complete
from realishuman.detect.dwpose import FILES, DWPoseDetector
from realishuman.detect.embedded import EmbeddedDetector
from realishuman.detect.people import sightings
from realishuman.detect.released import released_boxes
from realishuman.detect.wholebody import FACE, LEFT_HAND, RIGHT_HAND, People
from realishuman.imaging.boxes import iou
from realishuman.imaging.picture import load_picture
from realishuman.onnx_files.session import open_session
from tests.detect.dwpose.files import save_random, synthetic
from tests.recorded import GOLDEN as RECORDINGS
from tests.recorded import needs_golden

GOLDEN = Path(__file__).parents[2] / "golden"
CASES = json.loads(gzip.decompress((GOLDEN / "imaging/localisation.json.gz").read_bytes()))
SAMPLES = CASES[-4:]  # keypoints of real pictures


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("random")
    save_random(made)
    return made


@pytest.fixture(scope="module")
def recorded():
    with np.load(GOLDEN / "detect/dwpose.npz") as data:
        return dict(data)


def assert_same_points(ours, theirs, pixel):
    """A value of a pixel that is off by one may move the peak of a random network's flat row."""
    same = np.isclose(ours, theirs, atol=0.01 * pixel).all(axis=-1)

    assert same.mean() > 0.99


def test_people_and_keypoints_of_random_networks_are_the_official_ones(folder, recorded):
    picture = synthetic(200, 1500)
    finder, reader = (
        open_session(folder / FILES[name], network, provider="cpu", threads=1)
        for name, network in (("people", yolox.NETWORK), ("pose", simcc.NETWORK))
    )

    boxes = yolox.find_people(finder, picture)
    points, scores = simcc.read_people(reader, picture, boxes[:2], swapped=False)

    np.testing.assert_allclose(boxes, recorded["boxes"], atol=0.01)
    assert len(boxes) > 40
    assert_same_points(points, recorded["points"], 1)
    np.testing.assert_allclose(scores, recorded["scores"], atol=2e-3)


def test_what_the_released_code_would_store_is_what_it_stores(folder, recorded):
    detector = DWPoseDetector(folder, "cpu", threads=1, released=True)

    stored = detector.people(synthetic(200, 1500)).to_released(1500, 200)

    assert_same_points(stored.hands, recorded["released_hands"], 1 / 1500)
    assert_same_points(stored.faces, recorded["released_faces"], 1 / 1500)
    assert_same_points(stored.bodies, recorded["released_candidate"], 1 / 1500)
    np.testing.assert_allclose(stored.hands_score, recorded["released_hands_score"], atol=2e-3)
    np.testing.assert_array_equal(stored.subset, recorded["released_subset"])


def people_of(case):
    """The one person whose hands and face the official code recorded; the rest is not there."""
    size = case["width"], case["height"]
    points, scores = np.zeros((1, 134, 2)), np.zeros((1, 134))
    for place, hand in ((LEFT_HAND, 0), (RIGHT_HAND, 1)):
        points[0, place] = np.array(case["keypoints"]["hands"][hand]) * size
        scores[0, place] = case["keypoints"]["hands_score"][hand]
    face = np.array(case["keypoints"]["faces"][0])
    points[0, FACE], scores[0, FACE] = face * size, (face != -1).all(axis=1)
    return People(points, scores)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['width']}x{c['height']}")
def test_the_hands_that_count_are_those_the_official_code_accepts(case):
    found = {one.part.side for one in sightings(people_of(case), "hand", 0.5)}

    for side in ("left", "right"):
        enough = case["hand"][side]["reason"] != "valid_points<=10"
        assert (side in found) == enough


@pytest.mark.parametrize("case", SAMPLES, ids=lambda c: f"{c['width']}x{c['height']}")
def test_from_keypoints_to_boxes_merged_hands_and_faces_samples_are_as_recorded(case):
    people = people_of(case)
    stored = people.to_released(case["width"], case["height"])

    boxes = released_boxes(
        stored.hands, stored.hands_score, stored.faces, case["width"], case["height"]
    )
    hands = {one.part.side: one.part.box for one in sightings(people, "hand", 0.5)}

    assert [name for name in boxes if name != "face"] == case["hand"]["outputs"]
    assert ("face" in boxes) == case["face"]["accepted"]
    for name, box in boxes.items():
        wanted = case["paste"][name]
        assert (box.left, box.right, box.top, box.bottom) == tuple(
            wanted[edge] for edge in ("left", "right", "top", "bottom")
        )
    for side, box in hands.items():
        wanted = case["hand"][side]["params"]
        assert (int(box.width), int(box.height)) == (wanted["width"], wanted["height"])


@needs_golden
@pytest.mark.parametrize("name", ["4c82eec2", "5c1bf7bf", "ac97b590", "d9390d92"])
def test_the_built_in_networks_add_depth_to_the_official_keypoints(samples, name):
    picture = load_picture(next((samples / "image").glob(f"{name}*"))).rgb
    recorded = json.loads((RECORDINGS / "localisation.json").read_text("utf-8"))
    case = next(case for key, case in recorded.items() if key.startswith(name))
    built_in = EmbeddedDetector("cpu", threads=1)

    for kind, count in (("hand", 21), ("face", 468)):
        seen = sightings(people_of(case), kind, 0.5)
        parts = complete(built_in.search(kind), picture, seen)

        assert len(parts) == len(seen) > 0
        for part, one in zip(parts, seen, strict=True):
            assert part.keypoints.shape == (count, 3)
            assert (part.world is None) == (kind == "face")
            assert np.ptp(part.keypoints[:, 2]) > 0
            assert iou(part.box, one.part.box) > 0.6
            if kind == "hand":
                np.testing.assert_array_equal(part.keypoints[:, :2], one.part.keypoints[:, :2])
