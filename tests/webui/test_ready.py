"""What of a page is off until something is there; tests/webui/live tries it in a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from realishuman.webui.ready import only_with

SCRIPT = Path(__file__).parents[2] / "javascript" / "realishuman_ready.js"


def test_buttons_hear_of_each_thing_they_need(host):
    picture, name, button = (host.Component() for _ in range(3))

    only_with([picture, name], [button])

    for one in (picture, name):
        [(function, named)] = one.events
        assert function is None
        assert named["inputs"] == [picture, name]
        assert named["outputs"] == [button]
        assert "realishuman_ready(all.slice(0, 2), 1, 3)" in named["_js"]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize(
    ("held", "on"),
    [([None], False), ([""], False), (["  "], False), (["a", ""], False), (["a", 0], True)],
)
def test_only_what_is_there_lets_a_button_be_pressed(held, on):
    code = f"globalThis.window = globalThis;{SCRIPT.read_text('utf-8')};"
    held = json.dumps(held)
    code += f"console.log(JSON.stringify([3, 4].map((v) => realishuman_ready({held}, 2, v))))"
    said = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True).stdout

    update = {"__type__": "update", "interactive": on}
    three, four = json.loads(said)
    assert four == [update] * 2
    assert three == [{**update, "mode": "dynamic" if on else "static"}] * 2
