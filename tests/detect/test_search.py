"""Which answers of the networks make a part; the networks are stand-ins that say what we want."""

from __future__ import annotations

import math

import numpy as np
import pytest

from realishuman.detect import feet
from realishuman.detect.anchors import Candidates
from realishuman.detect.families import FACE, HAND
from realishuman.detect.find import keep_best
from realishuman.detect.named import search_box
from realishuman.detect.regions import Region
from realishuman.detect.search import Search
from realishuman.detect.tiles import Window
from realishuman.imaging.boxes import Box

PICTURE = np.zeros((400, 400, 3), np.uint8)
UNDIVIDED = np.zeros((300, 300, 3), np.uint8)  # one window


class Finder:
    """Answers for one palm in the middle of every window, `share` of it wide."""

    def __init__(self, score, share):
        self.share = share
        self.logit = math.log(score / (1 - score))

    def run(self, image):
        regressors = np.zeros((len(image), 2016, 18), np.float32)
        scores = np.full((len(image), 2016, 1), -50, np.float32)
        middle = 12 * 24 * 2 + 12 * 2  # row 12, column 12 of the first layer
        side = self.share * 192
        regressors[:, middle, 2:4] = side
        regressors[:, middle, 4:] = np.tile([0, side / 2], 7)  # the wrist below ...
        regressors[:, middle, 8:10] = (0, -side / 2)  # ... the middle finger's base above
        scores[:, middle] = self.logit
        return {"regressors": regressors, "scores": scores}


def features_like(foot):
    """Even features (192, 7, 7) of this likeness to a foot."""
    with np.load(feet.WEIGHTS) as rule:
        by_value = rule["weights"][: 11 * 192 - 192]  # an even map has no spread
        slope = by_value[: 9 * 192].reshape(192, 9).sum(axis=1) + by_value[9 * 192 :]
        values = slope * (foot - rule["bias"]) / (slope @ slope)
    return np.tile(values[:, None, None], (1, 7, 7)).astype(np.float32)


class Reader:
    """Sees a hand in the region's inner half, a right one at first, then a left one."""

    def __init__(self, *presences, foot=-1.0):
        self.presences = list(presences)
        self.features = features_like(foot)
        self.passes = 0

    def run(self, image):
        count = len(image)
        presence = self.presences[min(self.passes, len(self.presences) - 1)]
        self.passes += 1
        landmarks = np.full((21, 3), 112, np.float32)
        landmarks[:, 1] = np.linspace(168, 56, 21)
        landmarks[1:, 0] += np.linspace(-28, 28, 20)
        return {
            "landmarks": np.tile(landmarks.reshape(1, 63), (count, 1)),
            "presence": np.full((count, 1), presence, np.float32),
            "handedness": np.full((count, 1), 0.9 if self.passes == 1 else 0.2, np.float32),
            "world": np.zeros((count, 63), np.float32),
            "features": np.tile(self.features, (count, 1, 1, 1)),
        }


def search(score, *presences, share=0.1, foot=-1.0):
    return Search("hand", HAND, Finder(score, share), Reader(*presences, foot=foot))


@pytest.mark.parametrize(
    ("score", "presences", "confidence", "found"),
    [
        (0.6, (0.6, 0.6), 0.5, True),
        (0.6, (0.6, 0.4), 0.5, False),  # the second look sees no hand: a knee
        (0.6, (0.4, 0.6), 0.5, False),
        (0.6, (0.6, 0.6), 0.7, False),  # the detector is less sure than asked
        (0.4, (0.6, 0.6), 0.5, False),  # the second try wants more presence
        (0.4, (0.95, 0.95), 0.5, True),
        (0.4, (0.95, 0.95), 0.7, False),  # who asks for more gets no second try
        (0.2, (0.95, 0.95), 0.5, False),  # below the second try
        (0.2, (0.95, 0.95), 0.1, True),
        (0.05, (0.95, 0.95), 0.0, False),  # noise
    ],
)
def test_a_part_needs_score_and_presence_in_both_passes(score, presences, confidence, found):
    parts = search(score, *presences).find_everywhere(UNDIVIDED, confidence)

    assert len(parts) == int(found)
    if found:
        assert parts[0].score == pytest.approx(score)
        assert parts[0].side == "left"
        x, y = parts[0].box.centre
        assert abs(x - 153) < 9  # the anchor nearest the middle
        assert abs(y - 153) < 23


def test_the_second_pass_is_the_answer():
    one = search(0.9, 0.9, 0.9)

    (part,) = one.find_everywhere(UNDIVIDED, 0.5)

    assert one.reader.passes == 2
    assert part.side == "left"


