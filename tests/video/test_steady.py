"""Steadiness over time: tracks, decisions that hold, smoothed meshes; without networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realishuman.detect.base import Part
from realishuman.imaging.boxes import around
from realishuman.judge.opinion import GOOD
from realishuman.mesh.base import Mesh
from realishuman.mesh.hand_corrector import WRONG
from realishuman.mesh.hand_template import hand_template
from realishuman.parts.found import FoundPart
from realishuman.video.assembly import Assembly
from realishuman.video.decisions import average, decide, hold, runs, sample
from realishuman.video.sights import Seen, Sight, pack_seen, unpack_seen
from realishuman.video.smoothing import FINGER_OF_JOINT, Shot, smooth_part
from realishuman.video.tracks import find_cuts, follow

TEMPLATE = hand_template()
RATE = 12.0


def hand(x=100.0, y=100.0, turn=0.0, *, wrong=None, side="right", tip=0.0, score=0.9):
    """A found hand 100 pixels large; `tip` moves the index finger's end by so many pixels."""
    points = np.asarray(TEMPLATE.landmarks, float)
    size = np.ptp(points, axis=0).max()
    cosine, sine = np.cos(turn), np.sin(turn)
    rotation = np.array([[0, 0, 0], [0, cosine, -sine], [0, sine, cosine]]).T[:, [1, 2, 0]]

    def place(values):
        return ((values - points.mean(axis=0)) / size * 100 @ rotation + (x, y, 0)).astype("f4")

    joints, vertices = place(points), place(np.asarray(TEMPLATE.vertices, float))
    joints[8, 0] += tip
    mesh = Mesh(
        vertices,
        np.asarray(TEMPLATE.faces, np.int32),
        joints,
        seen=vertices.copy(),
        wrong=None if wrong is None else np.asarray(wrong, np.float32),
    )
    return FoundPart(1, Part("hand", side, around(joints), score, joints.copy()), mesh)


def frame(*parts, malformed=0.9, level=90, hindrance=""):
    sights = tuple(
        Sight(replace(one, number=n), malformed, hindrance) for n, one in enumerate(parts, 1)
    )
    return Seen(sights, np.full((12, 16, 3), level, np.uint8))


def test_what_a_frame_shows_survives_as_a_record():
    one = frame(hand(wrong=[0.1, 0.9, 0, 0, 0.2]), hand(300), malformed=0.25, hindrance="skin")
    one = replace(one, sights=(one.sights[0], replace(one.sights[1], malformed=None)))

    again = unpack_seen(pack_seen(one))

    assert np.array_equal(again.thumb, one.thumb)
    for before, after in zip(one.sights, again.sights, strict=True):
        assert (before.malformed, before.hindrance) == (after.malformed, after.hindrance)
        for name in ("vertices", "faces", "joints", "normals", "seen", "wrong"):
            first, second = (getattr(each.found.mesh, name) for each in (before, after))
            assert first is second is None or np.array_equal(first, second)
        assert before.found.part.box == after.found.part.box
        assert before.found.part.side == after.found.part.side


def test_two_hands_that_pass_each_other_stay_apart():
    steps = range(21)
    frames = [frame(*sorted([hand(100 + 10 * n), hand(300 - 10 * n, 130)],
                            key=lambda one: one.part.box.x0)) for n in steps]  # fmt: skip

    tracks, _ = follow(frames, RATE)

    assert [len(one.briefs) for one in tracks] == [21, 21]
    for track in tracks:
        rows = [brief.points[:, 1].mean() for brief in track.briefs]
        assert np.ptp(rows) < 1


def test_a_short_gap_is_bridged_and_a_long_one_is_not():
    frames = [frame(hand(100 + 3 * n)) for n in range(30)]
    for lost in (5, 6, *range(12, 22)):
        frames[lost] = frame()

    tracks, _ = follow(frames, RATE)

    spans = [(one.briefs[0].frame, one.briefs[-1].frame) for one in tracks]
    assert spans == [(0, 11), (22, 29)]


def test_no_track_goes_on_beyond_a_scene_cut():
    frames = [frame(hand(), level=90 if n < 10 else 170) for n in range(20)]

    tracks, cuts = follow(frames, RATE)

    assert cuts == [10]
    assert [len(one.briefs) for one in tracks] == [10, 10]


