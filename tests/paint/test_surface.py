"""A mesh drawn into a window, and what its vertices and pixels see."""

from __future__ import annotations

import numpy as np
import pytest

from realishuman.paint.surface import draw, occlusion, sample

# a square facing the viewer at depth 5, and a smaller one behind it at depth 9
CORNERS = np.float32([[10, 10], [30, 10], [30, 30], [10, 30]])
BEHIND = np.float32([[15, 15], [25, 15], [25, 25], [15, 25]])
VERTICES = np.concatenate(
    [np.column_stack([CORNERS, np.full(4, 5)]), np.column_stack([BEHIND, np.full(4, 9)])]
).astype(np.float32)
FACES = np.array([[0, 2, 1], [0, 3, 2], [4, 6, 5], [4, 7, 6]])


@pytest.fixture
def surface():
    return draw(VERTICES, FACES, (40, 40))


def test_the_nearer_square_covers(surface):
    assert surface.coverage.sum() == 400
    assert np.unique(surface.depth[surface.coverage]).tolist() == [5.0]


def test_attributes_are_spread_linearly(surface):
    across = surface.fill(surface.spread(VERTICES[:, :1])[:, 0])

    assert across[20, 10] == pytest.approx(10.5)
    assert across[20, 29] == pytest.approx(29.5)
    assert across[0, 0] == 0


def test_finer_means_the_same_places(surface):
    fine = draw(VERTICES, FACES, (40, 40), scale=2)

    assert fine.coverage.sum() == 1600
    assert np.allclose(fine.depth[fine.coverage], 5)


def test_a_window_need_not_be_square():
    wide = draw(VERTICES + np.float32([20, 0, 0]), FACES, (32, 60))

    assert wide.coverage.shape == (32, 60)
    assert wide.coverage[:, 30:50].sum() == wide.coverage.sum() == 400


def test_what_lies_behind_is_not_seen(surface):
    facing = np.full(8, -1.0, np.float32)
    inside = VERTICES + np.float32([1, 1, 0]) * np.sign(20 - VERTICES)

    assert surface.sees(inside, facing, 0.5).tolist() == [True] * 4 + [False] * 4
    assert not surface.sees(inside, -facing, 0.5).any()
    assert not surface.sees(inside + 100, facing, 0.5).any()


def test_a_flat_surface_hides_no_light_and_a_step_does():
    step = VERTICES.copy()
    step[4:, 2] = 2  # the small square now lies before the large one
    flat, raised = (occlusion(draw(v, FACES, (40, 40)), 40.0) for v in (VERTICES, step))

    assert flat.max() == 0
    assert raised[14, 20] > 0.1 > raised[20, 20]


@pytest.mark.parametrize("scale", [1, 2])
def test_a_higher_step_hides_more_until_it_is_another_finger(scale):
    shares = []
    for depth in (4, 2, -60):
        step = VERTICES.copy()
        step[4:, 2] = depth
        raised = draw(step * scale, FACES, (40 * scale, 40 * scale))
        shares.append(occlusion(raised, 40.0 * scale).mean())

    low, high, far_before = shares
    assert far_before == 0
    assert 1.5 * low < high
    assert high == pytest.approx(0.0107, rel=0.05)  # in a picture of any size


def test_pixels_are_sampled_at_their_centres():
    picture = np.arange(12, dtype=np.float32).reshape(3, 4)

    assert sample(picture, np.float32([[0.5, 0.5], [3.5, 2.5], [2.0, 1.5]])).tolist() == [
        0,
        11,
        5.5,
    ]
