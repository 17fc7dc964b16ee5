"""Feet that are taken for hands: listed, left alone, and refined if the user names them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realishuman.detect import feet
from realishuman.detect.base import GivenBox
from realishuman.detect.embedded import EmbeddedDetector
from realishuman.detect.hints import hints
from realishuman.pipeline.look import look
from realishuman.pipeline.refine import refine
from realishuman.settings import Settings
from realishuman.synthetic.sample import sample
from tests.conftest import FixedDetector
from tests.detect.test_search import UNDIVIDED, features_like, search
from tests.detect.test_sides import person

HANDS = Settings(parts=("hand",))
PICTURE = np.full((300, 400, 3), 120, np.uint8)


@pytest.mark.parametrize("foot", [-1.3, 0.0, 0.9])
def test_likeness_is_linear_in_means_largest_and_spread(foot):
    assert feet.likeness(features_like(foot)) == pytest.approx(foot, abs=1e-3)


def test_the_summary_is_of_overlapping_thirds():
    features = np.arange(2 * 49, dtype=np.float32).reshape(2, 7, 7)

    found = feet.summary(features)

    assert found.shape == (22,)
    assert found[0] == features[0, 0:3, 0:3].mean()
    assert found[4] == features[0, 2:5, 2:5].mean()
    assert found[9 + 2] == features[1, 0:3, 4:7].mean()
    np.testing.assert_allclose(found[18:20], [48, 97])
    np.testing.assert_allclose(found[20:], features[0].std(), rtol=1e-5)


@pytest.mark.parametrize(("foot", "doubted"), [(0.75, False), (0.85, True)])
def test_a_detection_like_a_foot_is_doubted(foot, doubted):
    (part,) = search(0.9, 0.9, foot=foot).find_everywhere(UNDIVIDED, 0.5)

    assert bool(part.doubt) is doubted
    if doubted:
        assert part.doubt.startswith("This looks like a foot (0.85; the limit is 0.8)")


def test_where_only_feet_are_found_hands_are_looked_for_once_more():
    """The second try at 0.3 and the second look in colours of skin."""
    one = search(0.9, 0.95, foot=1.0)

    parts = one.find_everywhere(UNDIVIDED, 0.5)

    assert len(parts) == 1
    assert one.reader.passes == 6


def test_a_foot_is_listed_and_left_alone_unless_its_number_is_named(models_of, flat_hand):
    foot = replace(flat_hand(100, 150, 120), doubt=feet.doubt(1.0))
    models = models_of([foot, flat_hand(300, 150, 120)])

    assert [one.reason for one in look(PICTURE, models, HANDS).parts] == [foot.doubt, ""]
    by_default = refine(PICTURE, models, HANDS, only=())
    assert by_default.parts[0].reason == foot.doubt
    named = refine(PICTURE, models, replace(HANDS, steps=1, judge=False), only=[1])
    assert [part.outcome for part in named.parts] == ["refined", "kept"]


def test_in_a_box_the_user_is_believed(monkeypatch):
    monkeypatch.setattr(EmbeddedDetector, "search", lambda *_: search(0.9, 0.9, foot=1.0))
    detector = EmbeddedDetector("cpu")
    (seen,) = detector.detect(UNDIVIDED, ["hand"], confidence=0.5)

    (named,) = detector.detect(
        UNDIVIDED, ["hand"], confidence=0.5, given=[GivenBox("hand", seen.box)]
    )

    assert seen.doubt
    assert not named.doubt


def test_feet_count_neither_as_a_persons_hands_nor_against_them(models_of, flat_hand):
    foot = replace(flat_hand(200, 280, 40), doubt=feet.doubt(1.0), right=0.4)
    hands = person(flat_hand)

    found = look(PICTURE, models_of([*hands, foot]), Settings())

    assert [one.part.side for one in found.parts[:2]] == ["right", "left"]
    assert hints(PICTURE, [hands[-1], replace(hands[0], doubt="A foot."), foot], FixedDetector())


@pytest.mark.parametrize("seed", [2, 3])
def test_rendered_hands_are_not_doubted(seed):
    pair = sample(seed, 256)
    detector = EmbeddedDetector("cpu", threads=1)

    for picture in (pair.clean, pair.malformed):
        found = detector.detect(picture, ["hand"], confidence=0.5)
        assert found
        assert not any(part.doubt for part in found)
