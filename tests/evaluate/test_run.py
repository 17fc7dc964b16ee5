from __future__ import annotations

import numpy as np
import pytest

from realishuman.evaluate import summary
from realishuman.evaluate.measures import CLEAN, third
from realishuman.evaluate.metrics import PSNR_CAP
from realishuman.evaluate.pairs import BASELINES, Method, Repair, do_nothing, perfect
from realishuman.evaluate.run import Run, Scope, evaluate
from realishuman.progress import Silent
from realishuman.synthetic.malform import KINDS

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
