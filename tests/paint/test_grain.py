"""Grain that is continued into what is filled smoothly."""

from __future__ import annotations

import numpy as np
import pytest

from realishuman.paint.grain import continue_grain

SIDE = 96
HOLE = np.zeros((SIDE, SIDE), bool)
HOLE[30:60, 30:60] = True


def noisy(spread, seed=0):
    noise = np.random.default_rng(seed).normal(128, spread, (SIDE, SIDE, 3))
    return np.clip(noise.round(), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("spread", [2.0, 6.0, 12.0])
def test_the_filling_gets_as_much_grain_as_the_picture_has(spread):
    picture = noisy(spread)

    added = continue_grain(picture, ~HOLE, HOLE)

    # what lies between neighbouring pixels is grain alone
    own, ours = (np.diff(p.astype(np.float64), axis=1) for p in (picture, added))
    inside = HOLE[:, 1:] & HOLE[:, :-1]
    assert ours[inside].std() == pytest.approx(own[~inside].std(), rel=0.15)
    assert abs(added[HOLE].mean()) < 0.1 * spread


def test_nothing_is_added_beside_the_filling_and_none_to_a_smooth_picture():
    smooth = np.full((SIDE, SIDE, 3), 90, np.uint8)
    smooth += np.linspace(0, 60, SIDE).astype(np.uint8)[None, :, None]

    assert np.abs(continue_grain(noisy(6), ~HOLE, HOLE)[~HOLE]).max() == 0
    assert np.abs(continue_grain(smooth, ~HOLE, HOLE)).max() < 2


def test_an_edge_beside_the_filling_is_not_mirrored_into_it_at_full_strength():
    picture = noisy(2)
    picture[:, :26] = 20

    added = continue_grain(picture, ~HOLE, HOLE)

    assert np.abs(added).max() < 12  # the edge is 108 high


@pytest.mark.parametrize("known", [np.zeros_like(HOLE), ~HOLE])
def test_where_nothing_is_known_or_nothing_filled_nothing_is_added(known):
    where = HOLE if not known.any() else np.zeros_like(HOLE)

    assert not continue_grain(noisy(6), known, where).any()
