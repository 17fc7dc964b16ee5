from __future__ import annotations

import errno
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps, PngImagePlugin

from realishuman.errors import PictureError
from realishuman.imaging import exif
from realishuman.imaging.loaded import LoadedPicture, as_rgb, picture_of
from realishuman.imaging.modes import Stored, to_rgb, with_changes
from realishuman.imaging.picture import load_picture, save_picture
from realishuman.imaging.png_chunks import put_in
from realishuman.imaging.tiff_file import as_tiff

SIZE = (40, 30)  # width, height


def noise(*shape, dtype=np.uint8, seed=0):
    high = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, high, shape, dtype=dtype, endpoint=True)


def picture(mode):
    width, height = SIZE
    if mode == "1":
        return Image.fromarray(noise(height, width)).convert("1")
    if mode == "I;16":
        return Image.fromarray(noise(height, width, dtype=np.uint16))
    if mode.startswith("P"):
        image = Image.fromarray(noise(height, width) % 100)
        image.putpalette(noise(300).tobytes())
        if mode == "P+index":
            image.info["transparency"] = 7
        elif mode == "P+bytes":
            image.info["transparency"] = bytes([0, 90, 255] * 33 + [10])
        return image
    channels = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, SIZE, noise(height, width, channels).tobytes())


def saved(tmp_path, mode, suffix, **options):
    path = tmp_path / f"in{suffix}"
    image = picture(mode)
    image.save(path, **{k: v for k, v in image.info.items() if k == "transparency"}, **options)
    return path


def painted(loaded):
    """The picture with a red patch, and where it is."""
    rgb, where = loaded.rgb.copy(), np.zeros(loaded.rgb.shape[:2], bool)
    where[10:20, 5:15] = True
    rgb[where] = (250, 20, 30)
    return rgb, where


LOSSLESS = [
    (mode, suffix)
    for suffix, modes in {
        ".png": ("1", "RGB", "RGBA", "L", "LA", "P", "P+index", "P+bytes", "I;16"),
        ".tif": ("1", "RGB", "RGBA", "L", "LA", "P", "I;16", "CMYK"),
        ".webp": ("RGB", "RGBA"),
        ".bmp": ("1", "RGB", "L", "P"),
    }.items()
    for mode in modes
]


@pytest.mark.parametrize(("mode", "suffix"), LOSSLESS)
def test_unchanged_pixels_alpha_mode_and_size_are_kept(tmp_path, mode, suffix):
    options = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    source = saved(tmp_path, mode, suffix, **options)
    target = tmp_path / f"out{suffix}"
    loaded = load_picture(source)
    rgb, where = painted(loaded)

    save_picture(target, rgb, loaded)

    with Image.open(source) as before, Image.open(target) as after:
        assert (after.mode, after.size) == (before.mode, before.size)
        was, now = np.asarray(before), np.asarray(after)
        np.testing.assert_array_equal(now[~where], was[~where])
        assert (now[where] != was[where]).any()
    again = load_picture(target)
    np.testing.assert_array_equal(again.rgb[~where], loaded.rgb[~where])
    if loaded.alpha is None:
        assert again.alpha is None
    else:
        np.testing.assert_array_equal(again.alpha, loaded.alpha)


@pytest.mark.parametrize(("mode", "suffix"), LOSSLESS)
def test_the_rgb_of_a_mode_is_what_pillow_shows(tmp_path, mode, suffix):
    loaded = load_picture(saved(tmp_path, mode, suffix))

    with Image.open(tmp_path / f"in{suffix}") as image:
        if mode == "I;16":
            wanted = np.rint(np.asarray(image) / 257)[..., None].repeat(3, axis=2)
        else:
            rgba = np.asarray(image.convert("RGBA"))
            wanted = rgba[..., :3]
            if loaded.alpha is not None:
                np.testing.assert_array_equal(loaded.alpha, rgba[..., 3])
    np.testing.assert_array_equal(loaded.rgb, wanted)
    assert loaded.rgb.dtype == np.uint8


