from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from realishuman.detect.base import Part
from realishuman.detect.released import square_around
from realishuman.imaging.boxes import Box, around
from realishuman.imaging.paste import paste
from realishuman.mesh.base import Mesh
from realishuman.parts.found import FoundPart, number_parts
from realishuman.parts.prepare import prepare, with_ring
from realishuman.pipeline.look import reconstruct
from realishuman.settings import Settings


@pytest.fixture
def ready(models_of):
    def make(hands, pose="shaded", preset="released", packs_erode=None, **changes):
        picture = np.full((300, 400, 3), 100, np.uint8)
        meshes = reconstruct(picture, hands, models_of(hands))
        parts = number_parts([(hand, "") for hand in hands], meshes).parts
        settings = Settings(**changes)
        return prepare(
            picture,
            parts,
            parts,
            settings,
            preset=preset,
            pose=pose,
            resolution=256,
            erode=packs_erode,
        )

    return make


def test_the_masks_are_nested_and_the_ring_is_what_lies_between(ready, flat_hand):
    (one,) = ready([flat_hand(200, 150, 120)])
    masks = one.masks

    assert masks.m.any()
    assert not (masks.m_e & ~masks.m).any()
    assert not (masks.m & ~masks.m_d).any()
    np.testing.assert_array_equal(masks.m_f, masks.m_d & ~masks.m_e)


def test_the_pose_is_the_shaded_render_where_m_is_and_black_elsewhere(ready, flat_hand):
    (one,) = ready([flat_hand(200, 150, 120)])

    lit = (one.pose > 0).any(0).numpy()
    np.testing.assert_array_equal(lit, one.masks.m)
    assert one.pose[0].max() == 1.0  # red: a right hand
    assert one.pose[1].max() < 0.8


def test_the_depth_pose_is_grey_and_brightest_where_nearest(ready, flat_hand):
    (one,) = ready([flat_hand(200, 150, 120)], pose="depth")

    assert torch.equal(one.pose[0], one.pose[1])
    assert one.pose.max() == 1.0


def test_sliders_override_the_preset(ready, flat_hand):
    hand = flat_hand(200, 150, 120)
    (none,) = ready([hand], dilate=0, erode=0)
    (some,) = ready([hand], dilate=40, erode=10)

    assert not none.masks.m_f.any()
    assert some.masks.m_f.any()
    assert some.masks.m_e.sum() < none.masks.m_e.sum()


def test_a_packs_eroding_kernel_holds_unless_the_user_names_one(ready, flat_hand):
    hand = flat_hand(200, 150, 120)
    (preset,), (packs,) = ready([hand]), ready([hand], packs_erode=4)
    (users,), (same,) = ready([hand], packs_erode=4, erode=10), ready([hand], erode=10)

    assert packs.masks.m_e.sum() > preset.masks.m_e.sum()
    np.testing.assert_array_equal(users.masks.m_e, same.masks.m_e)


def test_the_paper_preset_has_a_thin_outer_ring(ready, flat_hand):
    hand = flat_hand(200, 150, 120)
    (released,) = ready([hand])
    (paper,) = ready([hand], preset="paper")

    assert paper.masks.m_d.sum() < released.masks.m_d.sum()


def test_a_neighbour_is_never_in_the_ring(ready, flat_hand):
    first, second = ready([flat_hand(150, 150, 120), flat_hand(240, 150, 120)])
    (alone,) = ready([flat_hand(150, 150, 120)])

    assert first.masks.m_d.sum() < alone.masks.m_d.sum()
    back = second.crop.to_picture(np.argwhere(second.masks.m)[:, ::-1] + 0.5)
    inside = first.crop.to_crop(back).astype(int)
    inside = inside[((inside >= 0) & (inside < 256)).all(axis=1)]
    ring_only = first.masks.m_d & ~first.masks.m
    assert ring_only[inside[:, 1], inside[:, 0]].mean() < 0.02  # rounding between two grids


