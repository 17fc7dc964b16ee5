"""The gate within a run: what it keeps from being painted, and who may overrule it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realishuman.detect.base import GivenBox
from realishuman.errors import SettingsError
from realishuman.imaging.boxes import Box
from realishuman.judge import gate, verdict
from realishuman.kinds import KINDS, load
from realishuman.pipeline.look import look
from realishuman.pipeline.refine import refine
from realishuman.settings import Settings

FAST = Settings(parts=("hand",), steps=1, guidance=1.0, judge=False)
GOOD, MALFORMED = 0.01, 0.99


@pytest.fixture(autouse=True)
def noise_is_credible(monkeypatch):
    """The test pack paints noise."""
    monkeypatch.setattr(verdict, "COLOUR_LIMIT", 1e9)


@pytest.fixture
def picture():
    return np.full((240, 480, 3), (150, 110, 90), np.uint8)


@pytest.fixture
def gated(models_of, flat_hand, trained_pack, says):
    """A function: models that find one hand per answer, which a trained pack would repaint."""

    def make(*answers, packs=(trained_pack,), size=100):
        hands = [flat_hand(120 + 240 * n, 120, size) for n in range(len(answers))]
        models, network = models_of(hands, packs), says(*answers)
        models.judge = lambda kind, *_: network if kind == "hand" else None
        return models, network

    return make


def test_a_good_hand_is_left_alone_and_the_sentence_is_there_before_anything_is_painted(
    picture, gated
):
    models, network = gated(GOOD, MALFORMED)

    found = look(picture, models, FAST)
    result = refine(picture, models, FAST, found=found)

    assert [one.number for one in found.chosen] == [2]
    assert "looks right already" in found.parts[0].reason
    assert found.parts[0].reason == found.parts[0].gate == result.parts[0].reason
    assert found.parts[1].gate == ""
    assert [part.outcome for part in result.parts] == ["kept", "refined"]
    assert not (result.image != picture)[:, :200].any()
    assert len(network.asked) == 2  # once per hand


def test_it_is_asked_by_default_and_not_when_it_is_off(picture, gated):
    models, network = gated(GOOD)
    assert Settings().ways.gate

    result = refine(picture, models, replace(FAST, gate=False))

    assert result.parts[0].outcome == "refined"
    assert network.asked == []


def test_the_released_preset_asks_it_only_if_the_user_does(picture, gated):
    models, network = gated(GOOD)

    look(picture, models, replace(FAST, preset="released"))
    assert network.asked == []

    look(picture, models, replace(FAST, preset="released", gate=True))
    assert len(network.asked) == 1


def test_a_good_hand_takes_nobodys_place_among_the_largest(gated):
    picture = np.full((240, 720, 3), (150, 110, 90), np.uint8)
    models, _ = gated(MALFORMED, GOOD, MALFORMED)
    good = models.detector.parts[1]
    models.detector.parts[1] = replace(good, box=Box(300, 20, 480, 220))  # the largest

    found = look(picture, models, replace(FAST, max_parts=1))

    assert [one.number for one in found.chosen] == [1]
    assert "looks right already" in found.parts[1].reason
    assert "not among the 1 largest" in found.parts[2].reason


def test_a_part_that_the_user_numbers_is_repainted_all_the_same(picture, gated):
    models, _ = gated(GOOD, GOOD)

    result = refine(picture, models, FAST, only=[2])

    assert [part.outcome for part in result.parts] == ["kept", "refined"]


def test_a_box_drawn_exactly_is_repainted_all_the_same(picture, gated, flat_hand):
    models, network = gated(GOOD)
    box = flat_hand(120, 120, 100).box

    exact = refine(picture, models, FAST, boxes=[GivenBox("hand", box, exact=True)])
    searched = refine(picture, models, FAST, boxes=[GivenBox("hand", box)])

    assert exact.parts[0].outcome == "refined"
    assert "looks right already" in searched.parts[0].reason
    assert len(network.asked) == 1


def test_what_is_left_alone_for_another_reason_keeps_it_and_is_not_asked_about(picture, gated):
    models, network = gated(GOOD, size=15)

    [one] = look(picture, models, FAST).parts

    assert "min_size" in one.reason
    assert network.asked == []
    assert not refine(picture, models, FAST, only=[1]).patches


def test_random_weights_and_none_at_all_need_no_gate(picture, gated, hand_pack):
    noise, asked = gated(GOOD, packs=(hand_pack,))
    assert refine(picture, noise, FAST).parts[0].outcome == "refined"
    assert asked.asked == []

    nothing, asked = gated(GOOD, packs=())
    assert (
        "No pack for hands"
        in refine(picture, nothing, replace(FAST, engine="pack")).parts[0].reason
    )
    assert asked.asked == []


def test_the_transplant_is_gated_too_also_where_a_random_pack_is_in_use(
    picture, gated, hand_pack, monkeypatch
):
    monkeypatch.setattr(gate, "GOOD", 0.9)  # of nothing, the corrector doubts fingers
    for packs, engine in (((), "auto"), ((hand_pack,), "transplant")):
        models, _ = gated(GOOD, packs=packs)
        result = refine(picture, models, replace(FAST, engine=engine))
        assert "looks right already" in result.parts[0].reason
        assert "transplant" not in result.seconds


def test_a_kind_without_a_judge_is_not_gated(
    picture, models_of, trained_pack, tmp_path, relabelled
):
    pack = relabelled(trained_pack, tmp_path / "face.safetensors", kind="face", name="mine-face")
    face = load(KINDS["face"].at_rest)(Box(100, 60, 200, 180), None, picture.shape[:2])
    models = models_of([face], packs=(pack,))

    assert look(picture, models, Settings(parts=("face",))).parts[0].reason == ""


def test_the_setting_that_it_replaces_is_answered_with_its_new_name():
    with pytest.raises(SettingsError, match=r"unknown setting skip_good \(skip_good is now gate\)"):
        Settings.from_dict({"skip_good": True})
