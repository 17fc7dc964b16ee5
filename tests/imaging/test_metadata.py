"""What a picture file says beside its pixels: unreadable, kept and lost."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from realishuman.imaging import exif
from realishuman.imaging.formats import writable
from realishuman.imaging.metadata import FIELDS
from realishuman.imaging.picture import load_picture, save_picture

# Pillow warns of damaged EXIF while it opens a picture
pytestmark = pytest.mark.filterwarnings("ignore:.*(EXIF|MPO|Tag|Truncated).*:UserWarning")

PIXELS = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
PARAMETERS = "a hand, 手\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, Seed: 7"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="1"/>'
    b"<title>a hand</title></x:xmpmeta>"
)
PROFILE = b"a profile that nobody looks into"
DESCRIPTION, MAKER, EXPOSURE, GPS, LATITUDE = 270, 0x927C, 0x829A, 0x8825, 2
WITH = {  # format -> what its file is made with
    "png": {"parameters", "exif", "xmp", "icc", "dpi", "comment", "text"},
    "jpg": {"parameters", "exif", "xmp", "icc", "dpi", "comment"},
    "webp": {"parameters", "exif", "xmp", "icc"},
    "avif": {"parameters", "exif", "xmp", "icc"},
    "tif": {"parameters", "exif", "xmp", "icc", "dpi"},
    "gif": {"parameters"},
    "bmp": {"dpi"},
}
WORDS = {
    "parameters": "generation parameters", "exif": "EXIF", "xmp": "XMP", "icc": "ICC profile",
    "dpi": "resolution", "comment": "comment", "text": 'text "workflow"',
}  # fmt: skip


def camera_exif(parameters=""):
    """EXIF as cameras write it, with directories in it, and what Pillow cannot write again."""
    made = exif.Directory("<")
    made.put(DESCRIPTION, 2, b"a hand\0")
    inner = exif.Directory("<")
    inner.put(EXPOSURE, exif.RATIONAL, (1, 125))
    inner.put(MAKER, exif.UNDEFINED, bytes(range(200)))
    place = exif.Directory("<")
    place.put(LATITUDE, exif.RATIONAL, (48, 1, 8, 1, 0, 1))
    made.entries[exif.EXIF_DIRECTORY] = exif.Entry(exif.LONG, inner)
    made.entries[GPS] = exif.Entry(exif.LONG, place)
    exif.put_comment(made, parameters)
    return made


def chunk(name, data, checksum=None):
    checksum = zlib.crc32(name + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def png_with(path, *chunks):
    """A PNG of PIXELS with more chunks."""
    Image.fromarray(PIXELS).save(path)
    content = path.read_bytes()
    path.write_bytes(content[:33] + b"".join(chunks) + content[33:])
    return path


def jpeg_with(path, *segments):
    """A JPEG with more segments, each its marker and content."""
    Image.fromarray(PIXELS).save(path, quality=95)
    content = path.read_bytes()
    more = b"".join(
        bytes([0xFF, m]) + struct.pack(">H", len(data) + 2) + data for m, data in segments
    )
    path.write_bytes(content[:2] + more + content[2:])
    return path


def full(path):
    """A picture of the path's format with all that WITH says, written by Pillow alone."""
    image, form = Image.fromarray(PIXELS), path.suffix[1:]
    blob = exif.as_bytes(camera_exif("" if form == "png" else PARAMETERS))
    options = {"icc_profile": PROFILE, "xmp": XMP}
    if form == "png":
        chunks = PngImagePlugin.PngInfo()
        for key, text in (("parameters", PARAMETERS), ("workflow", "{}"), ("Comment", "mine")):
            chunks.add_text(key, text)
        chunks.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options = {"icc_profile": PROFILE, "exif": blob, "dpi": (300, 300), "pnginfo": chunks}
    elif form == "jpg":
        segment = b"http://ns.adobe.com/xap/1.0/\0" + XMP
        options["extra"] = b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment
        del options["xmp"]
        options |= {"exif": exif.HEAD + blob, "dpi": (300, 300), "comment": b"mine"}
    elif form in ("webp", "avif"):
        options["exif"] = blob
    elif form == "gif":
        options = {"comment": PARAMETERS.encode()}
    elif form == "bmp":
        options = {"dpi": (300, 300)}
    if form == "tif":
        path.write_bytes(a_cameras_tiff())
    else:
        image.save(path, **options)
    return path


