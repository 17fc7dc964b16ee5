"""An engine that needs no WebUI: the pipeline on small random packs."""

from __future__ import annotations

import numpy as np
import pytest

from realishuman.hosts.webui.bench import opened
from realishuman.pipeline.look import look
from realishuman.pipeline.refine import refine
from realishuman.settings import Settings

FAST = Settings(parts=("hand",), steps=1, seed=3)


class PlainEngine:
    """What the tab and the routes ask for, without a host; counts what it is asked."""

    def __init__(self, models):
        self._models, self.searches, self.runs = models, [], 0

    def find(self, image, settings, boxes=(), progress=None):
        self.searches.append(tuple(boxes))
        return look(image, self._models, settings, boxes, progress)

    def refine(self, image, settings, *, boxes=(), found=None, only=None, progress=None):
        self.runs += 1
        return refine(
            image,
            self._models,
            settings,
            boxes=boxes,
            found=found,
            only=only,
            progress=progress,
        )

    def models(self):
        return self._models


class PlacedDetector:
    """Finds the parts it was given; in named boxes, those whose centre lies in one."""

    provider = "CPUExecutionProvider"
    note = ""

    def __init__(self, parts):
        self.parts = list(parts)

    def detect(self, picture, kinds, *, confidence, given=()):
        def wanted(part):
            boxes = [one.box for one in given if one.kind == part.kind]
            (x, y) = part.box.centre
            return not boxes or any(b.x0 <= x < b.x1 and b.y0 <= y < b.y1 for b in boxes)

        return [part for part in self.parts if part.kind in kinds and wanted(part)]


@pytest.fixture
def picture():
    y, x = np.mgrid[0:300, 0:420]
    return np.stack([x % 256, y % 256, (x + y) // 4 % 256], axis=2).astype(np.uint8)


@pytest.fixture
def engine_of(models_of):
    """A function: an engine whose detector finds these parts."""

    def make(parts, **options):
        models = models_of(parts, **options)
        models.detector = PlacedDetector(parts)
        return PlainEngine(models)

    return make


@pytest.fixture
def two(picture, engine_of, flat_hand):
    """An engine, and the bench of a picture with two hands."""
    engine = engine_of([flat_hand(110, 160, 100), flat_hand(310, 160, 100)])
    return engine, opened(picture, engine, FAST)