def test_clasped_hands_keep_their_own_mesh_in_their_mask(ready, flat_hand):
    first, second = ready([flat_hand(180, 150, 120), flat_hand(220, 150, 120)])

    for one in (first, second):
        masks = one.masks
        assert (masks.m & one.others).sum() > 100  # the meshes do overlap
        assert not (masks.m & ~masks.m_d).any()
        np.testing.assert_array_equal(masks.m_f, masks.m_d & ~masks.m_e)


def test_the_pose_at_the_pictures_pixels_is_resized_and_the_reference_is_cut_there(
    ready, flat_hand
):
    hand = flat_hand(200, 150, 120)
    (crop,), (picture,) = (ready([hand], inputs=where) for where in ("crop", "picture"))

    side = int(crop.crop.box.width)
    assert crop.reference is None
    assert picture.reference.shape == (3, side, side)
    kept = (picture.reference > 0).any(0).numpy()
    assert 0.1 < kept.mean() < 0.6
    assert torch.equal(picture.reference[:, kept].unique(), torch.tensor([100 / 255]))
    # an enlarged render has soft edges, one made at the crop's size has none
    shades = [len(one.pose[1].unique()) for one in (crop, picture)]
    assert shades[1] > 2 * shades[0]
    assert (crop.masks.m != picture.masks.m).mean() < 0.02
    np.testing.assert_array_equal(picture.masks.m, (picture.pose >= 0.4).any(0).numpy())


def test_a_depth_pose_at_the_pictures_pixels_is_cut_by_what_the_mesh_covers(ready, flat_hand):
    hand = flat_hand(200, 150, 120)
    (crop,), (picture,) = (
        ready([hand], pose="depth", inputs=where) for where in ("crop", "picture")
    )

    assert (crop.masks.m != picture.masks.m).mean() < 0.02
    assert (picture.reference > 0).any(0).float().mean() > 0.1


def test_a_released_crop_shows_black_outside_the_picture_and_draws_nothing_there(ready, flat_hand):
    hand = flat_hand(40, 150, 120)
    (ours,) = ready([hand], inputs="picture")
    (released,) = ready([hand], inputs="picture", crop="released")

    assert released.crop.box.x0 < ours.crop.box.x0 < 0
    edge = int(-released.crop.box.x0 * released.crop.scale) - 2
    assert released.image[..., :edge].max() == 0
    assert released.pose[..., :edge].max() == 0
    assert released.reference[..., : int(-released.crop.box.x0)].max() == 0
    assert ours.image.min() > 0


@pytest.mark.parametrize("inputs", ["crop", "picture"])
def test_hands_with_one_square_are_drawn_and_masked_together(ready, flat_hand, inputs):
    square = square_around(Box(100, 80, 300, 220))
    square = replace(square, width=None, height=None)
    hands = [replace(flat_hand(x, 150, 110), square=square) for x in (140, 270)]
    hands[0] = replace(hands[0], side="left")

    first, second = ready(hands, inputs=inputs, crop="released")
    (alone, _) = ready([hands[0], replace(hands[1], square=None)], crop="released")

    assert (first.numbers, second.numbers) == ((1, 2), (2, 1))
    assert first.crop == second.crop
    assert first.pose is second.pose
    red, green = first.pose[0] > first.pose[1], first.pose[1] > first.pose[0]
    assert green[:, :128].any()
    assert not green[:, 128:].any()
    assert red[:, 128:].any()
    assert not red[:, :128].any()
    assert first.masks.m.sum() > 1.7 * alone.masks.m.sum()
    assert not first.others.any()
    grown = with_ring(first, Settings(dilate=0))
    np.testing.assert_array_equal(grown.masks.m_d, first.masks.m)


def test_parts_keep_their_numbers(ready, flat_hand):
    assert [one.number for one in ready([flat_hand(100, 150, 80), flat_hand(300, 150, 80)])] == [
        1,
        2,
    ]


def ball(x, y, radius):
    """A sphere's mesh at this place of the picture, and the part whose box it fills."""
    sphere = trimesh.creation.icosphere(subdivisions=3)
    vertices = (sphere.vertices * radius + [x, y, 0]).astype(np.float32)
    mesh = Mesh(vertices, sphere.faces.astype(np.int32), vertices[:21])
    return Part("hand", "right", around(vertices), 0.9, vertices[:21]), mesh


