"""The judge within a run: what is kept, what is skipped, and what the report says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realishuman.judge import verdict
from realishuman.judge.network import FOLDER, JUDGE, JudgeNetwork, encode_input, find_judge
from realishuman.pipeline.refine import refine, refine_all
from realishuman.pipeline.standalone import open_models
from realishuman.settings import Settings

FAST = Settings(parts=("hand",), steps=1, guidance=1.0, gate=False)


@pytest.fixture(autouse=True)
def noise_is_credible(monkeypatch):
    """The test pack paints noise; only the network is to decide here."""
    monkeypatch.setattr(verdict, "COLOUR_LIMIT", 1e9)


def test_a_better_repair_is_refined_and_the_report_has_both_probabilities(
    picture, models_of, flat_hand, as_demo, says
):
    models = as_demo(models_of([flat_hand(120, 130, 120)]), says(0.9, 0.1))

    result = refine(picture, models, FAST)

    assert result.parts[0].outcome == "refined"
    assert result.report()["parts"][0]["malformed"] == {"before": 0.9, "after": 0.1}
    assert result.seconds["judge"] > 0
    assert (result.image != picture).any()
    # whatever pack says that it is a demo one, the shipped pack or a user's own
    assert result.message == (
        "1 of 1 parts refined. Demo weights: small networks that only demonstrate the method."
    )


def test_a_worse_repair_leaves_the_picture_bit_for_bit_and_says_why(
    picture, models_of, flat_hand, as_demo, says
):
    models = as_demo(models_of([flat_hand(120, 130, 120)]), says(0.6, 0.7))

    result = refine(picture, models, FAST)

    np.testing.assert_array_equal(result.image, picture)
    assert result.parts[0].outcome == "kept"
    assert "no better" in result.parts[0].reason
    assert result.message.startswith("0 of 1 parts refined.")


def test_a_part_that_is_kept_does_not_take_its_neighbour_along(
    picture, models_of, flat_hand, as_demo, says
):
    hands = [flat_hand(60, 130, 60), flat_hand(180, 130, 60)]
    models = as_demo(models_of(hands), says(0.2, 0.7, 0.9, 0.1))

    result = refine(picture, models, FAST)

    assert [part.outcome for part in result.parts] == ["kept", "refined"]
    np.testing.assert_array_equal(result.image[:, :90], picture[:, :90])
    assert (result.image[:, 150:] != picture[:, 150:]).any()


def test_the_judge_can_be_switched_off(picture, models_of, flat_hand, as_demo, says):
    network = says(0.2, 0.7)
    models = as_demo(models_of([flat_hand(120, 130, 120)]), network)

    result = refine(picture, models, replace(FAST, judge=False))

    assert result.parts[0].outcome == "refined"
    assert result.parts[0].malformed is None
    assert network.asked == []


def test_the_detector_is_left_out_of_the_judgement_on_request(
    picture, models_of, flat_hand, as_demo, says
):
    models = as_demo(models_of([flat_hand(120, 130, 120)]), says(0.9, 0.1, 0.9, 0.1))
    find = models.detector.detect

    def only_in_whole_pictures(seen, kinds, *, confidence, given=()):
        return [] if given else find(seen, kinds, confidence=confidence)

    models.detector.detect = only_in_whole_pictures

    (asked,) = refine_all([picture], models, FAST)
    (unasked,) = refine_all([picture], models, FAST, ask_detector=False)

    assert "no hand is found" in asked.parts[0].reason
    assert unasked.parts[0].outcome == "refined"


def test_random_weights_are_never_judged(picture, models_of, flat_hand, says):
    models, network = models_of([flat_hand(120, 130, 120)]), says(0.2, 0.7)
    models.judge = lambda *_: network

    assert refine(picture, models, FAST).parts[0].outcome == "refined"
    assert network.asked == []


def test_every_hand_has_a_built_in_judge_that_of_the_demo_pack_is_its_own_and_a_face_has_none():
    assert find_judge("hand") == FOLDER / "photographed-hand.onnx"
    assert find_judge("hand", rendered=True) == FOLDER / "hand.onnx"
    assert find_judge("face") is None
    bare, demo = open_models([], "cpu"), open_models("demo", "cpu")
    assert isinstance(bare.judge("hand"), JudgeNetwork)
    assert demo.judge("hand") is not demo.judge("hand", "transplant")
    assert bare.judge("face") is None


def test_the_built_in_judge_opens_and_is_small(picture, prepared):
    network = JudgeNetwork(FOLDER / "hand.onnx")

    assert 0 <= network.malformed(picture, prepared.part, prepared.mesh) <= 1
    assert (FOLDER / "hand.onnx").stat().st_size < 2e6


def test_the_network_is_shown_crop_pose_and_mask(picture, prepared):
    x = encode_input(picture, prepared.part, prepared.mesh)

    assert x.shape == (1, *JUDGE.inputs["crop"][1:])
    np.testing.assert_allclose(x[0, 0], 150 / 127.5 - 1, atol=1e-4)
    assert set(np.unique(x[0, 6])) == {0, 1}
    assert x[0, 3:6][:, x[0, 6] == 1].max() >= 0.4
    assert 0.1 < x[0, 6].mean() < 0.5
