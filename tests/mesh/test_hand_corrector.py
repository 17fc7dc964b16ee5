"""The landmark corrector: how it sees hands, and that nothing but landmarks changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from realishuman.detect.base import Part
from realishuman.detect.embedded import EmbeddedDetector
from realishuman.errors import ModelError
from realishuman.imaging.boxes import around
from realishuman.mesh.embedded_hand import EmbeddedHand, metric
from realishuman.mesh.hand_corrector import (
    JOINTS,
    KNUCKLES,
    MARGIN,
    PHOTOGRAPHED,
    RENDERED,
    SIDE,
    WRONG,
    HandCorrector,
    encode_landmarks,
    frame_hand,
)
from realishuman.parts.found import FoundPart
from realishuman.parts.prepare import prepare
from realishuman.settings import Settings
from realishuman.synthetic.sample import sample

PICTURE = np.random.default_rng(0).integers(0, 255, (180, 240, 3), np.uint8)
SIDES = st.sampled_from(["left", "right", None])
SEEDS = st.integers(0, 10_000)


def hand(seed=0, side="right", place=(120.0, 90.0), size=60.0):
    """A part with landmarks anywhere around a place; no hand has such, but any view must do."""
    points = np.random.default_rng(seed).uniform(-0.5, 0.5, (JOINTS, 3)) * size
    keypoints = (points + np.array([*place, 0.0])).astype(np.float32)
    world = ((points - points.mean(0)) * 0.18 / size).astype(np.float32)
    return Part("hand", side, around(keypoints), 0.9, keypoints, world)


def turned(part, degrees):
    """The same hand turned clockwise around its middle, seen from the front."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    middle = part.keypoints.mean(0)
    keypoints = ((part.keypoints - middle) @ turn + middle).astype(np.float32)
    return replace(
        part,
        keypoints=keypoints,
        box=around(keypoints),
        world=(part.world @ turn).astype(np.float32),
    )


def seen(part, margin=MARGIN, size=SIDE):
    return frame_hand(part.keypoints, part.side == "left", margin, size)


def unit(part):
    return metric(0, part)[1]


def network(path, move=0.0, wrong=(1.0,) * 5):
    """Save a network that answers with the landmarks it was given, moved by `move` crop sides.

    wrong  what it says of each finger, of the only hand it is shown, or the same of all.
    """
    crop = helper.make_tensor_value_info("crop", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])
    found = helper.make_tensor_value_info("found", TensorProto.FLOAT, ["n", JOINTS, 3])
    joints = helper.make_tensor_value_info("joints", TensorProto.FLOAT, ["n", JOINTS, 3])
    doubts = helper.make_tensor_value_info("wrong", TensorProto.FLOAT, ["n", 5])
    moves = helper.make_tensor("moves", TensorProto.FLOAT, [3], [move, move, move])
    says = helper.make_tensor("says", TensorProto.FLOAT, [1, 5], wrong)
    five = helper.make_tensor("five", TensorProto.FLOAT, [21, 5], [0.0] * 105)
    nodes = [
        helper.make_node("Add", ["found", "moves"], ["joints"]),
        helper.make_node("ReduceMax", ["found"], ["one each"], axes=[2], keepdims=0),
        helper.make_node("MatMul", ["one each", "five"], ["nothing"]),
        helper.make_node("Add", ["nothing", "says"], ["wrong"]),
    ]
    graph = helper.make_graph(nodes, "echo", [crop, found], [joints, doubts], [moves, says, five])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.fixture
def echo(tmp_path):
    return HandCorrector(network(tmp_path / "echo.onnx"))


@settings(max_examples=60)
@drawn(SEEDS, SIDES, st.floats(5, 4000), st.floats(-300, 300))
def test_inside_and_outside_are_inverses(seed, side, size, place):
    part = hand(seed, side, (place, -place), size)
    one = seen(part)

    back = one.to_picture(one.to_crop(part.keypoints))
    np.testing.assert_allclose(back, part.keypoints, atol=1e-8 * (size + abs(place) + 1))
    points = np.random.default_rng(seed).random((7, 3))
    np.testing.assert_allclose(one.to_crop(one.to_picture(points)), points, atol=1e-8)


