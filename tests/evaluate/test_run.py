from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realishuman.evaluate import summary
from realishuman.evaluate.metrics import PSNR_CAP, psnr
from realishuman.evaluate.pairs import (
    BASELINES,
    Method,
    Repair,
    do_nothing,
    perfect,
    true_part,
)
from realishuman.evaluate.run import CLEAN, Run, Scope, evaluate, measure, third
from realishuman.evaluate.scorer import Score
from realishuman.progress import Silent
from realishuman.train.synthetic.malform import KINDS

NOTHING, PERFECT = BASELINES


def run_of(methods, detector, count=2, at_once=1, store=None, **options):
    run = Run()
    scope = Scope(methods, detector, **options)
    evaluate(run, range(count), scope, side=96, progress=Silent(), at_once=at_once, store=store)
    return run


def blacken(pairs):
    return [
        Repair(np.where(pair.mask[..., None], 0, pair.malformed), None, pair.mask, True)
        for pair in pairs
    ]


def spill(pairs):
    """Claims to have changed nothing."""
    return [replace(one, allowed=np.zeros_like(one.allowed)) for one in blacken(pairs)]


def test_a_perfect_repair_has_every_perfect_number(pair, detector):
    found, _ = measure(pair, 3, PERFECT, perfect([pair])[0], detector)

    assert (found.psnr_changed, found.psnr_hand) == (PSNR_CAP, PSNR_CAP)
    assert (found.delta_e, found.seam, found.outside, found.keypoints) == (0, 1, 0, 0)
    assert (found.detected, found.confidence, found.seed) == (True, 0.9, 3)


def test_doing_nothing_has_the_inputs_numbers(pair, detector):
    found, _ = measure(pair, 0, NOTHING, do_nothing([pair])[0], detector)

    assert found.psnr_changed == psnr(pair.malformed, pair.clean, pair.changed)
    assert 5 < found.psnr_changed < 30
    assert found.seam is None
    assert found.outside == 0


def test_a_repair_that_spills_is_counted_pixel_by_pixel(pair, detector):
    found, _ = measure(pair, 0, Method("spills", "", spill), spill([pair])[0], detector)

    assert found.outside == (pair.malformed[pair.mask] != 0).any(axis=1).sum() > 100


def test_the_scorer_is_shown_the_true_mesh_and_the_one_that_was_followed(pair, detector):
    other = replace(pair.mesh, vertices=pair.mesh.vertices + 1)
    (repair,) = do_nothing([pair])

    def score(picture, part, mesh):
        malformed = 0.9 if mesh is other else 0.1
        return Score(malformed, 5, np.array([malformed], np.float32))

    told, given = measure(pair, 0, NOTHING, repair, detector, score)
    asked, also = measure(
        pair, 0, NOTHING, replace(repair, followed=(true_part(pair), other)), detector, score
    )
    assert (told.malformed, told.as_asked) == (0.1, None)
    assert (asked.malformed, asked.as_asked) == (0.1, 0.9)
    assert given.features == also.features == np.float32(0.1)


def test_the_mesh_that_was_followed_is_held_against_the_true_joints(pair, detector):
    longer = np.ptp(pair.joints[:, :2], axis=0).max()
    beside = replace(pair.mesh, joints=pair.joints + np.array([0.1 * longer, 0, 7], np.float32))
    (nothing,) = do_nothing([pair])

    def error(repair):
        return measure(pair, 0, NOTHING, repair, detector)[0].mesh_error

    assert error(nothing) is None
    assert error(replace(nothing, followed=(true_part(pair), beside))) == pytest.approx(10)
    exact = replace(pair.mesh, joints=pair.joints)
    assert error(replace(nothing, followed=(true_part(pair), exact))) == 0


def test_a_hand_seen_elsewhere_or_too_unsurely_is_not_detected(pair, shown_hand):
    elsewhere = shown_hand(pair.joints * 0.1)
    unsure = shown_hand(pair.joints, score=0.4)

    for detector in (elsewhere, unsure):
        found, _ = measure(pair, 0, NOTHING, do_nothing([pair])[0], detector)
        assert (found.detected, found.keypoints) == (False, None)


