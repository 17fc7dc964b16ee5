"""Several seeds for each part: the one that the judge finds best is pasted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realishuman.judge import verdict
from realishuman.pipeline.refine import refine, refine_all
from realishuman.settings import Settings

ONE = Settings(parts=("hand",), steps=1, guidance=1.0, seed=40, gate=False)
THREE = replace(ONE, tries=3)


@pytest.fixture(autouse=True)
def noise_is_credible(monkeypatch):
    """The test pack paints noise; only the network is to decide here."""
    monkeypatch.setattr(verdict, "COLOUR_LIMIT", 1e9)


def equal(first, second):
    """But for float rounding, which may move a pixel by a level."""
    return np.abs(first.astype(int) - second).max() <= 1


@pytest.mark.parametrize("batch", [1, 4])
def test_the_best_seed_is_pasted_as_if_it_had_been_the_only_one(
    picture, models_of, flat_hand, as_demo, says, batch
):
    hands = [flat_hand(120, 130, 120)]
    tried = as_demo(models_of(hands), says(0.9, 0.4, 0.9, 0.1, 0.9, 0.2))
    alone = as_demo(models_of(hands), says(0.9, 0.1))

    best = refine(picture, tried, replace(THREE, max_batch=batch), keep_steps=True)
    wanted = refine(picture, alone, replace(ONE, seed=41), keep_steps=True)
    other = refine(picture, as_demo(models_of(hands), says(0.9, 0.1)), ONE)

    assert best.parts[0].seed == wanted.parts[0].seed == 41
    assert best.report()["parts"][0]["malformed"] == {"before": 0.9, "after": 0.1}
    assert equal(best.image, wanted.image)
    assert not equal(best.image, other.image)
    for name in ("4-stage-one", "5-stage-two"):
        assert equal(best.steps[f"1-hand/{name}"], wanted.steps[f"1-hand/{name}"])
    assert len(best.patches) == 1


def test_where_no_try_is_better_the_picture_stays_and_the_best_is_told(
    picture, models_of, flat_hand, as_demo, says
):
    models = as_demo(models_of([flat_hand(120, 130, 120)]), says(0.6, 0.9, 0.6, 0.7, 0.6, 0.8))

    result = refine(picture, models, THREE)

    np.testing.assert_array_equal(result.image, picture)
    assert "malformed 70%, before 60%" in result.parts[0].reason


def test_without_the_judges_veto_the_best_is_pasted_all_the_same(
    picture, models_of, flat_hand, as_demo, says
):
    models = as_demo(models_of([flat_hand(120, 130, 120)]), says(0.6, 0.9, 0.6, 0.7, 0.6, 0.8))

    result = refine(picture, models, replace(THREE, judge=False))

    assert (result.parts[0].outcome, result.parts[0].seed) == ("refined", 41)


def test_parts_of_several_pictures_each_get_their_best(
    picture, models_of, flat_hand, as_demo, says
):
    network = says(*[0.9, 0.1, 0.9, 0.2, 0.9, 0.3], *[0.9, 0.3, 0.9, 0.2, 0.9, 0.1])
    models = as_demo(models_of([flat_hand(120, 130, 120)]), network)

    first, second = refine_all([picture, picture], models, THREE)

    assert (first.parts[0].seed, second.parts[0].seed) == (40, 42)


def test_without_a_network_the_keypoints_tell_which_is_best():
    kept = verdict.Verdict("", drift=0.05, colour=9.0)
    off = verdict.Verdict("", drift=0.07, colour=1.0)
    refused = verdict.Verdict("the repair has a different colour", drift=0.0, colour=30.0)

    assert sorted([refused, off, kept], key=lambda one: one.rank) == [kept, off, refused]
