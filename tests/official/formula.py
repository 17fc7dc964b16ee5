"""Numbers that look random and are the same everywhere, whatever the library's generator does."""

from __future__ import annotations

import zlib

import numpy as np
import torch


def uniform(name, shape):
    """Values in [-1, 1) that depend on nothing but name, shape and place, float64."""
    places = np.arange(int(np.prod(shape)), dtype=np.float64)
    phase = zlib.crc32(name.encode()) % 1000 / 1000
    return (2 * np.modf(np.abs(np.sin(places * 12.9898 + phase) * 43758.5453))[0] - 1).reshape(
        shape
    )


def face_weights(shapes):
    """Weights of a face regressor that keep its activations in reach: name -> tensor."""
    tensors = {}
    for name, shape in shapes.items():
        values = uniform(name, shape)
        if name.endswith("num_batches_tracked"):
            tensors[name] = torch.tensor(0)
            continue
        if name.endswith("running_var"):
            values = 1 + 0.5 * values
        elif len(shape) == 4:
            values = values * (3 / np.prod(shape[1:])) ** 0.5
        elif "bn" in name or "downsample.1" in name:
            values = 0.1 * values + name.endswith("weight")
        else:
            values = 0.1 * values
        tensors[name] = torch.from_numpy(values).float()
    return tensors


def picture(height, width):
    """A smooth picture with detail of all sizes, (H, W, 3) uint8."""
    y, x = np.mgrid[:height, :width]
    waves = [
        np.sin(x / 5 + y / 11) + np.sin(x / 31) + np.cos(y / 17 - x / 7)
        for x, y in ((x, y), (y, x), (x + 2 * y, x - y))
    ]
    return np.clip(127 + 40 * np.stack(waves, axis=2), 0, 255).astype(np.uint8)


def basis_arrays(vertices=40, faces=60):
    """The arrays of a face model of a few vertices, under the official names."""
    buffer = np.abs(uniform("point_buf", (vertices, 8))) * (faces + 1)
    corners = np.argsort(uniform("tri", (faces, vertices)), axis=1)[:, :3]
    return {
        "u": uniform("u", (3 * vertices, 1)),
        "id": 0.05 * uniform("id", (3 * vertices, 80)),
        "exp": 0.05 * uniform("exp", (3 * vertices, 64)),
        "u_alb": uniform("u_alb", (3 * vertices, 1)),
        "alb": uniform("alb", (3 * vertices, 80)),
        "point_buf": buffer.astype(np.int64),
        "tri": corners.astype(np.int64),
        "uv_coords": uniform("uv", (vertices, 3)),
    }


def coefficients(count):
    """Rows of 257 coefficients of faces in front of the camera."""
    rows = uniform("coefficients", (count, 257))
    rows[:, 224:227] *= 0.8
    rows[:, 254:] *= 0.5
    return rows.astype(np.float32)
