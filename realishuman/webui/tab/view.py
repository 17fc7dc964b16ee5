"""What the viewer on the page shows of a bench: parts with outlines as JSON, meshes as pictures.

javascript/realishuman_viewer.js draws it over the picture; a moved slider sends lines alone.
All places are in pixels of the picture.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Collection
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Part
from realishuman.drawing.outlines import trace
from realishuman.drawing.sheet import MANY
from realishuman.kinds import KINDS
from realishuman.parts.found import FoundPart
from realishuman.parts.prepare import PreparedPart
from realishuman.settings import PART_KINDS
from realishuman.webui.tab.bench import Bench
from realishuman.webui.tab.markup import data_url

MESH_SIDE = 320  # pixels that a mesh is shown with at most, along its crop
_FAR = 1e6  # pixels; no page shows what lies beyond
_SMOOTH = 0.4  # pixels of the crop by which an outline may be off
Line = list[float]  # x, y, x, y, ...


def describe(bench: Bench, ticked: Collection[int], undo: int, redo: int) -> str:
    """The view as HTML that holds JSON.

    ticked      numbers of the parts that are to be refined.
    undo, redo  how many steps can be taken back and forth.
    """
    height, width = bench.rgb.shape[:2]
    prepared = {one.number: one for one in bench.prepared}
    view = {
        "width": width,
        "height": height,
        "picture": bench.digest,
        "stamp": secrets.token_hex(4),  # gradio puts only what differs on the page
        "kinds": _choices(),
        "undo": undo,
        "redo": redo,
        "parts": [
            {
                **_part(one, _fate(one, bench)),
                **_ring(prepared[one.number]),
                "ticked": one.number in ticked,
                "kept": one.number in bench.kept if one.number in bench.refined else None,
                "tries": _tries(bench, one.number),
                "brushed": bool(one.strokes),
            }
            for one in bench.found.parts
        ],
    }
    text = escape(json.dumps(view, separators=(",", ":")), quote=True)
    return f'<div class="rh-data" data-json="{text}"></div>'


def draw_meshes(bench: Bench) -> str:
    """The pose images of all parts as HTML, transparent where no mesh is."""
    return "".join(_mesh(one) for one in bench.prepared)


def _choices() -> list[str]:
    """What a box can be said to contain."""
    sides = {kind: ("", "left ", "right ") if KINDS[kind].sided else ("",) for kind in PART_KINDS}
    return [side + kind for kind in PART_KINDS for side in sides[kind]]


def _part(one: FoundPart, fate: str) -> dict[str, object]:
    part, box = one.part, one.part.box
    return {
        "number": one.number,
        "name": f"{one.number} {part.name}",
        "kind": part.kind,
        "side": part.side,
        "box": [round(value) for value in (box.x0, box.y0, box.x1, box.y1)],
        "about": f"score {part.score:.2f}, {box.width:.0f} x {box.height:.0f} pixels",
        "fate": fate,
        "colour": "#{:02x}{:02x}{:02x}".format(*KINDS[part.kind].colour),
        "lines": _keypoints(part),
    }


def _fate(one: FoundPart, bench: Bench) -> str:
    """What was or will be done with a part, and why."""
    reports = {each.index: each for each in (bench.result.parts if bench.result else ())}
    if report := reports.get(one.number):
        return report.outcome + (f": {report.reason}" if report.reason else "")
    if one.number in bench.refined:
        return "refined"  # before the parts were edited
    if never := bench.left_alone.get(one.part.kind):
        fate = never.removesuffix(".")
    elif one.reason:
        fate = f"left alone unless ticked: {one.reason}"
    else:
        fate = "will be refined if ticked"
    return f"{fate}. {one.part.note}" if one.part.note else fate


def _tries(bench: Bench, number: int) -> list[dict[str, object]]:
    """All that was painted of a part; nothing where there is no choice."""
    tries = bench.tries.get(number, ())
    if len(tries) == 1 and number in bench.refined:
        return []
    return [
        {
            "name": f"seed {one.seed}" if one.seed is not None else f"try {at}",
            "reason": one.reason,
            "chosen": any(one.patch is patch for patch in bench.patches),
            "thumb": data_url(one.thumb, ".jpg"),
        }
        for at, one in enumerate(tries, start=1)
    ]


def _ring(one: PreparedPart) -> dict[str, object]:
    """A part's square, and the outlines of its masks."""
    box = one.crop.box
    masks = {"mesh": one.masks.m, "outer": one.masks.m_d, "inner": one.masks.m_e}
    return {
        "crop": [round(value, 1) for value in (box.x0, box.y0, box.x1, box.y1)],
        **{name: _outlines(one, mask) for name, mask in masks.items()},
    }


def _outlines(one: PreparedPart, mask: NDArray[np.bool_]) -> list[Line]:
    far = _SMOOTH / one.crop.scale
    lines = trace(mask, one.crop, holes=mask is one.masks.m_d)
    return [_flat(cv2.approxPolyDP(line.astype(np.float32), far, True)[:, 0]) for line in lines]


def _keypoints(part: Part) -> list[Line]:
    """Chains of keypoints, or single ones where there are too many to connect."""
    points = part.keypoints[:, :2]
    if not (np.abs(points) < _FAR).all():
        return []
    if len(points) > MANY:
        return [_flat(points[at : at + 1]) for at in range(0, len(points), 5)]
    return [_flat(points[list(chain)]) for chain in KINDS[part.kind].lines if len(points)]


def _flat(points: NDArray[np.floating]) -> Line:
    return [round(float(value), 1) for value in points.reshape(-1) if math.isfinite(value)]


def _mesh(one: PreparedPart) -> str:
    pose = (one.pose.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    side = min(MESH_SIDE, pose.shape[0])
    small = cv2.resize(pose, (side, side), interpolation=cv2.INTER_AREA)
    there = (small.any(axis=2) * 255).astype(np.uint8)
    url = data_url(np.dstack([small, there]), ".png")
    return f'<img class="rh-mesh" data-number="{one.number}" alt="" src="{url}">'