def deep_file(path, channels):
    """A PNG or TIFF of 16 bits per channel, and its values."""
    values = noise(30, 40, channels, dtype=np.uint16)
    order = [2, 1, 0, 3][:channels]
    done, content = cv2.imencode(path.suffix, np.ascontiguousarray(values[..., order]))
    assert done
    path.write_bytes(content.tobytes())
    return values


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("forms", [".png .png", ".tif .tif", ".png .tif", ".tif .png"])
def test_sixteen_bits_are_kept_where_nothing_changes_and_written_where_it_does(
    tmp_path, channels, forms
):
    before, after = forms.split()
    values = deep_file(tmp_path / f"in{before}", channels)

    loaded = load_picture(tmp_path / f"in{before}")
    changed = loaded.deep.copy()
    changed[10:20, 5:15, :3] = (50_001, 20_002, 30_003)
    lost = save_picture(tmp_path / f"out{after}", changed[..., :3], loaded)

    np.testing.assert_array_equal(loaded.deep, values)
    np.testing.assert_array_equal(loaded.rgb, np.rint(values[..., :3] / 257))
    assert lost == ()
    again = load_picture(tmp_path / f"out{after}")
    np.testing.assert_array_equal(again.deep, changed)


def test_sixteen_bits_are_rounded_for_a_format_of_eight_and_that_is_said(tmp_path):
    deep_file(tmp_path / "in.png", 3)
    loaded = load_picture(tmp_path / "in.png")

    lost = save_picture(tmp_path / "out.webp", loaded.rgb, loaded)

    assert lost == ("8 of 16 bits per channel (WEBP holds 8)",)
    np.testing.assert_array_equal(load_picture(tmp_path / "out.webp").rgb, loaded.rgb)