def test_the_thirds_of_skin_tones_are_dark_middle_light():
    assert [third(tone) for tone in (-65, -23, -22, 20, 21, 63)] == [
        "dark", "dark", "middle", "middle", "light", "light",
    ]  # fmt: skip


def test_every_method_meets_every_pair_and_every_kind(few_pairs, detector):
    run = run_of([Method("black", "true", blacken)], detector, count=len(KINDS), shown=2)

    malformed = [m for m in run.measures if m.kind != CLEAN]
    assert len(malformed) == 3 * len(KINDS)
    assert {m.kind for m in malformed} == set(KINDS)
    assert len(run.measures) - len(malformed) == 2 * len(KINDS)
    assert len(run.sheet) == 2
    assert [name for name, _ in run.sheet[0]][1:] == [
        "stage one true", "black true", "pose true", "clean",
    ]  # fmt: skip


def test_the_gain_is_over_the_same_pairs_input_and_the_inputs_own_is_0(few_pairs, detector):
    run = run_of([Method("perfect", "", perfect)], detector, harm=False)

    first, truth, ours = summary.rows(run.measures, "all")
    assert (first.method, truth.method, ours.method) == (NOTHING.name, PERFECT.name, "perfect")
    assert first.values["gain"].mean == 0
    assert ours.values == truth.values
    expected = PSNR_CAP - first.values["psnr_changed"].mean
    assert ours.values["gain"].mean == pytest.approx(expected)


def test_clean_hands_made_worse_are_counted_and_those_left_alone_are_not(few_pairs, detector):
    methods = [Method("black", "", blacken), Method("kept", "", do_nothing)]

    rows = summary.rows(run_of(methods, detector).measures, "kind")

    worse = {row.method: row.values["worse"].mean for row in rows if row.group == CLEAN}
    assert worse == {PERFECT.name: 0, "black": 100, "kept": 0}


def test_rows_by_kind_and_tone_have_only_groups_that_were_measured(few_pairs, pair, detector):
    measures = run_of([], detector, harm=False).measures

    assert {row.group for row in summary.rows(measures, "kind")} == set(KINDS[:2])
    assert {row.group for row in summary.rows(measures, "tone")} == {third(pair.tone)}


def test_features_are_taken_of_every_method_on_malformed_pairs_only(few_pairs, detector):
    class Mean:
        name = "mean colour"

        def __call__(self, crop):
            assert crop.shape == (224, 224, 3)
            return crop.mean(axis=(0, 1), dtype=np.float32)

    run = run_of([Method("black", "", blacken)], detector, count=3, extractor=Mean())

    assert {key: len(values) for key, values in run.features.items()} == {
        (NOTHING.name, "", Mean.name): 3, (PERFECT.name, "", Mean.name): 3,
        ("black", "", Mean.name): 3,
    }  # fmt: skip
    found = summary.distances(run)
    assert found.keys() == {(NOTHING.name, "", Mean.name), ("black", "", Mean.name)}
    assert "too few" in found["black", "", Mean.name].note


def test_what_is_measured_survives_a_stop(few_pairs, detector):
    def stop(pairs):
        if pairs[0].kind == KINDS[1]:
            raise KeyboardInterrupt
        return do_nothing(pairs)

    run = Run()
    with pytest.raises(KeyboardInterrupt):
        scope = Scope([Method("stops", "", stop)], detector)
        evaluate(run, range(3), scope, side=96, progress=Silent())

    assert {m.seed for m in run.measures} == {0}
    assert summary.rows(run.measures, "all")


def test_pairs_measured_together_give_the_numbers_of_each_alone(few_pairs, detector):
    methods = [Method("black", "true", blacken)]

    alone, together = (run_of(methods, detector, 5, at_once, shown=4) for at_once in (1, 3))

    assert together.measures == alone.measures
    assert [name for name, _ in together.sheet[3]] == [name for name, _ in alone.sheet[3]]
    assert len(together.sheet) == len(alone.sheet) == 4
