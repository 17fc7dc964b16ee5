"""Synthetic pairs: the same every time, true to what they say, and as different as people are."""

import cv2
import numpy as np
import pytest
import torch

from realishuman.errors import SettingsError
from realishuman.mesh.hand_template import ASIDE, BEND, hand_template
from realishuman.render.raster import rasterise
from realishuman.synthetic.__main__ import main, sheet
from realishuman.synthetic.background import draw_background
from realishuman.synthetic.body import arm, subdivide
from realishuman.synthetic.malform import KINDS
from realishuman.synthetic.pose import FAMILIES, draw_angles, draw_rotation, find_extended
from realishuman.synthetic.sample import LEAST_CHANGED, sample
from realishuman.synthetic.scene import draw_scene
from realishuman.synthetic.skin import TONES, draw_skin, from_lab

SIDE = 96
FINGERS = {"extra finger": 6, "missing finger": 4, "fused fingers": 4}


@pytest.fixture(scope="module")
def pairs():
    """One of each kind, and a few more."""
    return [sample(seed, SIDE, KINDS[seed % len(KINDS)]) for seed in range(2 * len(KINDS))]


def test_a_seed_is_one_pair_for_ever():
    first, second = sample(5, SIDE), sample(5, SIDE)

    np.testing.assert_array_equal(first.clean, second.clean)
    np.testing.assert_array_equal(first.malformed, second.malformed)
    assert not np.array_equal(first.clean, sample(6, SIDE).clean)


def test_another_side_shows_the_same_hand_in_the_same_place():
    small, large = sample(3, SIDE, "bent finger"), sample(3, 2 * SIDE, "bent finger")

    np.testing.assert_allclose(2 * small.joints, large.joints, atol=1e-3)
    assert small.tone == large.tone
    shrunk = cv2.resize(large.clean, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(float) - small.clean).mean() < 4


def test_an_odd_side_shows_the_same_hand_as_the_even_one_beside_it():
    odd, even = sample(3, SIDE + 1, "bent finger"), sample(3, SIDE, "bent finger")

    assert odd.clean.shape == odd.malformed.shape == (SIDE + 1, SIDE + 1, 3)
    np.testing.assert_allclose(odd.joints / (SIDE + 1), even.joints / SIDE, atol=1e-5)
    scene = draw_scene(np.random.default_rng(0), 65)
    assert scene.background.shape == (65, 65, 3)
    assert np.isfinite([scene.sky, scene.floor]).all()


@pytest.mark.parametrize("side", [64, 208])
def test_the_light_from_above_and_below_is_that_of_the_two_halves(side):
    background = draw_background(np.random.default_rng(5), side)

    scene = draw_scene(np.random.default_rng(5), side)

    mean = background.reshape(2, -1, 3).mean(1).astype(np.float64)
    tint = (mean / mean.mean(axis=1, keepdims=True)) ** 0.37
    level = scene.sky / (tint[0] * 1.25)
    np.testing.assert_array_equal(scene.background, background)
    np.testing.assert_allclose(level, level[0], rtol=1e-12)
    np.testing.assert_allclose(scene.floor, tint[1] * level[0] * 0.7, rtol=1e-12)


def test_every_twin_has_its_kind_and_its_number_of_fingers(pairs):
    assert {pair.kind for pair in pairs} == set(KINDS)
    for pair in pairs:
        assert pair.fingers == FINGERS.get(pair.kind, 5)


def test_every_kind_is_drawn_without_being_asked_for():
    drawn = [np.random.default_rng((seed, 0)).choice(KINDS) for seed in range(60)]
    assert set(drawn) == set(KINDS)
    pair = sample(0, SIDE)
    assert pair.kind in KINDS


def test_twins_differ_visibly_and_only_where_they_say(pairs):
    for pair in pairs:
        apart = (pair.clean != pair.malformed).any(axis=2)
        np.testing.assert_array_equal(apart, pair.changed)
        assert pair.changed.sum() >= LEAST_CHANGED * pair.mask.sum()


def test_the_hand_lies_in_the_picture_and_its_joints_on_the_hand(pairs):
    for pair in pairs:
        assert pair.joints.shape == (21, 3)
        assert (pair.joints[:, :2] > 0).all()
        assert (pair.joints[:, :2] < SIDE).all()
        near = cv2.dilate(pair.mask.astype(np.uint8), np.ones((5, 5)))
        column, row = pair.joints[:, :2].astype(int).T
        assert near[row, column].mean() > 0.95
        span = np.ptp(pair.mesh.vertices[:, :2], axis=0).max()
        assert 0.41 * SIDE < span < 0.76 * SIDE