def test_sixteen_bits_that_cannot_be_read_are_said_and_eight_are_taken(tmp_path, monkeypatch):
    values = deep_file(tmp_path / "in.png", 3)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: None)

    loaded = load_picture(tmp_path / "in.png")

    assert loaded.deep is None
    assert "16 bits" in loaded.metadata.lost[0]
    np.testing.assert_array_equal(loaded.rgb, values >> 8)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_turned_upright(tmp_path, orientation, suffix):
    path = tmp_path / f"in{suffix}"
    values = deep_file(path, 3)
    directory = exif.Directory("<")
    directory.put(exif.ORIENTATION, exif.SHORT, (orientation,))
    if suffix == ".png":
        path.write_bytes(put_in(path.read_bytes(), [(b"eXIf", exif.as_bytes(directory))]))
    else:
        path.write_bytes(as_tiff(Stored("RGB;16", values), directory))

    loaded = load_picture(path)

    with Image.open(path) as image:
        upright = np.asarray(image if suffix == ".tif" else ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(loaded.deep >> 8, upright)
    assert sorted(loaded.deep.ravel()) == sorted(values.ravel())


def test_a_large_tiff_of_several_strips_is_read_by_others(tmp_path):
    values = noise(900, 800, 3)

    (tmp_path / "out.tif").write_bytes(as_tiff(Stored("RGB", values), exif.Directory()))

    with Image.open(tmp_path / "out.tif") as image:
        np.testing.assert_array_equal(np.asarray(image), values)
    read = cv2.imread(str(tmp_path / "out.tif"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read[..., ::-1], values)


def test_changed_pixels_come_back_as_near_as_the_mode_allows(tmp_path):
    for mode, suffix, tolerance in (("RGB", ".png", 0), ("CMYK", ".tif", 2), ("L", ".png", 0)):
        loaded = load_picture(saved(tmp_path, mode, suffix))
        rgb, where = painted(loaded)
        rgb[where] = 77 if mode == "L" else rgb[where]

        save_picture(tmp_path / f"out{suffix}", rgb, loaded)

        back = load_picture(tmp_path / f"out{suffix}").rgb
        assert np.abs(back[where].astype(int) - rgb[where]).max() <= tolerance


def test_lab_keeps_its_values_and_takes_new_colours(tmp_path):
    values = np.full((30, 40, 3), (150, 12, 248), np.uint8)  # a 12, b -8: a greyish violet
    Image.frombytes("LAB", SIZE, values.tobytes()).save(tmp_path / "in.tif")

    loaded = load_picture(tmp_path / "in.tif")
    rgb, where = painted(loaded)
    save_picture(tmp_path / "out.tif", rgb, loaded)
    save_picture(tmp_path / "out.png", rgb, loaded)

    with Image.open(tmp_path / "out.tif") as after:
        assert after.mode == "LAB"
        np.testing.assert_array_equal(np.asarray(after)[~where], values[~where])
    red, green, blue = (int(one) for one in loaded.rgb[0, 0])
    assert green + 15 < min(red, blue)
    again = load_picture(tmp_path / "out.tif").rgb.astype(int)
    assert np.abs(again[where] - rgb[where]).max() <= 6
    np.testing.assert_array_equal(load_picture(tmp_path / "out.png").rgb, rgb)


def test_a_palette_gives_its_nearest_colour_and_never_a_transparent_one():
    palette = np.array([[255, 0, 0, 0], [200, 0, 0, 255], [0, 0, 255, 255]], np.uint8)
    pixels = Stored("P", np.array([[2, 2, 0]], np.uint8), palette)
    rgb = np.array([[[255, 0, 0], [0, 0, 250], [0, 0, 255]]], np.uint8)

    after = with_changes(pixels, rgb, np.array([[True, True, True]]))

    assert after.values.tolist() == [[1, 2, 0]]
    assert to_rgb(after)[1].tolist() == [[255, 255, 0]]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_respected_and_saved_upright(tmp_path, orientation, suffix):
    upright = noise(30, 40, 3)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transpositions that Pillow undoes
    image = Image.fromarray(upright)
    if orientation > 1:
        image = image.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = orientation, "a hand"
    image.save(tmp_path / f"in{suffix}", exif=exif)

    loaded = load_picture(tmp_path / f"in{suffix}")
    save_picture(tmp_path / f"out{suffix}", loaded.rgb, loaded)

    np.testing.assert_array_equal(loaded.rgb, upright)
    with Image.open(tmp_path / f"out{suffix}") as after:
        np.testing.assert_array_equal(np.asarray(after), upright)
        assert after.getexif().get(0x0112, 1) == 1
        assert after.getexif()[0x010E] == "a hand"


def test_text_profile_and_resolution_are_kept(tmp_path):
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("parameters", "a hand\nSteps: 20")
    chunks.add_itxt("title", "手")
    picture("RGB").save(tmp_path / "in.png", pnginfo=chunks, icc_profile=b"profile", dpi=(300, 300))

    loaded = load_picture(tmp_path / "in.png")
    save_picture(tmp_path / "out.png", loaded.rgb, loaded)

    with Image.open(tmp_path / "out.png") as after:
        assert after.text == {"parameters": "a hand\nSteps: 20", "title": "手"}
        assert after.info["icc_profile"] == b"profile"
        np.testing.assert_allclose(after.info["dpi"], 300, atol=0.1)


@pytest.mark.parametrize(("mode", "suffix"), [("CMYK", ".png"), ("L", ".webp")])
def test_a_profile_of_other_colours_than_the_new_files_is_left_out(tmp_path, mode, suffix):
    picture(mode).save(tmp_path / "in.jpg", icc_profile=b"profile")

    loaded = load_picture(tmp_path / "in.jpg")
    for name in (f"out{suffix}", "same.jpg"):
        save_picture(tmp_path / name, loaded.rgb, loaded)

    with Image.open(tmp_path / f"out{suffix}") as other, Image.open(tmp_path / "same.jpg") as same:
        assert "icc_profile" not in other.info
        assert same.info["icc_profile"] == b"profile"


def test_a_tiffs_description_is_kept_and_its_layout_is_not(tmp_path):
    picture("RGB").save(tmp_path / "in.tif", tiffinfo={270: "a hand", 278: 3})

    loaded = load_picture(tmp_path / "in.tif")
    save_picture(tmp_path / "out.tif", loaded.rgb, loaded)

    with Image.open(tmp_path / "out.tif") as after:
        assert after.tag_v2[270] == "a hand"
        np.testing.assert_array_equal(np.asarray(after), loaded.rgb)


def test_a_jpeg_keeps_mode_and_exif_and_is_nearly_equal(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "a hand"
    smooth = np.linspace(0, 200, 40 * 30 * 3).reshape(30, 40, 3).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "in.jpg", exif=exif, quality=95)

    loaded = load_picture(tmp_path / "in.jpg")
    save_picture(tmp_path / "out.jpg", loaded.rgb, loaded)

    with Image.open(tmp_path / "out.jpg") as after:
        assert after.getexif()[0x010E] == "a hand"
        assert np.abs(np.asarray(after).astype(int) - loaded.rgb).max() <= 6


def test_a_png_with_one_transparent_colour_keeps_its_transparency(tmp_path):
    rgb = noise(4, 4, 3)
    Image.fromarray(rgb).save(tmp_path / "in.png", transparency=tuple(int(v) for v in rgb[1, 2]))

    loaded = load_picture(tmp_path / "in.png")
    save_picture(tmp_path / "out.png", loaded.rgb, loaded)

    assert loaded.alpha[1, 2] == 0
    assert loaded.alpha.sum() == 15 * 255
    np.testing.assert_array_equal(load_picture(tmp_path / "out.png").alpha, loaded.alpha)


def test_one_pixel_can_be_read_and_written(tmp_path):
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "in.png")

    loaded = load_picture(tmp_path / "in.png")
    save_picture(tmp_path / "out.png", loaded.rgb, loaded)

    assert load_picture(tmp_path / "out.png").rgb.tolist() == [[[1, 2, 3]]]


def test_formats_without_a_mode_get_rgb_but_never_lose_alpha(tmp_path):
    grey, clear, deep = (load_picture(saved(tmp_path, m, ".png")) for m in ("L", "P+index", "I;16"))

    save_picture(tmp_path / "grey.webp", grey.rgb, grey)
    save_picture(tmp_path / "clear.tif", clear.rgb, clear)

    np.testing.assert_array_equal(load_picture(tmp_path / "grey.webp").rgb, grey.rgb)
    np.testing.assert_array_equal(load_picture(tmp_path / "clear.tif").alpha, clear.alpha)
    with pytest.raises(PictureError, match="transparency"):
        save_picture(tmp_path / "clear.jpg", clear.rgb, clear)
    lost = save_picture(tmp_path / "deep.webp", deep.rgb, deep)
    assert lost == ("8 of 16 bits per channel (WEBP holds 8)",)


def broken(tmp_path):
    whole = saved(tmp_path, "RGB", ".png").read_bytes()
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("this is no picture")
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    jpeg = saved(tmp_path, "RGB", ".jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (tmp_path / "flipped.png").write_bytes(whole[:60] + bytes(40) + whole[100:])
    (tmp_path / "folder.png").mkdir()
    frames = [Image.new("RGB", SIZE, c) for c in ("red", "blue")]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:])
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "float.tif")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing.png", "does not exist"),
        ("empty.png", "0 bytes"),
        ("text.png", "not a picture"),
        ("cut.png", "cut off"),
        ("cut.jpg", "cut off"),
        ("flipped.png", "damaged"),
        ("folder.png", "folder"),
        ("moving.webp", "2 frames"),
        ("float.tif", "type F"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path, name, says):
    broken(tmp_path)

    with pytest.raises(PictureError, match=says) as caught:
        load_picture(tmp_path / name)

    assert str(tmp_path / name) in str(caught.value)


