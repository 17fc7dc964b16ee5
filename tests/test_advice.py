"""A line that is advised runs when it is pasted, wherever the reader is."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from realishuman import advice
from realishuman.cli.main import main

ROOT = Path(__file__).parents[1]


@pytest.fixture
def extension(tmp_path):
    """A clone in a folder whose name a shell would take apart, not installed anywhere."""
    folder = tmp_path / "my web ui's" / "extensions" / "realishuman"
    shutil.copytree(
        ROOT / "realishuman",
        folder / "realishuman",
        ignore=shutil.ignore_patterns("assets", "__pycache__"),
    )
    return folder


def pasted(line, folder):
    """What the shell makes of the line, in an isolated Python that knows no folder of ours."""
    done = subprocess.run(
        line, shell=True, cwd=folder, capture_output=True, text=True, check=False, env={"LANG": "C"}
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="the test's shell is POSIX")
def test_in_a_webui_the_line_runs_from_any_folder(extension, tmp_path, monkeypatch):
    monkeypatch.setattr(advice, "HERE", extension / "realishuman")
    monkeypatch.setattr(sys, "argv", ["/webui/launch.py"])
    folder = tmp_path / "my web ui's" / "models"

    code, said = pasted(advice.command("models", "where", folder=folder), tmp_path)

    assert (code, said.strip()) == (0, str(folder))


@pytest.mark.parametrize("on_path", [True, False])
def test_who_called_the_script_is_advised_to_call_it(tmp_path, monkeypatch, on_path):
    script = tmp_path / "bin" / "realishuman"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", str(script.parent) if on_path else "/nowhere")

    line = advice.command("models", "fetch", "dwpose")

    assert line == f"{'realishuman' if on_path else script} models fetch dwpose"


def test_packages_go_into_the_python_we_run_in(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/web ui/venv/bin/python")
    monkeypatch.setattr(advice, "find_spec", lambda _name: object())
    monkeypatch.setattr(advice, "KEPT", ())

    assert advice.extra("official") == "'/web ui/venv/bin/python' -m pip install 'onnx>=1.15'"


def test_no_package_that_a_webui_pins_is_moved(monkeypatch):
    """The newest onnx wants numpy 2 and protobuf 6; AUTOMATIC1111 has numpy 1.26, protobuf 3.20."""
    there = {"numpy": "1.26.2", "protobuf": "3.20.0"}
    monkeypatch.setattr(advice, "version", there.__getitem__)

    assert advice.extra("official").endswith("'onnx>=1.15' 'numpy==1.26.*' 'protobuf==3.20.*'")


def test_what_is_not_there_need_not_be_kept(monkeypatch):
    def version(name):
        raise advice.PackageNotFoundError(name)

    monkeypatch.setattr(advice, "version", version)

    assert advice.extra("official").endswith("'onnx>=1.15'")


def test_a_python_without_pip_is_served_by_uv(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/venv/bin/python")
    monkeypatch.setattr(advice, "find_spec", lambda _name: None)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")

    assert advice.pip("install", "onnx") == "uv pip install --python /venv/bin/python onnx"


def test_words_are_quoted_for_windows(monkeypatch):
    monkeypatch.setattr(advice.os, "name", "nt")

    assert advice._line(r"C:\web ui\python.exe", r"C:\ext", "a>=1") == (
        r'"C:\web ui\python.exe" C:\ext "a>=1"'
    )


@pytest.mark.parametrize("name", sorted(advice.EXTRAS))
def test_an_extra_is_what_the_project_file_says(name):
    listed = re.search(rf"^{name} = \[(.*)\]", (ROOT / "pyproject.toml").read_text(), re.M).group(1)
    wanted = [one for one in re.findall(r'"([^"]+)"', listed) if ";" not in one]
    if sys.version_info < (3, 11):
        wanted += [one.split(";")[0] for one in re.findall(r'"([^"]+)"', listed) if ";" in one]

    assert list(advice.EXTRAS[name]) == wanted


def test_nothing_advises_a_package_that_no_index_has():
    files = [
        *(ROOT / "realishuman").rglob("*.py"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "README.md",
    ]

    assert [file for file in files if "sd-webui-realishuman[" in file.read_text("utf-8")] == []


@pytest.mark.parametrize("words", [["doctor"], ["setup", "official"], ["models", "list"]])
def test_lines_name_the_models_folder_that_the_command_was_given(tmp_path, capsys, words):
    main(["--models-dir", str(tmp_path), *words])

    said = "".join(capsys.readouterr())
    lines = re.findall(r"`([^`]*realishuman [^`]*)`", said)
    assert lines
    assert [line for line in lines if f"realishuman --models-dir {tmp_path} " not in line] == []
    assert "--models-dir" not in advice.command("doctor")


def _spoken(file):
    """The texts in a file's code, docstrings left out."""
    tree = ast.parse(file.read_text("utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            first.value.value = ""
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def test_no_sentence_writes_a_line_by_hand():
    """Where there is no command `realishuman`, such a line would fail."""
    files = (ROOT / "realishuman").rglob("*.py")

    assert [file.name for file in files if any("`realishuman " in s for s in _spoken(file))] == []