def test_motion_and_a_fade_are_no_cuts():
    assert find_cuts([0, *[25.0] * 12]) == set()
    assert find_cuts([0, 2, 3, 2, 60, 3, 2, 2]) == {4}


def test_a_hand_is_of_the_side_that_most_frames_say():
    sides = ["right", "right", "left", "right"]

    (track,), _ = follow([frame(hand(side=side)) for side in sides], RATE)

    assert track.side == "right"


def test_opinions_that_flicker_make_one_decision():
    rng = np.random.default_rng(1)
    frames = [frame(hand(), malformed=float(m)) for m in rng.uniform(0.45, 0.95, 40)]
    assert sum(one.sights[0].malformed < GOOD for one in frames) > 5

    (track,), _ = follow(frames, RATE)
    decision = decide(track, RATE, 40)

    assert [(one.first, one.last) for one in decision.spans] == [(0, 39)]


def test_single_suspicions_change_no_good_hand():
    frames = [frame(hand(), malformed=0.9 if n in (9, 25) else 0.1) for n in range(40)]

    (track,), _ = follow(frames, RATE)
    decision = decide(track, RATE, 40)

    assert decision.spans == ()
    assert "looks right already" in decision.reason


def test_a_hand_that_is_good_in_half_of_a_clip_is_left_alone_there():
    frames = [frame(hand(), malformed=0.1 if n < 30 else 0.9) for n in range(60)]

    (track,), _ = follow(frames, RATE)
    (span,) = decide(track, RATE, 60).spans

    assert abs(span.first - 30) <= 3
    assert span.last == 59


def test_fingers_are_decided_over_time_too():
    rng = np.random.default_rng(2)
    frames = [
        frame(hand(wrong=[0.1, rng.uniform(0.35, 0.95), 0.9 * (n == 7), 0.2, 0])) for n in range(30)
    ]

    (track,), _ = follow(frames, RATE)
    (span,) = decide(track, RATE, 30).spans

    assert (span.wrong >= WRONG).tolist() == [[False, True, False, False, False]] * 30


def test_what_hinders_in_most_frames_hinders_in_all():
    frames = [frame(hand(), hindrance="other skin" if n % 4 else "") for n in range(24)]

    (track,), _ = follow(frames, RATE)
    decision = decide(track, RATE, 24)

    assert (decision.spans, decision.reason) == ((), "other skin")


def test_what_is_seen_in_a_moment_only_is_left_alone():
    frames = [frame(hand()) if n in (4, 5) else frame() for n in range(20)]

    (track,), _ = follow(frames, RATE)

    assert decide(track, RATE, 20).reason == "It is seen in 2 of 20 frames only."
    assert decide(track, RATE, 2).spans  # a clip of two frames


def test_averages_reach_over_gaps():
    values = np.array([[1.0], [1.0], [0.0]])

    made = average(values, np.array([10, 11, 90]), np.arange(10, 91), 2.0)

    assert made[0] == pytest.approx(1, abs=1e-3)
    assert made[-1] == pytest.approx(0, abs=1e-3)
    assert np.isfinite(made).all()


def test_holding():
    values = np.array([0.5, 0.7, 0.5, 0.3, 0.5, 0.5])

    assert hold(values, 0.6, 0.4).tolist() == [True, True, True, False, False, False]
    assert runs(np.array([True, True, False, True])) == [(0, 1), (3, 3)]


def shots(parts, at):
    return [Shot(n - at, one) for n, one in enumerate(parts) if abs(n - at) <= 6]


def moving(n):
    """A hand that speeds up and turns."""
    return {"x": 100 + 2 * n + 0.4 * n**2, "y": 90 + 3 * n, "turn": 0.02 * n}


def shake(one, rng, by=2.0):
    """The hand with its place and shape off by some pixels, as detections are."""
    move = np.array([*rng.normal(0, by, 2), 0], np.float32)
    noise = rng.normal(0, by / 3, one.mesh.joints.shape).astype(np.float32)
    mesh = replace(
        one.mesh, vertices=one.mesh.vertices + move, joints=one.mesh.joints + move + noise
    )
    return replace(one, mesh=mesh)


