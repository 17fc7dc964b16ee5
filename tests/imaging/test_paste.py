from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from realishuman.imaging.boxes import Box
from realishuman.imaging.colour import match_colour, match_parts
from realishuman.imaging.crop import Crop, extract
from realishuman.imaging.fades import Fade, radial_fade
from realishuman.imaging.modes import eight_bit
from realishuman.imaging.paste import Patch, PixelPatch, compose, paste, silhouette
from tests.recorded import GOLDEN, SAMPLES, needs_golden, needs_samples

RECORDED = Path(__file__).parents[1] / "golden" / "imaging"


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def disc(size, radius, centre=None):
    cx, cy = centre or (size / 2, size / 2)
    rows, columns = np.indices((size, size)) + 0.5
    return (rows - cy) ** 2 + (columns - cx) ** 2 < radius**2


def smooth(height, width):
    rows, columns = np.indices((height, width))
    return np.stack(
        [90 + 60 * np.sin(columns / 40), 120 + 50 * np.cos(rows / 50), 100 + (rows + columns) / 20],
        axis=2,
    ).astype(np.uint8)


@pytest.mark.parametrize("feather", ["silhouette", "radial"])
@given(
    st.floats(-60, 120), st.floats(-60, 120), st.floats(5, 150), st.integers(0, 40), st.booleans()
)
@settings(max_examples=30)
def test_no_pixel_whose_centre_is_outside_m_d_changes(feather, x, y, side, radius, colour):
    picture, crop = noise(100, 90, 3), Crop(Box(x, y, x + side, y + side), 64)
    m_d = disc(64, radius, (24, 40))

    result = paste(
        picture, torch.ones(3, 64, 64), crop, m_d, disc(64, 5), feather=feather, colour_match=colour
    )

    rows, columns = np.nonzero((result != picture).any(axis=2))
    centres = crop.to_crop(np.stack([columns, rows], axis=1) + 0.5)
    column, row = np.floor(centres).astype(int).T
    assert ((column >= 0) & (column < 64) & (row >= 0) & (row < 64)).all()
    assert m_d[row, column].all()


def test_the_released_fade_goes_beyond_m_d_and_joins_the_circles_of_two_parts():
    picture, crop = np.zeros((520, 520, 3), np.uint8), Crop(Box(4, 4, 516, 516))
    few, white = disc(512, 10), torch.ones(3, 512, 512)

    def pasted(*fades):
        result = paste(
            picture, white, crop, few, few, fades=fades, feather="released", colour_match=False
        )
        return result[..., 0].astype(int)

    left, right = Fade(154, 260, 20), Fade(366, 260, 20)
    one, other, both = pasted(left), pasted(right), pasted(left, right)

    assert one[260, 154] == both[260, 154] == 255
    assert one[260, 420] < 100
    assert (one[:40] == 0).all()  # nothing within 50 pixels of the crop's border
    assert np.abs(both - np.maximum(one, other)).max() <= 1


def test_the_part_is_taken_as_it_is_and_the_argument_stays():
    picture = noise(100, 100, 3)
    before, crop = picture.copy(), Crop(Box(20, 20, 84, 84), 64)
    refined = torch.full((3, 64, 64), 100 / 255)

    result = paste(picture, refined, crop, disc(64, 30), disc(64, 12), colour_match=False)

    assert (result[20:84, 20:84][disc(64, 12)] == 100).all()
    np.testing.assert_array_equal(picture, before)
    assert result.dtype == np.uint8


def test_pasting_an_unchanged_crop_changes_nothing_visible():
    picture = smooth(300, 300)
    crop = Crop(Box(40, 50, 240, 250), 512)

    result = paste(picture, extract(picture, crop), crop, disc(512, 200), disc(512, 100))

    assert np.abs(result.astype(int) - picture).max() <= 1


def test_the_seam_falls_smoothly_from_the_part_to_the_edge_of_m_d():
    weight = silhouette(disc(200, 40), disc(200, 90))

    along = weight[100, 100:]
    assert (along[:40] == 1).all()
    assert (np.diff(along) <= 1e-6).all()
    assert np.abs(np.diff(along)).max() < 0.1
    assert along[:70].min() > 0.99  # most of the ring is the refined crop's
    assert 0 < along[88] < 0.05
    assert (weight[~disc(200, 90)] == 0).all()


