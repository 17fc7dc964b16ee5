"""What a run is told about single parts and kinds of part, and what it shows while it works."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from realishuman.detect.released import square_around
from realishuman.diffusion import stage_one
from realishuman.errors import ModelError
from realishuman.imaging.boxes import Box
from realishuman.judge.verdict import Verdict
from realishuman.paint import two_stage
from realishuman.paint.base import Painted
from realishuman.paint.two_stage import TwoStage
from realishuman.parts.found import number_parts
from realishuman.parts.prepare import prepare
from realishuman.pipeline import repaint
from realishuman.pipeline.look import find
from realishuman.pipeline.refine import refine
from realishuman.progress import Silent
from realishuman.settings import Settings

NAMES = ("4-stage-one", "5-stage-two", "3-ring")
FAST = Settings(parts=("hand",), steps=1, guidance=1.0)


@pytest.fixture
def picture():
    return np.full((300, 420, 3), 120, np.uint8)


def test_only_the_chosen_numbers_are_refined(picture, models_of, flat_hand):
    hands = [flat_hand(90, 150, 80), flat_hand(320, 150, 80)]

    result = refine(picture, models_of(hands), FAST, only=[2])

    assert [part.outcome for part in result.parts] == ["kept", "refined"]
    assert result.parts[0].reason == "This part was not chosen."
    assert (result.image[:, :200] == picture[:, :200]).all()


def test_each_kind_is_looked_for_with_its_own_confidence(picture, models_of):
    asked = []

    class Listening:
        provider = note = ""

        def detect(self, picture, kinds, *, confidence, given=()):
            asked.append((tuple(kinds), confidence))
            return []

    models = models_of([])
    models.detector = Listening()
    find(picture, models, Settings(face_confidence=0.8))
    find(picture, models, Settings())

    assert asked == [(("hand",), 0.5), (("face",), 0.8), (("hand", "face"), 0.5)]


def test_a_pack_may_keep_stage_ones_part_inside_the_ring(picture, models_of, flat_hand):
    def painted(keep_core):
        models = models_of([flat_hand(210, 150, 160)])
        pack = models.packs["hand"]
        models.packs["hand"] = replace(pack, header=replace(pack.header, keep_core=keep_core))
        settings = replace(FAST, erode=0, dilate=120)
        steps = refine(picture, models, settings, keep_steps=True).steps
        one, two, ring = (steps[f"1-hand/{name}"] for name in NAMES)
        inside = cv2.erode((ring[..., 0] == 0).view(np.uint8), np.ones((7, 7), np.uint8)) > 0
        m = (steps["1-hand/2-pose"].max(axis=2) > 110) & inside
        assert m.sum() > 300
        return np.abs(one[m].astype(int) - two[m]).mean()

    assert painted(keep_core=True) < 0.5
    assert painted(keep_core=False) > 5


def test_the_ring_of_a_kind_follows_that_kinds_own_dilation(picture, models_of, flat_hand):
    hand = flat_hand(210, 150, 160)
    meshes = models_of([]).regressor("hand").regress(picture, [hand])
    parts = number_parts([(hand, "")], meshes).parts

    def ring(**settings):
        [one] = prepare(
            picture, parts, parts, Settings(**settings),
            preset="released", pose="shaded", resolution=256,
        )  # fmt: skip
        return int(one.masks.m_d.sum())

    assert ring(dilate=80, hand_dilate=20) == ring(dilate=20) < ring(dilate=80)
    assert ring(face_dilate=20) == ring()


def test_a_progress_that_can_show_pictures_is_shown_every_stages_crops(
    picture, models_of, flat_hand
):
    class Watching(Silent):
        def __init__(self):
            self.seen = []

        def show(self, picture):
            self.seen.append((picture.shape, picture.dtype))

    watching = Watching()
    hands = [flat_hand(90, 150, 80), flat_hand(320, 150, 80)]
    refine(picture, models_of(hands), FAST, progress=watching)

    assert watching.seen == [((128, 256, 3), np.uint8)] * 2


def test_the_setting_names_the_detector_and_a_missing_one_is_not_replaced(
    picture, models_of, flat_hand
):
    models = models_of([flat_hand(210, 150, 160)])

    with pytest.raises(ModelError, match=r"yolox_l.onnx .*realishuman models fetch dwpose"):
        find(picture, models, Settings(detector="dwpose"))
    assert find(picture, models, Settings())


def test_where_memory_is_short_detectors_and_meshes_give_theirs_back_before_sampling(
    picture, models_of, flat_hand
):
    models = models_of([flat_hand(210, 150, 160)])
    released = []
    models.detector.release = lambda: released.append(len(released))

    refine(picture, models, FAST)
    assert not released
    models._spare = True
    refine(picture, models, FAST)

    assert released == [0]


MERGED = replace(square_around(Box(80, 80, 330, 220)), width=None, height=None)


def hands_of_one_square(flat_hand):
    return [replace(flat_hand(x, 150, 110), square=MERGED) for x in (130, 280)]


def test_hands_that_share_a_released_crop_are_painted_once_and_both_reported(
    picture, models_of, flat_hand
):
    settings = replace(FAST, crop="released")
    result = refine(picture, models_of(hands_of_one_square(flat_hand)), settings, keep_steps=True)

    assert [part.outcome for part in result.parts] == ["refined", "refined"]
    assert [patch.numbers for patch in result.patches] == [(1, 2)]
    assert {name.split("/")[0] for name in result.steps} == {"1-hand"}
    assert result.message.startswith("2 of 2 parts refined.")
    assert (result.image != picture).any(axis=2)[:, :180].any()
    assert (result.image != picture).any(axis=2)[:, 250:].any()


def test_of_two_hands_that_share_a_crop_the_one_that_was_not_chosen_is_spared(
    picture, models_of, flat_hand
):
    settings = replace(FAST, crop="released", dilate=0)
    models = models_of(hands_of_one_square(flat_hand))

    result = refine(picture, models, settings, only=[2])

    assert [part.outcome for part in result.parts] == ["kept", "refined"]
    assert (result.image[:, :190] == picture[:, :190]).all()


def test_both_hands_of_a_crop_stay_where_the_networks_fail(
    picture, models_of, flat_hand, monkeypatch
):
    def fail(*arguments, **named):
        image = torch.zeros(3, 128, 128)
        return [[Painted(image, fault="broken")]]

    monkeypatch.setattr(TwoStage, "paint", fail)
    settings = replace(FAST, crop="released")

    result = refine(picture, models_of(hands_of_one_square(flat_hand)), settings)

    assert [part.reason for part in result.parts] == ["broken", "broken"]


def test_the_released_preset_brings_its_ways_and_the_user_may_take_each_back(
    picture, models_of, flat_hand, monkeypatch
):
    """What reaches the stages and the picture, with networks that paint nothing but noise."""
    seen = []
    run = stage_one.run

    def watched(backbone, inputs, *rest):
        seen.append(inputs)
        return run(backbone, inputs, *rest)

    monkeypatch.setattr(stage_one, "run", watched)
    models = models_of([flat_hand(210, 150, 160)])

    def crop_and_change(**settings):
        result = refine(picture, models, replace(FAST, **settings))
        changed = np.argwhere((result.image != picture).any(axis=2))
        return result.parts[0].crop, seen[-1], np.ptp(changed, axis=0)

    plain, inputs, _ = crop_and_change()
    assert inputs.shown is None
    released, inputs, extent = crop_and_change(preset="released")
    assert released.width != plain.width
    side = models.packs["hand"].header.image_encoder.side
    assert inputs.shown.shape == (1, 3, side, side)
    _, _, bounded = crop_and_change(preset="released", paste="silhouette", dilate=0)
    assert extent.min() > bounded.min()
    ours, inputs, _ = crop_and_change(preset="released", crop="part", inputs="crop")
    assert ours.width == plain.width
    assert inputs.shown is None


@pytest.mark.parametrize(("chosen", "asked"), [({}, 1), ({"judge": True}, 1), ({"judge": False}, 0),
     ({"preset": "released"}, 0), ({"preset": "released", "judge": True}, 1)])  # fmt: skip
def test_the_judge_is_asked_unless_the_user_or_a_named_preset_says_otherwise(
    picture, models_of, flat_hand, trained_pack, monkeypatch, chosen, asked
):
    calls = []
    monkeypatch.setattr(
        repaint, "compare", lambda *arguments: calls.append(arguments) or Verdict("not better")
    )
    models = models_of([flat_hand(210, 150, 160)], packs=(trained_pack,))

    result = refine(picture, models, replace(FAST, gate=False, steps=2, **chosen))

    assert len(calls) == asked
    assert result.parts[0].outcome == ("kept" if asked else "refined")


def test_both_hands_of_a_crop_are_judged_and_the_worse_decides(
    picture, models_of, flat_hand, trained_pack, monkeypatch
):
    judged = []

    def compare(_before, _after, one, *_):
        judged.append(one.number)
        return Verdict("worse" if one.number == 2 else "")

    monkeypatch.setattr(repaint, "compare", compare)
    models = models_of(hands_of_one_square(flat_hand), packs=(trained_pack,))

    result = refine(picture, models, replace(FAST, gate=False, crop="released"))

    assert judged == [1, 2]
    assert [part.reason for part in result.parts] == ["worse", "worse"]
    assert (result.image == picture).all()


@pytest.mark.parametrize(
    ("chosen", "matched"),
    [
        ({}, True),
        ({"colour_match": False}, False),
        ({"preset": "released"}, False),
        ({"preset": "released", "colour_match": True}, True),
    ],
)
def test_colours_are_matched_before_stage_two_unless_told_otherwise(
    picture, models_of, flat_hand, monkeypatch, chosen, matched
):
    calls = []
    monkeypatch.setattr(two_stage, "match_parts", lambda repaired, *_: calls.append(1) or repaired)

    refine(picture, models_of([flat_hand(210, 150, 160)]), replace(FAST, **chosen))

    assert bool(calls) == matched
