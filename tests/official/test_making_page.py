"""Packs are made from the Models page: in the background, to be stopped and gone on with."""

from __future__ import annotations

import functools

import pytest
import torch

from realishuman.advice import extra
from realishuman.official import setup
from realishuman.packs.convert import Assumed
from realishuman.packs.pack import Pack
from realishuman.webui.models_tab.background import Background
from realishuman.webui.models_tab.making import REPLACE, STOPPED, TRUST, make_official
from realishuman.webui.models_tab.tab import progress_html


@pytest.fixture
def page(official, tmp_path, monkeypatch):
    """A function: start the work on tiny files; returns what runs it."""
    tiny = Assumed(encoder_heads=4, resolution=128)
    monkeypatch.setattr(setup, "Wishes", functools.partial(setup.Wishes, assumed=tiny))

    def start(*, trust=True, only_check=False, replace=False, inside=Background):
        made = inside()
        work = make_official(
            tmp_path, official, trust=trust, replace=replace, only_check=only_check
        )
        assert made.start(work)
        assert not made.start(work)
        made.wait(300)
        return made.status()

    return start


class StopsAt(Background):
    """Its user presses Cancel while the pack for faces is written."""

    packs = 0

    def begin(self, stage, total):
        super().begin(stage, total)
        self.packs += stage == "writing the pack"

    def step(self, count=1):
        if self.packs == 2 and self.status().done == 20:
            self.stop()
        super().step(count)


def test_a_check_says_what_it_costs_and_makes_nothing(page, tmp_path):
    status = page(only_check=True)

    assert status.end == "done", status.lines
    assert any(line.startswith("In all ") for line in status.lines)
    assert status.lines[-1] == "Nothing has been made yet; press Make for that."
    assert not list(tmp_path.glob("*.safetensors"))


def test_what_was_finished_before_a_cancel_is_kept(page, tmp_path):
    before = torch.get_rng_state()

    status = page(inside=StopsAt)

    assert (status.end, status.lines[-1]) == ("stopped", STOPPED)
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["hand.safetensors"]
    assert not [path for path in tmp_path.glob(".*") if path.suffix == ".part"]

    status = page()

    assert status.end == "done", status.lines
    assert "hand-pack: there already." in status.lines
    assert status.lines[-1] == "The packs are used from the next picture on."
    assert Pack.open(tmp_path / "face.safetensors").header.kind == "face"
    assert torch.equal(torch.get_rng_state(), before)  # a picture may be made meanwhile


def test_without_onnx_the_packs_are_made_and_the_rest_says_what_to_paste(
    page, tmp_path, monkeypatch
):
    monkeypatch.setattr(setup, "find_spec", lambda _name: None)

    status = page()

    assert status.end == "done", status.lines
    assert sum(f"`{extra('official')}`" in line for line in status.lines) == 2
    assert not (tmp_path / "hamer/hamer.onnx").exists()
    assert (tmp_path / "hand.safetensors").exists()


def test_what_is_wrong_is_said_in_the_page_s_own_words(page, tmp_path):
    status = page(trust=False)

    assert status.end == "failed"
    assert f"tick “{TRUST}”" in status.lines[-1]
    assert "--" not in status.lines[-1]
    assert progress_html(status).count("rh-error") > 1

    (tmp_path / "hand.safetensors").write_bytes(b"mine")
    status = page()
    assert f"tick “{REPLACE}”" in status.lines[-1]
