"""The painter without weights: what it hands over to be pasted, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realishuman.detect.base import Part
from realishuman.imaging.boxes import around
from realishuman.imaging.crop import in_picture
from realishuman.mesh.base import Mesh
from realishuman.paint import own_skin
from realishuman.paint.own_skin import NOTHING, OTHER_MESH, STEP, TORN, UNSEEN, OwnSkin
from realishuman.paint.transplant import EVERY_FINGER, transplant
from realishuman.parts.found import FoundPart
from realishuman.parts.prepare import prepare
from realishuman.progress import Clock, Interrupted, Silent
from realishuman.settings import Settings
from realishuman.synthetic.sample import sample

SEED = 1_000_000_019


@pytest.fixture(scope="module")
def pair():
    return sample(SEED, 256, "bent finger")


@pytest.fixture(scope="module")
def one(pair):
    part = Part("hand", pair.part, around(pair.joints), 1.0, pair.joints)
    every_finger = replace(pair.mesh, wrong=np.ones(5, np.float32))
    found = [FoundPart(1, part, every_finger)]
    wanted = {"preset": "released", "pose": "shaded", "resolution": 512}
    [ready] = prepare(pair.malformed, found, found, Settings(), **wanted)
    return ready


def paint(*parts, progress=None, **settings):
    return OwnSkin().paint(parts, Settings(**settings), progress or Silent(), Clock())


def with_mesh(one, mesh):
    return replace(one, found=replace(one.found, mesh=mesh))


def test_the_patch_is_the_transplant_where_it_changes_anything(pair, one):
    [[painted]] = paint(one)

    m_d = in_picture(one.masks.m_d, one.crop, pair.malformed.shape[:2])
    whole = transplant(pair.malformed, pair.mesh, m_d, wrong=EVERY_FINGER).onto(pair.malformed)
    np.testing.assert_array_equal(painted.patch.onto(pair.malformed, pair.malformed), whole)
    rows, columns = np.nonzero((whole != pair.malformed).any(axis=2))
    box = painted.patch.box
    edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert (box.x0, box.y0, box.x1, box.y1) == edges
    assert painted.patch.numbers == (1,)
    assert (painted.seed, painted.fault) == (None, "")
    assert painted.steps[STEP].shape == (3, 512, 512)


def test_there_is_one_try_whatever_is_asked_and_no_seed_changes_it(one):
    [[first]], [[second]] = paint(one, tries=3, seed=1), paint(one, seed=9)

    np.testing.assert_array_equal(first.patch.after, second.patch.after)


def test_hands_that_share_a_crop_are_both_repainted(pair, one, monkeypatch):
    asked = []

    def repaint(picture, mesh, allowed, wrong):
        asked.append(mesh)
        return transplant(picture, mesh, allowed, wrong=wrong)

    monkeypatch.setattr(own_skin, "repaint_hand", repaint)
    other = FoundPart(2, one.part, replace(pair.mesh, seen=None))

    [[painted]] = paint(replace(one, joined=(other,)))

    assert [mesh is each for mesh, each in zip(asked, (one.mesh, other.mesh), strict=True)]
    assert painted.patch.numbers == (1, 2)


def test_what_the_picture_does_not_show_is_told(pair, one):
    far = replace(pair.mesh, vertices=pair.mesh.vertices + np.float32([9000, 0, 0]))

    [[painted]] = paint(with_mesh(one, far))

    assert (painted.patch, painted.fault) == (None, UNSEEN)


def test_a_hand_of_which_nothing_is_changed_is_told(one, monkeypatch):
    def change_nothing(picture, mesh, allowed, wrong):
        done = transplant(picture, mesh, allowed, wrong=wrong)
        height, width = done.allowed.shape
        same = picture[done.top : done.top + height, done.left : done.left + width]
        return replace(done, pixels=same)

    monkeypatch.setattr(own_skin, "repaint_hand", change_nothing)
    [[painted]] = paint(one)

    assert (painted.patch, painted.fault) == (None, NOTHING)


def test_another_mesh_than_the_built_in_one_is_refused_with_the_way_out(one):
    corners = np.zeros((3, 3), np.float32)
    other = Mesh(corners, np.array([[0, 1, 2]], np.int32), np.zeros((21, 3), np.float32))

    [[painted]] = paint(with_mesh(one, other))

    assert painted.fault == OTHER_MESH


def test_what_fails_on_one_part_costs_no_other(pair, one, monkeypatch):
    def fail_first(picture, mesh, allowed, wrong):
        if mesh is not one.mesh:
            raise KeyError("wrist")
        return transplant(picture, mesh, allowed, wrong=wrong)

    monkeypatch.setattr(own_skin, "repaint_hand", fail_first)
    [bad], [good] = paint(with_mesh(one, replace(pair.mesh)), one)

    assert bad.patch is None
    assert "unexpected KeyError: 'wrist'" in bad.fault
    assert good.patch is not None


def test_a_mesh_that_is_not_finite_is_told_by_its_own_sentence(pair, one):
    spoilt = pair.mesh.vertices.copy()
    spoilt[5] = np.nan

    [[painted]] = paint(with_mesh(one, replace(pair.mesh, vertices=spoilt)))

    assert painted.patch is None
    assert "finite" in painted.fault
    assert "unexpected" not in painted.fault


def test_it_stops_between_two_parts(one):
    class Stop(Silent):
        steps = 0

        def step(self, count=1):
            Stop.steps += 1
            raise Interrupted

    with pytest.raises(Interrupted):
        paint(one, one, progress=Stop())
    assert Stop.steps == 1


def test_who_watches_sees_the_crops(one):
    class Watch(Silent):
        shown = None

        def show(self, picture):
            self.shown = picture

    watch = Watch()
    paint(one, one, progress=watch)

    assert watch.shown.shape == (512, 1024, 3)


def test_a_repair_that_would_tear_a_finger_off_is_refused(one, monkeypatch):
    def tear(picture, mesh, allowed, wrong):
        return replace(transplant(picture, mesh, allowed, wrong=wrong), torn=True)

    monkeypatch.setattr(own_skin, "repaint_hand", tear)
    [[painted]] = paint(one)

    assert (painted.patch, painted.fault) == (None, TORN)


@pytest.mark.parametrize("fingers", [[1], [0, 4]])
def test_the_fingers_that_the_corrector_calls_wrong_are_repainted(one, monkeypatch, fingers):
    asked = []

    def remember(picture, mesh, allowed, wrong):
        asked.append(wrong)

    monkeypatch.setattr(own_skin, "repaint_hand", remember)
    wrong = np.where(np.isin(np.arange(5), fingers), 0.9, 0.1).astype(np.float32)

    paint(with_mesh(one, replace(one.found.mesh, wrong=wrong)))

    assert np.flatnonzero(asked[0]).tolist() == [finger + 1 for finger in fingers]


@pytest.mark.parametrize("wrong", [None, np.full(5, 0.2, np.float32)])
def test_without_an_opinion_or_against_it_the_picture_tells_which_are(one, monkeypatch, wrong):
    asked = []
    monkeypatch.setattr(own_skin, "repaint_hand", lambda *given: asked.append(given[3]))

    paint(with_mesh(one, replace(one.found.mesh, wrong=wrong)))

    assert asked == [None]
