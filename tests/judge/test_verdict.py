from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from realishuman.imaging.boxes import around
from realishuman.judge.opinion import REFUSED, mix_opinions
from realishuman.judge.verdict import compare


@pytest.fixture
def detector(prepared, finds_there):
    return finds_there(prepared.part)


def test_a_repair_the_judge_prefers_is_kept_with_both_probabilities(
    picture, prepared, detector, says
):
    verdict = compare(picture, picture, prepared, detector, says(0.9, 0.2))

    assert verdict.reason == ""
    assert verdict.malformed == (0.9, 0.2)


@pytest.mark.parametrize("after", [0.6, 0.8])
def test_a_repair_that_is_no_better_is_not_kept_and_the_numbers_are_in_the_reason(
    picture, prepared, detector, says, after
):
    verdict = compare(picture, picture, prepared, detector, says(0.6, after))

    assert "no better" in verdict.reason
    assert f"{after:.0%}" in verdict.reason
    assert "60%" in verdict.reason


@pytest.mark.parametrize(("after", "kept"), [(REFUSED, False), (0.96, False), (0.49, True)])
def test_a_repair_that_still_looks_malformed_is_not_kept_although_it_is_better(
    picture, prepared, detector, says, after, kept
):
    verdict = compare(picture, picture, prepared, detector, says(1.0, after))

    assert (verdict.reason == "") is kept
    words = f"repair not good enough: malformed {after:.0%}, before 100%, kept below 50%"
    assert kept or words in verdict.reason


def test_a_part_that_looked_right_is_not_changed_even_for_a_better_one(
    picture, prepared, detector, says
):
    verdict = compare(picture, picture, prepared, detector, says(0.4, 0.1))

    assert "nothing wrong" in verdict.reason
    assert verdict.malformed == (0.4, 0.1)


def test_without_a_network_colour_and_keypoints_decide(picture, prepared, detector):
    verdict = compare(picture, picture, prepared, detector, None)

    assert (verdict.reason, verdict.malformed) == ("", None)


def test_a_repair_in_another_colour_is_not_kept_and_no_network_is_asked(
    picture, prepared, detector, says
):
    green, network = picture.copy(), says(0.9, 0.0)
    green[..., 0] = 20

    verdict = compare(picture, green, prepared, detector, network)

    assert "different colour" in verdict.reason
    assert network.asked == []


def test_a_slightly_other_skin_tone_is_no_other_colour(picture, prepared, detector):
    assert compare(picture, picture + np.uint8(8), prepared, detector, None).reason == ""


@pytest.mark.parametrize(("brighter", "kept"), [(58, True), (82, False)])  # Delta E 22 and 31
def test_a_colour_may_differ_by_a_delta_e_of_25(picture, prepared, detector, brighter, kept):
    verdict = compare(picture, picture + np.uint8(brighter), prepared, detector, None)

    assert (verdict.reason == "") is kept


@pytest.mark.parametrize(("moved", "kept"), [(0.0, True), (6.0, True), (40.0, False)])
def test_keypoints_that_leave_the_mesh_are_not_kept(picture, prepared, finds_there, moved, kept):
    verdict = compare(picture, picture, prepared, finds_there(prepared.part, moved), None)

    assert (verdict.reason == "") is kept
    words = r"does not follow the mesh: .* off by \d+% of the hand, at most \d+% is"
    assert kept or re.search(words, verdict.reason)


@pytest.mark.parametrize(("further", "kept"), [(0.11, True), (0.14, False)])
def test_keypoints_may_fit_the_mesh_worse_by_an_eighth_of_the_part(
    picture, prepared, finds_there, further, kept
):
    part, joints = prepared.part, prepared.mesh.joints
    size = around(joints).longer_side
    before = np.linalg.norm((part.keypoints - joints)[:, :2], axis=1).mean() / size
    aside = size * (before + further) / np.sqrt(2)  # along x and along y

    for moved in (aside, -aside):
        detector = finds_there(replace(part, keypoints=joints), moved)
        assert (compare(picture, picture, prepared, detector, None).reason == "") is kept


def test_a_repair_in_which_nothing_is_found_is_not_kept(picture, prepared, finds_there):
    verdict = compare(picture, picture, prepared, finds_there(prepared.part, None), None)

    assert "no hand is found" in verdict.reason


def test_keypoints_are_looked_for_where_the_part_was(picture, prepared, detector):
    compare(picture, picture, prepared, detector, None)

    (given,) = detector.given
    assert (given.kind, given.box) == ("hand", prepared.part.box)