def test_a_part_that_the_crop_cuts_off_fades_into_the_picture_there():
    picture, m = np.full((64, 64, 3), 200, np.uint8), np.zeros((64, 64), bool)
    m[24:, 24:40] = True  # an arm that leaves the crop at the bottom
    crop = Crop(Box(0, 0, 64, 64), 64)

    result = paste(picture, torch.zeros(3, 64, 64), crop, m, m, colour_match=False)

    along = result[:, 32, 0].astype(int)
    assert along[30:56].max() == 0
    assert along[63] > 100
    assert (np.diff(along[56:]) >= 0).all()


def test_a_part_at_the_pictures_border_is_not_faded_there():
    picture, crop = noise(64, 64, 3), Crop(Box(-32, 0, 32, 64), 64)

    result = paste(
        picture, torch.zeros(3, 64, 64), crop, disc(64, 30), disc(64, 10), colour_match=False
    )

    assert (result[24:40, :8] == 0).all()


@pytest.mark.parametrize("feather", ["silhouette", "radial"])
@pytest.mark.parametrize("box", [Box(500, 500, 600, 600), Box(-300, 0, -100, 200)])
def test_a_crop_outside_the_picture_or_an_empty_mask_changes_nothing(feather, box):
    picture, empty = noise(50, 40, 3), np.zeros((64, 64), bool)
    refined = torch.zeros(3, 64, 64)

    for crop, m_d in ((Crop(box, 64), ~empty), (Crop(Box(0, 0, 40, 40), 64), empty)):
        result = paste(picture, refined, crop, m_d, empty, feather=feather)

        np.testing.assert_array_equal(result, picture)