def test_smoothing_takes_away_noise_and_adds_no_lag():
    rng = np.random.default_rng(5)
    truth = [hand(**moving(n)) for n in range(60)]
    noisy = [shake(one, rng) for one in truth]

    def off(one, n):
        return one.mesh.vertices[:, :2] - truth[n].mesh.vertices[:, :2]

    made = {n: smooth_part(shots(noisy, n), 3, None) for n in range(6, 54)}
    before = np.array([off(noisy[n], n).mean(axis=0) for n in made])
    after = np.array([off(one, n).mean(axis=0) for n, one in made.items()])
    exact = [off(smooth_part(shots(truth, n), 3, None), n) for n in range(6, 54)]

    assert np.abs(exact).max() < 0.5  # of a hand that accelerates and turns
    assert after.std() < 0.75 * before.std()
    jumps = [np.diff(each, axis=0).std() for each in (before, after)]
    assert jumps[1] < 0.5 * jumps[0]


def test_one_frame_that_is_far_off_is_not_believed():
    parts = [hand(**moving(n)) for n in range(13)]
    parts[6] = shake(hand(**{**moving(6), "turn": 2.0}), np.random.default_rng(1), 9)

    made = smooth_part(shots(parts, 6), 3, None)

    assert np.abs(made.mesh.vertices - hand(**moving(6)).mesh.vertices)[:, :2].max() < 6


def test_a_frame_in_which_nothing_was_found_is_filled_in():
    parts = [hand(**moving(n)) for n in range(13)]
    around = [one for one in shots(parts, 6) if one.apart]

    made = smooth_part(around, 3, None)

    expected = hand(**moving(6))
    assert np.abs(made.mesh.vertices - expected.mesh.vertices)[:, :2].max() < 1
    assert np.abs(made.mesh.seen - expected.mesh.seen)[:, :2].max() < 1


def test_a_finger_is_where_the_frames_put_it_that_corrected_it():
    index = [0, 0.9, 0, 0, 0]
    parts = [hand(wrong=index, tip=20) if n % 2 else hand(wrong=[0.1] * 5) for n in range(13)]

    corrected = smooth_part(shots(parts, 6), 3, np.float32(index))
    left = smooth_part(shots(parts, 6), 3, np.float32([0.1] * 5))

    assert FINGER_OF_JOINT[8] == 2
    tips = [one.mesh.joints[8, 0] - hand().mesh.joints[8, 0] for one in (corrected, left)]
    assert tips == pytest.approx([20, 0], abs=1.5)
    assert (corrected.mesh.wrong >= WRONG).tolist() == [False, True, False, False, False]


def assemble(frames, most=0):
    tracks, _ = follow(frames, RATE)
    decisions = [decide(one, RATE, len(frames)) for one in tracks]
    return list(Assembly(decisions, 3, most).frames(frames))


@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_every_frame_has_its_parts_by_the_numbers_of_their_tracks(count):
    frames = [frame(hand(100 + 3 * n), hand(400, 130)) for n in range(count)]

    made = assemble(frames)

    assert len(made) == count
    for number, one in enumerate(made):
        assert [part.number for part in one.found.chosen] == [1, 2]
        assert one.found.parts[0].mesh.vertices[:, 0].mean() == pytest.approx(
            frames[number].sights[0].found.mesh.vertices[:, 0].mean(), abs=0.5
        )


def test_a_lost_frame_is_painted_too_and_named():
    frames = [frame(hand(100 + 3 * n)) if n != 9 else frame() for n in range(20)]

    made = assemble(frames)

    assert [one.filled for one in made] == [
        frozenset({1}) if n == 9 else frozenset() for n in range(20)
    ]
    assert all(len(one.found.chosen) == 1 for one in made)


def test_frames_of_the_other_side_count_as_lost():
    frames = [frame(hand(100, side="left" if n == 9 else "right")) for n in range(20)]

    assert {part.part.side for one in assemble(frames) for part in one.found.chosen} == {"right"}


def test_of_several_tracks_the_largest_are_painted():
    frames = [frame(_larger(hand()), hand(400, 130)) for _ in range(9)]

    for one in assemble(frames, most=1):
        assert [part.number for part in one.found.chosen] == [1]
        assert "raise max_parts" in one.found.parts[1].reason


def _larger(one):
    points = one.part.keypoints * np.float32([1.3, 1.3, 1])
    return replace(one, part=replace(one.part, keypoints=points, box=around(points)))


def test_samples_are_spread_over_a_span():
    frames = [frame(hand()) for _ in range(50)]
    (track,), _ = follow(frames, RATE)
    (span,) = decide(track, RATE, 50).spans

    assert sample(span, range(50), 5) == [5, 15, 24, 34, 44]
    assert sample(span, [3], 5) == [3]
