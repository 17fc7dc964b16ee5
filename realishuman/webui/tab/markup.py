"""HTML of the tab: the preview with its boxes, the before/after slider, lists of parts and models.

javascript/realishuman.js finds these elements by their classes; style.css gives them their looks.
Everything that comes from outside is escaped.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Part
from realishuman.drawing.annotated import LEAST, LONGEST, resize
from realishuman.parts.found import FoundPart
from realishuman.pipeline.result import PartReport

Pixels = NDArray[np.uint8]
HINT = (
    '<p class="rh-hint">Load a picture, or send one here from another tab. <b>Find parts</b> shows '
    "its hands and faces without changing anything; <b>Refine</b> repaints those that are ticked. "
    "Where one was missed, draw a box around it.</p>"
)
KEYS = (
    "Arrows move the box, with Shift they resize it; Enter adds a new one or ticks a part, Delete "
    "removes it, Escape puts it back."
)
QUALITY = 93  # of the JPEG that a browser shows; files are saved by the host, without loss


def picture_url(pixels: Pixels) -> str:
    """A data address that shows the picture, as JPEG, as large as a preview."""
    view = resize(np.ascontiguousarray(pixels[..., :3]), LONGEST, LEAST)
    content = cv2.imencode(
        ".jpg", cv2.cvtColor(view, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )[1]
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode()


def stage(view: Pixels, size: tuple[int, int], parts: Sequence[Part]) -> str:
    """The preview on which boxes are drawn and moved.

    size  height and width of the picture itself, in whose pixels the boxes count.
    Two calls never return the same: gradio puts only what differs on the page, and what a user
    drew there must go. Each box is a button for those who use the keyboard.
    """
    boxes = [
        [part.kind, part.side, *(round(v) for v in (b.x0, b.y0, b.x1, b.y1))]
        for part in parts
        for b in [part.box]
    ]
    height, width = size
    return (
        f'<div class="rh-stage" data-stamp="{secrets.token_hex(4)}" '
        f'data-width="{width}" data-height="{height}" '
        f"data-boxes='{escape(json.dumps(boxes), quote=True)}'>"
        f'<img src="{picture_url(view)}" alt="The picture with the parts found" draggable="false">'
        f"{''.join(_handle(n, part, size) for n, part in enumerate(parts, start=1))}"
        '<button type="button" class="rh-add" aria-describedby="rh-keys">Add a box</button>'
        f'<span class="rh-keys" id="rh-keys">{KEYS}</span></div>'
    )


def _handle(number: int, part: Part, size: tuple[int, int]) -> str:
    """What the keyboard reaches of a box; it lies on the box and lets the mouse through."""
    (height, width), box = size, part.box
    place = (
        f"left: {100 * box.x0 / width:.3f}%; top: {100 * box.y0 / height:.3f}%; "
        f"width: {100 * box.width / width:.3f}%; height: {100 * box.height / height:.3f}%"
    )
    return (
        f'<button type="button" class="rh-handle" data-index="{number - 1}" style="{place}" '
        f'aria-label="{escape(f"{number} {part.name}")}" aria-describedby="rh-keys"></button>'
    )


def comparison(before: Pixels, after: Pixels) -> str:
    """Both pictures on top of each other; a range input moves the border between them."""
    return (
        '<div class="rh-compare">'
        f'<img src="{picture_url(before)}" alt="Before" draggable="false">'
        f'<img class="rh-after" src="{picture_url(after)}" alt="After" draggable="false">'
        '<span class="rh-tag rh-tag-before">before</span>'
        '<span class="rh-tag rh-tag-after">after</span><div class="rh-line"></div>'
        '<input type="range" min="0" max="100" step="0.5" value="50" '
        'aria-label="Border between before and after, in percent">'
        "</div>"
    )


def part_list(
    found: Iterable[FoundPart],
    reports: Sequence[PartReport] = (),
    left_alone: Mapping[str, str] | None = None,
) -> str:
    """A table of the parts: what they are, and what was or will be done with them.

    left_alone  kinds of part that nothing repaints, and why, as a sentence.
    """
    told = {report.index: report for report in reports}
    rows = []
    for one in found:
        part, why, report = one.part, one.reason, told.get(one.number)
        if report is not None:
            fate = report.outcome + (f": {report.reason}" if report.reason else "")
        elif never := (left_alone or {}).get(part.kind):
            fate = never.removesuffix(".")
        else:
            fate = f"left alone unless ticked: {why}" if why else "will be refined if ticked"
        fate = f"{fate}. {part.note}" if part.note and report is None else fate
        box = part.box
        cells = (
            str(one.number),
            part.name,
            f"{part.score:.2f}",
            f"{box.width:.0f} x {box.height:.0f}",
            fate,
        )
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    if not rows:
        return ""
    head = "".join(f"<th>{name}</th>" for name in ("", "part", "score", "size", ""))
    return f'<table class="rh-table"><tr>{head}</tr>{"".join(rows)}</table>'
