"""What new fingers are painted with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realishuman.paint.reading import read
from realishuman.paint.scene import PALM, set_scene
from realishuman.paint.skin import blend, layer
from realishuman.synthetic.sample import sample

INDEX = np.arange(6) == 2


@pytest.fixture(scope="module")
def hand():
    """A good hand, its layers, and the finger of each painted pixel."""
    pair = sample(1_000_000_019, 256, "bent finger")
    scene, reading = read(set_scene(pair.clean, pair.mesh, np.ones(pair.mask.shape, bool)), None)
    finger = np.asarray(scene.fine.nearest(scene.finger), np.intp)
    return scene, layer(scene, reading), finger


def unseen(layers, where):
    """The layers, with nothing of the picture to be trusted there."""
    nothing = {name: np.where(where, 0, getattr(layers, name)) for name in ("stays", "fits")}
    return replace(layers, **nothing)


@pytest.mark.parametrize("factor", [1.4, 0.8])
def test_an_unseen_finger_comes_near_to_the_colour_of_those_that_are_seen(hand, factor):
    scene, layers, finger = hand
    new = finger == 2
    wrongly_lit = replace(layers, model=np.where(new[:, None], factor, 1) * layers.model)

    colours, _ = blend(scene, unseen(wrongly_lit, new), INDEX)

    others = np.log(layers.own[(finger > PALM) & ~new]).mean()
    off = abs(np.log(colours[new]).mean() - others)
    assert off < 0.5 * abs(np.log(wrongly_lit.model[new]).mean() - others)


def test_without_a_finger_that_is_seen_the_light_alone_decides(hand):
    scene, layers, finger = hand
    blind = unseen(layers, finger > PALM)

    colours, _ = blend(scene, blind, np.arange(6) > PALM)

    tip = finger > PALM
    assert np.log(colours[tip]).mean() == pytest.approx(np.log(layers.model[tip]).mean(), abs=0.1)