@settings(max_examples=60)
@drawn(SEEDS, SIDES)
def test_every_landmark_lies_within_the_crop_and_the_knuckles_above_the_wrist(seed, side):
    points = seen(hand(seed, side)).to_crop(hand(seed, side).keypoints)

    assert np.ptp(points[:, :2], axis=0).max() == pytest.approx(1 / MARGIN)
    assert (points[:, :2] > 0).all()
    assert (points[:, :2] < 1).all()
    across, down = points[list(KNUCKLES), :2].mean(0) - points[0, :2]
    assert across == pytest.approx(0, abs=1e-9)
    assert down < 0


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("degrees", [0, 40, 100, 170, 250])
@pytest.mark.parametrize("size", [45.0, 90.0])
def test_what_is_drawn_at_a_place_shows_in_the_crop_where_inside_says(
    flat_hand, side, degrees, size
):
    part = turned(replace(flat_hand(120, 90, size), side=side), degrees)
    rows, columns = np.mgrid[:180, :240] + 0.5
    for joint in (0, 8, 17):
        x, y = part.keypoints[joint, :2]
        spot = 250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (size / 30) ** 2))
        crop = seen(part).crop(np.repeat(np.rint(spot).astype(np.uint8)[..., None], 3, axis=2))

        weights = crop[..., 0].astype(np.float64)
        down, across = np.mgrid[:SIDE, :SIDE] + 0.5
        shown = np.array([(weights * across).sum(), (weights * down).sum()]) / weights.sum()
        expected = seen(part).to_crop(part.keypoints)[joint, :2] * SIDE
        np.testing.assert_allclose(shown, expected, atol=0.15)


def test_several_views_answer_with_their_mean_in_the_picture(tmp_path):
    """Views turned both ways, each moved by a tenth of the crop along both of its own axes."""
    part, angles = hand(5), (0.0, 0.6, -0.6)
    path = network(tmp_path / "echo.onnx", move=0.1)
    one = HandCorrector(path).correct(PICTURE, [part], [unit(part)])[0].part.keypoints
    mean = HandCorrector(path, turns=angles).correct(PICTURE, [part], [unit(part)])[0].part
    move = 0.1 * seen(part).region.side * np.array([1.0, 1.0])
    moves = [seen(part).turn(angle).region.turn(move) for angle in angles]

    np.testing.assert_allclose((one - part.keypoints)[:, :2], np.tile(moves[0], (21, 1)), atol=1e-3)
    expected = np.tile(np.mean(moves, axis=0), (21, 1))
    np.testing.assert_allclose((mean.keypoints - part.keypoints)[:, :2], expected, atol=1e-3)


def test_views_of_several_hands_are_kept_apart(tmp_path):
    path, parts = network(tmp_path / "echo.onnx"), [hand(5), hand(6, "left"), hand(7)]
    done = HandCorrector(path, WRONG, (0.0, 0.3)).correct(PICTURE, parts, list(map(unit, parts)))

    for part, corrected in zip(parts, done, strict=True):
        moved = corrected.part.keypoints
        np.testing.assert_allclose(moved[:, :2], part.keypoints[:, :2], atol=1e-3)


def test_a_left_hand_looks_like_its_mirror_image_which_is_a_right_one():
    left = hand(3, "left", (100.0, 80.0))
    keypoints = left.keypoints * np.array([-1, 1, 1]) + np.array([PICTURE.shape[1], 0, 0])
    right = replace(left, side="right", keypoints=keypoints.astype(np.float32))

    apart = seen(left).to_crop(left.keypoints) - seen(right).to_crop(right.keypoints)
    np.testing.assert_allclose(apart, np.broadcast_to(apart[0], apart.shape), atol=1e-6)
    assert np.abs(apart).max() < 2 / SIDE  # sampling is not centred to the pixel
    smooth = np.repeat(np.repeat(PICTURE[:18, :24], 10, axis=0), 10, axis=1)
    crop, mirrored, other = (
        seen(one).crop(np.ascontiguousarray(picture)).astype(int)
        for one, picture in ((left, smooth), (right, smooth[:, ::-1]), (right, smooth))
    )
    assert np.abs(crop - mirrored).mean() < 0.25 * np.abs(crop - other).mean()


