"""A running WebUI, named by REALISHUMAN_WEBUI, for instance http://127.0.0.1:7860.

Start it with --api. REALISHUMAN_WEBUI_AUTH=user:password if it has --api-auth. A picture in which
something is found is named by REALISHUMAN_WEBUI_PICTURE, or taken from REALISHUMAN_SAMPLES; the
parts of all others are where we say. REALISHUMAN_WEBUI_PACK names the pack for hands, else the demo
pack runs; one of the loaded checkpoint's sizes tries the host's own classes. Chromium's place may
be named by REALISHUMAN_CHROMIUM.
"""

from __future__ import annotations

import base64
import json
import os
import urllib.error
import urllib.request
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ADDRESS = os.environ.get("REALISHUMAN_WEBUI", "").rstrip("/")
PACK = os.environ.get("REALISHUMAN_WEBUI_PACK", "demo")
PATIENCE = 600  # seconds for one answer: hosts without a GPU are slow


def pytest_collection_modifyitems(items):
    """Everything here needs the WebUI."""
    here = Path(__file__).parent
    reason = "name a running WebUI in REALISHUMAN_WEBUI"
    for item in items:
        if not ADDRESS and here in Path(item.path).parents:
            item.add_marker(pytest.mark.skip(reason=reason))


class Client:
    """Asks the WebUI; returns status and JSON."""

    def get(self, path):
        return self._ask(urllib.request.Request(ADDRESS + path))

    def post(self, path, body):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        return self._ask(urllib.request.Request(ADDRESS + path, content, headers))

    def _ask(self, request):
        if auth := os.environ.get("REALISHUMAN_WEBUI_AUTH"):
            token = base64.b64encode(auth.encode()).decode()
            request.add_header("Authorization", f"Basic {token}")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")


@pytest.fixture(scope="session")
def client():
    return Client()


@pytest.fixture(scope="session")
def photograph():
    """Path of a picture with at least one hand or face, at most 768 pixels long, and its pixels."""
    named = os.environ.get("REALISHUMAN_WEBUI_PICTURE")
    folder = Path(os.environ.get("REALISHUMAN_SAMPLES", "")) / "image"
    found = [Path(named)] if named else sorted(folder.glob("*.png"))
    if not found:
        pytest.skip("name a picture in REALISHUMAN_WEBUI_PICTURE")
    return found[0]


@pytest.fixture(scope="session")
def pixels(photograph):
    picture = Image.open(photograph).convert("RGB")
    picture.thumbnail((768, 768))
    return np.array(picture)


@pytest.fixture(scope="session")
def file(pixels, tmp_path_factory):
    """The small picture as a file with infotext."""
    from PIL import PngImagePlugin

    path = tmp_path_factory.mktemp("pictures") / "picture.png"
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "a hand\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 5")
    Image.fromarray(pixels).save(path, pnginfo=text)
    return path


def as_base64(array):
    content = BytesIO()
    Image.fromarray(array).save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


def as_pixels(text):
    return np.array(Image.open(BytesIO(base64.b64decode(text))).convert("RGB"))


@pytest.fixture
def page(browser):
    from tests.webui.live.pages import opened

    made = opened(browser)
    yield made
    made.close()
