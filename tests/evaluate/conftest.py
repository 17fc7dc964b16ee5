"""One small synthetic pair, made once, and a detector that sees the hand where it is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from realishuman.detect.base import Part
from realishuman.imaging.boxes import around
from realishuman.synthetic.sample import sample

SEED, SIDE = 1_000_000_001, 96


class ShownHand:
    """Sees a hand with these keypoints in every picture."""

    provider = note = "none"

    def __init__(self, keypoints, score=0.9):
        self.part = Part("hand", "right", around(keypoints), score, keypoints)

    def detect(self, picture, kinds, *, confidence, given=()):
        return [self.part] if self.part.score >= confidence else []


@pytest.fixture(scope="session")
def pair():
    return sample(SEED, SIDE, "missing finger")


@pytest.fixture
def detector(pair):
    return ShownHand(pair.joints)


@pytest.fixture
def shown_hand():
    return ShownHand


@pytest.fixture
def few_pairs(monkeypatch, pair):
    """Every seed gives the same pair, called after the kind it was asked for."""
    for module in ("run", "rendered"):
        monkeypatch.setattr(
            f"realishuman.evaluate.{module}.sample",
            lambda _seed, _side, kind: replace(pair, kind=kind),
        )
