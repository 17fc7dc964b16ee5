"""Fake official files and what is exported from them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from realishuman.official.export_hamer import export_hamer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def fakes():
    """The tool that writes fake official files of hands."""
    return _tool("make_fake_official")


def _tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"tools/{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def fakes_set():
    """The tool that writes a fake file for every official one."""
    return _tool("make_fake_set")


@pytest.fixture(scope="session")
def official(fakes_set, tmp_path_factory):
    """A folder with a tiny random file for every official one."""
    folder = tmp_path_factory.mktemp("official")
    fakes_set.write_set(folder)
    return folder


@pytest.fixture(scope="session")
def hamer_files(fakes, tmp_path_factory):
    """Tiny hamer.ckpt and MANO_RIGHT.pkl."""
    return fakes.write_hamer(tmp_path_factory.mktemp("hamer"))


@pytest.fixture(scope="session")
def hamer_onnx(hamer_files, tmp_path_factory):
    """The same as ONNX, with float32 weights."""
    target = tmp_path_factory.mktemp("onnx") / "hamer.onnx"
    return export_hamer(*hamer_files, target, accept_unknown=True, half=False)
