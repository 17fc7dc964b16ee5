from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from realishuman.imaging.crop import resize_released
from realishuman.imaging.masks import (
    erosion_size,
    latent_mask,
    make_masks,
    masked_image,
    mesh_mask,
    with_core,
)
from realishuman.kinds import MaskRule
from realishuman.presets import PRESETS
from tests.recorded import GOLDEN, needs_golden

RECORDED = Path(__file__).parents[1] / "golden" / "imaging"
CROPS = GOLDEN / "crops"
NAMES = [
    "4c82eec2_face", "4c82eec2_merged", "5c1bf7bf_face", "5c1bf7bf_l", "5c1bf7bf_r",
    "ac97b590_face", "ac97b590_r", "d9390d92_face", "d9390d92_r",
]  # fmt: skip
HAND = PRESETS["released"].masks["hand"]
CASES = json.loads((RECORDED / "masks.json").read_text())


@pytest.fixture(scope="module")
def recorded():
    with np.load(RECORDED / "masks.npz") as data:
        return dict(data)


def tensor_mask(mask):
    return torch.from_numpy(mask)[None]


def tensor(picture):
    return torch.from_numpy(picture).permute(2, 0, 1).float() / 255


def disc(size=512, radius=100):
    rows, columns = np.indices((size, size)) - size // 2
    return rows**2 + columns**2 < radius**2


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['case']}-{c['kind']}")
def test_masks_equal_the_official_ones(case, recorded):
    pose = tensor(recorded[f"{case['case']}/pose"])
    rule = MaskRule(case["mask_thr"], case["mask_gap"], 0.06, "side")

    masks = make_masks(mesh_mask(pose, rule.threshold), rule, kernels_at=128)

    for name, ours in zip(
        ("m_raw", "m_d", "m_e", "m_f"), (masks.m, masks.m_d, masks.m_e, masks.m_f), strict=True
    ):
        np.testing.assert_array_equal(ours, recorded[f"{case['case']}/{name}"], err_msg=name)
    assert erosion_size(masks.m, rule) == (case["erosion_size"] or 3)


def read(name, file):
    return np.array(Image.open(CROPS / name / file))


@needs_golden
@pytest.mark.parametrize("name", NAMES)
def test_what_stage_one_is_shown_is_resized_as_the_official_code_does(name):
    """The reference as it was cut out, which is not how ours is cut."""
    reference, pose, picture = (
        resize_released(tensor(read(name, f"{file}.png")))
        for file in ("foreground", "mesh", "image")
    )

    with (
        np.load(CROPS / name / "stage1_tensors.npz") as one,
        np.load(CROPS / name / "stage2_tensors.npz") as two,
    ):
        for ours, official, wanted in (
            (2 * reference - 1, one, "ref_image"),
            (pose, one, "ref_pose"),
            (2 * picture - 1, two, "image"),
        ):
            np.testing.assert_allclose(ours[:, ::8, ::8], official[f"{wanted}_stride8"], atol=1e-5)
            centre = ours[:, 240:272, 240:272]
            np.testing.assert_allclose(centre, official[f"{wanted}_centre32"], atol=1e-5)


@needs_golden
@pytest.mark.parametrize("name", NAMES)
def test_masks_and_i_f_of_real_crops_equal_the_official_ones(name):
    """Another torch may flip pixels at the threshold while resizing: 20 pixels are allowed."""
    picture, mesh = read(name, "image.png"), read(name, "mesh.png")
    image, pose, repaired = (resize_released(tensor(p)) for p in (picture, mesh, 255 - picture))
    rule = PRESETS["released"].masks["face" if name.endswith("face") else "hand"]
    native = mesh_mask(tensor(mesh), (50 if name.endswith("face") else 100) / 255)

    masks = make_masks(mesh_mask(pose, rule.threshold), rule)
    i_f = masked_image(image, repaired, tensor_mask(masks.m_d), tensor_mask(masks.m_e))

    np.testing.assert_array_equal(native, read(name, "foreground_mask.png"))
    assert (masks.m != read(name, "s2_m_raw.png")).sum() <= 20
    for mask, file in ((masks.m_d, "s2_m_d"), (masks.m_e, "s2_m_e"), (masks.m_f, "s2_m_f")):
        assert (mask != read(name, f"{file}.png")).sum() <= 100
    with np.load(CROPS / name / "stage2_tensors.npz") as wanted:
        if np.array_equal(masks.m, read(name, "s2_m_raw.png")):
            np.testing.assert_allclose(i_f[:, ::8, ::8], wanted["bg_image_stride8"], atol=1e-5)
            np.testing.assert_array_equal(masks.m_f[::8, ::8], wanted["mask_latent64"])
            np.testing.assert_array_equal(
                latent_mask(tensor_mask(masks.m_d), 8)[0], wanted["mask_finalstep_latent64"]
            )


def test_an_even_kernel_is_lopsided_as_released():
    point = np.zeros((512, 512), bool)
    point[200, 300] = True

    rows, columns = np.nonzero(make_masks(point, HAND).m_d)

    assert (rows.min() - 200, rows.max() - 200) == (-49, 50)
    assert (columns.min() - 300, columns.max() - 300) == (-49, 50)


