"""A pack's own mesh regressor is used where it is installed, and a sentence says when it is not."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from realishuman.errors import ModelError
from realishuman.mesh.embedded_face import EmbeddedFace
from realishuman.mesh.embedded_hand import EmbeddedHand
from realishuman.mesh.face3d import BASIS, REGRESSOR, OfficialFace
from realishuman.mesh.hand_corrector import Corrected
from realishuman.pipeline.models import Models
from realishuman.pipeline.refine import refine
from realishuman.pipeline.regressors import (
    BUILT_IN,
    CORRECTING,
    Choice,
    choose,
    open_regressor,
    paper_regressor,
)
from realishuman.settings import PART_KINDS, Settings


@pytest.fixture
def installed(tmp_path):
    """A models folder with the names of all files the paper's regressors run from."""
    for paper in map(paper_regressor, PART_KINDS):
        for name in paper.files:
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.touch()
    return tmp_path


@pytest.mark.parametrize("kind", PART_KINDS)
def test_auto_follows_the_pack(installed, kind):
    assert choose(kind, "auto", "official", installed).name == paper_regressor(kind).name
    assert choose(kind, "auto", "embedded", installed).name == BUILT_IN
    assert choose(kind, "embedded", "official", installed).name == BUILT_IN
    assert choose(kind, "official", "embedded", installed).name == paper_regressor(kind).name


def test_a_pack_for_rendered_hands_has_its_landmarks_corrected_unless_another_mesh_is_chosen(
    tmp_path, installed
):
    assert choose("hand", "auto", "corrected", tmp_path) == Choice(CORRECTING)
    assert choose("hand", "embedded", "corrected", tmp_path).name == BUILT_IN
    assert choose("hand", "official", "corrected", installed).name == paper_regressor("hand").name
    with pytest.raises(ModelError, match="HaMeR is not installed"):
        choose("hand", "official", "corrected", tmp_path / "empty")


def test_other_packs_hands_and_all_faces_are_not_corrected(tmp_path):
    for trained_with in ("embedded", "official"):
        assert choose("hand", "auto", trained_with, tmp_path / "empty").name == BUILT_IN
    assert choose("face", "auto", "corrected", tmp_path) == Choice(BUILT_IN)


def test_only_the_corrected_choice_opens_the_corrector(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("realishuman.mesh.embedded_hand.HandCorrector", lambda: opened.append(1))

    plain = open_regressor("hand", Choice(BUILT_IN), tmp_path, "cpu")
    assert (type(plain), opened) == (EmbeddedHand, [])
    corrected = open_regressor("hand", Choice(CORRECTING), tmp_path, "cpu")
    assert (type(corrected), opened) == (EmbeddedHand, [1])


def test_the_packs_header_decides_and_the_setting_switches_it_off(
    flat_hand, models_of, hand_pack, monkeypatch
):
    opened = []

    class Unmoved:
        def __init__(self):
            opened.append(self)

        def correct(self, picture, parts, units):
            return [Corrected(part, None) for part in parts]

        def release(self):
            pass

    monkeypatch.setattr("realishuman.mesh.embedded_hand.HandCorrector", Unmoved)
    models = models_of([flat_hand(48, 48, 60)])
    pack = models.packs["hand"]
    models.packs["hand"] = replace(pack, header=replace(pack.header, mesh="corrected"))
    picture = np.zeros((96, 96, 3), np.uint8)

    off = refine(picture, models, Settings(mesh="embedded", steps=1, guidance=1.0), keep_steps=True)
    assert (off.meshes, opened) == ({"hand": BUILT_IN}, [])
    result = refine(picture, models, Settings(steps=1, guidance=1.0), keep_steps=True)
    assert result.meshes == {"hand": CORRECTING}
    assert len(opened) == 1
    assert (result.image != picture).any()
    poses = [each.steps["1-hand/2-pose"] for each in (result, off)]
    np.testing.assert_array_equal(*poses)  # this one changes no landmark


@pytest.mark.parametrize("kind", PART_KINDS)
def test_what_stands_in_is_said_with_the_missing_files(tmp_path, kind):
    choice = choose(kind, "auto", "official", tmp_path)

    assert choice.name == BUILT_IN
    assert paper_regressor(kind).name in choice.note
    assert all(name in choice.note for name in paper_regressor(kind).files)
    assert "setup official" in choice.note
    assert choose(kind, "auto", "embedded", tmp_path).note == ""


def test_a_regressor_that_was_asked_for_by_name_must_be_there(installed):
    (installed / BASIS).unlink()

    with pytest.raises(ModelError, match=r"3DDFA-V3 is not installed.*face_model\.npz"):
        choose("face", "official", "embedded", installed)


def test_each_choice_has_its_own_regressor_and_keeps_it(installed):
    models = Models(folder=installed)

    paper, built_in = models.regressor("face"), models.regressor("face", "embedded")

    assert isinstance(paper, OfficialFace)
    assert isinstance(built_in, EmbeddedFace)
    assert models.regressor("face", "auto") is paper


def test_a_damaged_regressor_stops_the_run_and_names_its_file(installed, models_of):
    models = Models(folder=installed)
    part = models_of([])  # any detector will do

    with pytest.raises(ModelError, match=REGRESSOR.split("/")[1]):
        keypoints = np.random.default_rng(0).random((468, 3)).astype(np.float32) * 50
        face = type("Face", (), {"keypoints": keypoints})
        models.regressor("face").regress(np.zeros((64, 64, 3), np.uint8), [face])
    assert part.mesh_choice("face").name == BUILT_IN


def test_nothing_is_said_of_a_kind_that_no_pack_repaints(tmp_path):
    assert Models(folder=tmp_path).mesh_note("face") == ""


def test_a_network_that_runs_elsewhere_than_asked_is_said(installed):
    models = Models(folder=installed)
    models._regressors["face", paper_regressor("face").name] = SimpleNamespace(
        note="It runs on the CPU."
    )

    assert models.mesh_note("face") == "It runs on the CPU."


def test_reports_name_what_made_the_meshes(models_of, flat_hand):
    result = refine(
        np.zeros((96, 96, 3), np.uint8),
        models_of([flat_hand(48, 48, 60)], packs=()),
        Settings(mesh="embedded"),
    )

    assert result.meshes == {"hand": BUILT_IN}
    assert result.report()["meshes"] == {"hand": BUILT_IN}
    assert result.notes == ()
