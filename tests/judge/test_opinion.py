"""How the judge's and the corrector's opinions come together."""

from __future__ import annotations

import numpy as np
import pytest

from realishuman.judge.gate import doubt
from realishuman.judge.opinion import REFUSED, REFUSED_WITH_FINGERS, mix_opinions
from realishuman.mesh.base import Mesh

PICTURE = np.zeros((8, 8, 3), np.uint8)


def test_the_judge_alone_decides_where_nothing_is_known_of_fingers():
    opinion = mix_opinions(0.6, None)

    assert (opinion.malformed, opinion.refused) == (0.6, REFUSED)


@pytest.mark.parametrize("finger", range(5))
def test_the_likeliest_finger_counts_half(finger):
    wrong = np.where(np.arange(5) == finger, 0.8, 0.1)

    opinion = mix_opinions(0.4, wrong)

    assert opinion.malformed == pytest.approx(0.6)
    assert opinion.refused == REFUSED_WITH_FINGERS


@pytest.mark.parametrize(("finger", "passes"), [(0.9, True), (0.1, False)])
def test_the_gate_asks_both(says, finger, passes):
    empty = np.zeros((0, 3), np.float32)
    wrong = np.full(5, finger, np.float32)
    mesh = Mesh(empty, empty.astype(np.int32), empty, wrong=wrong)

    sentence = doubt(PICTURE, None, mesh, says(0.5))

    assert (sentence == "") is passes
    assert passes or "looks right already (malformed 30%, suspect from 60%)" in sentence