def test_a_hand_of_unknown_side_is_shown_as_a_right_one():
    unknown, right = hand(2, None), hand(2, "right")

    np.testing.assert_array_equal(seen(unknown).crop(PICTURE), seen(right).crop(PICTURE))


def test_depth_is_scaled_as_the_picture_is_and_given_from_its_mean_on():
    part = hand(4)
    one = seen(part)

    inside = one.to_crop(part.keypoints)
    np.testing.assert_allclose(inside[:, 2], part.keypoints[:, 2] / one.region.side)
    assert encode_landmarks(inside)[:, 2].mean() == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(encode_landmarks(inside)[:, :2], inside[:, :2], atol=1e-6)


@settings(max_examples=20)
@drawn(st.integers(0, 1000), SIDES)
def test_a_network_that_finds_nothing_wrong_changes_nothing(tmp_path_factory, seed, side):
    path = tmp_path_factory.getbasetemp() / "unchanged.onnx"
    corrector = HandCorrector(path if path.is_file() else network(path))
    part = hand(seed, side)

    (same,) = (one.part for one in corrector.correct(PICTURE, [part], [unit(part)]))

    np.testing.assert_allclose(same.keypoints[:, :2], part.keypoints[:, :2], atol=1e-3)
    depth = part.world[:, 2] * unit(part)
    np.testing.assert_allclose(same.keypoints[:, 2], depth - depth.mean(), atol=1e-3)
    np.testing.assert_allclose(same.world[:, 2], part.world[:, 2], atol=1e-6)
    assert same.keypoints.dtype == same.world.dtype == np.float32


def test_metric_landmarks_are_those_of_the_picture_in_metres(tmp_path):
    corrector = HandCorrector(network(tmp_path / "moves.onnx", move=0.1))
    part = hand(5)

    (moved,) = (one.part for one in corrector.correct(PICTURE, [part], [300.0]))

    np.testing.assert_allclose(moved.world.mean(0), 0, atol=1e-6)
    pixels = moved.keypoints - moved.keypoints.mean(0)
    np.testing.assert_allclose(moved.world, pixels / 300, atol=1e-6)


@pytest.mark.parametrize("side", ["left", "right"])
def test_what_the_network_moves_moves_in_the_picture(tmp_path, flat_hand, side):
    """Right and down in the crop is, of a hand upside down, left and up; a left hand's mirrored."""
    corrector = HandCorrector(network(tmp_path / "moves.onnx", move=0.1))
    part = turned(replace(flat_hand(120, 90, 60), side=side), 180)

    (moved,) = (one.part for one in corrector.correct(PICTURE, [part], [unit(part)]))

    step = 0.1 * seen(part).region.side
    apart = (moved.keypoints - part.keypoints)[:, :2]
    expected = [step if side == "left" else -step, -step]
    # the hand's axis is a little aslant
    np.testing.assert_allclose(apart, np.broadcast_to(expected, apart.shape), atol=0.15 * step)


def test_nothing_but_the_landmarks_of_a_part_changes(tmp_path):
    corrector = HandCorrector(network(tmp_path / "moves.onnx", move=0.1))
    part = replace(hand(6, "left"), person=3)
    before = part.keypoints.copy(), part.world.copy(), PICTURE.copy()

    (moved,) = (one.part for one in corrector.correct(PICTURE, [part], [unit(part)]))

    assert not np.allclose(moved.keypoints, part.keypoints, atol=1)
    for name in ("kind", "side", "box", "score", "person"):
        assert getattr(moved, name) == getattr(part, name)
    for array, was in zip((part.keypoints, part.world, PICTURE), before, strict=True):
        np.testing.assert_array_equal(array, was)


def test_a_part_without_metric_landmarks_keeps_its_depth_and_gets_them(echo):
    part = replace(hand(7), world=None)

    (same,) = (one.part for one in echo.correct(PICTURE, [part], [unit(part)]))

    depth = part.keypoints[:, 2] - part.keypoints[:, 2].mean()
    np.testing.assert_allclose(same.keypoints[:, 2], depth, atol=1e-3)
    np.testing.assert_allclose(same.world[:, 2] * unit(part), depth, atol=1e-3)


