"""Nobody imports upwards: ORDER is the architecture."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "realishuman"
ORDER = [  # what stands lower may import what stands higher
    "errors", "figures", "arguments", "allowed", "declarations", "kinds", "presets", "settings",
    "progress", "memory", "tables", "advice",
    "files", "terminal",
    "imaging", "onnx_files", "packs", "downloads",
    "detect", "mesh", "render",
    "diffusion", "backbones",
    "parts", "paint", "judge", "pipeline",
    "drawing", "batch", "video", "distributed", "official", "doctor",
    "synthetic", "evaluate", "train",
    "webui", "cli",
]  # fmt: skip
WEBUI_ORDER = ["", "host", "generation", "models_tab", "tab", "http"]  # "": beside the rooms
HOST_ONLY = {"gradio", "fastapi", "modules", "modules_forge", "backend", "ldm_patched"}
NEVER = {"diffusers", "transformers"}  # of tests, tools and benchmarks
ADAPTER = "backbones/by_diffusers.py"  # of a checkpoint on the command line, the one exception
VIDEO_ADAPTER = "video/containers.py"  # the one place that imports PyAV
MAY_USE = {
    "accelerate": {"train", "evaluate", "cli"},
    "ray": {"distributed"},
    "pyarrow": {"distributed"},
}
FILES = sorted(ROOT.rglob("*.py"))


def imported(file):
    """Full names of all that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: write imports in full, not relative"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room_of(file):
    """The folder in the package, or the file itself where it lies in none."""
    return file.relative_to(ROOT).with_suffix("").parts[0]


def test_every_room_has_its_place():
    rooms = {room_of(file) for file in FILES} - {"__init__", "__main__"}

    assert rooms == set(ORDER)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_point_downwards(file):
    room = room_of(file)
    names = imported(file)
    outside = {name.split(".")[0] for name in names}

    if room != "webui":
        assert not outside & HOST_ONLY
    if str(file.relative_to(ROOT)) != ADAPTER:
        assert not outside & NEVER
    if str(file.relative_to(ROOT)) != VIDEO_ADAPTER:
        assert "av" not in outside
    assert [name for name, rooms in MAY_USE.items() if name in outside and room not in rooms] == []
    if room in ("__init__", "__main__"):
        return
    ours = {name.split(".")[1] for name in names if name.startswith("realishuman.")}
    above = {one for one in ours - {"__version__"} if ORDER.index(one) > ORDER.index(room)}
    assert not above


IN_WEBUI = [file for file in FILES if room_of(file) == "webui"]


def webui_place(path):
    """How high the room of a module stands in webui/; `path` is its path from there, in parts."""
    return WEBUI_ORDER.index(path[0] if path[0] in WEBUI_ORDER else "")


@pytest.mark.parametrize("file", IN_WEBUI, ids=lambda f: str(f.relative_to(ROOT)))
def test_rooms_of_the_webui_import_downwards(file):
    own = webui_place(file.relative_to(ROOT / "webui").with_suffix("").parts)
    names = [name.split(".") for name in imported(file)]
    above = [n for n in names if n[:2] == ["realishuman", "webui"] and webui_place(n[2:]) > own]

    assert not above


def test_every_folder_of_the_webui_is_a_room():
    folders = {file.parent.name for file in IN_WEBUI} - {"webui"}

    assert folders == set(WEBUI_ORDER) - {""}


def test_no_modules_import_each_other_in_a_circle():
    """Imports inside functions and for type checking count: a circle is one however it is hidden.

    CycleError shows the modules of a circle.
    """
    modules = {named(file): imported(file) for file in FILES}
    graph = {
        module: {known(name, modules) for name in names} - {module, ""}
        for module, names in modules.items()
    }
    assert sum(map(len, graph.values())) > len(FILES)

    TopologicalSorter(graph).prepare()


def named(file):
    """A file's module: realishuman.detect for detect/__init__.py."""
    parts = ROOT.name, *file.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def known(name, modules):
    """The module that an imported name is or comes from, "" if it is none of ours."""
    return next((each for each in (name, name.rpartition(".")[0]) if each in modules), "")
