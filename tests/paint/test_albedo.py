"""Values spread over a mesh from the vertices where they are known."""

from __future__ import annotations

import numpy as np

from realishuman.mesh.hand_template import hand_template
from realishuman.paint.albedo import spread_over

FACES = hand_template().faces
COUNT = len(hand_template().vertices)


def test_what_is_known_everywhere_stays():
    values = np.random.default_rng(0).normal(size=(COUNT, 2))

    spread = spread_over(FACES, values, np.full(COUNT, 1e4), stiffness=0.01)
    assert np.abs(spread - values).max() < 1e-2


def test_unknown_vertices_take_their_neighbours():
    values, weights = np.zeros((COUNT, 1)), np.ones(COUNT)
    values[:] = 3.0
    unknown = np.random.default_rng(0).random(COUNT) < 0.3
    values[unknown], weights[unknown] = 99.0, 0.0

    assert np.abs(spread_over(FACES, values, weights, stiffness=0.08) - 3.0).max() < 1e-3


def test_it_solves_the_equations_it_names():
    rng = np.random.default_rng(1)
    values, weights = rng.normal(size=(COUNT, 1)), rng.random(COUNT)
    x = spread_over(FACES, values, weights, stiffness=0.08)
    pull = (weights * (x - values)[:, 0]) + 1e-4 * (
        x[:, 0] - np.average(values[:, 0], weights=weights)
    )
    for a, b in ((0, 1), (1, 2), (2, 0)):
        np.add.at(pull, FACES[:, a], 0.08 * (x[FACES[:, a], 0] - x[FACES[:, b], 0]))

    assert np.abs(pull).max() < 1e-3


def test_without_any_weight_it_is_the_mean():
    values = np.arange(COUNT, dtype=float)[:, None]

    spread = spread_over(FACES, values, np.zeros(COUNT), stiffness=0.08)
    assert np.allclose(spread, values.mean(), atol=1e-6)
