"""Pictures without free colours: known as such, and no others."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from realishuman.imaging.boxes import Box
from realishuman.imaging.crop import Crop
from realishuman.imaging.paste import Patch, compose
from realishuman.imaging.tones import in_tones, tones_of

EVERYWHERE = Box(0, 0, 256, 256)
SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])


@pytest.fixture(scope="module")
def colour():
    """A picture of 256 pixels with many colours, smooth and in patches."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:256, 0:256] / 255
    base = np.stack([60 + 150 * x, 200 - 120 * y, 90 + 80 * x * y], axis=2)
    for _ in range(40):
        top, left = rng.integers(0, 220, 2)
        size = rng.integers(8, 60)
        base[top : top + size, left : left + size] += rng.integers(-60, 60, 3)
    return (base + rng.normal(0, 3, base.shape)).clip(0, 255).astype(np.uint8)


def grey_of(colour):
    return np.repeat(np.asarray(Image.fromarray(colour).convert("L"))[..., None], 3, axis=2)


def sepia_of(colour):
    return np.rint(colour @ SEPIA.T).clip(0, 255).astype(np.uint8)


def duotone_of(colour, dark, light):
    share = grey_of(colour)[..., :1] / 255
    return np.rint(np.array(dark) * (1 - share) + np.array(light) * share).astype(np.uint8)


def drawing_of(colour, dark, light):
    return np.where(grey_of(colour) < 120, np.array(dark), np.array(light)).astype(np.uint8)


WITHOUT = {
    "grey": grey_of,
    "sepia": sepia_of,
    "duotone": lambda c: duotone_of(c, (20, 10, 60), (255, 220, 160)),
    "duotone of strong colours": lambda c: duotone_of(c, (120, 0, 40), (240, 240, 120)),
    "drawing in ink": lambda c: drawing_of(c, (20, 30, 80), (250, 245, 230)),
    "black and white": lambda c: drawing_of(c, (0, 0, 0), (255, 255, 255)),
}


def as_jpeg(picture, quality):
    content = BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=quality)
    with Image.open(content) as image:
        return np.asarray(image)


@pytest.fixture
def patch():
    """A part in the colours of skin, with a red nail."""
    skin = torch.tensor([0.85, 0.62, 0.5])[:, None, None] * torch.linspace(0.4, 1.1, 64)
    skin = skin.expand(3, 64, 64).clone().clamp(0, 1)
    skin[:, 20:26, 20:26] = torch.tensor([0.8, 0.05, 0.1])[:, None, None]
    rows, columns = np.indices((64, 64)) - 31.5
    distance = np.hypot(rows, columns)
    return Patch(1, skin, Crop(Box(60, 70, 188, 198), 64), distance < 30, distance < 20)


CASES = [  # JPEG gives drawings of hard edges colours of their own
    (kind, quality)
    for kind in WITHOUT
    for quality in (None, 95, 80)
    if quality is None or kind not in ("drawing in ink", "black and white")
]


@pytest.mark.parametrize(("kind", "quality"), CASES)
@pytest.mark.parametrize("match", [True, False])
def test_a_part_pasted_into_a_picture_without_colours_has_none_of_its_own(
    colour, patch, kind, quality, match
):
    picture = WITHOUT[kind](colour)
    picture = as_jpeg(picture, quality) if quality else picture

    result = compose(picture, [patch], feather="silhouette", colour_match=match)

    changed = (result != picture).any(axis=2)
    assert changed.sum() > 1500
    allowed = np.unique(picture.reshape(-1, 3), axis=0).astype(int)
    painted = np.unique(result[changed], axis=0).astype(int)
    gaps = np.abs(painted[:, None] - allowed[None]).max(axis=2).min(axis=1)
    if kind == "grey":
        assert (np.ptp(painted, axis=1) == 0).all()
    elif kind in ("drawing in ink", "black and white"):
        assert gaps.max() == 0
    else:
        assert gaps.max() <= 6