def test_what_is_as_likely_malformed_as_not_may_be_repaired(picture, prepared, detector, says):
    assert compare(picture, picture, prepared, detector, says(0.5, 0.4)).reason == ""


def test_a_part_without_a_mask_has_no_colour_to_compare(picture, prepared, detector):
    empty = np.zeros_like(prepared.masks.m)
    one = replace(prepared, masks=replace(prepared.masks, m=empty))

    verdict = compare(picture, 255 - picture, one, detector, None)

    assert (verdict.reason, verdict.colour) == ("", 0.0)


def test_of_several_parts_the_one_in_the_same_place_is_compared(picture, prepared, finds_there):
    there, away = finds_there(prepared.part), finds_there(prepared.part, 60.0)
    both = SimpleNamespace(
        detect=lambda *asked, **named: [
            *away.detect(*asked, **named),
            *there.detect(*asked, **named),
        ]
    )

    assert compare(picture, picture, prepared, both, None).reason == ""
    assert "does not follow the mesh" in compare(picture, picture, prepared, away, None).reason


def test_keypoints_of_another_set_say_nothing(picture, prepared, finds_there):
    few = replace(prepared.part, keypoints=prepared.part.keypoints[:5])

    verdict = compare(picture, picture, prepared, finds_there(few, 40.0), None)

    assert (verdict.reason, verdict.drift) == ("", np.inf)


def test_what_was_measured_is_in_the_verdict(picture, prepared, detector, says):
    verdict = compare(picture, picture + np.uint8(8), prepared, detector, says(0.9, 0.2))

    assert 1 < verdict.colour < 5  # Delta E of 8 levels
    joints = prepared.mesh.joints
    size = around(joints).longer_side
    apart = np.linalg.norm((prepared.part.keypoints - joints)[:, :2], axis=1).mean() / size
    assert verdict.drift == pytest.approx(apart)


class Again:
    """A regressor that gives the mesh it is asked about these wrong fingers."""

    def __init__(self, mesh, wrong):
        self.mesh, self.wrong, self.asked = mesh, np.float32(wrong), []

    def regress(self, picture, parts):
        self.asked += parts
        return [replace(self.mesh, wrong=self.wrong)]


def with_fingers(prepared, wrong):
    found = replace(prepared.found, mesh=replace(prepared.mesh, wrong=np.float32(wrong)))
    return replace(prepared, found=found)


@pytest.mark.parametrize(
    ("wrong", "kept"), [([0.1, 0.2, 0, 0, 0], True), ([0, 0, 0.9, 0, 0], False)]
)
def test_the_likeliest_finger_of_the_repair_counts_half(
    picture, prepared, detector, says, wrong, kept
):
    one = with_fingers(prepared, [0, 0, 0, 0, 0.9])
    regressor = Again(prepared.mesh, wrong)

    verdict = compare(picture, picture, one, detector, says(0.7, 0.5), regressor)

    first, second = verdict.malformed
    assert first == pytest.approx(mix_opinions(0.7, one.mesh.wrong).malformed)
    assert second == pytest.approx(mix_opinions(0.5, regressor.wrong).malformed)
    assert (verdict.reason == "") is kept
    assert kept or "malformed 75%, before 82%, kept below 68%" in verdict.reason
    assert [part.side for part in regressor.asked] == [prepared.part.side]


def test_the_repair_is_judged_by_the_mesh_that_is_found_in_it(picture, prepared, detector):
    asked = []
    network = SimpleNamespace(malformed=lambda *each: asked.append(each) or 0.7 / len(asked))
    one = with_fingers(prepared, [0, 0, 0, 0, 0.9])
    regressor = Again(replace(prepared.mesh, joints=prepared.mesh.joints + 1), np.zeros(5))

    compare(picture, picture + 1, one, detector, network, regressor)

    (before, part, mesh), (after, part_again, mesh_again) = asked
    assert (before is picture, (after == picture + 1).all()) == (True, True)
    assert (part is one.part, mesh is one.mesh) == (True, True)
    assert part_again is regressor.asked[0]
    assert np.array_equal(mesh_again.joints, mesh.joints + 1)


def test_fingers_count_only_where_they_can_be_asked_before_and_after(
    picture, prepared, detector, says
):
    regressor = Again(prepared.mesh, np.ones(5))
    doubted = with_fingers(prepared, np.ones(5))

    for one, finds, again in (
        (prepared, detector, regressor),
        (doubted, None, regressor),
        (doubted, detector, None),
    ):
        verdict = compare(picture, picture, one, finds, says(0.7, 0.3), again)
        assert verdict.malformed == pytest.approx((0.7, 0.3))