def test_108_megapixels_open_without_a_warning_and_pillows_limit_is_put_back(tmp_path):
    limit = Image.MAX_IMAGE_PIXELS
    Image.new("1", (12_000, 9_000)).save(tmp_path / "large.png")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load_picture(tmp_path / "large.png")

    assert loaded.rgb.shape == (9_000, 12_000, 3)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_more_than_300_megapixels_are_refused_before_they_are_decoded(tmp_path):
    Image.new("1", (20_000, 15_001)).save(tmp_path / "bomb.png")

    with pytest.raises(PictureError, match="300 megapixels"):
        load_picture(tmp_path / "bomb.png")


def rgb_picture():
    rgb = noise(30, 40, 3)
    return LoadedPicture(rgb, None, Stored("RGB", rgb))


@pytest.mark.parametrize("name", ["out.xyz", "out", "out.gif"])
def test_an_unknown_extension_is_refused(tmp_path, name):
    with pytest.raises(PictureError, match=r"\.png"):
        save_picture(tmp_path / name, rgb_picture().rgb, rgb_picture())


def test_another_size_is_refused(tmp_path):
    with pytest.raises(PictureError, match=r"\(30, 40, 3\)"):
        save_picture(tmp_path / "out.png", noise(31, 40, 3), rgb_picture())


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(PictureError, match=r"folder .* does not exist"):
        save_picture(tmp_path / "no" / "out.png", rgb_picture().rgb, rgb_picture())