@pytest.mark.parametrize("side", [1, 15, 400])
def test_one_pixel_and_other_small_or_large_parts_can_be_pasted(side):
    picture = noise(side, side, 3)
    refined = torch.full((3, 64, 64), 0.5)

    result = paste(
        picture, refined, Crop(Box(0, 0, side, side), 64), disc(64, 40), disc(64, 20),
        colour_match=False,
    )  # fmt: skip

    assert (result[side // 2, side // 2] == 128).all()


def test_a_tint_of_the_whole_crop_is_taken_back():
    picture, crop = smooth(256, 256), Crop(Box(0, 0, 256, 256), 256)
    tinted = extract(picture, crop) * 0.95 + torch.tensor([0.05, -0.02, 0.03])[:, None, None]

    matched, plain = (
        paste(picture, tinted, crop, disc(256, 100), disc(256, 60), colour_match=on)
        for on in (True, False)
    )

    assert np.abs(plain.astype(int) - picture).max() > 4
    assert np.abs(matched.astype(int) - picture).max() <= 1


def test_what_has_the_pictures_colours_already_keeps_them_and_the_tint_around_fades():
    picture, crop = smooth(256, 256), Crop(Box(0, 0, 256, 256), 256)
    core, tint = disc(256, 60), torch.tensor([0.05, -0.02, 0.03])[:, None, None]
    tinted = extract(picture, crop)
    tinted[:, ~torch.from_numpy(core)] += tint.expand(3, 256, 256)[:, ~torch.from_numpy(core)]

    result, whole = (
        paste(picture, tinted, crop, disc(256, 100), disc(256, 80), matched=where)
        for where in (core, None)
    )

    apart = np.abs(result.astype(int) - picture).max(axis=2)
    assert apart[core].max() == 0
    assert apart[disc(256, 100) & ~disc(256, 90)].max() <= 3
    assert np.abs(whole.astype(int) - picture).max(axis=2)[core].min() > 4


def test_contrast_follows_the_square_of_the_correlation():
    """Half correlated, 1.2 times the contrast: a gain of 1 + 0.5 squared * 0.2."""
    ours = np.tile([1.0, 1, 1, 1, -1, -1, -1, -1], 128)
    theirs = np.tile([1.0, 1, 1, -1, 1, -1, -1, -1], 128)
    refined, original = (
        np.repeat(each.reshape(32, 32, 1), 3, axis=2).astype(np.float32)
        for each in (0.5 + 0.03 * ours, 0.5 + 0.036 * theirs)
    )

    corrected = match_colour(refined, original, np.ones((32, 32), bool))

    assert corrected.std() == pytest.approx(1.05 * 0.03, rel=1e-3)


@pytest.mark.parametrize(
    ("times", "gain"), [(0.5, 1.0), (0.7, 0.8), (0.9, 0.9), (1.2, 1.2), (2.0, 1.25)]
)
def test_contrast_changes_by_a_quarter_at_most(times, gain):
    """And not where there is too little to measure."""
    waves = np.tile([0.03, -0.03], 512).reshape(32, 32, 1).repeat(3, axis=2).astype(np.float32)

    corrected = match_colour(0.5 + waves, 0.5 + times * waves, np.ones((32, 32), bool))

    assert corrected.std() == pytest.approx(gain * 0.03, rel=1e-3)


@pytest.mark.parametrize(
    ("shift", "residue", "moved"),
    [
        (0.08, 0.02, 0.08),  # the shift explains the difference
        (0.08, 0.065, 0.04),  # in part
        (0.08, 0.11, 0.0),  # not at all
        (0.15, 0.0, 0.1),  # further than is credible
        (-0.15, 0.0, -0.1),
    ],
)
def test_a_shift_is_believed_as_far_as_it_explains_the_difference(shift, residue, moved):
    refined = np.full((32, 32, 3), 0.5, np.float32)
    waves = np.tile([residue, -residue], 512).reshape(32, 32, 1)

    corrected = match_colour(
        refined, (refined + shift + waves).astype(np.float32), np.ones((32, 32), bool)
    )

    np.testing.assert_allclose(corrected, 0.5 + moved, atol=1e-6)


def test_what_hides_a_sixth_of_the_place_does_not_count():
    refined = np.full((30, 30, 3), 0.5, np.float32)
    original = refined + np.float32(0.05)
    original[:5] = 0.9

    corrected = match_colour(refined, original, np.ones((30, 30), bool))

    np.testing.assert_allclose(corrected, 0.55, atol=1e-6)


@pytest.mark.parametrize(("pixels", "moved"), [(63, 0.0), (64, 0.05)])
def test_a_few_pixels_say_nothing_about_colours(pixels, moved):
    refined = np.full((10, 10, 3), 0.5, np.float32)
    where = np.arange(100).reshape(10, 10) < pixels

    corrected = match_colour(refined, refined + np.float32(0.05), where)

    np.testing.assert_allclose(corrected, 0.5 + moved, atol=1e-6)


def test_colours_move_little_when_the_background_shows_something_else():
    rng = np.random.default_rng(0)
    refined, original = rng.random((2, 40, 40, 3), dtype=np.float32)

    corrected = match_colour(refined, original, np.ones((40, 40), bool))

    assert np.abs(corrected - refined).max() < 0.01


@given(st.integers(0, 2**32 - 1), st.floats(-1, 1), st.floats(0, 3), st.floats(0, 0.2))
@settings(max_examples=60)
def test_no_colour_moves_by_more_than_a_tenth(seed, offset, gain, spread):
    rng = np.random.default_rng(seed)
    refined = rng.random((20, 20, 3), dtype=np.float32)
    original = refined * gain + offset + spread * rng.standard_normal((20, 20, 3))
    original = original.clip(0, 1).astype(np.float32)

    corrected = match_colour(refined, original, rng.random((20, 20)) < 0.7)

    assert np.isfinite(corrected).all()
    assert np.abs(corrected - refined).max() <= 0.1 + 1e-6


def test_a_repaired_part_takes_the_skin_of_the_bad_one_where_both_show_it():
    skin = torch.from_numpy(smooth(64, 64)).permute(2, 0, 1)[None].float() / 255
    inside = torch.from_numpy(disc(64, 24))[None, None]
    bad = skin.clone()
    bad[..., :20] = 0.9  # a finger is missing: the background shows instead
    shift = torch.tensor([0.06, 0.0, -0.05])[:, None, None]

    (matched,) = match_parts(skin + shift, bad, inside)

    assert (matched - skin[0]).abs()[:, inside[0, 0]].max() < 0.02


def test_a_part_that_is_not_a_number_stays_so_and_the_next_is_matched():
    parts = torch.full((2, 3, 32, 32), 0.5)
    parts[0, 0, 3, 3] = torch.nan
    image = parts[1:].repeat(2, 1, 1, 1) + 0.04

    matched = match_parts(parts, image, torch.ones(2, 1, 32, 32, dtype=torch.bool))

    assert torch.equal(matched[0].isnan(), parts[0].isnan())
    assert torch.allclose(matched[1], image[1], atol=1e-4)


def fades():
    cases = json.loads((RECORDED / "fade.json").read_text())
    for case in cases["direct"]:
        centre = None if case["center_x"] is None else (case["center_x"], case["center_y"])
        yield case["key"], [(case["fade_start"], centre)]
    for case in cases["boxes"]:
        box, ratio = case["params"], case["target_ratio"]
        if "cx" in box:
            hands = [(box["width"], box["height"], None)]
        else:
            hands = [
                (box[f"box{i}_width"], box[f"box{i}_height"],
                 (box[f"box{i}_cx"] * ratio, box[f"box{i}_cy"] * ratio))
                for i in (1, 2)
            ]  # fmt: skip
        yield str(case["case"]), [(max(w, h) // 2 * ratio + 70, at) for w, h, at in hands]


@pytest.mark.parametrize(("key", "calls"), list(fades()), ids=lambda v: v if type(v) is str else "")
def test_the_radial_fade_equals_the_official_one(key, calls):
    ours = np.max([radial_fade(*call) for call in calls], axis=0)

    with np.load(RECORDED / "fade.npz") as wanted:
        np.testing.assert_allclose(ours[::16, ::16], wanted[key], atol=1e-5)


def official_paste(picture, result, box, fade):
    """What the released code does to the whole picture, from its description."""
    height, width = picture.shape[:2]
    pad = box["extend_side"] * 2
    ratio = 512 / pad
    padded = np.pad(picture, ((pad, pad), (pad, pad), (0, 0)))
    size = int(padded.shape[1] * ratio), int(padded.shape[0] * ratio)
    large = np.array(Image.fromarray(padded).resize(size, Image.Resampling.BICUBIC))
    x, y = int((box["left"] + pad) * ratio), int((box["top"] + pad) * ratio)
    place = (slice(y, y + 512), slice(x, x + 512))
    weight = fade[..., None]
    large[place] = (weight * result + (1 - weight) * large[place]).astype(np.uint8)
    small = Image.fromarray(large).resize(padded.shape[1::-1], Image.Resampling.BICUBIC)
    return np.array(small)[pad : pad + height, pad : pad + width]


@needs_golden
@needs_samples
@pytest.mark.parametrize("name", ["ac97b590_r", "5c1bf7bf_face"])
def test_the_patch_paste_is_close_to_the_official_whole_picture_paste(name):
    """The oracle equals the recording; ours, on a smooth result, equals the oracle within rounding
    but for the official half-pixel truncations and its second resampling of the picture."""
    case = json.loads((GOLDEN / "crops" / "index.json").read_text())[name]
    box, (x0, y0, x1, y1) = case["paste"]["params"], case["paste"]["patch_box_xyxy"]
    picture = np.array(Image.open(SAMPLES / "image" / f"{case['id']}.png"))
    recorded_result = np.array(Image.open(GOLDEN / "synthetic_result.png"))
    recorded = np.array(Image.open(GOLDEN / "crops" / name / "paste_patch.png"))
    ratio = 512 / (2 * box["extend_side"])
    start = max(box["width"], box["height"]) // 2 * ratio + 70
    crop = Crop(Box(box["left"], box["top"], box["right"], box["bottom"]))
    half = round(start - 70)
    m = np.zeros((512, 512), bool)
    m[256 - half : 256 + half, 256 - half : 256 + half] = True

    oracle = official_paste(picture, recorded_result, box, radial_fade(start))[y0:y1, x0:x1]
    assert np.abs(oracle.astype(int) - recorded).max() <= 1

    result = smooth(512, 512)
    oracle = official_paste(picture, result, box, radial_fade(start))[y0:y1, x0:x1].astype(int)
    tensor = torch.from_numpy(result).permute(2, 0, 1).float() / 255
    everywhere, nothing = np.ones((512, 512), bool), np.zeros((512, 512), bool)
    ours = paste(picture, tensor, crop, everywhere, m, feather="radial", colour_match=False)[
        y0:y1, x0:x1
    ]
    centre = box["left"] + box["extend_side"], box["top"] + box["extend_side"]
    unbounded = paste(
        picture, tensor, crop, nothing, nothing,
        fades=[Fade(*centre, (start - 70) / ratio)], feather="released", colour_match=False,
    )[y0:y1, x0:x1]  # fmt: skip
    assert np.abs(unbounded.astype(int) - ours).max() <= 1
    difference = np.abs(oracle - ours)
    assert difference.mean() < 1.2
    middle = slice(len(difference) // 3, -(len(difference) // 3))
    assert difference[middle, middle].max() <= 3


def pixel_patch(picture, left, top, after, **options):
    """A patch that puts `after` into a picture of 8 bits, where it differs."""
    height, width = after.shape[:2]
    before = picture[top : top + height, left : left + width]
    return PixelPatch(1, left, top, before, after, **options)


def composed(picture, *patches):
    return compose(picture, patches, feather="silhouette", colour_match=True)


def test_what_was_repainted_at_the_pictures_pixels_is_put_there_unchanged():
    picture = noise(60, 50, 3)
    after = picture[20:40, 10:40].copy()
    after[5:9, 7:20] = noise(4, 13, 3, seed=1)

    result = composed(picture, pixel_patch(picture, 10, 20, after))

    np.testing.assert_array_equal(result[20:40, 10:40], after)
    result[20:40, 10:40] = picture[20:40, 10:40]
    np.testing.assert_array_equal(result, picture)


def test_only_pixels_that_differ_are_pasted_over_what_lies_below():
    picture = noise(60, 50, 3)
    first, second = picture[10:30, 10:30].copy(), picture[10:30, 10:30].copy()
    first[:10] ^= 255
    second[15:] ^= 255

    result = composed(
        picture, pixel_patch(picture, 10, 10, first), pixel_patch(picture, 10, 10, second)
    )

    np.testing.assert_array_equal(result[10:20, 10:30], first[:10])
    np.testing.assert_array_equal(result[25:30, 10:30], second[15:])


def test_what_lies_behind_is_pasted_first_whatever_kind_of_patch_it_is():
    picture, crop = noise(80, 80, 3), Crop(Box(0, 0, 64, 64), 64)
    m = disc(64, 20)
    behind = Patch(2, torch.ones(3, 64, 64), crop, m, m, covered=1)
    front = pixel_patch(picture, 16, 16, picture[16:48, 16:48] ^ 255)

    result = composed(picture, front, behind)

    np.testing.assert_array_equal(result[16:48, 16:48], front.after)
    assert (result != picture)[50:].any()


@pytest.mark.parametrize("seed", range(4))
def test_of_16_bits_the_finer_ones_stay(seed):
    random = np.random.default_rng(seed)
    deep = random.integers(0, 65536, (40, 40, 3), np.uint16)
    eight = eight_bit(deep)
    after = eight[5:25, 5:25].copy()
    after[3:9, 3:9, 1] = random.integers(0, 256, (6, 6))

    result = composed(deep, pixel_patch(eight, 5, 5, after))

    inside = result[5:25, 5:25]
    np.testing.assert_array_equal(eight_bit(inside), after)
    same = after == eight[5:25, 5:25]
    np.testing.assert_array_equal(inside[same], deep[5:25, 5:25][same])
    finer = deep.astype(int) - 257 * eight.astype(int)
    moved = inside.astype(int) - 257 * after.astype(int)
    free = (after > 0) & (after < 255)
    np.testing.assert_array_equal(moved[free], finer[5:25, 5:25][free])


def test_a_patch_in_grey_has_no_colour_there():
    grey = np.repeat(smooth(90, 90)[..., :1], 3, axis=2)
    after = grey[30:60, 30:60].copy()
    after[5:20, 5:20] = (200, 150, 120)

    result = composed(grey, pixel_patch(grey, 30, 30, after))

    assert (result != grey).any()
    assert (np.ptp(result, axis=2) == 0).all()


def test_a_crop_is_pasted_into_16_bits_as_into_8_but_finer():
    picture, crop = smooth(100, 90), Crop(Box(20, 20, 70, 70), 64)
    refined = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    arguments = (refined, crop, disc(64, 28), disc(64, 20))

    coarse = paste(picture, *arguments, colour_match=False)
    fine = paste(picture.astype(np.uint16) * 257, *arguments, colour_match=False)

    assert fine.dtype == np.uint16
    changed = (coarse != picture).any(axis=2)
    assert changed.sum() > 1000
    np.testing.assert_allclose(fine / 257, coarse, atol=0.51)
    assert (fine[changed] % 257 != 0).mean() > 0.9