def test_in_a_given_box_the_detector_counts_at_any_score():
    part = search_box(search(0.12, 0.9, share=0.25), PICTURE, Box(160, 160, 240, 240))

    assert part is not None
    assert part.score == pytest.approx(0.12)


def test_in_a_given_box_the_landmark_network_alone_is_the_last_resort():
    blind = search(0.05, 0.3)

    part = search_box(blind, PICTURE, Box(160, 160, 240, 240))

    assert part is not None
    assert part.score == pytest.approx(0.3)


def test_in_a_given_box_a_softened_copy_is_read_as_well():
    part = search_box(search(0.05, 0.01, 0.3), PICTURE, Box(160, 160, 240, 240))

    assert part is not None
    assert part.score == pytest.approx(0.3)


def test_what_an_inner_edge_cuts_is_left_to_another_window():
    """The same answer in two windows: at the edge of the left one, whole in the right one."""
    windows = [
        Window(Region(50, 50, 100), (False, False, True, False)),
        Window(Region(80, 50, 100), (True, False, False, False)),
    ]
    cut = Candidates(np.array([[0.8, 0.4, 1.0, 0.6]]), np.zeros((1, 7, 2)), np.array([0.9]))
    whole = Candidates(np.array([[0.5, 0.4, 0.75, 0.6]]), np.zeros((1, 7, 2)), np.array([0.6]))

    found = keep_best([cut, whole], windows, 0.5)

    np.testing.assert_allclose(found.boxes, [[80, 40, 105, 60]])
    np.testing.assert_allclose(found.scores, [0.6])


class ByTurn(Reader):
    """Sees a face best where the region's first row is bright: with the picture's top upwards."""

    def run(self, image):
        count = len(image)
        bright = image[:, 0, 5].mean(axis=1) > 0.5
        landmarks = np.full((468, 3), 96, np.float32)
        landmarks[33, 0], landmarks[263, 0] = 64, 128
        landmarks[10, 1], landmarks[152, 1] = 40, 150
        return {
            "landmarks": np.tile(landmarks.reshape(1, 1404), (count, 1)),
            "presence": np.where(bright, 9.0, 6.0).astype(np.float32)[:, None],
        }


@pytest.mark.parametrize("wrong", [0.0, math.pi / 2, math.pi, -math.pi / 2])
def test_a_face_is_read_the_way_up_in_which_the_network_is_surest(wrong):
    """Presence passes at every turn; only the right one may give the mesh its direction."""
    picture = np.zeros((400, 400, 3), np.uint8)
    picture[:150] = 255
    one = Search("face", FACE, None, ByTurn())

    ((first, _),) = one.readings(picture, [Region(200, 200, 200, wrong)], 0.5)

    eyes = first.landmarks[263, :2] - first.landmarks[33, :2]
    assert eyes[0] > 60
    assert abs(eyes[1]) < 1


class Unsure:
    """A palm of 24 pixels: unsure in a window of 400 or more, sure in a closer one."""

    def __init__(self):
        self.windows = 0

    def run(self, image):
        self.windows += len(image)
        regressors = np.zeros((len(image), 2016, 18), np.float32)
        scores = np.full((len(image), 2016, 1), -50, np.float32)
        middle = 12 * 24 * 2 + 12 * 2
        for i, one in enumerate(image):
            side = np.sqrt((one > 0.9).all(axis=0).sum())  # of a white square, in pixels of 192
            if side > 4:
                rows, columns = np.nonzero((one > 0.9).all(axis=0))
                centre = np.array([columns.mean(), rows.mean()])
                anchor = np.array([12.5, 12.5]) * 8
                regressors[i, middle, :2] = centre - anchor
                regressors[i, middle, 2:4] = side
                regressors[i, middle, 4:] = np.tile(centre - anchor, 7)
                regressors[i, middle, 5], regressors[i, middle, 9] = 5, -5
                scores[i, middle] = 3 if side > 30 else -1.5
        return {"regressors": regressors, "scores": scores}


def test_what_is_small_and_unsure_is_looked_at_more_closely():
    picture = np.zeros((400, 400, 3), np.uint8)
    picture[200:224, 100:124] = 255
    one = Search("hand", HAND, Unsure(), Reader(0.9))

    (part,) = one.find_everywhere(picture, 0.5)

    assert part.score == pytest.approx(1 / (1 + math.exp(-3)))
    assert one.finder.windows == 5 + 1  # the whole picture, four quarters, and one close look


def test_a_given_box_without_hope_yields_no_part():
    assert search_box(search(0.05, 0.01), PICTURE, Box(160, 160, 240, 240)) is None