def test_the_part_keeps_its_lightness(colour, patch):
    grey = grey_of(colour)

    result = compose(grey, [patch], feather="silhouette", colour_match=False)

    whole = (patch.refined.permute(1, 2, 0).numpy() * 255).clip(0, 255)
    lightness = whole[32, 14:50] @ [0.299, 0.587, 0.114]
    shown = result[135, 60 + 2 * np.arange(14, 50) + 1, 0]
    assert np.abs(shown - lightness).max() < 6


def faded(colour, share):
    grey = grey_of(colour).astype(float)
    return np.rint(grey + (colour - grey) * share).astype(np.uint8)


def skin_on_grey(colour):
    picture = grey_of(colour)
    picture[100:160, 100:150] = (picture[100:160, 100:150] * np.array([0.95, 0.8, 0.7])).astype(
        np.uint8
    )
    return picture


WITH = {
    "colour": lambda c: c,
    "faded to a third": lambda c: faded(c, 0.33),
    "faded to a tenth": lambda c: faded(c, 0.1),
    "a part in skin colours in a grey picture": skin_on_grey,
    "a grey picture with a red corner": lambda c: np.where(
        np.indices((256, 256)).sum(axis=0)[..., None] < 60, np.array([200, 30, 30]), grey_of(c)
    ).astype(np.uint8),
    "sepia beside colour": lambda c: np.hstack([sepia_of(c)[:, :200], c[:, 200:]]),
}


@pytest.mark.parametrize("kind", WITH)
@pytest.mark.parametrize("quality", [None, 90])
def test_a_picture_with_colours_is_never_touched(colour, kind, quality):
    picture = WITH[kind](colour)
    picture = as_jpeg(picture, quality) if quality else picture

    assert tones_of(picture, Box(80, 80, 180, 180)) is None


def test_the_published_sample_pictures_have_colours(samples):
    files = sorted((samples / "image").iterdir())
    assert files
    for file in files:
        with Image.open(file) as image:
            picture = np.asarray(image.convert("RGB"))
        height, width = picture.shape[:2]
        for box in (Box(0, 0, width, height), Box(width / 3, height / 3, width / 2, height / 2)):
            assert tones_of(picture, box) is None
        assert tones_of(grey_of(picture), box) is not None
        assert tones_of(as_jpeg(sepia_of(picture), 85), box) is not None


def test_sixteen_bits_have_the_same_tones(colour, patch):
    deep = grey_of(colour).astype(np.uint16) * 257
    result = compose(deep, [patch], feather="silhouette", colour_match=True)

    changed = (result != deep).any(axis=2)
    assert changed.sum() > 1500
    assert (np.ptp(result[changed].astype(int), axis=1) == 0).all()
    assert len(np.unique(result[changed] % 257)) > 100


def test_colours_on_the_line_stay(colour):
    sepia = sepia_of(colour)
    flat = sepia.reshape(-1, 3)[::97]

    again = in_tones(flat, tones_of(sepia, EVERYWHERE))

    assert np.quantile(np.abs(again.astype(int) - flat), 0.99) <= 6


@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (40, 3), (33, 65)])
def test_any_size_can_be_asked(shape):
    picture = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)

    tones_of(picture, Box(-5, -5, 300, 300))
    tones_of(picture, Box(500, 500, 600, 600))


def test_a_picture_of_one_colour_tells_no_tones():
    """What is painted into it would vanish."""
    assert tones_of(np.full((64, 64, 3), (150, 110, 90), np.uint8), Box(0, 0, 64, 64)) is None


@pytest.mark.parametrize("name", ["sepia", "duotone", "drawing in ink"])
def test_tones_of_16_bits_are_those_of_8(colour, name):
    picture = WITHOUT[name](colour)
    skin = colour[::8, ::8].reshape(-1, 3)
    shallow, deep = (
        tones_of(each, EVERYWHERE) for each in (picture, picture.astype(np.uint16) * 257)
    )

    toned = in_tones(skin, shallow), in_tones(skin.astype(np.uint16) * 257, deep)

    assert toned[1].dtype == np.uint16
    np.testing.assert_allclose(toned[1] / 257, toned[0], atol=1.5)