def a_cameras_tiff():
    """An uncompressed TIFF with an Exif directory, written by hand."""
    made = camera_exif(PARAMETERS)
    height, width = PIXELS.shape[:2]
    for tag, kind, values in (
        (256, 4, (width,)), (257, 4, (height,)), (258, 3, (8, 8, 8)), (259, 3, (1,)),
        (262, 3, (2,)), (273, 4, (8,)), (277, 3, (3,)), (278, 4, (height,)),
        (279, 4, (PIXELS.nbytes,)), (282, 5, (300, 1)), (283, 5, (300, 1)), (296, 3, (2,)),
    ):  # fmt: skip
        made.put(tag, kind, values)
    made.put(700, exif.BYTE, XMP)
    made.put(34675, exif.UNDEFINED, PROFILE)
    start = 8 + PIXELS.nbytes
    return exif.header("<", start) + PIXELS.tobytes() + exif.written(made, start)


def kept_in(path):
    """Which of WORDS a file holds, as Pillow and a WebUI see it."""
    with Image.open(path) as image:
        image.load()
        info, directory = image.info, image.getexif()
        text = getattr(image, "text", {})
        comment = directory.get_ifd(exif.EXIF_DIRECTORY).get(exif.USER_COMMENT, b"")
        found = set()
        in_comment = comment == b"UNICODE\0" + PARAMETERS.encode("utf-16-be")
        if in_comment or text.get("parameters") == PARAMETERS:
            found.add("parameters")
        if directory.get(DESCRIPTION) == "a hand":
            inner = directory.get_ifd(exif.EXIF_DIRECTORY)
            assert inner[EXPOSURE] == 1 / 125
            assert inner[MAKER] == bytes(range(200))
            assert [float(one) for one in directory.get_ifd(GPS)[LATITUDE]] == [48, 8, 0]
            found.add("exif")
        packets = [text.get("XML:com.adobe.xmp", "").encode(), info.get("xmp", b"")]
        packets += [data.partition(b"\0")[2] for _, data in getattr(image, "applist", ())]
        packets.append(getattr(image, "tag_v2", {}).get(700, b""))
        if XMP in packets:
            found.add("xmp")
        if info.get("icc_profile") == PROFILE:
            found.add("icc")
        dpi = info.get("dpi") or (directory.get(282, 0), directory.get(283, 0))
        if np.allclose([float(one) for one in dpi], 300, atol=0.1):
            found.add("dpi")
        if info.get("comment") == b"mine" or text.get("Comment") == "mine":
            found.add("comment")
        if text.get("workflow") == "{}":
            found.add("text")
    return found


def table():
    """From docs/pictures.md: source -> target -> what is kept."""
    page = (Path(__file__).parents[2] / "docs/pictures.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in page.splitlines()
        if line.startswith("|")
    ]
    start = next(i for i, row in enumerate(rows) if row[0] == "from \\ to")
    names = [name.lower() for name in rows[start][1:]]
    return {
        row[0].split()[0].lower(): dict(zip(names, row[1:], strict=True))
        for row in rows[start + 2 : start + 9]
    }


SHORT = {"E": "exif", "G": "parameters", "X": "xmp", "I": "icc", "R": "resolution", "C": "comment",
         "T": "text"}  # fmt: skip
SUFFIX = {"jpeg": "jpg", "tiff": "tif"}


@pytest.mark.parametrize("target", ["png", "jpeg", "webp", "tiff", "avif", "bmp"])
@pytest.mark.parametrize("source", ["png", "jpeg", "webp", "tiff", "avif", "bmp", "gif"])
def test_the_table_in_the_docs_says_what_is_kept_from_each_format_to_each(tmp_path, source, target):
    suffixes = [f".{SUFFIX.get(form, form)}" for form in (source, target)]
    if not set(suffixes) - {".gif"} <= set(writable()):
        pytest.skip("no AVIF here")
    path = full(tmp_path / f"in{suffixes[0]}")
    if source != "gif":
        assert kept_in(path) == WITH[suffixes[0][1:]]
    told = {SHORT[letter].replace("resolution", "dpi") for letter in table()[source][target] if
            letter in SHORT}  # fmt: skip

    loaded = load_picture(path)
    out = tmp_path / f"out{suffixes[1]}"
    lost = save_picture(out, loaded.rgb, loaded)

    assert kept_in(out) == told
    missing = WITH[suffixes[0][1:]] - told
    assert {WORDS[name] for name in missing} == {one.split(" (")[0] for one in lost}


def test_every_field_of_every_format_stands_in_the_table():
    assert set(FIELDS) == {name.upper() for name in table()["png"]}