def test_no_hands_are_no_work(echo):
    echo.release()

    assert echo.correct(PICTURE, [], []) == []
    assert not echo._session.is_open


def test_hands_together_come_out_as_each_alone(tmp_path):
    corrector = HandCorrector(network(tmp_path / "moves.onnx", move=0.05))
    parts = [hand(n, ("left", "right", None)[n % 3], (20.0 * n, 90.0)) for n in range(19)]
    units = [unit(part) for part in parts]

    together = [one.part for one in corrector.correct(PICTURE, parts, units)]

    for part, one, scale in zip(parts, together, units, strict=True):
        (alone,) = (one.part for one in corrector.correct(PICTURE, [part], [scale]))
        np.testing.assert_array_equal(one.keypoints, alone.keypoints)
        np.testing.assert_array_equal(one.world, alone.world)


@pytest.mark.parametrize("place", [(0.0, 0.0), (239.0, 90.0), (-40.0, 200.0), (900.0, -900.0)])
@pytest.mark.parametrize("size", [3.0, 60.0, 2000.0])
def test_a_hand_that_leaves_the_picture_is_corrected_all_the_same(echo, place, size):
    part = hand(8, "left", place, size)

    (same,) = (one.part for one in echo.correct(PICTURE, [part], [unit(part)]))

    np.testing.assert_allclose(
        same.keypoints[:, :2], part.keypoints[:, :2], atol=1e-5 * (size + 1000)
    )
    crop = seen(part).crop(PICTURE)
    assert crop.shape == (SIDE, SIDE, 3)


def test_the_corrected_landmarks_are_what_the_mesh_is_fitted_to(tmp_path, flat_hand):
    plain = EmbeddedHand()
    part = flat_hand(100, 80, 70)
    moving = EmbeddedHand(HandCorrector(network(tmp_path / "moves.onnx", move=0.1)))
    same = EmbeddedHand(HandCorrector(network(tmp_path / "echo.onnx")))

    (before,), (kept,), (moved,) = (one.regress(PICTURE, [part]) for one in (plain, same, moving))

    np.testing.assert_allclose(kept.joints, before.joints, atol=0.05)
    step = (moved.joints - before.joints)[:, :2].mean(0)
    np.testing.assert_allclose(step, 0.1 * seen(part).region.side, rtol=0.1)
    assert moving.note == ""
    moving.release()
    np.testing.assert_array_equal(moving.regress(PICTURE, [part])[0].vertices, moved.vertices)


def prepared(part, mesh, settings):
    wanted = {"preset": "released", "pose": "shaded", "resolution": 128}
    found = [FoundPart(1, part, mesh)]
    (one,) = prepare(PICTURE, found, found, settings, **wanted)
    return one


def test_the_ring_covers_a_finger_that_is_too_long_to_its_tip(echo, flat_hand):
    good = flat_hand(100, 80, 70)
    longer = np.array(good.keypoints)
    longer[10:13, 1] -= np.array([6, 12, 18], np.float32)  # the middle finger grows upwards
    world = np.array(good.world)
    world[10:13, 1] -= np.array([6, 12, 18], np.float32) * 0.18 / 70
    part = replace(good, keypoints=longer, world=world, box=around(longer))

    plain, mesh = (
        EmbeddedHand().regress(PICTURE, [part])[0],
        EmbeddedHand(echo).regress(PICTURE, [part])[0],
    )

    assert plain.seen is None
    assert plain.vertices[:, 1].min() > longer[12, 1] + 4  # no good hand reaches so far
    assert mesh.seen[:, 1].min() < longer[12, 1] + 1
    alone, covered = (
        prepared(part, one, Settings(dilate=0)) for one in (replace(mesh, seen=None), mesh)
    )
    x, y = covered.crop.to_crop(longer[12:13, :2])[0].astype(int)
    assert covered.masks.m_d[y + 2, x]
    assert not alone.masks.m_d[y + 2, x]
    np.testing.assert_array_equal(covered.masks.m_e, alone.masks.m_e)


