from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from realishuman.render.raster import Raster
from realishuman.render.shade import depth_image, shade_face, shade_hand
from tests.recorded import SAMPLES, needs_samples


def published(folder):
    """Return the published renders; one skipped case if they are not there."""
    files = sorted((SAMPLES / folder).glob("*.png"))
    found = [pytest.param(file, id=file.stem[:6]) for file in files]
    return found or [pytest.param(None, marks=needs_samples)]


def mesh_pixels(file):
    picture = cv2.imread(str(file))[:, :, ::-1].astype(int)
    return picture[picture.any(axis=2)]


def tilted(degrees, azimuth=0.0):
    """Return (1, N, 3) unit normals tilted away from the viewer, towards +x at azimuth 0."""
    tilt = torch.deg2rad(torch.as_tensor(degrees, dtype=torch.float32).view(1, -1))
    turn = torch.deg2rad(torch.tensor(azimuth))
    return torch.stack([tilt.sin() * turn.cos(), -tilt.sin() * turn.sin(), -tilt.cos()], dim=2)


def everywhere(normals):
    return torch.ones(normals.shape[:2], dtype=torch.bool)


@pytest.mark.parametrize(
    ("degrees", "main", "other"),
    [
        (0, 255, 197),
        (30, 253, 185),
        (60, 214, 156),
        (85, 176, 129),
        (90, 169, 123),
        (180, 148, 108),
    ],
)
def test_a_hand_has_the_colours_of_the_released_renderer(degrees, main, other):
    normals = tilted([degrees])

    right = shade_hand(normals, everywhere(normals), "right")
    left = shade_hand(normals, everywhere(normals), "left")

    assert right.dtype is torch.uint8
    np.testing.assert_allclose(right[0, 0].tolist(), [main, other, other], atol=1)
    np.testing.assert_allclose(left[0, 0].tolist(), [other, main, other], atol=1)


@pytest.mark.parametrize(("azimuth", "main"), [(0, 176), (120, 176), (240, 176), (180, 179)])
def test_the_lights_around_the_head_of_the_hand_stand_right_and_to_both_sides(azimuth, main):
    """Facing one of the three nearly edge-on is darker than facing the gap between two."""
    normals = tilted([85], azimuth)

    assert abs(int(shade_hand(normals, everywhere(normals), "right")[0, 0, 0]) - main) <= 1


def test_only_the_direction_of_a_hands_normals_counts():
    normals = tilted([10, 40, 80], 25.0)

    short = shade_hand(normals * 0.3, everywhere(normals), "left")

    assert torch.equal(short, shade_hand(normals, everywhere(normals), "left"))


def test_a_face_is_223_towards_the_viewer_and_never_brighter():
    """0.78 * 1.7 * (4 / sqrt(3) + 1) / 5 = 0.8777; at 90 degrees two lights are left: 0.2960."""
    tilts = torch.cat([tilted(range(181), azimuth) for azimuth in range(0, 360, 15)])

    grey = shade_face(tilts, everywhere(tilts))

    assert grey.dtype is torch.uint8
    assert torch.equal(grey, grey[..., :1].expand_as(grey))
    assert (grey[:, 0] == 223).all()
    assert grey.max() == 223
    assert (grey[0, 90] == int(255 * 0.78 * 1.7 * (2 / 3**0.5) / 5)).all()
    assert (grey[:, 180] == 0).all()


def test_shorter_normals_make_a_face_darker_as_interpolated_greys_would_be():
    normals = tilted([0, 20])
    halfway = normals.mean(dim=1, keepdim=True)
    greys = shade_face(normals, everywhere(normals)).float()

    middle = shade_face(halfway, everywhere(halfway)).float()

    torch.testing.assert_close(middle, greys.mean(dim=1, keepdim=True), rtol=0, atol=1)


def test_what_no_face_covers_is_black():
    normals = tilted([0, 10, 20])
    coverage = torch.tensor([[True, False, True]])
    shot = Raster(coverage, torch.tensor([[2.0, torch.inf, 5.0]]), coverage.long(), normals)

    pictures = [
        shade_hand(normals, coverage, "right"),
        shade_face(normals, coverage),
        depth_image(shot),
    ]

    for picture in pictures:
        assert picture.shape == (1, 3, 3)
        assert picture[0].any(dim=1).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("depth", "grey"),
    [
        ([10.0, 12.0, 14.0, torch.inf], [255, 153, 51, 0]),
        ([-1.0, 3.0, -1.0, torch.inf], [255, 51, 255, 0]),
        ([7.0, 7.0, torch.inf, torch.inf], [255, 255, 0, 0]),
        ([torch.inf] * 4, [0, 0, 0, 0]),
    ],
)
def test_depth_is_bright_where_near_and_spans_this_part_alone(depth, grey):
    values = torch.tensor([depth])
    seen = values.isfinite()

    picture = depth_image(Raster(seen, values, seen.long() - 1, torch.zeros(1, 4, 3)))

    assert picture.dtype is torch.uint8
    assert picture[0].tolist() == [[g, g, g] for g in grey]


@pytest.mark.parametrize("file", published("hamer"))
def test_every_pixel_of_a_published_hand_has_a_colour_of_our_shader(file):
    tilts = torch.cat([tilted(torch.linspace(0, 180, 20_001), a) for a in (0.0, 60.0)])
    right = shade_hand(tilts, everywhere(tilts), "right").view(-1, 3)
    left = shade_hand(tilts, everywhere(tilts), "left").view(-1, 3)
    ours = set(map(tuple, torch.cat([right, left]).unique(dim=0).tolist()))

    theirs = set(map(tuple, np.unique(mesh_pixels(file), axis=0).tolist()))

    assert len(theirs) > 50
    assert theirs <= ours


@pytest.mark.parametrize("file", published("3ddfa"))
def test_a_published_face_is_as_bright_as_ours_gets(file):
    """They were enlarged bicubically, which overshoots at edges: fewer than 1 pixel in 1000."""
    pixels = mesh_pixels(file)

    assert (pixels == pixels[:, :1]).all()
    assert np.percentile(pixels, 99.9) == 223
    assert (pixels > 223).mean() < 1e-3


@pytest.mark.gpu
def test_cuda_shades_as_the_processor_does():
    normals = tilted(range(100), 33.0)
    seen = everywhere(normals)

    for shade in (lambda n, c: shade_hand(n, c, "left"), shade_face):
        there = shade(normals.cuda(), seen.cuda())
        assert there.is_cuda
        assert (there.cpu().int() - shade(normals, seen).int()).abs().max() <= 1
