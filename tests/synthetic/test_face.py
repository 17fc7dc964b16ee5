"""Synthetic faces: the same every time, true to what they say, and faces to a detector."""

import cv2
import numpy as np
import pytest
import torch

from realishuman.detect.embedded import EmbeddedDetector
from realishuman.errors import SettingsError
from realishuman.mesh.embedded_face import face_template
from realishuman.render.raster import rasterise
from realishuman.synthetic.__main__ import main
from realishuman.synthetic.face import points
from realishuman.synthetic.face.build import draw_build
from realishuman.synthetic.face.expression import (
    FAMILIES,
    Expression,
    draw_expression,
    moves,
)
from realishuman.synthetic.face.hair import STYLES, draw_cut, within
from realishuman.synthetic.face.head import head
from realishuman.synthetic.noise import draw_lattice
from realishuman.synthetic.sample import KINDS, LEAST_CHANGED, sample

SIDE = 96
FACE_KINDS = KINDS["face"]
STILL = Expression("neutral", np.full(2, 1.3), np.zeros(2), np.zeros((2, 2)), 0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def pairs():
    """One of each kind."""
    return [sample(seed, SIDE, kind, "face") for seed, kind in enumerate(FACE_KINDS)]


def faced(**changes):
    """The template's face with an expression."""
    rest = head().vertices
    return rest + head().spread_moves(moves(rest, Expression(**{**vars(STILL), **changes})))


def test_a_seed_is_one_pair_for_ever():
    first, second = sample(5, 64, part="face"), sample(5, 64, part="face")

    np.testing.assert_array_equal(first.clean, second.clean)
    np.testing.assert_array_equal(first.malformed, second.malformed)
    assert not np.array_equal(first.clean, sample(6, 64, part="face").clean)


def test_another_side_shows_the_same_face_in_the_same_place(pairs):
    large = sample(0, 2 * SIDE, FACE_KINDS[0], "face")

    np.testing.assert_allclose(2 * pairs[0].joints, large.joints, atol=1e-3)
    shrunk = cv2.resize(large.clean, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(float) - pairs[0].clean).mean() < 4


def test_a_face_has_no_side_no_fingers_and_an_expression(pairs):
    assert [pair.kind for pair in pairs] == list(FACE_KINDS)
    for pair in pairs:
        assert pair.part is None
        assert pair.fingers == 0
        assert pair.family in FAMILIES


def test_twins_differ_visibly_and_only_where_they_say(pairs):
    for pair in pairs:
        apart = (pair.clean != pair.malformed).any(axis=2)
        np.testing.assert_array_equal(apart, pair.changed)
        assert pair.changed.sum() >= LEAST_CHANGED * pair.mask.sum()


def test_most_of_what_changes_is_the_face_or_beside_it(pairs):
    for pair in pairs:
        near = cv2.dilate(pair.mask.astype(np.uint8), np.ones((9, 9))).astype(bool)
        assert (pair.changed & near).sum() > 0.8 * pair.changed.sum()


def test_the_mesh_is_what_the_regressor_would_return_and_covers_the_face_that_is_seen(pairs):
    for pair in pairs:
        np.testing.assert_array_equal(pair.mesh.vertices[:468], pair.joints)
        np.testing.assert_array_equal(pair.mesh.faces, face_template().faces)
        assert (pair.joints[:, :2] > 0).all()
        assert (pair.joints[:, :2] < SIDE).all()
        mesh = torch.from_numpy(pair.mesh.vertices), torch.from_numpy(pair.mesh.faces)
        cover = rasterise(*mesh, SIDE, SIDE).coverage.numpy()
        assert (cover & pair.mask).sum() > 0.93 * pair.mask.sum()
        assert pair.mask.sum() > 0.5 * cover.sum()  # hair may hide the rest


def test_the_detector_finds_clean_faces_and_their_landmarks(pairs):
    detector = EmbeddedDetector("cpu", threads=1)
    for seed in (1, 2, 3):
        pair = sample(seed, 160, part="face")
        (face,) = detector.detect(pair.clean, ["face"], confidence=0.5)
        apart = np.linalg.norm(face.keypoints[:, :2] - pair.joints[:, :2], axis=1)
        assert apart.mean() < 0.04 * np.ptp(pair.joints[:, :2], axis=0).max()


def test_the_head_is_one_skin_open_only_inside_lids_and_lips():
    faces = head().faces
    edges = {(int(a), int(b)) for k in range(3) for a, b in faces[:, [k, (k + 1) % 3]]}
    rims = {a for a, b in edges if (b, a) not in edges}

    assert len(edges) == 3 * len(faces)  # no edge twice in the same direction
    assert len(rims) == 2 * (16 + 16 + 20)
    assert min(rims) >= 468  # the landmarks are inside the surface


def test_a_handle_takes_its_surroundings_along_and_leaves_the_skull():
    moved = head().spread_moves({points.CHIN[0]: np.array([0, 0.01, 0])})

    assert 0.004 < moved[points.CHIN[0], 1] < 0.011
    assert 0.0005 < moved[148, 1] < 0.011  # beside it on the jaw
    assert np.abs(moved[head().vertices[:, 2] > 0.08]).max() < 1e-4


def test_lips_and_lids_meet_when_shut_and_part_when_open():
    def gap(face, upper, lower):
        return face[lower, 1] - face[upper, 1]

    assert abs(gap(faced(), 13, 14)) < 0.001
    assert gap(faced(open_=0.02), 13, 14) > 0.01
    assert abs(gap(faced(lids=np.zeros(2)), 159, 145)) < 0.001
    assert gap(faced(), 159, 145) > 0.006


def test_a_smile_draws_the_corners_out_and_up():
    rest, smiling = faced(), faced(smile=1.0)

    for corner, side in ((61, -1), (291, 1)):
        assert side * (smiling[corner, 0] - rest[corner, 0]) > 0.002
        assert smiling[corner, 1] < rest[corner, 1] - 0.002


def test_builds_differ_within_limits_and_are_nearly_symmetric():
    shapes = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        shapes.append(draw_build(rng, draw_lattice(rng), 0.0).shape(head().vertices))
    spread = np.std(shapes, axis=0)

    assert 0.001 < np.median(spread) < 0.01
    for shape in shapes:
        assert np.linalg.norm(shape - head().vertices, axis=1).max() < 0.04
        right, left = shape[list(points.RIGHT_EYE)], shape[list(points.LEFT_EYE)]
        assert np.abs(right * [-1, 1, 1] - left).max() < 0.006


@pytest.mark.parametrize("seed", range(len(STYLES)))
def test_hair_grows_on_the_crown_and_not_on_eyes_nose_and_mouth(seed):
    rng = np.random.default_rng(seed)
    cut, lattice = draw_cut(rng, 0.0), draw_lattice(rng)
    bare = head().vertices[[1, 152, 13, 145, 374]]

    assert (within(cut, lattice, bare) < 0).all()
    assert (within(cut, lattice, np.array([[0, -0.128, 0.05], [0, -0.03, 0.138]])) > 0).all()


def test_expressions_stay_human():
    for seed in range(40):
        expression = draw_expression(np.random.default_rng(seed))
        assert expression.family in FAMILIES
        assert (expression.lids >= 0).all()
        assert (expression.lids < 2).all()
        assert 0 <= expression.open_ < 0.025


def test_a_wrong_question_is_answered_with_what_to_ask():
    with pytest.raises(SettingsError, match=r"'foot'.*hand, face"):
        sample(0, SIDE, part="foot")
    with pytest.raises(SettingsError, match=r"'extra finger'.*displaced eye"):
        sample(0, SIDE, "extra finger", "face")


def test_the_measurement_knows_faces(capsys):
    main(["--part", "face", "--count", "1", "--side", "96"])
    shown = capsys.readouterr().out

    assert "displaced mouth" in shown
    assert "landmarks off by" in shown
