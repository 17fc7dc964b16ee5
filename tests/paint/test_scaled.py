"""Hands that are too large are repainted smaller, at their place, and no pixel more changes."""

from __future__ import annotations

import numpy as np
import pytest

from realishuman.imaging.masks import make_masks
from realishuman.paint import scaled
from realishuman.paint.scaled import repaint_hand
from realishuman.paint.transplant import EVERY_FINGER, transplant
from realishuman.presets import PRESETS
from realishuman.synthetic.sample import sample


@pytest.fixture(scope="module")
def pair():
    return sample(1_000_000_019, 256, "bent finger")


@pytest.fixture(scope="module")
def allowed(pair):
    rule = PRESETS["released"].masks["hand"]
    return make_masks(pair.mask, rule, also=pair.changed, kernels_at=512).m_d


def psnr(picture, truth, where):
    return 10 * np.log10(255**2 / np.square(picture[where].astype(float) - truth[where]).mean())


def test_a_large_hand_is_repaired_smaller_where_it_is(pair, allowed, monkeypatch):
    monkeypatch.setattr(scaled, "LARGEST", 80.0)

    done = repaint_hand(pair.malformed, pair.mesh, allowed, EVERY_FINGER)
    picture = done.onto(pair.malformed)

    may = done.allowed_in(allowed.shape)
    assert (picture == pair.malformed)[~may].all()
    before, after = (psnr(p, pair.clean, pair.changed) for p in (pair.malformed, picture))
    assert after > before + 2  # dB


def test_other_hands_are_repaired_at_their_own_size(pair, allowed):
    one = repaint_hand(pair.malformed, pair.mesh, allowed)
    other = transplant(pair.malformed, pair.mesh, allowed)

    assert np.array_equal(one.pixels, other.pixels)


def test_a_large_hand_of_which_nothing_may_change_stays(pair, allowed, monkeypatch):
    monkeypatch.setattr(scaled, "LARGEST", 60.0)

    assert repaint_hand(pair.malformed, pair.mesh, np.zeros_like(allowed)) is None