def test_zero_given_by_the_user_means_no_dilation_and_no_erosion():
    m = disc()

    masks = make_masks(m, HAND, 0, 0)

    np.testing.assert_array_equal(masks.m_d, m)
    np.testing.assert_array_equal(masks.m_e, m)
    assert not masks.m_f.any()


def test_kernels_scale_with_the_crop():
    large, small = make_masks(disc(512, 100), HAND), make_masks(disc(256, 50), HAND)

    assert large.m_d.sum() / 512**2 == pytest.approx(small.m_d.sum() / 256**2, rel=0.02)
    assert large.m_e.sum() / 512**2 == pytest.approx(small.m_e.sum() / 256**2, rel=0.04)


def test_a_rule_may_name_its_eroding_kernel_in_pixels_of_the_512_crop():
    rule = replace(HAND, erode=12, erode_of="kernel")

    masks = make_masks(disc(128, 25), rule)

    np.testing.assert_array_equal(masks.m_e, make_masks(disc(128, 25), HAND, erode=12).m_e)
    assert masks.m.any(axis=0).sum() - masks.m_e.any(axis=0).sum() == 2  # of a kernel of 3
    assert make_masks(disc(128, 25), rule, erode=40).m_e.sum() < masks.m_e.sum()


def test_the_papers_erosion_follows_the_perimeter():
    square = np.zeros((512, 512), bool)
    square[100:201, 100:201] = True  # its contour runs through pixel centres: 4 x 100

    assert erosion_size(square, PRESETS["paper"].masks["hand"]) == 20


@pytest.mark.parametrize("preset", ["released", "paper"])
def test_an_empty_mask_stays_empty(preset):
    masks = make_masks(np.zeros((512, 512), bool), PRESETS[preset].masks["hand"])

    assert not (masks.m_d | masks.m_e | masks.m_f).any()


@pytest.mark.parametrize("preset", ["released", "paper"])
def test_the_ring_is_m_d_without_m_e_and_m_lies_between_them(preset):
    masks = make_masks(disc(), PRESETS[preset].masks["hand"])

    np.testing.assert_array_equal(masks.m_f, masks.m_d & ~masks.m_e)
    assert (masks.m_d | ~masks.m).all()
    assert (masks.m | ~masks.m_e).all()


def test_i_f_is_grey_in_the_ring_and_repaired_inside():
    m_d, m_e = disc(16, 7), disc(16, 3)
    grey, white = torch.full((3, 16, 16), 0.25), torch.full((3, 16, 16), 1.0)

    i_f = masked_image(grey, white, tensor_mask(m_d), tensor_mask(m_e))[0]

    assert (i_f[~m_d] == -0.5).all()
    assert (i_f[m_d & ~m_e] == 0).all()
    assert (i_f[m_e] == 1).all()


def test_stage_ones_part_fades_in_from_the_edge_of_m_e():
    m_e = torch.zeros(2, 1, 200, 200, dtype=torch.bool)
    m_e[0, :, 50:150, 50:150] = True
    m_e[1] = True
    refined, repaired = torch.zeros(2, 3, 200, 200), torch.ones(2, 3, 200, 200)

    mixed = with_core(refined, repaired, m_e)

    assert (mixed[0][:, ~m_e[0, 0]] == 0).all()
    assert (mixed[1] == 1).all()
    row = mixed[0, 0, 100, 48:56]
    torch.testing.assert_close(row, torch.tensor([0, 0, 1, 2, 2.4, 2.4, 2.4, 2.4]) / 2.4)


def test_the_latent_mask_takes_the_first_pixel_of_each_block():
    mask = np.zeros((16, 16), bool)
    mask[0, 0] = mask[9, 9] = True

    reduced = latent_mask(tensor_mask(mask), 8)

    assert reduced.tolist() == [[[True, False], [False, False]]]


def test_the_ring_also_covers_what_is_to_vanish_and_nothing_else_changes():
    m, also = disc(128, 20), np.roll(disc(128, 12), 40, axis=1)
    alone, both = make_masks(m, HAND), make_masks(m, HAND, also=also)

    np.testing.assert_array_equal(both.m_d, make_masks(m | also, HAND).m_d)
    np.testing.assert_array_equal(both.m_e, alone.m_e)
    np.testing.assert_array_equal(both.m, m)
    assert both.m_f[also & ~m].all()


def test_a_pixel_that_just_reaches_the_threshold_belongs_to_m_in_any_channel():
    pose = torch.zeros(3, 1, 4)
    pose[0, 0, 0], pose[2, 0, 1], pose[1, 0, 2] = 0.5, 0.5, 0.499

    assert mesh_mask(pose, 0.5).tolist() == [[True, True, False, False]]


def test_erosion_follows_the_contour_with_the_largest_box_not_the_longest():
    m = np.zeros((512, 512), bool)
    m[20:24, 10:410] = True  # 400 long, but thin: a box of 1600
    m[100:200, 100:200] = True

    assert erosion_size(m, HAND) == 6  # of 100
    assert erosion_size(m, PRESETS["paper"].masks["hand"]) == 19  # of 4 x 99
