"""The scripts file loaded as the hosts load it, and an engine that paints a square."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from realishuman.hosts.webui import extras, script, xyz
from realishuman.hosts.webui.program import program
from realishuman.imaging.boxes import Box
from realishuman.pipeline.result import PartReport, Result
from realishuman.settings import Settings

ROOT = Path(__file__).parents[3]


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


stand_in = load("stand_in", Path(__file__).with_name("stand_in.py"))


class Models:
    packs = {}  # noqa: RUF012


class PaintingEngine:
    """Refines a hand in every picture: a square in a colour that tells the seed."""

    def __init__(self):
        self.calls, self.released, self.fails, self.parts = [], 0, None, 1
        self.searches, self.found, self.founds = 0, None, []
        self.weights, self.notes = "random", ()

    def bind(self, choices):
        self.choices = choices
        return self

    def find(self, image, settings, *, progress):
        self.searches += 1
        progress.begin("detect", 1)
        progress.step()
        return self.found

    def refine(self, image, settings, *, progress, keep_steps=False, found=None):
        self.founds.append(found)
        self.calls.append((settings, dict(self.choices.packs), self.choices.detector_device))
        progress.begin("detect", 1)
        progress.step()
        for stage in ("stage one", "stage two") if self.parts else ():
            progress.begin(stage, 4)
            for step in range(4):
                if self.fails and self.fails[:2] == (stage, step):
                    self.fails[2]()
                progress.step()
        painted = image.copy()
        painted[8:16, 8:16, :3] = settings.seed % 256
        box = Box(8, 8, 16, 16)
        hand = PartReport(1, "hand", "right", 0.9, box, "refined", crop=box)
        face = PartReport(2, "face", None, 0.6, box, "kept", "This face is too small.")
        steps = {"1-hand/2-pose": painted[:8, :8, :3], "1-hand/4-stage-one": painted[:8, :8, :3]}
        return Result(
            image=painted if self.parts else image,
            parts=(hand, face)[: 2 * self.parts],
            message="1 of 2 parts refined." if self.parts else "No part was found.",
            weights={"hand": self.weights} if self.parts else {},
            unets={"hand": "own"} if self.parts else {},
            notes=self.notes,
            provider="CPUExecutionProvider",
            steps=steps if keep_steps else {},
        )

    def models(self):
        return Models()

    def pack_files(self):
        return ["mine.safetensors"]

    def outlook(self, parts, packs):
        return [f"{' '.join(parts)}: {packs['hand']}, {packs['face']}."]

    def release(self):
        self.released += 1


@pytest.fixture
def host(monkeypatch):
    """The stand-ins, in place of a WebUI."""
    for name, module in stand_in.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    program.cache_clear()
    yield stand_in
    program.cache_clear()


@pytest.fixture
def shared(host):
    return sys.modules["modules.shared"]


@pytest.fixture
def painting(monkeypatch):
    made = PaintingEngine()
    for place in (script, extras, xyz):
        monkeypatch.setattr(place, "engine", lambda: made)
    monkeypatch.setattr("realishuman.hosts.webui.engine.engine", lambda: made)
    return made


@pytest.fixture
def loaded(host):
    """The scripts file as a module that is not in sys.modules."""
    return load("realishuman_webui.py", ROOT / "scripts" / "realishuman_webui.py")


@pytest.fixture
def ours(loaded, painting):
    """Our script, with its components made."""
    made = loaded.RealisHumanScript()
    made.components = made.ui(False)
    return made


@pytest.fixture
def generation(host, ours):
    """A function: a generation with our script's arguments changed by name."""

    def make(*arguments, enabled=True, **options):
        given = list(arguments) or [enabled, *[one.value for one in ours.components[1:]]]
        return host.P(ours, given, **options)

    return make


@pytest.fixture
def plain():
    return Settings()


@pytest.fixture
def square():
    """Where pictures differ: a function of two pictures."""

    def place(one, other):
        changed = (np.asarray(one) != np.asarray(other)).any(axis=2)
        return changed.sum(), changed[8:16, 8:16].sum()

    return place
