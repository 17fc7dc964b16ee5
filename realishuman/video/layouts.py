"""Frames of PyAV as planes, and planes as frames of PyAV, in FFmpeg's layouts of pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from realishuman.video.planes import Planes, guess_matrix, planes_of

FULL, LIMITED = 2, 1  # of AVColorRange


def planes_from(made: Any) -> Planes:
    """A decoder's frame, upright."""
    layout = _plain_layout(made.format)
    if layout != made.format.name:
        made = made.reformat(format=layout)
    form = made.format
    if form.name == "rgb24":
        planes = planes_of(made.to_ndarray())
    else:
        bits = form.components[0].bits
        values = tuple(
            _plane(made, one.plane, bits)[: one.height, : one.width].copy()
            for one in form.components
        )
        full = made.color_range == FULL
        matrix = None if form.is_rgb else guess_matrix(made.colorspace, made.height)
        planes = Planes(values, bits, matrix, full or form.is_rgb)
    return planes.turn(made.rotation // 90 % 4) if made.rotation % 90 == 0 else planes


def _plain_layout(form: Any) -> str:
    """The planar layout without transparency that holds the same."""
    name = form.name
    if name.startswith("yuvj"):
        return str(name)
    if name.startswith(("yuv4", "gray", "gbrp")) and not name.endswith("be"):
        return str(name)
    if name.startswith("yuva4"):
        return str(name.replace("yuva", "yuv").removesuffix("be"))
    packed = {
        "nv12": "yuv420p", "nv21": "yuv420p", "p010le": "yuv420p10le", "yuyv422": "yuv422p",
        "uyvy422": "yuv422p", "nv16": "yuv422p", "p210le": "yuv422p10le",
    }  # fmt: skip
    colours = form.is_rgb or name in ("pal8", "monow", "monob")
    return packed.get(name, "rgb24" if colours else "yuv444p")


def name_layout(planes: Planes) -> str:
    """FFmpeg's name of the layout of brightness and colour differences."""
    end = "" if planes.bits == 8 else f"{planes.bits}le"
    if len(planes.values) == 1:
        return f"gray{end}"
    (height, width), (rows, columns) = planes.size, planes.values[1].shape
    factors = -(-width // columns), -(-height // rows)
    ratio = {(1, 1): "444", (2, 1): "422", (2, 2): "420", (1, 2): "440", (4, 1): "411"}
    return f"yuv{ratio.get(factors, '410')}p{end}"


def frame_from(planes: Planes, layout: str, frame_class: Any) -> Any:
    """A frame for the encoder, in its layout; frame_class is PyAV's."""
    if planes.matrix is None:
        return frame_class.from_ndarray(planes.rgb(), format="rgb24").reformat(format=layout)
    height, width = planes.size
    own = name_layout(planes)
    made = frame_class(width, height, own)
    for values, one in zip(planes.values, made.format.components, strict=True):
        _plane(made, one.plane, planes.bits)[: one.height, : one.width] = values
    made.color_range = FULL if planes.full else LIMITED
    return made if own == layout else made.reformat(format=layout)


def _plane(made: Any, number: int, bits: int) -> Any:
    """A view of a frame's plane: (rows, values per line)."""
    plane = made.planes[number]
    kind = np.dtype(np.uint8 if bits == 8 else np.uint16)
    rows = plane.buffer_size // plane.line_size
    return np.frombuffer(plane, kind).reshape(rows, plane.line_size // kind.itemsize)
