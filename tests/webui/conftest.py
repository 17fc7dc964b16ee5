"""The scripts file loaded as the hosts load it, engines that need no host, and a picture."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from realishuman.settings import Settings
from realishuman.webui.generation import extras, script, xyz
from realishuman.webui.host.program import program
from realishuman.webui.tab.bench import open_picture
from tests.webui.painting_engine import PaintingEngine
from tests.webui.plain_engine import FAST, PlacedDetector, engine_with

ROOT = Path(__file__).parents[2]


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


stand_in = load("stand_in", Path(__file__).with_name("stand_in.py"))


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
    monkeypatch.setattr("realishuman.webui.host.engine.engine", lambda: made)
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


@pytest.fixture(scope="module")
def browser():
    """Chromium; skipped where there is none. REALISHUMAN_CHROMIUM may name its place."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="pip install playwright, to try the pages"
    )
    with playwright.sync_playwright() as started:
        place = os.environ.get("REALISHUMAN_CHROMIUM")
        try:
            made = started.chromium.launch(executable_path=place, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no Chromium: {error}; name it in REALISHUMAN_CHROMIUM")
        yield made
        made.close()
