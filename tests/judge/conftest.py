"""A hand prepared in a plain picture, and networks and detectors that say what they are told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realishuman.detect.base import Part
from realishuman.imaging.boxes import around
from realishuman.mesh.embedded_hand import EmbeddedHand
from realishuman.parts.found import FoundPart
from realishuman.parts.prepare import prepare
from realishuman.settings import Settings


class FindsThere:
    """A detector that finds a hand's keypoints moved by so many pixels, unsurely, or nothing."""

    provider = note = ""

    def __init__(self, part, moved=0.0):
        self.part, self.moved, self.given = part, moved, None

    def detect(self, picture, kinds, *, confidence, given=()):
        self.given = given
        if self.moved is None or confidence > 0.1:
            return []
        keypoints = self.part.keypoints + np.float32(self.moved)
        return [Part(self.part.kind, self.part.side, around(keypoints), 0.1, keypoints)]


@pytest.fixture
def finds_there():
    return FindsThere


@pytest.fixture
def picture():
    return np.full((240, 240, 3), (150, 110, 90), np.uint8)


@pytest.fixture
def prepared(picture, flat_hand):
    hand = flat_hand(120, 130, 120)
    (mesh,) = EmbeddedHand().regress(picture, [hand])
    found = [FoundPart(1, hand, mesh)]
    wanted = {"preset": "released", "pose": "shaded", "resolution": 64}
    (one,) = prepare(picture, found, found, Settings(), **wanted)
    return one


@pytest.fixture
def as_demo():
    """A function: models whose hand pack says it is a demo pack, with this judge network."""

    def make(models, network):
        pack = models.packs["hand"]
        models.packs["hand"] = replace(pack, header=replace(pack.header, weights="demo"))
        models.judge = lambda *_: network
        return models

    return make
