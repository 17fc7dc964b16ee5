"""The squares that parts are cut out in, and what is shown of them at the picture's own size."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from realishuman.detect.base import Part
from realishuman.detect.released import released_boxes
from realishuman.diffusion.image_encoder import normalise
from realishuman.imaging.boxes import Box, around
from realishuman.imaging.crop import resize_released
from realishuman.imaging.fades import radial_fade
from realishuman.mesh.base import Mesh
from realishuman.parts.cut import cut_out
from realishuman.parts.draw import reduce
from realishuman.parts.found import FoundPart
from realishuman.presets import PRESETS
from tests.recorded import GOLDEN, SAMPLES, needs_golden, needs_samples

RECORDED = Path(__file__).parents[1] / "golden" / "imaging" / "localisation.json.gz"
CASES = json.loads(gzip.decompress(RECORDED.read_bytes()))
CROPS = GOLDEN / "crops"
NAMES = [
    "4c82eec2_face", "4c82eec2_merged", "5c1bf7bf_face", "5c1bf7bf_l", "5c1bf7bf_r",
    "ac97b590_face", "ac97b590_r", "d9390d92_face", "d9390d92_r",
]  # fmt: skip


def found(number, box, square=None, side="right", kind="hand"):
    keypoints = np.array([[box.x0, box.y0, 0], [box.x1, box.y1, 0]], np.float32)
    mesh = Mesh(keypoints, np.zeros((0, 3), np.int32), keypoints)
    return FoundPart(number, Part(kind, side, box, 0.9, keypoints, square=square), mesh)


def noise(height, width):
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


def test_a_part_is_cut_by_its_size_or_with_a_hundred_pixels_more_on_every_side():
    one = found(1, Box(200.6, 150.2, 260.9, 230.7))

    (ours,), (released,) = (cut_out([one], rule, 2.0) for rule in ("part", "released"))

    assert (ours.box.width, ours.square) == (161, None)
    # 60 x 80 pixels, its centre at 230, 190, all of them cut off towards zero
    assert released.box == Box(230 - 140, 190 - 140, 230 + 140, 190 + 140)


def test_outside_the_picture_a_part_is_mirrored_and_black_as_released():
    picture, one = noise(90, 120), found(1, Box(2, 30, 42, 60))

    (ours,), (released,) = (cut_out([one], rule, 2.0) for rule in ("part", "released"))

    mirrored = ours.pixels(picture)
    assert ours.box.x0 == -18
    assert torch.equal(mirrored[:, :, :18], mirrored[:, :, 19:37].flip(2))
    assert not ours.beyond((90, 120)).any()
    black = released.pixels(picture)
    beyond = released.beyond((90, 120))
    assert black[:, beyond].max() == 0
    assert (~beyond).sum() == 90 * 120
    inside = (black[:, ~beyond] * 255).round().byte().view(3, 90, 120)
    np.testing.assert_array_equal(inside.permute(1, 2, 0), picture)


def test_a_square_that_is_all_outside_is_black():
    (cut,) = cut_out([found(1, Box(-900, -900, -860, -850))], "released", 2.0)

    assert cut.pixels(noise(60, 50)).shape == (3, 250, 250)
    assert cut.pixels(noise(60, 50)).max() == 0


def test_parts_with_one_square_share_a_cut_and_each_has_its_own_fade():
    square = replace(cut_out([found(1, Box(0, 0, 40, 40))], "released", 2)[0].square, width=None)
    hands = [
        found(1, Box(10, 20, 51, 81), square, "left"),
        found(2, Box(300, 300, 340, 350)),
        found(3, Box(90, 20, 121, 60), square),
    ]

    cuts = cut_out(hands, "released", 2.0)

    assert [[one.number for one in cut.parts] for cut in cuts] == [[1, 3], [2]]
    assert [(fade.x, fade.y, fade.reach) for fade in cuts[0].fades] == [(30, 50, 30), (105, 40, 20)]
    assert len(cuts[1].fades) == 1
    assert [len(cut.parts) for cut in cut_out(hands, "part", 2.0)] == [1, 1, 1]


def official_fade(paste):
    """The fade as the recorded boxes say, which released.pasting may not do differently."""
    ratio = 256 / paste["extend_side"]
    if "box1_cx" not in paste:
        return radial_fade(max(paste["width"], paste["height"]) // 2 * ratio + 70)
    each = [
        radial_fade(
            max(paste[f"box{n}_width"], paste[f"box{n}_height"]) // 2 * ratio + 70,
            (paste[f"box{n}_cx"] * ratio, paste[f"box{n}_cy"] * ratio),
        )
        for n in (1, 2)
    ]
    return np.maximum(*each)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['width']}x{c['height']}")
def test_fades_lie_where_the_official_ones_do(case):
    size = np.array([case["width"], case["height"]])
    given = [np.array(case["keypoints"][name]) for name in ("hands", "hands_score", "faces")]
    squares = released_boxes(*given, *size)
    points = {"l": given[0][0], "r": given[0][1], "face": given[2][0]}
    for name, square in squares.items():
        names = ("l", "r") if name == "merged" else (name,)
        hands = [
            found(number, around(points[one] * size), square, one)
            for number, one in enumerate(names, start=1)
        ]
        (cut,) = cut_out(hands, "released", 2.0)
        scale, box = 512 / cut.box.width, cut.box
        fades = [
            radial_fade(f.reach * scale + 70, ((f.x - box.x0) * scale, (f.y - box.y0) * scale))
            for f in cut.fades
        ]
        wanted = official_fade(case["paste"][name])
        np.testing.assert_allclose(np.maximum.reduce(fades), wanted, atol=1e-6)


@pytest.mark.parametrize(("kind", "level"), [("hand", 100), ("face", 50)])
def test_the_reference_is_kept_from_the_released_brightness_on(kind, level):
    drawn = torch.zeros(3, 64, 64)
    drawn[0, :, :20] = level / 255
    drawn[1, :, 20:40] = (level - 1) / 255
    drawn[2, :, 40:] = 1.0
    picture, rule = torch.full((3, 64, 64), 0.5), PRESETS["released"].masks[kind]

    _, m, reference = reduce(drawn, np.ones((64, 64), bool), picture, rule, "shaded", 64)

    assert (reference[:, :, :20] == 0.5).all()
    assert (reference[:, :, 20:40] == 0).all()
    assert (reference[:, :, 40:] == 0.5).all()
    # m's own threshold, of the resized pose, is a little higher
    assert m.sum() == 64 * 24


def read(name, file):
    pixels = np.array(Image.open(CROPS / name / file))
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


@needs_golden
@needs_samples
@pytest.mark.parametrize("name", NAMES)
def test_what_is_cut_out_and_shown_to_stage_one_is_what_the_official_code_shows_it(name):
    """From the picture on; the pose is the published render."""
    index = json.loads((CROPS / "index.json").read_text())[name]
    case = next(c for c in CASES if c["width"] == 1024 and square_of(c, name, index))
    picture = np.array(Image.open(SAMPLES / "image" / f"{index['id']}.png"))
    square = square_of(case, name, index)
    kind = "face" if name.endswith("face") else "hand"
    (cut,) = cut_out([found(1, Box(0, 0, 1, 1), square, kind=kind)], "released", 2.0)

    pixels = cut.pixels(picture)
    rule, mesh = PRESETS["released"].masks[kind], read(name, "mesh.png")
    pose, m, reference = reduce(
        mesh, np.zeros(mesh.shape[1:], bool), pixels, rule, "shaded", 512
    )  # fmt: skip

    assert torch.equal(pixels, read(name, "image.png"))
    assert torch.equal(reference, read(name, "foreground.png"))
    official = np.array(Image.open(CROPS / name / "s2_m_raw.png"))
    assert (m != official).sum() <= 20  # another torch may flip pixels at the threshold
    with np.load(CROPS / name / "stage1_tensors.npz") as wanted:
        shown = normalise(resize_released(reference, 224)[None], 224)[0]
        for ours, key, step in (
            (2 * resize_released(reference) - 1, "ref_image", 8),
            (pose, "ref_pose", 8),
            (shown, "ref_image_clip", 4),
        ):
            stride = wanted[f"{key}_stride{step}"]
            np.testing.assert_allclose(ours[:, ::step, ::step], stride, atol=1e-5)


def square_of(case, name, index):
    """The released box of a recorded crop, if this case is of its picture."""
    given = [np.array(case["keypoints"][key]) for key in ("hands", "hands_score", "faces")]
    boxes = released_boxes(*given, case["width"], case["height"])
    box, wanted = boxes.get(name.split("_")[1]), index["paste"]["params"]
    edges = ("left", "right", "top", "bottom")
    return box if box and all(getattr(box, e) == wanted[e] for e in edges) else None
