"""A halo is seen whatever it is made of; what belongs there is none."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from realishuman.evaluate.halo import halo
from realishuman.evaluate.metrics import seam_ratio
from realishuman.synthetic.sample import sample

SHOWS, NONE = 5.0, 1.0  # Delta E
WIDTH = 24  # of the ring, in pixels


class Scene:
    """A rendered hand on a grainy background, its ring, and paint that fades into the ring."""

    def __init__(self, seed):
        pair = sample(seed, 256)
        noise = np.random.default_rng(seed).normal(0, 6, pair.clean.shape)
        self.picture = np.clip(pair.clean + noise, 0, 255).astype(np.uint8)
        self.part = pair.mask
        kernel = np.ones((2 * WIDTH + 1, 2 * WIDTH + 1), np.uint8)
        self.area = cv2.dilate(self.part.astype(np.uint8), kernel) > 0
        depth = cv2.distanceTransform(self.area.astype(np.uint8), cv2.DIST_L2, 3)
        self.fade = np.clip(depth / 12, 0, 1) * (self.area & ~self.part)

    def painted(self, paint, where=1.0):
        """The picture with its ring painted, softly from the outer edge."""
        weight = (self.fade * where)[..., None]
        values = self.picture * (1 - weight) + paint(self.picture.astype(np.float32)) * weight
        return np.clip(values, 0, 255).astype(np.uint8)

    def half(self):
        """1 in the half of the picture below the hand's middle: the wrist's."""
        below = np.arange(256)[:, None] > np.median(np.nonzero(self.part)[0])
        return np.broadcast_to(below, (256, 256)).astype(np.float32)

    def skin(self):
        return self.picture[self.part].mean(axis=0)


@cache
def rendered(seed):
    return Scene(seed)


def pale_patch(scene):
    return scene.painted(lambda values: values + 50, scene.half())


def dark_wrist(scene):
    return scene.painted(lambda values: values * 0.5, scene.half())


def another_hue(scene):
    return scene.painted(lambda values: values + np.float32([25, -12, -25]))


def glow_of_skin(scene):
    return scene.painted(lambda values: values / 2 + np.float32(scene.skin()) / 2)


def grey_band(scene):
    return scene.painted(lambda values: values.mean(axis=2, keepdims=True) * 0.6 + 50)


def blurred_band(scene):
    return scene.painted(lambda values: cv2.GaussianBlur(values, (0, 0), 4))


def grainy_band(scene):
    grain = np.random.default_rng(9).normal(0, 20, scene.picture.shape)
    return scene.painted(lambda values: values + grain)


def dark_outline(scene):
    return scene.painted(lambda values: values * 0.4, (scene.fade > 0.6).astype(np.float32))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    "glaring",
    [
        pale_patch, dark_wrist, another_hue, glow_of_skin, grey_band, blurred_band, grainy_band,
        dark_outline,
    ],
)  # fmt: skip
def test_a_glaring_halo_shows(glaring, seed):
    scene = rendered(seed)

    assert halo(glaring(scene), scene.picture, scene.area, scene.part) > SHOWS


def test_a_seam_does_not_tell_what_a_halo_does():
    scene = rendered(0)
    soft = another_hue(scene)

    assert seam_ratio(soft, scene.picture, scene.area) < 1.2
    assert halo(soft, scene.picture, scene.area, scene.part) > SHOWS


def the_same(scene):
    return scene.picture.copy()


def other_grain(scene):
    grain = np.random.default_rng(9).normal(0, 6, scene.picture.shape)
    smooth = sample(0, 256).clean
    return np.where(scene.area[..., None], np.clip(smooth + grain, 0, 255), scene.picture)


def slightly_lighter(scene):
    return scene.painted(lambda values: values + 2)


def another_hand(scene):
    """Only the part is repainted: flatter, a little lighter."""
    other = 0.9 * scene.picture + 0.1 * scene.skin() + 3
    return np.where(scene.part[..., None], np.clip(other, 0, 255), scene.picture)


def saved_as_jpeg(scene):
    _, coded = cv2.imencode(".jpg", scene.picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return np.where(scene.area[..., None], cv2.imdecode(coded, cv2.IMREAD_COLOR), scene.picture)


@pytest.mark.parametrize(
    "good", [the_same, other_grain, slightly_lighter, another_hand, saved_as_jpeg]
)
def test_what_belongs_there_is_none(good):
    scene = rendered(0)
    found = halo(good(scene).astype(np.uint8), scene.picture, scene.area, scene.part)

    assert 0 <= found < NONE
    assert (found == 0) == (good is the_same)


def test_a_ring_that_goes_on_as_the_background_is_none_though_it_differs_from_the_reference():
    """The malformed hand's finger was there; it is background now."""
    picture, finger = np.full((200, 200, 3), (90, 140, 90), np.uint8), np.zeros((200, 200), bool)
    part, area = finger.copy(), finger.copy()
    part[70:130, 70:130] = area[40:160, 40:160] = finger[95:105, 45:70] = True
    picture[part] = (200, 160, 140)
    before = np.where(finger[..., None], np.uint8([200, 160, 140]), picture)

    assert halo(picture, before, area, part) == pytest.approx(0, abs=0.1)


def test_without_a_ring_or_its_sides_there_is_nothing_to_measure():
    picture, everywhere = np.zeros((64, 64, 3), np.uint8), np.ones((64, 64), bool)

    assert halo(picture, picture, everywhere, everywhere) is None
    assert halo(picture, picture, everywhere, ~everywhere) is None
