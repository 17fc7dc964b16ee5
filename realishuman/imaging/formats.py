"""The formats of picture files: what each holds, and which can be read on this machine.

PNG, WebP, TIFF and BMP are written without loss; JPEG and AVIF encode the whole picture anew.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

EXTENSIONS_OF: Mapping[str, tuple[str, ...]] = {
    "PNG": (".png",), "WEBP": (".webp",), "TIFF": (".tif", ".tiff"), "BMP": (".bmp",),
    "JPEG": (".jpg", ".jpeg"),
}  # fmt: skip
OPTIONAL: Mapping[str, tuple[str, ...]] = {  # where Pillow, or a plug-in of it, has them
    "AVIF": (".avif",), "HEIF": (".heic", ".heif"), "JXL": (".jxl",),
}  # fmt: skip
PLUGINS: Mapping[str, str] = {  # package to install -> its module
    "pillow-avif-plugin": "pillow_avif", "pillow-heif": "pillow_heif",
    "pillow-jxl-plugin": "pillow_jxl",
}  # fmt: skip
FROM: Mapping[str, str] = {  # what brings a format that is not there
    "AVIF": "Pillow 11.3 or pillow-avif-plugin", "HEIF": "pillow-heif", "JXL": "pillow-jxl-plugin",
}  # fmt: skip
HOLDS: Mapping[str, frozenset[str]] = {  # modes of imaging.modes
    "PNG": frozenset({"1", "L", "LA", "RGB", "RGBA", "P", "I;16", "RGB;16", "RGBA;16"}),
    "WEBP": frozenset({"RGB", "RGBA"}),
    "TIFF": frozenset(
        {"1", "L", "LA", "RGB", "RGBA", "P", "CMYK", "LAB", "I;16", "RGB;16", "RGBA;16"}
    ),
    "BMP": frozenset({"1", "L", "RGB", "P"}),
    "JPEG": frozenset({"L", "RGB", "CMYK"}),
    "AVIF": frozenset({"RGB", "RGBA"}),
}
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "WEBP": {"lossless": True, "exact": True},  # exact: also the colour of transparent pixels
    "JPEG": {"quality": 95, "subsampling": 0},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}


@lru_cache(maxsize=1)
def readable() -> Mapping[str, str]:
    """Extension -> Pillow's name of every format that can be read here."""
    for module in PLUGINS.values():
        _register(module)
    Image.init()
    known = Image.registered_extensions()
    found = {suffix: form for form, all_of in EXTENSIONS_OF.items() for suffix in all_of}
    for form, suffixes in OPTIONAL.items():
        found |= {suffix: form for suffix in suffixes if known.get(suffix) in Image.OPEN}
    return found


def writable() -> Mapping[str, str]:
    """Extension -> Pillow's name of every format that can be written here."""
    return {
        suffix: form for suffix, form in readable().items() if form in HOLDS and form in Image.SAVE
    }


def result_extension(path: Path) -> str:
    """The extension of a refined picture: the picture's own; .png where its format is only read."""
    is_only_read = path.suffix.lower() in readable().keys() - writable().keys()
    return ".png" if is_only_read else path.suffix


def _register(module: str) -> None:
    """Let a plug-in of Pillow add its format, if it is installed and can be loaded."""
    try:
        plugin = importlib.import_module(module)
        if hasattr(plugin, "register_heif_opener"):
            plugin.register_heif_opener()
    except Exception:  # noqa: BLE001, S110 - an old plug-in may fail in any way: not there
        pass


def missing() -> Mapping[str, str]:
    """The formats that cannot be read here -> what to install for them."""
    there = set(readable().values())
    return {form: FROM[form] for form in OPTIONAL if form not in there}