def test_the_crop_holds_the_whole_corrected_hand_where_the_bad_one_was_smaller(echo, flat_hand):
    part = flat_hand(100, 80, 70)
    (mesh,) = EmbeddedHand(echo).regress(PICTURE, [part])
    fist = replace(part, box=around(part.keypoints[:6]))

    corrected, plain = (
        prepared(fist, one, Settings(margin=1.2)).crop.to_crop(mesh.joints)[:, :2]
        for one in (mesh, replace(mesh, seen=None))
    )

    assert corrected.min() > 0
    assert corrected.max() < 128
    assert plain.min() < 0


def test_landmarks_that_no_hand_has_are_refused_before_the_network_sees_them(echo, flat_hand):
    part = flat_hand(100, 80, 70)
    nowhere = replace(part, keypoints=np.full_like(part.keypoints, np.nan))

    with pytest.raises(ModelError, match="hand 1 has keypoints that are not finite"):
        EmbeddedHand(echo).regress(PICTURE, [part, nowhere])


def test_another_network_is_refused_by_name(tmp_path):
    with pytest.raises(ModelError, match=r"none\.onnx is missing"):
        HandCorrector(tmp_path / "none.onnx")
    judge = RENDERED.parents[2] / "judge" / "hand.onnx"
    with pytest.raises(ModelError, match=r"hand\.onnx"):
        HandCorrector(judge)


def test_the_built_in_corrector_brings_landmarks_of_malformed_hands_nearer_to_the_good_ones():
    """Pictures of seeds that training never comes to."""
    detector, corrector = EmbeddedDetector("cpu", threads=1), HandCorrector()
    errors = []
    for seed in range(1_000_000_100, 1_000_000_108):
        pair = sample(seed, 160)
        parts = detector.detect(pair.malformed, ["hand"], confidence=0.5)
        if not parts:
            continue
        (corrected,) = corrector.correct(pair.malformed, parts[:1], [unit(parts[0])])
        errors.append(
            [
                np.linalg.norm((each.keypoints - pair.joints)[:, :2], axis=1).mean()
                for each in (parts[0], corrected.part)
            ]
        )

    before, after = np.mean(errors, axis=0)
    assert len(errors) >= 5
    assert after < 0.9 * before
    assert RENDERED.stat().st_size < 4e6


def test_only_fingers_that_are_called_wrong_are_moved_and_the_wrist_with_all_five(tmp_path):
    says = (0.1, 0.6, 0.2, 0.9, 0.0)
    path = network(tmp_path / "moves.onnx", move=0.1, wrong=says)
    part = hand(5)

    some, every = (
        HandCorrector(path, wrong).correct(PICTURE, [part], [unit(part)])[0]
        for wrong in (0.5, None)
    )

    np.testing.assert_allclose(some.wrong, says, atol=1e-6)
    assert every.wrong is None
    apart = np.abs(some.part.keypoints - part.keypoints)[:, :2].max(axis=1)
    moved = np.concatenate([[False], np.repeat(np.array(says) >= 0.5, 4)])
    np.testing.assert_array_equal(apart > 1, moved)
    assert (np.abs(every.part.keypoints - part.keypoints)[:, :2].max(axis=1) > 1).all()


def test_the_mesh_says_which_fingers_are_wrong(tmp_path, flat_hand):
    says = (0.1, 0.6, 0.2, 0.9, 0.0)
    corrector = HandCorrector(network(tmp_path / "moves.onnx", move=0.1, wrong=says), 0.5)
    part = flat_hand(100, 80, 70)

    (mesh,), (plain,) = (
        one.regress(PICTURE, [part]) for one in (EmbeddedHand(corrector), EmbeddedHand())
    )

    np.testing.assert_allclose(mesh.wrong, says, atol=1e-6)
    assert plain.wrong is None


def test_the_built_in_corrector_for_photographs_is_small_and_answers():
    assert PHOTOGRAPHED.stat().st_size < 4e6
    part = hand(5)

    (after,) = HandCorrector(PHOTOGRAPHED, WRONG).correct(PICTURE, [part], [unit(part)])

    assert np.isfinite(after.part.keypoints).all()
    assert ((after.wrong >= 0) & (after.wrong <= 1)).all()
