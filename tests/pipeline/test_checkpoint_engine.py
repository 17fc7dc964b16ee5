"""When a checkpoint repaints, what it is given, and what is left as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from realishuman.imaging.boxes import Box
from realishuman.mesh.at_rest import face_at_rest
from realishuman.paint import own_skin
from realishuman.pipeline.engines import engine_of, why_left_alone
from realishuman.pipeline.infotext import facts_of
from realishuman.pipeline.refine import refine
from realishuman.settings import Settings
from tests.paint.plain_checkpoint import PlainCheckpoint

SETTINGS = Settings(gate=False, judge=False, steps=4, engine="checkpoint")
NAMED = "plain.safetensors"


class Square:
    """A transplant that paints a white square into the hand."""

    torn = False

    @staticmethod
    def onto(picture):
        painted = picture.copy()
        painted[140:160, 140:160] = 255
        return painted


@pytest.fixture
def picture():
    return np.full((256, 256, 3), 120, np.uint8)


@pytest.fixture
def models(flat_hand, models_of, monkeypatch):
    """A hand and a face, no pack, a quick transplant, and a checkpoint."""
    monkeypatch.setattr(own_skin, "repaint_hand", lambda *_arguments: Square())
    face = face_at_rest(Box(10, 10, 80, 90), None, (256, 256))
    made = models_of([flat_hand(150, 150, 100), replace(face, note="", score=0.9)], packs=())
    made.checkpoint = PlainCheckpoint()
    return made


@pytest.mark.parametrize(
    ("kind", "wish", "has_pack", "has_checkpoint", "engine"),
    [
        ("hand", "auto", True, True, "pack"),
        ("hand", "auto", False, True, "checkpoint"),
        ("face", "auto", False, True, "checkpoint"),
        ("hand", "checkpoint", True, True, "checkpoint"),
        ("hand", "checkpoint", True, False, ""),
        ("hand", "transplant", False, True, "transplant"),
        ("face", "pack", False, True, ""),
        ("hand", "handrefiner", True, True, "handrefiner"),
        ("face", "handrefiner", True, True, ""),
    ],
)
def test_which_engine_repaints_what(kind, wish, has_pack, has_checkpoint, engine):
    assert engine_of(kind, wish, has_pack, has_checkpoint) == engine


def test_a_named_checkpoint_repaints_hands_and_faces_and_nothing_else_changes(picture, models):
    result = refine(picture, models, SETTINGS, keep_steps=True)

    assert [(one.kind, one.outcome, one.engine) for one in result.parts] == [
        ("hand", "refined", "checkpoint"),
        ("face", "refined", "checkpoint"),
    ]
    assert "not measured yet" in result.message
    facts = facts_of(result, models)
    assert facts["unets"] == f"hand: {NAMED}; face: {NAMED}"
    assert facts["packs"] == ""
    assert "1-hand/4-own-skin" in result.steps  # the start
    assert "2-face/4-own-skin" not in result.steps
    assert result.steps["1-hand/1-crop"].shape == (64, 64, 3)  # the checkpoint's own size
    changed = (result.image != picture).any(axis=2)
    may = np.zeros_like(changed)
    for patch in result.patches:
        x0, y0, x1, y1 = (
            int(side) for side in (patch.box.x0, patch.box.y0, patch.box.x1, patch.box.y1)
        )
        may[max(y0, 0) : y1 + 1, max(x0, 0) : x1 + 1] = True
    assert changed.any()
    assert not changed[~may].any()


@pytest.mark.parametrize(("allowed", "engine"), [(False, "transplant"), (True, "checkpoint")])
def test_auto_takes_the_checkpoint_only_where_the_user_allows_it(picture, models, allowed, engine):
    hands = replace(SETTINGS, parts=("hand",), engine="auto", allow_checkpoint=allowed)

    result = refine(picture, models, hands)

    assert result.parts[0].engine == engine
    assert models.checkpoint.opened == allowed


def test_a_checkpoint_that_cannot_repaint_says_why_and_auto_goes_on(picture, models):
    models.checkpoint = PlainCheckpoint(why="The loaded model is a refiner.")

    named = refine(picture, models, SETTINGS)
    auto = refine(picture, models, replace(SETTINGS, engine="auto", allow_checkpoint=True))

    assert {one.reason for one in named.parts} == {"The loaded model is a refiner."}
    np.testing.assert_array_equal(named.image, picture)
    assert auto.parts[0].engine == "transplant"
    assert "no checkpoint" in why_left_alone("hand", "checkpoint", {}).lower()


def test_handrefiner_repaints_hands_alone_and_only_with_what_it_needs(picture, models):
    wish = replace(SETTINGS, engine="handrefiner")

    refused = refine(picture, models, wish)
    models.checkpoint = PlainCheckpoint(inpainting=True, controlled=True)
    result = refine(picture, models, wish, keep_steps=True)

    hand, face = refused.parts
    assert "needs an inpainting checkpoint of Stable Diffusion 1.5" in hand.reason
    assert face.reason == "HandRefiner repairs hands only, so faces are left alone."
    np.testing.assert_array_equal(refused.image, picture)
    assert [(one.kind, one.outcome) for one in result.parts] == [
        ("hand", "refined"),
        ("face", "kept"),
    ]
    assert result.parts[0].engine == "handrefiner"
    assert result.steps["1-hand/1-crop"].shape == (64, 64, 3)
    models.checkpoint = None
    assert "--checkpoint FILE" in refine(picture, models, wish).parts[0].reason


def test_a_hand_that_the_transplant_cannot_help_starts_as_it_is_and_a_note_says_so(
    picture, models, monkeypatch
):
    monkeypatch.setattr(own_skin, "repaint_hand", lambda *_arguments: None)

    result = refine(picture, models, replace(SETTINGS, parts=("hand",)), keep_steps=True)

    assert result.parts[0].outcome == "refined"
    assert any("Part 1 was repainted from the picture as it is" in one for one in result.notes)
    assert "1-hand/4-own-skin" not in result.steps


def test_a_files_own_prompt_steps_and_guidance_are_taken_over(picture, models, tmp_path):
    info = PngInfo()
    info.add_text("parameters", "a cat\nNegative prompt: dog\nSteps: 8, Sampler: x, CFG scale: 1")
    Image.fromarray(picture).save(tmp_path / "in.png", pnginfo=info)

    refine(tmp_path / "in.png", models, replace(SETTINGS, steps=None, parts=("face",)))

    checkpoint = models.checkpoint
    assert ("a cat, detailed face", False) in checkpoint.texts
    assert any(text.startswith("dog, deformed") for text, negative in checkpoint.texts if negative)
    assert checkpoint.rows == [1] * 8  # half of 8 steps, twice, without guidance