GARBAGE = {
    "EXIF that is no EXIF": chunk(b"eXIf", b"garbage"),
    "EXIF cut off": chunk(b"eXIf", b"II*\0\x08\0\0\0\x09\0"),
    "EXIF that points outside": chunk(b"eXIf", b"MM\0*\0\0\xff\0"),
    "text with a wrong checksum": chunk(b"tEXt", b"title\0mine", checksum=0),
    "packed text that is no zlib": chunk(b"zTXt", b"title\0\0garbage"),
    "packed text of 65 MiB": chunk(b"zTXt", b"title\0\0" + zlib.compress(bytes(65 << 20), 1)),
    "international text that is no UTF-8": chunk(b"iTXt", b"title\0\0\0\0\0\xff\xff"),
    "international text without its parts": chunk(b"iTXt", b"title\0\0\0"),
    "a profile that is no zlib": chunk(b"iCCP", b"mine\0\0garbage"),
    "a resolution of 3 bytes": chunk(b"pHYs", b"abc"),
    "EXIF as a word": chunk(b"tEXt", b"exif\0none"),
    "EXIF as bytes that are none": chunk(b"tEXt", b"exif\0b'garbage'"),
    "ImageMagick's EXIF, no hexadecimal": chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 2\nxy"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_unreadable_metadata_of_a_png_costs_nothing_else_and_is_named(tmp_path, name):
    path = png_with(tmp_path / "in.png", GARBAGE[name], chunk(b"tEXt", b"parameters\0a hand"))

    loaded = load_picture(path)
    lost = save_picture(tmp_path / "out.png", loaded.rgb, loaded)

    np.testing.assert_array_equal(loaded.rgb, PIXELS)
    assert len(lost) == 1
    assert re.match(r"EXIF|text|ICC|resolution", lost[0])
    with Image.open(tmp_path / "out.png") as after:
        after.load()
        assert after.text == {"parameters": "a hand"}
        assert not after.getexif()


def test_exif_that_ends_with_its_last_entry_is_read():
    made = exif.Directory("<")
    made.put(exif.ORIENTATION, exif.SHORT, (6,))
    content = exif.as_bytes(made)

    whole, lost = exif.read(content[:-4])  # where the next directory's place would stand
    assert (whole.numbers(exif.ORIENTATION), lost) == ((6,), 0)
    with pytest.raises(exif.ExifError):
        exif.read(content[:-5])


def test_a_packed_text_of_more_than_a_mebibyte_is_kept_so_that_others_can_read_it(tmp_path):
    workflow = "node " * 500_000
    packed = chunk(b"zTXt", b"workflow\0\0" + zlib.compress(workflow.encode()))

    loaded = load_picture(png_with(tmp_path / "in.png", packed))
    lost = save_picture(tmp_path / "out.png", loaded.rgb, loaded)

    assert lost == ()
    with Image.open(tmp_path / "out.png") as after:
        after.load()
        assert after.text["workflow"] == workflow


@pytest.mark.parametrize("spelling", ["Python", "ImageMagick"])
def test_exif_kept_as_text_is_read_and_kept_as_exif(tmp_path, spelling):
    blob = exif.HEAD + exif.as_bytes(camera_exif())
    if spelling == "Python":  # as old WebUIs' Extras wrote it
        text = b"exif\0" + str(blob).encode()
    else:
        text = b"Raw profile type exif\0\nexif\n" + f"{len(blob)}\n{blob.hex()}".encode()

    loaded = load_picture(png_with(tmp_path / "in.png", chunk(b"tEXt", text)))
    lost = save_picture(tmp_path / "out.png", loaded.rgb, loaded)

    assert lost == ()
    assert kept_in(tmp_path / "out.png") == {"exif"}
    with Image.open(tmp_path / "out.png") as after:
        assert after.text == {}


SEGMENTS = {
    "EXIF that is no EXIF": (0xE1, b"Exif\0\0garbage"),
    "EXIF cut off": (0xE1, b"Exif\0\0II*\0\x08\0\0\0\x09\0"),
    "an entry that points nowhere": (
        0xE1,
        b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 270, 2, 9000, 9000) + bytes(4),
    ),
    "a profile of which only the name is there": (0xE2, b"ICC_PROFILE\0"),
    "IPTC": (0xED, b"Photoshop 3.0\x008BIM\x04\x04garbage"),
    "a multi-picture directory that is none": (0xE2, b"MPF\0garbage"),
    "XMP in several parts": (0xE1, b"http://ns.adobe.com/xmp/extension/\0garbage"),
}


