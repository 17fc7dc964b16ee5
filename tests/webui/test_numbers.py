"""What sliders show of numbers left to the pack; tests/webui/live tries them in browsers."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from realishuman.webui.in_effect import without_packs

SCRIPT = Path(__file__).parents[2] / "javascript" / "realishuman_numbers.js"
ROWS = [["margin", -1], ["dilate", -1], ["hand_dilate", 1]]
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


def evaluate(code):
    page = "globalThis.window = globalThis; globalThis.document = {getElementById: () => null,"
    page += f"querySelector: () => null}};{SCRIPT.read_text('utf-8')};"
    shown = f"{page}console.log(JSON.stringify({code}))"
    said = subprocess.run(["node", "-e", shown], capture_output=True, text=True, check=True).stdout
    return json.loads(said)


@needs_node
@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (["auto", "auto", "auto"], [2, 100, 100]),
        (["2.5", "auto", "7"], [2.5, 100, 7]),
        (["auto", "40", "auto"], [2, 40, 40]),  # the general one holds for each kind
        (["", None, "0"], [2, 100, 0]),
    ],
)
def test_a_slider_shows_the_users_number_or_the_one_in_effect(texts, shown):
    held = json.dumps([without_packs().as_json(), *texts])

    assert evaluate(f"realishuman_numbers('x_', {json.dumps(ROWS)}, {held})") == shown


@needs_node
@pytest.mark.parametrize(
    ("moved", "sent"), [("2.5", "2.5"), ("0", "0"), ("null", "auto"), ("''", "auto")]
)
def test_what_a_moved_slider_sends(moved, sent):
    assert evaluate(f"realishuman_number_set({moved})") == sent
