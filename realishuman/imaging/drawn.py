"""Pictures that we draw for people to look at: PNG files that say so, and are no input later."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

KEY, TEXT = "Software", "realishuman, drawn to look at"
_CHUNK = f"tEXt{KEY}\0{TEXT}".encode("latin-1")
_HEAD = 256  # bytes; the text comes right after the size, which is in the first 33


def make_drawn_png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG file of (H, W, 3) uint8 RGB that is_drawn recognises."""
    text, content = PngImagePlugin.PngInfo(), BytesIO()
    text.add_text(KEY, TEXT)
    Image.fromarray(pixels).save(content, "PNG", pnginfo=text)
    return content.getvalue()


def is_drawn(path: Path) -> bool:
    """Whether drawn_png made this file; False where it cannot be read."""
    if path.suffix.lower() != ".png":
        return False
    try:
        with path.open("rb") as file:
            return _CHUNK in file.read(_HEAD)
    except OSError:
        return False