@pytest.mark.parametrize("call", ["mkstemp", "fsync", "replace"])
def test_a_full_or_read_only_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, call):
    target = tmp_path / "out.png"
    target.write_bytes(b"old")

    def refuse(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    where = {"mkstemp": "tempfile.mkstemp", "fsync": "os.fsync", "replace": "pathlib.Path.replace"}
    monkeypatch.setattr(where[call], refuse)

    with pytest.raises(PictureError, match="No space left"):
        save_picture(target, rgb_picture().rgb, rgb_picture())

    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


ARRAYS = {
    "grey": noise(5, 4),
    "grey with a channel": noise(5, 4, 1),
    "RGB": noise(5, 4, 3),
    "RGBA": noise(5, 4, 4),
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_arrays_of_any_type_become_the_same_rgb_and_alpha(array):
    rgb, alpha = as_rgb(array)

    for other in (array.astype(np.uint16) * 257, array / 255, (array / 255).astype(np.float32)):
        again, again_alpha = as_rgb(other)
        np.testing.assert_array_equal(again, rgb)
        assert (again_alpha is None) == (alpha is None)
    assert rgb.shape == (5, 4, 3)
    assert rgb.dtype == np.uint8
    if array.shape[2:] == (4,):
        np.testing.assert_array_equal(alpha, array[..., 3])


@given(st.integers(0, 65535))
def test_16_bits_are_rounded_to_8(value):
    rgb, _ = as_rgb(np.array([[value]], np.uint16))

    assert rgb[0, 0, 0] == np.rint(value / 257)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((4, 4, 2), np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "shape"),
        (np.zeros(4, np.uint8), "shape"),
        (np.full((4, 4, 3), 255.0), "0..1"),
        (np.full((4, 4, 3), np.nan), "0..1"),
        (np.full((4, 4, 3), -0.1), "0..1"),
        (np.zeros((4, 4, 3), np.int64), "int64"),
        (np.zeros((4, 4, 3), bool), "bool"),
    ],
)
def test_other_arrays_are_refused_with_what_was_found(array, says):
    with pytest.raises(PictureError, match=says):
        as_rgb(array)


def test_a_path_may_be_a_string(tmp_path):
    path = str(saved(tmp_path, "RGB", ".png"))

    assert load_picture(path).rgb.shape == (30, 40, 3)
    assert Path(path).exists()


@pytest.mark.parametrize("channels", [3, 4])
def test_an_array_of_16_bits_keeps_them(channels):
    array = np.random.default_rng(0).integers(0, 65536, (4, 5, channels), np.uint16)

    picture = picture_of(array)

    np.testing.assert_array_equal(picture.deep, array)
    assert (picture.alpha is None) is (channels == 3)