def test_the_mesh_covers_the_hand_that_is_seen(pairs):
    for pair in pairs:
        mesh = torch.from_numpy(pair.mesh.vertices), torch.from_numpy(pair.mesh.faces)
        cover = rasterise(*mesh, SIDE, SIDE).coverage.numpy()
        # Coarse mesh against smooth skin, and a sleeve may hide the mesh's stump.
        assert (cover & pair.mask).sum() > 0.9 * pair.mask.sum()
        assert (cover & pair.mask).sum() > 0.75 * cover.sum()


def test_fingers_curl_to_the_palm_that_the_side_says():
    """From wrist to index finger to little finger turns one way on a right hand's palm."""
    sides = []
    for seed in range(14):
        pair = sample(seed, 64, "melted")
        if pair.family in ("grasp", "half"):
            wrist, index, little = pair.joints[[0, 5, 17]]
            curl = pair.joints[16] - pair.joints[14]
            right = np.cross(index - wrist, little - wrist) @ curl > 0
            assert pair.part == ("right" if right else "left")
            sides.append(right)
    assert set(sides) == {True, False}


def test_skin_spans_the_human_range_evenly():
    people = [draw_skin(np.random.default_rng(seed)) for seed in range(300)]
    tones = np.array([person.tone for person in people])
    share = np.histogram(tones, np.linspace(*TONES, 4))[0] / len(tones)

    assert (share > 0.25).all()
    light, dark = (
        np.mean([p.back for p in people if low < p.tone < high], axis=0)
        for low, high in ((45, 90), (-90, -45))
    )
    assert (light > 4 * dark).all()
    assert light[0] > light[1] > light[2]  # red, green, blue
    assert dark[0] > dark[1] > dark[2]


def test_lab_white_and_grey_are_neutral():
    np.testing.assert_allclose(from_lab(100, 0, 0), 1, atol=2e-3)
    np.testing.assert_allclose(from_lab(50, 0, 0), 0.1842, atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_poses_stay_within_the_joints_limits(family):
    limits = hand_template().limits
    for seed in range(5):
        angles = draw_angles(np.random.default_rng(seed), hand_template(), family)
        assert (angles >= limits.low).all()
        assert (angles <= limits.high).all()
        assert (angles[1:, 2:, ASIDE] == 0).all()


def test_straight_fingers_are_known():
    rng = np.random.default_rng(0)
    assert find_extended(hand_template(), draw_angles(rng, hand_template(), "spread")) == [
        1,
        2,
        3,
        4,
    ]
    assert find_extended(hand_template(), draw_angles(rng, hand_template(), "victory")) == [1, 2]
    assert find_extended(hand_template(), draw_angles(rng, hand_template(), "fist")) == []
    fist = draw_angles(rng, hand_template(), "fist")
    assert fist[1, 2, BEND] > 1


def test_rotations_do_not_mirror():
    turn = draw_rotation(np.random.default_rng(1))
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_the_arm_is_one_skin_open_only_at_its_far_end():
    body = arm()
    edges = np.concatenate([body.faces[:, [0, 1]], body.faces[:, [1, 2]], body.faces[:, [2, 0]]])
    known = {(a, b) for a, b in edges.tolist()}
    rim = {a for a, b in known if (b, a) not in known}

    assert len(known) == len(edges)  # no edge twice in the same direction
    assert body.behind[sorted(rim)].min() > 0.4
    assert body.behind.min() < -0.15


def test_subdivision_keeps_a_flat_sheet_flat_and_its_rim():
    corners = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.4, 0.5, 0]])
    faces = np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])
    fine, cut = subdivide(corners, faces)

    assert len(cut) == 16
    assert len(fine) == 5 + 8
    np.testing.assert_array_equal(fine[:4], corners[:4])
    np.testing.assert_allclose(fine[4], [0.4375, 0.5, 0])  # 3/8 of the way to the mean
    assert (fine[:, 2] == 0).all()


def test_backgrounds_are_not_gradients():
    bright = [draw_background(np.random.default_rng(seed), 64) for seed in range(12)]
    for image in bright:
        assert image.shape == (64, 64, 3)
        assert image.min() >= 0
        assert np.isfinite(image).all()
    assert np.median([image.std() / image.mean() for image in bright]) > 0.25


def test_a_wrong_question_is_answered_with_what_to_ask():
    with pytest.raises(SettingsError, match="64 or more"):
        sample(0, 32)
    with pytest.raises(SettingsError, match="'seventh toe'"):
        sample(0, SIDE, "seventh toe")


def test_the_sheet_shows_clean_above_malformed(pairs):
    picture = sheet(pairs)
    assert picture.shape == (2 * 2 * 160, 8 * 160, 3)


def test_the_measurement_prints_rates_by_skin(capsys):
    main(["--count", "2", "--side", "64"])
    shown = capsys.readouterr().out
    assert "dark third" in shown
    assert "CPU seconds per pair" in shown
