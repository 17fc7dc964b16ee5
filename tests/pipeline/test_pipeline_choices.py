"""What a run is told about single parts and kinds of part, and what it shows while it works."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from realishuman.errors import ModelError
from realishuman.parts.found import number_parts
from realishuman.parts.prepare import prepare
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