@pytest.mark.parametrize("name", SEGMENTS)
def test_unreadable_metadata_of_a_jpeg_costs_nothing_else_and_is_named(tmp_path, name):
    path = jpeg_with(tmp_path / "in.jpg", SEGMENTS[name])
    with Image.open(jpeg_with(tmp_path / "plain.jpg")) as plain:
        pixels = np.asarray(plain)

    loaded = load_picture(path)
    lost = save_picture(tmp_path / "out.jpg", loaded.rgb, loaded)

    np.testing.assert_array_equal(loaded.rgb, pixels)
    if "multi-picture" not in name:  # which is of no use to a refined picture
        assert len(lost) == 1
    with Image.open(tmp_path / "out.jpg") as after:
        assert not after.getexif()


@pytest.mark.parametrize("suffix", [".webp", ".tif"])
def test_unreadable_exif_of_other_formats_is_named(tmp_path, suffix):
    path = tmp_path / f"in{suffix}"
    if suffix == ".webp":
        Image.fromarray(PIXELS).save(path, lossless=True, exif=b"Exif\0\0garbage")
    else:
        content = bytearray(a_cameras_tiff())
        place = content.index(struct.pack("<HHI", exif.EXIF_DIRECTORY, 4, 1)) + 8
        content[place : place + 4] = struct.pack("<I", 2**31)
        path.write_bytes(content)

    loaded = load_picture(path)
    lost = save_picture(tmp_path / "out.png", loaded.rgb, loaded)

    np.testing.assert_array_equal(loaded.rgb, PIXELS)
    assert len(lost) == 1
    assert "EXIF" in lost[0]


def test_a_comment_of_a_camera_is_read_whatever_it_is_written_in():
    def read(value):
        made = exif.Directory("<")
        inner = exif.Directory("<")
        inner.put(exif.USER_COMMENT, exif.UNDEFINED, value)
        made.entries[exif.EXIF_DIRECTORY] = exif.Entry(exif.LONG, inner)
        return exif.comment_of(exif.read(exif.as_bytes(made))[0])

    assert read(b"ASCII\0\0\0my hand") == "my hand"
    assert read(b"UNICODE\0" + "手 hand".encode("utf-16-be")) == "手 hand"
    assert read(b"UNICODE\0" + "my hand".encode("utf-16-le")) == "my hand"
    assert read(b"\0\0\0\0\0\0\0\0" + "händ".encode()) == "händ"
    assert read(b"no code at all") == "no code at all"
    assert read(b"ASCII\0\0\0          \0\0") == ""


def test_what_is_too_long_for_a_jpeg_is_left_out_and_named(tmp_path):
    long = "hand " * 7000  # 70,000 bytes in UTF-16
    png_with(tmp_path / "in.png", chunk(b"eXIf", exif.as_bytes(camera_exif())),
             chunk(b"tEXt", b"parameters\0" + long.encode()))  # fmt: skip

    loaded = load_picture(tmp_path / "in.png")
    lost = save_picture(tmp_path / "out.jpg", loaded.rgb, loaded)

    assert lost == ("generation parameters (JPEG holds 64 KiB of it)",)
    assert kept_in(tmp_path / "out.jpg") == {"exif"}


def test_an_orientation_that_only_xmp_tells_is_respected_and_taken_out(tmp_path):
    turned = XMP.replace(b'"1"', b'"3"')
    path = png_with(tmp_path / "in.png", chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + turned))

    loaded = load_picture(path)

    np.testing.assert_array_equal(loaded.rgb, PIXELS[::-1, ::-1])
    assert loaded.metadata.xmp == XMP


def test_what_png_says_about_its_colours_is_kept_there_and_named_elsewhere(tmp_path):
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    loaded = load_picture(png_with(tmp_path / "in.png", gamma))

    lost = [save_picture(tmp_path / f"out.{form}", loaded.rgb, loaded) for form in ("png", "webp")]

    assert gamma in (tmp_path / "out.png").read_bytes()
    assert lost == [(), ("gamma and primaries (WEBP has no place for it)",)]


def test_a_content_credential_does_not_vouch_for_a_changed_picture(tmp_path):
    loaded = load_picture(png_with(tmp_path / "in.png", chunk(b"caBX", b"signed")))

    lost = save_picture(tmp_path / "out.png", loaded.rgb, loaded)

    assert lost[0].startswith("C2PA")
    assert b"caBX" not in (tmp_path / "out.png").read_bytes()


def test_the_preview_of_the_picture_as_it_was_is_left_out(tmp_path):
    content = bytearray(exif.as_bytes(camera_exif()))
    content += exif.written(exif.Directory("<", {259: exif.Entry(3, b"\6\0")}), len(content))
    blob, _ = exif.read(bytes(content))

    assert 259 not in blob.entries
