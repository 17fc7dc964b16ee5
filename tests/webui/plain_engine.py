"""An engine that needs no WebUI: the pipeline on small random packs."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace

from realishuman.settings import Settings
from realishuman.webui.choices import choices_from
from realishuman.webui.host.engine import BoundEngine

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
    source = SimpleNamespace(models=lambda *_chosen: models, working=nullcontext, pace={})
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
