"""Every mode in which a host or a script may hand over a picture."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from realishuman.errors import PictureError
from realishuman.imaging.handed import pixels_of, with_pixels

SIZE = (24, 16)


def handed(mode):
    """A picture of this mode with a smooth gradient, and alpha where it has any."""
    y, x = np.mgrid[0:16, 0:24]
    base = np.stack([x * 8, y * 12, 200 - x * 4, 255 - y * 9], axis=2).astype(np.uint8)
    rgba = Image.fromarray(base)
    if mode.startswith("P"):
        image = rgba.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE, colors=200)
        if mode == "P+index":
            image.info["transparency"] = 3
        elif mode == "P+bytes":
            image.info["transparency"] = bytes(range(200))
        return rgba.convert("LA").convert("PA") if mode == "PA" else image
    if mode == "LAB":
        lab = np.stack([x * 8, 30 + x * 0, 226 + y * 0], axis=2).astype(np.uint8)
        return Image.frombytes("LAB", SIZE, lab.tobytes())
    if mode == "I;16":
        return Image.fromarray(base[..., 0].astype(np.uint16) * 300)
    if mode == "I":
        return Image.fromarray(base[..., 0].astype(np.int32) * 300)
    if mode.startswith("F"):
        white = {"F1": 1, "F255": 255, "F65535": 65535}[mode]
        return Image.fromarray(base[..., 0].astype(np.float32) / 255 * white)
    if mode == "RGB+colour":
        image = rgba.convert("RGB")
        image.info["transparency"] = tuple(int(one) for one in base[3, 4, :3])
        return image
    if mode == "RGB+stale":
        image = rgba.convert("RGB")
        image.info["transparency"] = 3  # as some leave it behind of a palette
        return image
    if mode == "L+colour":
        image = rgba.convert("L")
        image.info["transparency"] = 30
        return image
    if mode in ("La", "RGBa"):
        return rgba.convert({"La": "LA", "RGBa": "RGBA"}[mode]).convert(mode)
    if mode == "CMYK":
        return rgba.convert("RGB").convert("CMYK")
    return rgba.convert("RGB" if mode in ("HSV", "YCbCr", "RGBX") else "RGBA").convert(mode)


COMES_BACK_AS = {
    "1": "1", "L": "L", "L+colour": "RGBA", "LA": "RGBA", "La": "RGBA", "P": "RGB",
    "P+index": "RGBA", "P+bytes": "RGBA", "PA": "RGBA", "RGB": "RGB", "RGB+colour": "RGBA",
    "RGB+stale": "RGB", "RGBA": "RGBA", "RGBa": "RGBA", "RGBX": "RGB", "CMYK": "CMYK",
    "YCbCr": "RGB", "LAB": "LAB", "HSV": "RGB", "I": "I", "I;16": "I;16", "F1": "F", "F255": "F",
    "F65535": "F",
}  # fmt: skip


@pytest.mark.parametrize("mode", COMES_BACK_AS)
def test_a_refined_picture_keeps_alpha_and_all_that_was_not_painted(mode):
    image = handed(mode)
    image.info["parameters"] = "a hand"
    pixels = pixels_of(image)
    painted = pixels.copy()
    painted[4:8, 6:14, :3] = np.where(pixels[4:8, 6:14, :3] > 127, 20, 230)
    where = (painted != pixels).any(axis=2)

    refined = with_pixels(image, painted)

    assert refined.mode == COMES_BACK_AS[mode]
    assert pixels.shape[2] == (4 if COMES_BACK_AS[mode] == "RGBA" else 3)
    again = pixels_of(refined)
    if image.mode == refined.mode and "transparency" not in image.info:
        was, now = np.asarray(image), np.asarray(refined)
        np.testing.assert_array_equal(now[~where], was[~where])
    if mode not in ("F1", "I"):  # whose white may be told anew by what was painted
        np.testing.assert_array_equal(again[~where], pixels[~where])
    assert (again[where][:, :3] != pixels[where][:, :3]).any()
    if pixels.shape[2] == 4:
        np.testing.assert_array_equal(again[..., 3], pixels[..., 3])
    assert refined.info == {"parameters": "a hand"}
    assert image.info["parameters"] == "a hand"


@pytest.mark.parametrize("mode", [mode for mode, back in COMES_BACK_AS.items() if back != "F"])
def test_a_host_can_save_what_comes_back(mode):
    pixels = pixels_of(image := handed(mode))

    refined = with_pixels(image, np.where(pixels > 9, 9, pixels).astype(np.uint8))

    refined.save(BytesIO(), "TIFF" if refined.mode in ("CMYK", "LAB", "I") else "PNG")


def test_the_colours_are_those_that_pillow_shows():
    for mode in ("1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV", "RGBX"):
        image = handed(mode)
        np.testing.assert_array_equal(pixels_of(image), np.asarray(image.convert("RGB")))
    for mode in ("LA", "P+index", "P+bytes", "PA", "RGBA", "RGB+colour"):
        image = handed(mode)
        np.testing.assert_array_equal(pixels_of(image), np.asarray(image.convert("RGBA")))


def test_numbers_are_scaled_to_their_white():
    for mode in ("F1", "F255", "F65535"):
        expected = np.asarray(handed("RGBA"))[..., 0]
        assert np.abs(pixels_of(handed(mode))[..., 0].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("numbers", [[[-1.0]], [[np.nan]], [[1e6]]])
def test_numbers_without_a_white_are_refused_in_a_sentence(numbers):
    with pytest.raises(PictureError, match=r"0\.\.65535"):
        pixels_of(Image.fromarray(np.array(numbers, np.float32)))


@pytest.mark.parametrize("white", [255, 65535])
@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_white_in_numbers_is_white(white, kind):
    image = Image.fromarray(np.array([[0, white]], kind))

    assert pixels_of(image)[0].tolist() == [[0, 0, 0], [255, 255, 255]]
