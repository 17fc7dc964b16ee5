"""How the judge's and the corrector's opinions come together."""

from __future__ import annotations

import numpy as np
import pytest

from realishuman.errors import ModelError
from realishuman.judge.gate import doubt
from realishuman.judge.opinion import DROP, REFUSED, Opinion, mix_opinions
from realishuman.mesh.base import Mesh

PICTURE = np.zeros((8, 8, 3), np.uint8)


def test_the_judge_alone_decides_where_nothing_is_known_of_fingers():
    opinion = mix_opinions(0.6, None)

    assert (opinion.malformed, opinion.kept_below) == (0.6, REFUSED)
    assert mix_opinions(0.3, None).kept_below == 0.3


@pytest.mark.parametrize("finger", range(5))
def test_the_likeliest_finger_counts_half(finger):
    wrong = np.where(np.arange(5) == finger, 0.8, 0.1)

    assert mix_opinions(0.2, wrong).malformed == pytest.approx(0.5)  # the mean of their log odds
    assert mix_opinions(0.8, wrong).malformed == pytest.approx(0.8)


def test_a_repair_is_kept_if_the_odds_are_lower_by_a_factor():
    limit = Opinion(0.8, fingers=True).kept_below

    assert limit / (1 - limit) == pytest.approx(4 * np.exp(-DROP))


@pytest.mark.parametrize(("judged", "finger"), [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
def test_nobody_is_ever_sure(judged, finger):
    opinion = mix_opinions(judged, np.full(5, finger))

    assert 1e-4 < opinion.malformed < 1 - 1e-4
    assert 0 < opinion.kept_below < opinion.malformed


@pytest.mark.parametrize(("finger", "passes"), [(0.9, True), (0.1, False)])
def test_the_gate_asks_both(says, finger, passes):
    empty = np.zeros((0, 3), np.float32)
    wrong = np.full(5, finger, np.float32)
    mesh = Mesh(empty, empty.astype(np.int32), empty, wrong=wrong)

    sentence = doubt(PICTURE, None, mesh, says(0.5))

    assert (sentence == "") is passes
    assert passes or "looks right already (malformed 25%, suspect from 60%)" in sentence


@pytest.mark.parametrize(
    ("judged", "wrong"), [(float("nan"), None), (0.5, np.array([0.1, np.nan])), (np.inf, None)]
)
def test_what_is_not_a_number_is_no_opinion(judged, wrong):
    with pytest.raises(ModelError, match="not a number"):
        mix_opinions(judged, wrong)
