"""Small sound inputs of every kind that strangers may send; made here, so that none is stored."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms, PngImagePlugin

from realishuman.imaging import exif
from realishuman.packs.pack import GROUPS
from tests.faults.small import SIZES

EXAMPLE = Path(__file__).parents[2] / "examples" / "demo.toml"
PARAMETERS = (
    "a hand, <lora:x:1>\nNegative prompt: bad\nSteps: 20, Sampler: Euler a, CFG scale: 7.0, "
    "Seed: 1, Size: 8x8, RealisHuman enabled: True, RealisHuman steps: 4"
)


def pictures() -> list[bytes]:
    """Files of 8 x 8 pixels: every format and many modes, with metadata."""
    y, x = np.mgrid[0:8, 0:8]
    rgb = np.stack([x * 30, y * 30, x + y], axis=2).astype(np.uint8)
    base = Image.fromarray(rgb)
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", PARAMETERS)
    text.add_itxt("other", "über", zip=True)
    text.add_text("exif", repr(_exif()))
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    frames = [base, base.transpose(Image.Transpose.ROTATE_90)]
    deep = Image.fromarray(rgb[..., 0].astype(np.uint16) * 256)
    return [
        _saved(base, "PNG", pnginfo=text, icc_profile=icc, exif=_exif(), dpi=(72, 72)),
        _saved(base.convert("P"), "PNG", transparency=1),
        _saved(base.convert("RGBA"), "PNG"),
        _saved(base.convert("LA"), "PNG"),
        _saved(base.convert("1"), "PNG"),
        _saved(deep, "PNG"),
        _saved(base, "JPEG", exif=_exif(), icc_profile=icc, comment=b"made by nobody"),
        _saved(base.convert("CMYK"), "JPEG", progressive=True),
        _saved(base, "WEBP", lossless=True, exif=_exif(), icc_profile=icc),
        _saved(base.convert("RGBA"), "WEBP"),
        _saved(base, "TIFF", compression="tiff_lzw", dpi=(72, 72), description="x"),
        _saved(base.convert("L"), "TIFF", compression="tiff_deflate"),
        _saved(base.convert("CMYK"), "TIFF"),
        _saved(deep, "TIFF"),
        _saved(base.convert("P"), "GIF", comment=PARAMETERS.encode()),
        _saved(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        _saved(frames[0], "MPO", save_all=True, append_images=frames[1:]),
        _saved(frames[0], "PNG", save_all=True, append_images=frames[1:]),
        _saved(base, "BMP"),
        _saved(base.convert("P"), "BMP"),
        _saved(base, "PPM"),
        _saved(base, "TGA"),
        _saved(base, "ICO"),
    ]  # fmt: skip


def _saved(image: Image.Image, form: str, **options) -> bytes:
    content = io.BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


def _exif() -> bytes:
    directory = exif.Directory()
    directory.put(exif.ORIENTATION, exif.SHORT, [6])
    directory.put(0x011A, exif.RATIONAL, [72, 1])
    exif.put_comment(directory, PARAMETERS)
    return exif.HEAD + exif.as_bytes(directory)


def exifs() -> list[bytes]:
    """EXIF in both byte orders."""
    little = exif.Directory("<")
    exif.put_comment(little, "x")
    return [_exif(), exif.as_bytes(little)]


def packs() -> list[bytes]:
    """Heads of packs: sound JSON, and bytes for two tensors."""
    header = {
        "format": 1, "name": "small", "kind": "hand", "weights": "trained", "pose": "shaded",
        "preset": "released", "resolution": 64, "licence": "CC0-1.0", "source": "nobody",
        "unet": vars(SIZES.unet), "stage_two_unet": vars(SIZES.stage_two_unet),
        "vae": vars(SIZES.vae), "image_encoder": vars(SIZES.image_encoder), "schedule": {},
    }  # fmt: skip
    index = {
        "__metadata__": {"realishuman": json.dumps(header)},
    }
    for number, group in enumerate(GROUPS):
        ends = [4 * number, 4 * number + 4]
        index[f"{group}a"] = {"dtype": "F32", "shape": [1], "data_offsets": ends}
    text = json.dumps(index).encode()
    return [
        len(text).to_bytes(8, "little") + text + bytes(4 * len(GROUPS)),
        json.dumps(header).encode(),
    ]


def pickles() -> list[bytes]:
    """Pickled arrays as MANO's and BFM's are, old and new."""
    table = {"f": np.arange(6).reshape(2, 3), "v": np.ones((2, 3)), "name": "x", "list": [1, 2.5]}
    return [pickle.dumps(table, protocol) for protocol in (0, 2, 4)]


def arrays() -> list[bytes]:
    """.npy files: plain, and of a pickled dictionary."""
    made = []
    for value in (np.arange(6.0), np.array({"a": np.ones(3)}, dtype=object)):
        content = io.BytesIO()
        np.save(content, value)
        made.append(content.getvalue())
    return made


def checkpoints() -> list[bytes]:
    """Files of torch.save."""
    content = io.BytesIO()
    torch.save({"state_dict": {"a.b": torch.ones(2, 3), "c": torch.zeros(1).half()}}, content)
    return [content.getvalue()]


def networks() -> list[bytes]:
    """An ONNX file: one addition."""
    from onnx import TensorProto, checker, helper

    number = TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "one"], ["y"])],
        "small",
        [helper.make_tensor_value_info("x", number, ["N", 2])],
        [helper.make_tensor_value_info("y", number, ["N", 2])],
        [helper.make_tensor("one", number, [2], [1.0, 1.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    checker.check_model(model)
    return [model.SerializeToString()]


def bodies() -> list[bytes]:
    """Bodies of API requests."""
    import base64

    image = base64.b64encode(pictures()[0]).decode()
    box = {"kind": "hand", "box": [0, 0, 9, 9.5], "side": "left", "exact": True}
    whole = {
        "image": image, "settings": {"steps": 1, "parts": ["hand"], "strength": 0.4, "seed": 1},
        "boxes": [box], "only": [1, 2], "draw": True, "hand_pack": "demo",
    }  # fmt: skip
    small = {"settings": {"steps": 1, "guidance": 2.5, "gate": "off"}, "boxes": [box]}
    return [json.dumps(one).encode() for one in (whole, small)]


def arguments() -> list[bytes]:
    """The script's arguments by name, as JSON."""
    values = {
        "enabled": True, "steps": 3, "parts": "hand", "gate": False, "seed_offset": 1,
        "hand_pack": "auto", "guidance": 2.5, "prompt": "x", "inpaint_parts": "all",
    }  # fmt: skip
    return [json.dumps(values).encode(), b'{"enabled": true, "preset": "paper", "erode": 4}']


def saved() -> list[bytes]:
    """Saved settings."""
    return [b'{"realishuman": "0.1", "settings": {"strength": 0.3, "parts": ["hand"], "tries": 2}}']


def texts() -> list[bytes]:
    """Infotexts and lines of boxes."""
    return [PARAMETERS.encode(), b"1: right hand 120,80,260,240\nface 300,40,380,150\n"]


def configs() -> list[bytes]:
    """TOML of a training run, and the list of model files."""
    from realishuman.downloads.manifest import LIST

    small = json.loads(LIST.read_text("utf-8"))
    small["files"] = small["files"][:2]
    return [EXAMPLE.read_bytes(), json.dumps(small).encode()]


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is so large, in few bytes."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(min(width * height, 10**6)))

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
