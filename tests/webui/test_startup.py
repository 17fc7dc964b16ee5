"""Until a picture is refined, the WebUI starts as if we were not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# torch and OpenCV are no matter: every WebUI has imported them before it reads extensions
HEAVY = ("onnxruntime", "kornia", "safetensors", "diffusers", "transformers", "filelock")
STARTS = """
import importlib.util, json, sys

def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made

stand_in = load("stand_in", "tests/webui/stand_in.py")
sys.modules.update(stand_in.modules())
from modules import script_callbacks, shared
before = set(sys.modules)
ours = load("realishuman_webui", "scripts/realishuman_webui.py").RealisHumanScript()
for called in ("on_ui_settings", "on_before_ui"):
    for callback in script_callbacks.registered[called]:
        callback()
ours.show(False)
components = ours.ui(False)
p = stand_in.P(ours, [False], batch_size=1, n_iter=1)
stand_in.process_images(p)
assert not p.comments, p.comments
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""


@pytest.fixture(scope="module")
def imported():
    """The packages that are there once the page is built and a picture was made without us."""
    ran = subprocess.run(
        [sys.executable, "-c", STARTS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    import json

    return json.loads(ran.stdout)


@pytest.mark.parametrize("package", HEAVY)
def test_nothing_heavy_is_imported_before_it_is_needed(package, imported):
    assert "realishuman" in imported
    assert package not in imported
