from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from realishuman.packs import store
from realishuman.packs.pack import Pack
from realishuman.paint.checkpoint import choose_denoising
from realishuman.paint.two_stage import choose_sampling
from realishuman.parts.origin import Origin
from realishuman.pipeline.result import PartReport, Result
from realishuman.settings import Settings
from realishuman.webui.choices import choices_from
from realishuman.webui.host.engine import pace_of
from realishuman.webui.host.outlook import look_ahead
from realishuman.webui.in_effect import without_packs


class Checkpoint:
    """The loaded model, as far as it is asked."""

    name = "mine_v8"
    unable = ""

    def why_not(self):
        return self.unable

    def img2img(self):
        return None


@pytest.fixture
def ahead(tmp_path, monkeypatch):
    """A function: what is said before a run with these choices, in an empty models folder."""
    monkeypatch.setattr(store, "EMBEDDED", tmp_path / "none")

    def say(pace=None, checkpoint=Checkpoint, **values):
        there = store.find_installed(tmp_path)
        return look_ahead(there, checkpoint, choices_from(values), pace or {})

    say.folder = tmp_path
    return say


def test_the_sentence_names_what_repaints_each_kind_and_how_strongly(ahead):
    assert ahead().sentence == (
        "Hands are repaired with the picture's own skin; faces are left alone (no trained pack; "
        "see the Models page). Hands that look right stay as they are."
    )
    both = ahead(engine="checkpoint", strength=0.3)
    assert both.sentence == (
        "Hands and faces are repainted with mine_v8 at strength 0.3. Hands that look right stay "
        "as they are."
    )
    assert both.warnings == ("How well mine_v8 repaints is not measured yet.",)


def test_the_gate_is_named_only_where_it_is_asked(ahead):
    assert "look right" not in ahead(gate=False).sentence
    assert "look right" not in ahead(parts=["face"], engine="checkpoint").sentence


def test_how_long_a_part_takes_is_said_once_it_is_known(ahead):
    said = ahead({"transplant": 4.2, "checkpoint": 60}).sentence

    assert said.startswith("Hands are repaired with the picture's own skin, about 4 s each; ")


def test_a_checkpoint_that_cannot_repaint_is_a_warning(ahead, monkeypatch):
    monkeypatch.setattr(Checkpoint, "unable", "The loaded model is a refiner.")

    said = ahead(engine="checkpoint")

    assert said.sentence == "Hands and faces are left alone."
    assert said.warnings == ("The loaded model is a refiner.",)


def test_the_loaded_model_is_not_asked_where_it_may_not_repaint(ahead):
    assert ahead(checkpoint=None).sentence


def test_numbers_in_effect_are_those_of_a_run(ahead, trained_pack):
    shutil.copy(trained_pack, ahead.folder / "hand.safetensors")
    header = Pack.open(trained_pack).header
    for settings in (Settings(), Settings(preset="paper")):
        used = ahead(parts=["hand"], preset=settings.preset).used.numbers()
        sampling = choose_sampling(settings, header)
        assert used["steps"].value == sampling.steps
        assert used["guidance"].value == sampling.guidance


def test_the_checkpoints_numbers_are_the_pictures_own(ahead):
    used = ahead(engine="checkpoint").used.numbers()
    denoising = choose_denoising(Settings(), Origin(), 512)

    assert (used["steps"].value, used["guidance"].value) == (denoising.steps, denoising.guidance)
    assert used["steps"].words == "the picture's own, else 30"


def test_crop_and_ring_in_effect_are_those_of_a_prepared_part(picture, two):
    _engine, bench = two
    used = without_packs().numbers()
    for one in bench.prepared:
        sides = one.crop.box.width, one.part.box.width, one.part.box.height
        assert sides[0] == pytest.approx(used["margin"].value * max(sides[1:]), abs=2)
        assert one.rule.dilate == used["hand_dilate"].value
        grown = one.masks.m_d.any(axis=0).sum() - one.masks.m.any(axis=0).sum()
        scale = one.masks.m.shape[0] / 512
        assert grown <= used["hand_dilate"].value * scale + 2


def test_what_differs_between_kinds_is_said_for_each(ahead):
    used = ahead().used

    assert used.numbers()["dilate"].value == 100
    assert used.numbers()["dilate"].words == "100 for hands, 30 for faces"
    assert used.numbers()["erode"].words == "6% of the part's size"
    assert ahead(parts=["face"]).used.numbers()["dilate"].words == ""
    assert json.loads(used.as_json())["face_dilate"] == [30, ""]


def test_the_papers_ring_is_its_own(ahead):
    used = ahead(preset="paper").used.numbers()

    assert used["dilate"].value == 5
    assert used["erode"].words == "5% of the part's outline"


def report(number, engine, outcome="refined"):
    box = None
    return PartReport(number, "hand", None, 1.0, box, outcome, engine=engine)


@pytest.mark.parametrize(
    ("engines", "wanted"),
    [
        (["transplant", "transplant"], {"transplant": 3.0}),
        (["transplant", ""], {"transplant": 6.0}),
        (["transplant", "pack"], {}),
        ([], {}),
    ],
)
def test_the_pace_is_the_time_of_painting_by_part(engines, wanted):
    parts = tuple(report(n, engine) for n, engine in enumerate(engines, start=1))
    seconds = {"detect": 50.0, "gate": 9.0, "transplant": 5.0, "paste": 1.0}
    result = Result(np.zeros((1, 1, 3), np.uint8), parts, "", seconds=seconds)

    assert pace_of(result) == wanted
