"""An engine that needs no WebUI: the pipeline on small random packs."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from realishuman.hosts.webui.bench import open_picture
from realishuman.hosts.webui.engine import BoundEngine
from realishuman.hosts.webui.fields import choices_from
from realishuman.settings import Settings

FAST = Settings(parts=("hand",), steps=1, seed=3)


@dataclass(frozen=True)
class PlainEngine(BoundEngine):
    """A bound engine without a host; remembers what it is asked."""

    searches: list = field(default_factory=list)
    runs: list = field(default_factory=list)

    def find(self, *arguments, **named):
        self.searches.append(arguments)
        return super().find(*arguments, **named)

    def refine(self, *arguments, **named):
        self.runs.append(arguments)
        return super().refine(*arguments, **named)


def engine_with(models):
    """An engine in the place of the WebUI's, on models that are there."""
    source = SimpleNamespace(models=lambda *_chosen: models, working=nullcontext)
    return PlainEngine(source, choices_from({"parts": ["hand"], "steps": 1}))


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
        return engine_with(models)

    return make


@pytest.fixture
def two(picture, engine_of, flat_hand):
    """An engine, and the bench of a picture with two hands."""
    engine = engine_of([flat_hand(110, 160, 100), flat_hand(310, 160, 100)])
    return engine, open_picture(picture, engine, FAST)