@pytest.mark.parametrize("resolution", [128, 256, 512])
@pytest.mark.parametrize(
    ("x", "y", "radius"),
    [(190.3, 150.8, 9.4), (200.7, 140.2, 30.5), (199.6, 151.3, 63.8), (12.4, 10.7, 40.2),
     (391.2, 160.6, 24.9)],
)  # fmt: skip
def test_what_is_pasted_lies_where_it_was_cut(x, y, radius, resolution):
    """Mesh, crop and paste agree on half pixels, also where the part leaves the picture."""
    rows, columns = np.indices((300, 400)) + 0.5
    inside = np.clip(radius - np.hypot(columns - x, rows - y) + 0.5, 0, 1)
    picture = np.repeat((200 * inside)[..., None], 3, axis=2).round().astype(np.uint8)
    parts = [FoundPart(1, *ball(x, y, radius))]
    (one,) = prepare(
        *(picture, parts, parts, Settings()),
        preset="released", pose="shaded", resolution=resolution,
    )  # fmt: skip

    seen = torch.from_numpy(one.masks.m).float() * (200 / 255)
    result = paste(
        np.zeros_like(picture), seen.expand(3, -1, -1), one.crop, one.masks.m_d, one.masks.m,
        colour_match=False,
    )  # fmt: skip

    grown = one.crop.to_picture(np.argwhere(one.masks.m)[:, ::-1] + 0.5).mean(axis=0)
    np.testing.assert_allclose(grown, (x, y), atol=0.1)
    for axis in (0, 1):
        expected, found = (each[..., 0].sum(axis=axis) / 200.0 for each in (picture, result))
        place = np.arange(len(expected)) + 0.5
        wanted, got = (np.average(place, weights=each) for each in (expected, found))
        assert abs(got - wanted) < 0.1


def discs(*places):
    """A picture (300, 400, 3) of discs x, y, radius, grey, painted one over the other."""
    picture = np.full((300, 400, 3), 90, np.uint8)
    rows, columns = np.indices((300, 400)) + 0.5
    for x, y, radius, grey in places:
        picture[np.hypot(columns - x, rows - y) < radius] = grey
    return picture


@pytest.mark.parametrize("kinds", [("hand", "hand"), ("hand", "face"), ("face", "hand")])
@pytest.mark.parametrize("surer", [0, 1])
@pytest.mark.parametrize("front", [0, 1])
def test_what_lies_in_front_is_kept_out_of_what_lies_behind(front, surer, kinds):
    """The picture says who is in front, whatever the detector's score, the kind or the order."""
    places = [(170, 150, 50), (220, 150, 50)]
    greys = [(*places[0], 220), (*places[1], 160)]
    picture = discs(greys[1 - front], greys[front])
    parts = []
    for place, kind in enumerate(kinds):
        part, mesh = ball(*places[place])
        part = replace(part, kind=kind, score=0.9 if place == surer else 0.8, side=None)
        parts.append(FoundPart(place + 1, part, mesh))

    ready = prepare(
        *(picture, parts, parts, Settings(dilate=20)),
        preset="released", pose="depth", resolution=256,
    )  # fmt: skip

    behind = 1 - front
    assert [one.covered for one in ready] == [int(place == behind) for place in (0, 1)]
    x, y, radius = places[front]
    for place, one in enumerate(ready):
        rows, columns = np.nonzero(one.masks.m_d)
        seen = one.crop.to_picture(np.column_stack([columns, rows]) + 0.5)
        inside = np.hypot(seen[:, 0] - x, seen[:, 1] - y) < radius - 2
        assert inside.any() == (place == front)
        assert not (one.masks.m_e & ~one.masks.m_d).any()


def test_a_part_that_only_touches_another_covers_nothing_of_it():
    parts = [FoundPart(1, *ball(150, 150, 40)), FoundPart(2, *ball(229, 150, 40))]

    ready = prepare(
        *(discs((150, 150, 40, 200), (229, 150, 40, 160)), parts, parts, Settings()),
        preset="released", pose="depth", resolution=128,
    )  # fmt: skip

    assert [one.covered for one in ready] == [0, 0]
