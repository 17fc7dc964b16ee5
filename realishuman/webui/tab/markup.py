"""Pictures as a browser shows them, inside HTML of the tab.

What stands beside them is made by javascript/realishuman_viewer.js of what view.py describes.
"""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.drawing.annotated import resize

Pixels = NDArray[np.uint8]
HINT = (
    '<p class="rh-hint">Load a picture, or send one here from another tab. <b>Find parts</b> shows '
    "its hands and faces without changing anything; <b>Refine</b> repaints those that are ticked. "
    "Where one was missed, draw a box around it.</p>"
)
LONGEST = 4096  # pixels of the longer side; larger pictures are shown smaller
QUALITY = 95  # of the JPEG that a browser shows; files are saved by the host, without loss


def picture(pixels: Pixels) -> str:
    """A picture (H, W, 3 or 4) for the viewer."""
    view = resize(np.ascontiguousarray(pixels[..., :3]), LONGEST)
    return f'<img class="rh-picture" alt="" src="{data_url(view, ".jpg")}">'


def data_url(pixels: Pixels, ending: str) -> str:
    """A data address that shows pixels (H, W, 3 or 4); the ending names the format."""
    way = cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if ending == ".jpg" else []
    content = cv2.imencode(ending, cv2.cvtColor(pixels, way), options)[1]
    kind = {".jpg": "jpeg", ".png": "png"}[ending]
    return f"data:image/{kind};base64," + base64.b64encode(content.tobytes()).decode()
