"""Nobody imports upwards: the tables below are the architecture."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "realishuman"
BASIS = {
    "advice", "arguments", "errors", "figures", "settings", "progress", "result", "files", "memory",
}  # fmt: skip
BELOW = BASIS | {"imaging", "detect", "mesh", "render", "weights", "diffusion", "backbones"}
MAY_IMPORT = {  # part -> parts of this package it may use, besides itself
    "advice": set(),
    "arguments": {"errors"},
    "errors": set(),
    "figures": set(),
    "settings": {"errors"},
    "progress": {"errors"},
    "files": set(),
    "memory": set(),
    "result": {"arguments", "imaging"},  # a report names boxes
    "imaging": BASIS,
    "detect": BASIS | {"imaging", "weights"},
    "mesh": BASIS | {"imaging", "detect", "weights"},
    "render": BASIS | {"imaging", "mesh"},
    "tables": {"errors"},
    "weights": BASIS | {"imaging", "tables"},
    "diffusion": BASIS | {"imaging", "render", "weights"},
    "backbones": BASIS | {"weights", "diffusion"},
    "parts": BELOW - {"diffusion", "backbones"},
    "judge": BELOW | {"parts"},
    "official": BELOW | {"parts", "pipeline"},  # nothing that runs imports it: what runs is ONNX
    "paint": BELOW | {"parts"},
    "pipeline": BELOW | {"parts", "paint", "judge"},
    "doctor": BELOW,
    "cli_options": BASIS | {"imaging", "detect"},
    "cli_refine": BELOW | {"batch", "cli_options", "hosts", "outputs", "places"},
    "cli_inspect": BELOW | {"batch", "cli_options", "hosts", "pipeline", "places"},
    "cli_convert": BASIS | {"cli_options", "hosts", "weights"},
    "cli_models": BASIS | {"weights"},
    "cli_setup": BASIS | {"weights", "official", "hosts"},
    "sheet": BELOW | {"parts"},
    "places": BASIS | {"imaging"},
    "outputs": BASIS,
    "infotext": BASIS | {"pipeline", "__version__"},
    "batch": BELOW | {"infotext", "outputs", "parts", "pipeline", "sheet"},
}
HOST_ONLY = {"gradio", "fastapi", "modules", "modules_forge", "backend"}
NEVER = {"diffusers", "transformers"}  # of tests, tools and benchmarks
NOT_IN_HOSTS = {"accelerate", "ray"}
MAY_USE_THEM = ("train/", "evaluate/", "distributed/")


def imported(file):
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: write imports in full, not relative"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_point_downwards(file):
    place = file.relative_to(ROOT).as_posix()
    outside = {name.split(".")[0] for name in imported(file)}

    if not place.startswith("hosts/webui/"):
        assert not outside & HOST_ONLY
    assert not outside & NEVER
    if not place.startswith(MAY_USE_THEM):
        assert not outside & NOT_IN_HOSTS
    part = file.relative_to(ROOT).with_suffix("").parts[0]
    if part in ("__init__", "__main__", "cli", "hosts", "train", "evaluate", "distributed"):
        return
    ours = {name.split(".")[1] for name in imported(file) if name.startswith("realishuman.")}
    assert ours <= MAY_IMPORT[part] | {part}


@pytest.mark.parametrize(
    "part", ["pipeline", "parts", "imaging", "diffusion", "weights", "backbones", "detect"]
)
def test_nothing_below_imports_a_host(part):
    files = [f for f in FILES if f.relative_to(ROOT).with_suffix("").parts[0] == part]
    assert files
    for file in files:
        assert not any(
            name.startswith(("realishuman.hosts", "realishuman.cli")) for name in imported(file)
        )


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
