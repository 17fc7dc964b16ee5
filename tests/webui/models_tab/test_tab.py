from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from realishuman.downloads.fetch import OFFLINE
from realishuman.webui.models_tab.background import Background, Status
from realishuman.webui.models_tab.tab import BUSY, ModelsTab, choices, progress_html
from tests.webui.stand_in import Component, module

PARTS = ("Row", "Column", "Accordion", "Button", "Dropdown", "HTML", "Checkbox", "Textbox")
NET, MESH = "net (1 file, 0 MB)", "mesh (1 file, 0 MB)"


class FakeHost:
    def __init__(self, folder):
        self.folder, self.made, self.looked = folder, Background(), []

    def models_page(self, hashed=False):
        self.looked.append(hashed)
        return "what is next", "the list", ["auto", "mine.safetensors"]

    def models_folder(self):
        return self.folder

    def background(self):
        return self.made

    def folders_allowed(self):
        return True

    def doctor_text(self):
        return "well"


@pytest.fixture
def host(tmp_path, served):
    return FakeHost(tmp_path)


@pytest.fixture
def press(host, monkeypatch):
    """A function: press a button of the page; returns what its outputs become."""
    parts = dict.fromkeys(PARTS, Component)
    gradio = module("gradio", __version__="3.41.2", update=lambda **named: named, **parts)
    monkeypatch.setitem(sys.modules, "gradio", gradio)
    tab = ModelsTab(host, lambda name: f"realishuman_{name}")
    made = tab.build()
    opened = Component()
    tab.connect([Component(), Component()], opened)
    made["opened"] = opened

    def do(name, *values):
        function, named = made[name].events[-1]  # after what the page does by itself
        result = function(*values)
        count = len(named["outputs"])
        assert count == (len(result) if isinstance(result, list) else 1)
        return result

    return do


def test_what_is_missing_can_be_chosen_with_its_size(tmp_path, served):
    assert choices(tmp_path) == [NET, MESH, "net/net.onnx (0.3 MB)", "mesh/a.pth (0.0 MB)"]
    (tmp_path / "net").mkdir()
    (tmp_path / "net/net.onnx").write_bytes(served.content)
    assert choices(tmp_path) == [MESH, "mesh/a.pth (0.0 MB)"]


def test_refresh_lists_and_check_compares_hashes(press, host):
    steps, page, state, wanted, hand, face = press("refresh")

    assert (steps, page, state) == ("what is next", "the list", "")
    assert wanted["value"] == NET
    assert hand["choices"] == face["choices"] == ["auto", "mine.safetensors"]
    press("check")
    assert host.looked == [False, True]


def test_a_licence_that_asks_shows_the_box_unticked(press):
    text, agree = press("wanted", NET)
    assert "MIT License" in text
    assert agree["visible"] is False

    text, agree = press("wanted", MESH)
    assert 'href="https://example.com/rail"' in text
    assert agree == {"visible": True, "value": False}


def test_download_runs_and_ends(press, host, served, tmp_path):
    press("download", NET, False)
    host.made.wait(20)

    _, page, state, wanted, *_ = press("ended")
    assert page == "the list"
    assert "net/net.onnx is downloaded." in state
    assert wanted["value"] == MESH
    assert (tmp_path / "net/net.onnx").exists()


def test_without_agreement_nothing_is_asked_for(press, served):
    assert "Read Rail licence and tick the box" in press("download", MESH, False)
    assert served.asked == []


@pytest.mark.parametrize("wanted", [None, "", "something else", "own.pkl (1 MB)"])
def test_what_cannot_be_downloaded_is_not(wanted, press, served):
    assert "Choose what to download" in press("download", wanted, True)
    assert press("wanted", wanted)[0] == ""
    assert served.asked == []


def test_offline_lists_the_manual_steps(press, served, monkeypatch, tmp_path):
    monkeypatch.setenv(OFFLINE, "1")

    text = press("download", NET, False)

    assert "Downloads are switched off" in text
    assert served.url("/net") in text
    assert str(tmp_path / "net/net.onnx") in text
    assert served.asked == []


def test_a_failure_keeps_the_choice_and_names_the_remedies(press, host, served):
    served.plan = ["status 404"]
    press("download", NET, False)
    host.made.wait(20)

    _, _, state, wanted, *_ = press("ended")
    assert wanted == {}
    assert "the server says 404" in state
    assert "HTTPS_PROXY" in state


def test_a_second_download_waits_and_cancel_stops_the_first(press, host, served):
    served.plan = ["stall 1000"]
    press("download", NET, False)

    assert BUSY in press("download", NET, False)
    assert "rh-running" in press("cancel")
    served.released.set()
    host.made.wait(20)
    assert "rh-running" not in press("tick")


def test_the_bar_shows_bytes_of_bytes_and_escapes():
    text = progress_html(
        Status(True, "", "<b>", 500_000, 2_000_000, 1e6, ("one & two",), bytes=True)
    )

    for part in ("width: 25%", "&lt;b&gt;: 0.5 of 2.0 MB, 1.0 MB/s", "one &amp; two"):
        assert part in text


def test_cancel_and_what_shows_it_stand_in_one_box(host, monkeypatch):
    columns = []

    class Column(Component):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            columns.append(self)

    parts = {**dict.fromkeys(PARTS, Component), "Column": Column}
    monkeypatch.setitem(sys.modules, "gradio", module("gradio", **parts))
    made = ModelsTab(host, lambda name: f"realishuman_{name}").build()
    style = (Path(__file__).parents[3] / "style.css").read_text("utf-8")

    [box] = re.findall(r"#(\w+):has\(\.rh-running\) #realishuman_download_cancel", style)

    [around] = [one for one in columns if one.elem_id == box]
    assert made["cancel"] in around.children
    assert made["state"] in around.children
