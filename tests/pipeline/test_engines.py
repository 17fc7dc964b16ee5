"""What repaints a kind of part, and what pictures and reports are like without any weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realishuman.detect.base import Part
from realishuman.imaging.boxes import Box, around
from realishuman.imaging.picture import load_picture
from realishuman.kinds import KINDS, load
from realishuman.paint import own_skin
from realishuman.paint.transplant import EVERY_FINGER
from realishuman.pipeline.engines import engine_of, why_left_alone
from realishuman.pipeline.infotext import facts_of
from realishuman.pipeline.refine import refine, refine_all
from realishuman.pipeline.regressors import BUILT_IN, CORRECTING_PHOTOGRAPHS
from realishuman.settings import Settings
from realishuman.synthetic.sample import sample

SEED = 1_000_000_019
HANDS = Settings(parts=("hand",), gate=False, judge=False)


@pytest.fixture(autouse=True)
def every_finger(monkeypatch):
    """Which fingers are found wrong is tested with the transplant."""
    monkeypatch.setattr(own_skin, "pick_wrong", lambda mesh: EVERY_FINGER)


@pytest.fixture(scope="module")
def pair():
    return sample(SEED, 256, "bent finger")


@pytest.fixture
def hand(pair):
    return Part("hand", pair.part, around(pair.joints), 1.0, pair.joints)


@pytest.fixture
def bare(models_of, hand):
    """Models without any pack."""
    return models_of([hand], packs=())


@pytest.mark.parametrize(
    ("kind", "wish", "has_pack", "engine"),
    [
        ("hand", "auto", True, "pack"),
        ("hand", "auto", False, "transplant"),
        ("hand", "pack", True, "pack"),
        ("hand", "pack", False, ""),
        ("hand", "transplant", True, "transplant"),
        ("hand", "transplant", False, "transplant"),
        ("face", "auto", True, "pack"),
        ("face", "auto", False, ""),
        ("face", "pack", False, ""),
        ("face", "transplant", True, ""),
    ],
)
def test_which_engine_repaints_what(kind, wish, has_pack, engine):
    assert engine_of(kind, wish, has_pack) == engine


def test_what_nothing_repaints_is_left_alone_with_the_reason():
    assert "choose the engine auto or pack" in why_left_alone("face", "transplant", {"face": "?"})
    assert why_left_alone("face", "auto", {"face": "How."}) == "How."
    assert (
        why_left_alone("face", "pack", {}) == "No pack for faces is in use, so they are left alone."
    )


def test_without_weights_a_hand_is_repaired_and_nothing_is_said_of_weights(pair, bare):
    result = refine(pair.malformed, bare, HANDS, keep_steps=True)

    [part] = result.parts
    assert (part.outcome, part.engine, part.seed) == ("refined", "transplant", None)
    assert result.message == (
        "1 of 1 parts refined. The transplant repaints with the picture's own skin."
    )
    assert result.weights == {"hand": "none"}
    assert result.unets == {}
    assert result.notes == ()
    assert result.meshes == {"hand": CORRECTING_PHOTOGRAPHS}
    assert result.seconds["transplant"] > 0
    assert "1-hand/4-own-skin" in result.steps
    facts = facts_of(result, bare)
    assert (facts["engines"], facts["packs"], facts["unets"]) == ("hand: transplant", "", "")
    changed = (result.image != pair.malformed).any(axis=2)
    assert changed.any()
    assert not changed[:20].any()


def test_the_same_hand_is_repaired_alike_alone_and_among_others(pair, bare):
    alone = refine(pair.malformed, bare, HANDS).image
    first, second = refine_all([pair.malformed, pair.malformed], bare, replace(HANDS, seed=5))

    np.testing.assert_array_equal(first.image, alone)
    np.testing.assert_array_equal(second.image, alone)


def test_of_16_bits_all_are_kept_and_alpha_is_not_touched(pair, bare):
    fine = np.random.default_rng(1).integers(-100, 101, pair.malformed.shape)
    deep = (257 * pair.malformed.astype(int) + fine).clip(0, 65535).astype(np.uint16)
    alpha = np.random.default_rng(2).integers(0, 65536, deep.shape[:2], np.uint16)

    result = refine(np.dstack([deep, alpha]), bare, HANDS).image
    plain = refine(pair.malformed, bare, HANDS).image

    np.testing.assert_array_equal(result[..., 3], alpha)
    same = plain == pair.malformed
    np.testing.assert_array_equal(result[..., :3][same], deep[same])
    assert np.abs(result[..., :3].astype(int) - 257 * plain.astype(int)).max() <= 128
    assert len(np.unique(result[..., :3][~same] % 257)) > 100  # not merely 8 bits


def test_a_grey_picture_stays_grey(pair, bare):
    grey = np.repeat(pair.malformed.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)

    result = refine(grey, bare, HANDS)

    assert result.parts[0].outcome == "refined"
    assert (np.ptp(result.image, axis=2) == 0).all()


def test_a_pack_that_is_in_use_comes_first_and_the_transplant_may_be_named(pair, hand, models_of):
    models, fast = models_of([hand]), replace(HANDS, steps=1, guidance=1.0)

    packed = refine(pair.malformed, models, fast)
    named = refine(pair.malformed, models, replace(fast, engine="transplant"))

    assert (packed.parts[0].engine, packed.weights) == ("pack", {"hand": "random"})
    assert (named.parts[0].engine, named.weights) == ("transplant", {"hand": "none"})
    assert "RANDOM" not in named.message
    assert facts_of(named, models)["packs"] == ""


@pytest.mark.parametrize("engine", ["auto", "transplant"])
def test_a_face_is_left_alone_with_one_sentence(pair, models_of, engine):
    face = load(KINDS["face"].at_rest)(Box(40, 40, 140, 160), None, (256, 256))
    models = models_of([replace(face, note="", score=0.9)], packs=())
    models.lacking = {"face": "No trained pack for faces is installed: make one."}

    result = refine(pair.malformed, models, Settings(engine=engine))

    np.testing.assert_array_equal(result.image, pair.malformed)
    words = "installed: make one" if engine == "auto" else "repairs hands only"
    assert words in result.parts[0].reason
    assert result.parts[0].reason.count(".") == 1
    assert result.notes == ()


def test_the_mesh_follows_the_engine(bare, models_of, trained_pack):
    packed = models_of([], packs=(trained_pack,))

    assert bare.mesh_choice("hand").name == CORRECTING_PHOTOGRAPHS
    assert bare.mesh_choice("hand", "embedded").name == BUILT_IN
    assert bare.mesh_note("hand") == ""
    assert packed.mesh_choice("hand").name == BUILT_IN  # stands in for HaMeR
    assert packed.mesh_choice("hand", engine="transplant").name == CORRECTING_PHOTOGRAPHS


def test_a_picture_is_given_back_when_the_painter_fails(pair, bare, monkeypatch):
    def fail(*_arguments, **_options):
        raise ZeroDivisionError("no skin")

    monkeypatch.setattr(own_skin, "repaint_hand", fail)

    result = refine(pair.malformed, bare, HANDS)

    np.testing.assert_array_equal(result.image, pair.malformed)
    assert "ZeroDivisionError: no skin" in result.parts[0].reason


def test_a_file_of_16_bits_stays_one(pair, bare, tmp_path):
    from realishuman.imaging.loaded import picture_of
    from realishuman.imaging.picture import save_picture

    deep = pair.malformed.astype(np.uint16) * 257
    save_picture(tmp_path / "in.png", deep, picture_of(deep))

    refine(tmp_path / "in.png", bare, HANDS).save(tmp_path / "out.png")

    assert load_picture(tmp_path / "out.png").deep is not None
