from __future__ import annotations

import numpy as np
import pytest

from realishuman.train.spoil import KINDS, spoil


@pytest.fixture
def part():
    """A textured crop, a round part in it, and joints within the part."""
    rng = np.random.default_rng(0)
    clean = np.kron(rng.integers(0, 255, (16, 16, 3)), np.ones((6, 6, 1))).astype(np.uint8)
    rows, columns = np.indices((96, 96))
    m = (rows - 48) ** 2 + (columns - 48) ** 2 < 30**2
    return clean, m, np.array([[40, 40, 0], [60, 50, 0], [48, 70, 0]], np.float32)


def test_a_seed_gives_one_picture_and_all_sorts_occur(part):
    made = [spoil(*part, np.random.default_rng(seed)) for seed in range(24)]
    again = [spoil(*part, np.random.default_rng(seed)) for seed in range(24)]

    assert {kind for _, kind in made} == set(KINDS)
    for (one, kind), (two, _) in zip(made, again, strict=True):
        assert one.dtype == np.uint8
        assert np.array_equal(one, two)
        assert np.array_equal(one, part[0]) == (kind == "none")


def test_only_the_part_is_spoilt_and_visibly(part):
    clean, m, _ = part
    rows, columns = np.indices(m.shape)
    far = (rows - 48) ** 2 + (columns - 48) ** 2 > 38**2
    for seed in range(24):
        changed, kind = spoil(*part, np.random.default_rng(seed))
        apart = np.abs(changed.astype(int) - clean).max(axis=2)
        assert not apart[far].any(), kind
        assert kind == "none" or (apart[m] > 10).mean() > 0.05, kind


def test_without_a_part_or_joints_in_it_nothing_breaks(part):
    clean, m, joints = part
    for seed in range(12):
        picture, kind = spoil(clean, np.zeros_like(m), joints, np.random.default_rng(seed))
        assert kind == "none"
        assert np.array_equal(picture, clean)
        assert spoil(clean, m, joints * 100, np.random.default_rng(seed))[0].shape == clean.shape
