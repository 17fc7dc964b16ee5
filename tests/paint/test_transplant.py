"""The transplant on a rendered hand whose truth is known, and where little can be done."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from realishuman.imaging.masks import make_masks
from realishuman.mesh.base import Mesh
from realishuman.paint.scene import finger_of_vertices
from realishuman.paint.transplant import EVERY_FINGER, transplant
from realishuman.presets import PRESETS
from realishuman.synthetic.sample import sample
from tests.pictures.unusual import UNUSUAL

SEED = 1_000_000_019


@pytest.fixture(scope="module")
def pair():
    return sample(SEED, 256, "bent finger")


@pytest.fixture(scope="module")
def allowed(pair):
    masks = make_masks(
        pair.mask, PRESETS["released"].masks["hand"], also=pair.changed, kernels_at=512
    )
    return masks.m_d


def painted(pair, allowed, mesh=None, **options):
    """The whole picture after the transplant."""
    return transplant(pair.malformed, mesh or pair.mesh, allowed, **options).onto(pair.malformed)


def psnr(picture, truth, where):
    error = np.square(picture[where].astype(float) - truth[where]).mean()
    return 10 * np.log10(255**2 / error)


def sharpness(picture, where):
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    inside = cv2.erode(where.astype(np.uint8), np.ones((3, 3))).astype(bool)
    return np.square(cv2.Laplacian(grey, cv2.CV_32F)[inside]).mean()


@pytest.mark.parametrize("wrong", [None, EVERY_FINGER], ids=["found", "every"])
def test_a_bent_finger_comes_nearer_to_the_good_one_and_stays_sharp(pair, allowed, wrong):
    picture = painted(pair, allowed, wrong=wrong)

    before, after = (psnr(p, pair.clean, pair.changed) for p in (pair.malformed, picture))
    assert after > before + 3  # dB
    assert 0.6 < sharpness(picture, pair.mask) / sharpness(pair.clean, pair.mask) < 1.4


def test_nothing_changes_where_nothing_may(pair, allowed):
    done = transplant(pair.malformed, pair.mesh, allowed)

    may = done.allowed_in(allowed.shape)
    assert np.array_equal(done.onto(pair.malformed)[~may], pair.malformed[~may])
    assert may[allowed].all()
    assert (may & ~allowed).mean() < 0.02  # a stray tip at the most


def test_what_is_right_stays_to_the_bit(pair, allowed):
    done = transplant(pair.malformed, pair.mesh, allowed)

    window = pair.malformed[done.top :, done.left :][: done.pixels.shape[0], : done.pixels.shape[1]]
    reach = cv2.dilate(done.changed.astype(np.uint8), np.ones((15, 15))).astype(bool)
    assert np.array_equal(done.pixels[~reach], window[~reach])
    assert done.changed.mean() < 0.5 * done.allowed.mean()


def test_the_same_again_is_the_same(pair, allowed):
    cv2.setRNGSeed(5)
    first = painted(pair, allowed)
    cv2.setRNGSeed(6)
    np.random.default_rng(1).random(3)

    assert np.array_equal(painted(pair, allowed), first)


def test_a_hand_that_moved_is_painted_with_its_own_skin(pair, allowed):
    """A finger found bent and corrected: its skin comes from where it was."""
    seen = pair.mesh.vertices.copy()
    seen[:, 0] += 0.2  # pixels: an error of the detector, no defect
    moved = painted(pair, allowed, replace(pair.mesh, seen=seen))

    assert np.abs(moved.astype(int) - painted(pair, allowed)).mean() < 1.0


@pytest.mark.parametrize("colour", [0, 255])
def test_a_picture_without_skin_stays_finite(pair, allowed, colour):
    flat = replace(pair, malformed=np.full_like(pair.malformed, colour))

    picture = painted(flat, allowed)
    assert picture.shape == flat.malformed.shape


def test_a_mesh_outside_the_picture_paints_nothing(pair, allowed):
    far = replace(pair.mesh, vertices=pair.mesh.vertices + np.float32([9000, 0, 0]))

    assert transplant(pair.malformed, far, allowed) is None


def test_without_room_nothing_is_painted(pair, allowed):
    assert transplant(pair.malformed, pair.mesh, np.zeros_like(allowed)) is None


def test_a_hand_cut_by_the_border_is_painted(pair, allowed):
    middle = int(pair.mesh.joints[9, 0])
    cut = Mesh(
        pair.mesh.vertices - np.float32([middle, 0, 0]),
        pair.mesh.faces,
        pair.mesh.joints - np.float32([middle, 0, 0]),
    )
    done = transplant(np.ascontiguousarray(pair.malformed[:, middle:]), cut, allowed[:, middle:])

    assert done is not None
    assert done.pixels.dtype == np.uint8


def test_the_tips_of_long_fingers_do_not_stay_floating_beyond_m_d():
    """What may change ends close around the good hand; the tips lie beyond it."""
    pair = sample(1_000_000_411, 256, "stretched finger")
    near = cv2.dilate(pair.mask.astype(np.uint8), np.ones((9, 9))).astype(bool)
    tips = pair.changed & ~cv2.dilate(near.astype(np.uint8), np.ones((7, 7))).astype(bool)

    done = transplant(pair.malformed, pair.mesh, near)
    picture = done.onto(pair.malformed)

    before, after = (
        np.abs(p[tips].astype(int) - pair.clean[tips]).mean() for p in (pair.malformed, picture)
    )
    assert tips.sum() > 100
    assert done.torn or after < 0.3 * before


def test_a_tip_that_must_stay_is_not_left_floating(pair):
    """A band across the finger may change, its tip beyond may not, and lies too far away."""
    joints = pair.mesh.joints[:, :2]
    length = np.ptp(joints, axis=0).max()
    picture = pair.clean.copy()
    skin = np.median(picture[pair.mask], axis=0)
    tip = joints[12] + (joints[12] - joints[9]) / np.linalg.norm(joints[12] - joints[9]) * length
    line = np.zeros(pair.mask.shape, np.uint8)
    ends = [tuple(int(v) for v in np.round(point)) for point in (joints[12], tip)]
    cv2.line(line, ends[0], ends[1], 1, 9)
    picture[line.astype(bool)] = skin
    small = cv2.dilate(pair.mask.astype(np.uint8), np.ones((5, 5))).astype(bool)

    done = transplant(picture, pair.mesh, small, wrong=EVERY_FINGER)

    hand = cv2.dilate(pair.mask.astype(np.uint8), np.ones((3, 3))).astype(bool)
    beside = line.astype(bool) & ~hand
    changed = np.abs(done.onto(picture).astype(int) - picture).max(axis=2) > 30
    assert done.torn or changed[beside].mean() < 0.1


def only(finger):
    return np.arange(6) == finger


def vertices_of(finger):
    return finger_of_vertices() == finger


def test_a_right_finger_that_the_mesh_misses_is_not_painted_beside_itself(pair, allowed):
    """The mesh of the little finger lies beside it; the index is the wrong one."""
    little = vertices_of(5)
    aside = pair.mesh.vertices.copy()
    points = pair.mesh.vertices[little]
    length = np.ptp(pair.joints[:, :2], axis=0).max()
    away = points[:, :2].mean(axis=0) - pair.mesh.vertices[vertices_of(3), :2].mean(axis=0)
    aside[little, :2] += 0.3 * length * away / np.linalg.norm(away)
    mesh = replace(pair.mesh, vertices=aside)

    done = transplant(pair.clean, mesh, np.ones_like(allowed), wrong=only(2))

    beside = np.zeros(allowed.shape, np.uint8)
    for triangle in aside[pair.mesh.faces[little[pair.mesh.faces].all(axis=1)]][..., :2]:
        cv2.fillConvexPoly(beside, np.round(triangle).astype(np.int32), 1)
    changed = (done.onto(pair.clean) != pair.clean).any(axis=2)
    index = np.zeros(allowed.shape, np.uint8)
    for triangle in aside[pair.mesh.faces[vertices_of(2)[pair.mesh.faces].all(axis=1)]][..., :2]:
        cv2.fillConvexPoly(index, np.round(triangle).astype(np.int32), 1)
    assert changed[index > 0].mean() > 0.2
    assert changed[beside > 0].mean() < 0.1


def test_an_arm_beside_a_wrong_finger_is_not_taken_for_a_leftover(pair, allowed):
    """Skin that leads out of what may change belongs to something else."""
    skin = np.median(pair.clean[pair.mask], axis=0)
    tip = pair.joints[8, :2].astype(int)
    picture = pair.malformed.copy()
    arm = np.zeros(allowed.shape, bool)
    arm[max(tip[1] - 25, 0) : tip[1] + 8, :] = True
    arm &= ~pair.mask
    picture[arm] = skin
    may = allowed & (np.abs(np.arange(allowed.shape[1]) - tip[0]) < 60)

    done = transplant(picture, pair.mesh, may, wrong=only(2))

    changed = (done.onto(picture) != picture).any(axis=2)
    inside = arm & may & ~cv2.dilate(pair.mask.astype(np.uint8), np.ones((15, 15))).astype(bool)
    assert inside.sum() > 100
    assert changed[inside].mean() < 0.2


def test_the_painted_nail_of_a_finger_that_is_too_long_is_not_left_floating():
    picture, mesh = UNUSUAL["nail polish"](7, "stretched finger")
    seen = hand_mask_of(mesh, picture.shape[:2])

    done = transplant(picture, mesh, np.ones(seen.shape, bool))

    red = done.onto(picture).astype(int)
    red = (red[..., 0] - red[..., 1] > 90) & ~seen
    assert not done.torn
    assert ((picture[..., 0].astype(int) - picture[..., 1] > 90) & ~seen).sum() > 50
    assert red.sum() == 0


def hand_mask_of(mesh, size):
    """Where the good hand is seen, and a little around it."""
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, list(np.round(mesh.vertices[mesh.faces][..., :2]).astype(np.int32)), 1)
    return cv2.dilate(mask, np.ones((9, 9), np.uint8)).astype(bool)
