"""install.py and preload.py, which a WebUI runs before anything else."""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


install = load("install")
HOST = {
    "torch": "2.1.2+cu121", "numpy": "1.26.2", "protobuf": "3.20.0", "kornia": "0.6.7",
    "safetensors": "0.4.2", "opencv-python": "4.8.1.78",
}  # fmt: skip


def never(name):
    return False


class Pip:
    """Remembers what it was asked and what the constraints file said then."""

    def __init__(self):
        self.commands, self.constraints = [], ""

    def __call__(self, command, description):
        self.commands.append(command)
        file = re.search(r'-c "([^"]+)"', command).group(1)
        self.constraints = Path(file).read_text(encoding="utf-8")


def run(packages, importable=never):
    pip = Pip()
    install.main(packages, importable, pip)
    return pip


@pytest.mark.parametrize("name", ["onnxruntime", "onnxruntime-gpu", "onnxruntime-directml"])
def test_with_any_onnxruntime_nothing_is_installed(name):
    assert run({**HOST, name: "1.17.0"}).commands == []


def test_a_module_whose_package_has_an_unknown_name_counts_as_there():
    assert run(HOST, importable=lambda name: name == "onnxruntime").commands == []


def test_only_what_is_missing_is_installed_and_nothing_there_may_move():
    pip = run({"torch": "2.1.2+cu121", "numpy": "1.26.2", "opencv-contrib-python": "4.9"})

    asked = [re.search('install "([^"]+)"', command).group(1) for command in pip.commands]
    assert asked == ["kornia>=0.6.7", "safetensors>=0.4", "onnxruntime>=1.17"]
    assert "numpy==1.26.2\n" in pip.constraints
    assert "torch==2.1.2+cu121\n" in pip.constraints


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        ({"torch": "2.1.2+cu121"}, "onnxruntime>=1.17"),  # cuDNN 8
        ({"torch": "2.3.1+cu121", "nvidia-cudnn-cu12": "8.9.2.26"}, "onnxruntime>=1.17"),
        ({"torch": "2.4.1+cu124"}, "onnxruntime-gpu>=1.19"),
        ({"torch": "2.6.0", "nvidia-cudnn-cu12": "9.1.0.70"}, "onnxruntime-gpu>=1.19"),
        ({"torch": "2.10.0+cu128"}, "onnxruntime-gpu>=1.19"),
        ({"torch": "2.11.0+cu130"}, "onnxruntime>=1.17"),  # no CUDA 13 build on PyPI
        ({"torch": "2.1.2+cu118"}, "onnxruntime-gpu>=1.17,<1.19"),
        ({"torch": "2.7.0+cpu"}, "onnxruntime>=1.17"),
        ({"torch": "2.7.0"}, "onnxruntime>=1.17"),
        ({"torch": "2.4.0+rocm6.1"}, "onnxruntime>=1.17"),
        ({}, "onnxruntime>=1.17"),
    ],
)
def test_the_gpu_build_is_taken_only_where_it_can_work(packages, expected):
    assert install.onnxruntime_for(packages) == expected


def test_skip_install_is_honoured(monkeypatch):
    monkeypatch.setenv("COMMANDLINE_ARGS", "--api --skip-install")

    assert run(HOST).commands == []


def test_a_failing_pip_is_told_in_a_sentence_and_stops_nothing(capsys):
    def broken(command, description):
        raise RuntimeError("no network")

    install.main(HOST, never, broken)

    assert "no network" in capsys.readouterr().out


def test_the_hosts_own_pip_is_used_where_there_is_one(monkeypatch):
    asked = []
    launch = types.ModuleType("launch")
    launch.run_pip = lambda command, description: asked.append(command)
    monkeypatch.setitem(sys.modules, "launch", launch)
    install.main(HOST, never)

    assert len(asked) == 1
    assert '"onnxruntime>=1.17"' in asked[0]


def test_outside_a_host_pip_runs_without_a_shell(monkeypatch):
    asked = []
    monkeypatch.setitem(sys.modules, "launch", None)
    monkeypatch.setattr(install.subprocess, "run", lambda words, check: asked.append(words))
    install.main(HOST, never)

    [words] = asked
    assert words[1:5] == ["-m", "pip", "install", "onnxruntime>=1.17"]
    assert words[5] == "-c"


def test_what_is_installed_here_is_enough():
    assert install.wanted(install.installed(), never) == []


def test_the_option_for_the_models_folder_may_be_there_already():
    parser, preload = argparse.ArgumentParser(), load("preload").preload
    preload(parser)
    preload(parser)

    assert parser.parse_args(["--realishuman-models-dir", "x"]).realishuman_models_dir == "x"
    assert parser.parse_args([]).realishuman_models_dir is None


def test_with_every_module_in_place_not_even_the_packages_are_listed(monkeypatch):
    monkeypatch.setattr(install, "installed", None)
    pip = Pip()
    install.main(None, lambda name: True, pip)

    assert pip.commands == []
