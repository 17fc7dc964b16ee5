"""Fingers of the meshes laid onto the fingers that are seen."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from realishuman.mesh.base import Mesh
from realishuman.paint.register import IN_PLACE, along_of_vertices, lay_on
from realishuman.paint.scene import PALM, finger_of_vertices, set_scene
from realishuman.synthetic.sample import sample

SEED = 1_000_000_019
INDEX = finger_of_vertices() == 2


@pytest.fixture(scope="module")
def pair():
    return sample(SEED, 256, "bent finger")


@pytest.fixture(scope="module")
def true(pair):
    return set_scene(pair.clean, pair.mesh, np.ones(pair.mask.shape, bool))


def moved(pair, by, which="both"):
    """The scene of a mesh whose index finger lies this many pixels beside itself."""
    vertices = pair.mesh.vertices.copy()
    vertices[INDEX, :2] += by
    good = pair.mesh.vertices if which == "seen" else vertices
    mesh = Mesh(good, pair.mesh.faces, pair.mesh.joints, seen=vertices)
    return set_scene(pair.clean, mesh, np.ones(pair.mask.shape, bool))


def overlap(first, second):
    return (first & second).sum() / (first | second).sum()


def index_of(scene, surface):
    return scene.fingers_of(surface) == 2


def across(scene):
    """A unit vector across the index finger."""
    points = scene.seen.vertices[INDEX, :2]
    _, _, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    return axes[1]


def test_what_lies_right_hardly_moves(true):
    hand = true.good.coverage

    after = lay_on(true, hand, None)

    apart = np.linalg.norm((after.good.vertices - true.good.vertices)[:, :2], axis=1)
    assert np.median(apart) < 0.005 * true.length
    assert overlap(after.good.coverage, hand) > 0.97


@pytest.mark.parametrize("way", [1, -1])
def test_a_finger_beside_itself_is_laid_onto_the_hand_that_is_seen(pair, true, way):
    hand = true.good.coverage
    scene = moved(pair, way * 0.035 * true.length * across(true))

    after = lay_on(scene, hand, None)

    own = index_of(true, true.good)
    before, now = (overlap(index_of(each, each.good), own) for each in (scene, after))
    assert now > before + 0.1
    assert now > 0.8
    assert np.abs(after.shift[INDEX]).max() < IN_PLACE


@pytest.mark.parametrize("way", [1, -1])
def test_a_finger_ends_where_the_hand_that_is_seen_ends(pair, true, way):
    def end(scene):
        return float((scene.good.vertices[INDEX, :2] @ along).max())

    points, place = true.seen.vertices[INDEX, :2], along_of_vertices()[INDEX]
    along = points[place > 2.5].mean(axis=0) - points[place < 0.5].mean(axis=0)
    along /= np.linalg.norm(along)
    scene = moved(pair, way * 0.03 * true.length * along)

    after = lay_on(scene, true.good.coverage, None)

    assert abs(end(after) - end(true)) < 0.35 * abs(end(scene) - end(true))


def test_of_a_wrong_finger_the_place_is_learnt_but_not_the_width(pair, true):
    """The hand that is seen has a finger of double width."""
    hand = true.good.coverage.copy()
    swollen = true.seen.vertices.copy()
    points = swollen[INDEX, :2]
    centre = points.mean(axis=0)
    way = across(true)
    swollen[INDEX, :2] += 0.45 * ((points - centre) @ way)[:, None] * way
    fat = set_scene(
        pair.clean,
        replace(pair.mesh, vertices=swollen),
        np.ones(pair.mask.shape, bool),
    )
    hand |= index_of(fat, fat.good)
    wrong = np.arange(6) == 2

    right, bad = (lay_on(true, hand, each) for each in (None, wrong))

    width = [index_of(each, each.good).sum() for each in (true, right, bad)]
    assert width[1] > 1.1 * width[0]
    assert width[2] == pytest.approx(width[0], rel=0.08)
    assert index_of(bad, bad.seen).sum() > 1.1 * width[0]  # the picture shows it so


def test_a_finger_that_belongs_elsewhere_stays_where_it_belongs(pair, true):
    """Its skin is looked for where the picture shows it."""
    scene = moved(pair, 0.12 * true.length * across(true), which="seen")
    seen = index_of(scene, scene.seen)
    hand = (true.good.coverage & ~index_of(true, true.good)) | np.roll(seen, 2, axis=1)

    after = lay_on(scene, hand, None)

    beyond = INDEX & (along_of_vertices() > 1)  # its root follows the palm
    np.testing.assert_array_equal(after.good.vertices[beyond], scene.good.vertices[beyond])


@pytest.mark.parametrize("wider", [4, -3])
def test_the_palms_outline_is_laid_onto_that_of_the_hand_that_is_seen(true, wider):
    palm = true.fingers_of(true.good) == PALM
    kernel = np.ones((2 * abs(wider) + 1,) * 2, np.uint8)
    grown = (cv2.dilate if wider > 0 else cv2.erode)(palm.astype(np.uint8), kernel) > 0
    hand = (true.good.coverage & ~palm) | grown

    after = lay_on(true, hand, None)

    ends = ~cv2.dilate((true.beyond | (hand & ~grown)).astype(np.uint8), kernel).astype(bool)
    before, now = (overlap(each.good.coverage & ends, hand & ends) for each in (true, after))
    assert now > before + 0.4 * (1 - before)


@pytest.mark.parametrize("fill", [False, True])
def test_a_mask_that_tells_nothing_moves_nothing(true, fill):
    after = lay_on(true, np.full(true.allowed.shape, fill), None)

    np.testing.assert_array_equal(after.good.vertices, true.good.vertices)
    np.testing.assert_array_equal(after.seen.vertices, true.seen.vertices)
