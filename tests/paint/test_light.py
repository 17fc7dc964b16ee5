"""Light is found again from the colours that it made, shadows and outliers beside it."""

from __future__ import annotations

import numpy as np
import pytest

from realishuman.paint.light import Light, fit_light


@pytest.fixture
def normals():
    random = np.random.default_rng(0).normal(size=(3000, 3))
    random[:, 2] = -np.abs(random[:, 2])
    return random / np.linalg.norm(random, axis=1, keepdims=True)


def made(dimming):
    coefficients = np.zeros((9, 3))
    coefficients[0], coefficients[1], coefficients[3] = 0.3, 0.1, 0.05
    return Light(coefficients, dimming, np.zeros(3))


@pytest.mark.parametrize("dimming", [0.0, 0.5, 1.0])
def test_light_and_dimming_are_found(normals, dimming):
    hidden = np.random.default_rng(1).uniform(0, 0.6, len(normals))
    colours = made(dimming).on(normals, hidden)

    light = fit_light(normals, hidden, colours, np.ones(len(normals)))
    assert light.dimming == dimming
    assert np.abs(light.on(normals, hidden) - colours).max() < 0.01


@pytest.mark.parametrize("first", range(3))
@pytest.mark.parametrize("second", range(3))
def test_light_that_changes_with_two_directions_is_found(normals, first, second):
    colours = np.repeat((0.4 + 0.15 * normals[:, [first]] * normals[:, [second]]), 3, axis=1)
    hidden = np.zeros(len(normals))

    light = fit_light(normals, hidden, colours, np.ones(len(normals)))
    assert (light.on(normals, hidden) - colours).std() < 0.5 * colours.std()


def test_outliers_do_not_count(normals):
    hidden = np.zeros(len(normals))
    colours = made(0.0).on(normals, hidden)
    spoilt = colours.copy()
    spoilt[::5] = 1.0

    light = fit_light(normals, hidden, spoilt, np.ones(len(normals)))
    assert np.abs(light.on(normals, hidden) - colours).max() < 0.02


def test_it_is_never_darker_than_a_shadow(normals):
    colours = np.full((len(normals), 3), 0.5)
    light = fit_light(normals, np.zeros(len(normals)), colours, np.ones(len(normals)))

    assert light.on(normals, np.full(len(normals), 50.0)).min() >= 0.12 * 0.5 - 1e-6
