"""The viewer in Chromium, over real actions on two hands."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
from PIL import Image

from realishuman.webui.tab.actions import Actions
from tests.webui.plain_engine import FAST
from tests.webui.viewer.stand_in_page import StandInPage


@pytest.fixture
def viewer(browser, engine_of, flat_hand, picture):
    """The viewer with a picture whose two hands were found."""
    engine = engine_of([flat_hand(110, 160, 100), flat_hand(310, 160, 100)])
    actions = Actions(lambda values: (engine, replace(FAST, **values)), nullcontext, written)
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.set_default_timeout(20_000)
    made = StandInPage(page, actions, Image.fromarray(picture))
    made.press("find")
    yield made
    assert made.errors == []
    page.close()


def written(_image, _pairs):
    return ""
